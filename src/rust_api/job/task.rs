//! What a future asks of the job that it runs.

use super::Job;
use crate::wake::Wakes;
use core::task::{Context, Waker};

impl<T> Job<T> {
    /// Whether the job was woken since it was resumed last. Also if C code has ended it: then only a
    /// resume can tell.
    pub(in crate::rust_api) fn take_wake(&self) -> bool {
        !self.is_live() || self.record().task.take_wake(self.this_use)
    }

    /// Has the next wake call this waker. False if the job was woken already.
    pub(in crate::rust_api) fn register(&self, waker: &Waker) -> bool {
        let waker = || Wakes::Task(waker.clone());
        self.is_live() && self.record().task.register(self.this_use, waker)
    }

    /// Whether the job waits for a future.
    pub(in crate::rust_api) fn wants_a_future(&self) -> bool {
        self.is_live() && self.record().wanted.get().poll.is_some()
    }

    /// Polls the future that the job waits for, if there is one. Returns whether the job can go on.
    pub(in crate::rust_api) fn poll_wanted(&self, ctx: &mut Context<'_>) -> Option<bool> {
        if !self.wants_a_future() {
            return None;
        }
        let wanted = self.record().wanted.get();
        // SAFETY: `wait_for` has set both, and is paused: its frame, where the place is, waits for
        // the result.
        wanted.poll.map(|poll| unsafe { poll(wanted.place, ctx) })
    }

    /// Forgets the waker. It is dropped here, and not on the job's stack.
    pub(in crate::rust_api) fn forget_waker(&self) {
        if self.is_live() {
            drop(self.record().task.forget_waker(self.this_use));
        }
    }
}
