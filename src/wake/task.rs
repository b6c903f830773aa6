//! What a wake of a job reaches besides its wait fd: the waker of the task that waits for the job,
//! or the queue of its thread (`woken.rs`). Any thread may wake the job at any time, also while the
//! waker is registered, while the job ends, or while its record is used again.
//!
//! One atomic word has everything:
//!
//! | Bits | Name | Meaning |
//! |---|---|---|
//! | 0 | LOCKED | a thread that wakes the job is at the place of the waker |
//! | 1 | WOKEN | the job was woken since its thread has taken the last wake |
//! | 2 | WAITING | a wake must reach what is in the place. Never with WOKEN |
//! | 3 and up | | the number of the use of the record; 0 is no job with a task or a queue |
//!
//! A wake sets WOKEN. If it finds WAITING, it sets LOCKED in the place of it by the same exchange.
//! Then it takes the waker out, clears LOCKED, and calls the waker. While neither LOCKED nor WAITING
//! is set, the place belongs to the job's thread. That thread puts a waker in, and sets WAITING
//! unless it finds WOKEN. So no wake is lost between a look at WOKEN and the registration.
//!
//! A queue stays in the place until the job leaves it. The thread whose wake finds WAITING puts the
//! job in, under LOCKED. So a job with WOKEN is in its queue once, and nobody puts it in again
//! before its thread has taken it out and has set WAITING in the place of WOKEN.
//!
//! A wake that finds WOKEN writes the word all the same. The thread that clears WOKEN then sees all
//! that came before that wake.
//!
//! No waker is called and nothing is freed under LOCKED. Only the job's thread ever waits for
//! LOCKED, for a few instructions of another thread.
//!
//! A fork may happen while another thread holds LOCKED, which the child does not have. So a thread
//! notes its process before it sets LOCKED, and the job's thread takes over a LOCKED of another
//! process. Only that thread looks at the process.
//!
//! All zeros is no task and no waker.

use super::parts::{Place, Word};
use super::protocol::Use;

const LOCKED: u64 = 1;
const WOKEN: u64 = 1 << 1;
const WAITING: u64 = 1 << 2;
const USE_SHIFT: u32 = 3;

/// One record's task.
pub struct Task<W, P> {
    word: W,
    /// The process of the thread that held LOCKED last; 0 if none did.
    process: W,
    place: P,
}

impl<W: Word, P: Place> Task<W, P> {
    /// No task.
    #[cfg(test)]
    pub const fn new(word: W, process: W, place: P) -> Self {
        Task {
            word,
            process,
            place,
        }
    }

    /// Begins a use of the record by a job with a task. Owner only.
    pub fn begin(&self, this: Use) {
        self.word.store(this.0 << USE_SHIFT);
    }

    /// Whether a job with a task is in this use. Owner only.
    pub fn is_in_use(&self, this: Use) -> bool {
        self.word.load() >> USE_SHIFT == this.0
    }

    /// Ends it: no wake has an effect from here on. Returns the waker, for the caller to drop.
    /// Owner only.
    pub fn end(&self) -> Option<P::Waker> {
        let waker = self.claim_place();
        self.word.store(0);
        waker
    }

    /// Takes the waker away, for the caller to drop, if this is still the use. Owner only.
    #[inline(always)]
    pub fn forget_waker(&self, this: Use) -> Option<P::Waker> {
        let word = self.word.load();
        if word >> USE_SHIFT == this.0 && word & (WAITING | LOCKED) != 0 {
            self.claim_place()
        } else {
            None // most resumes come after a wake, which has taken it out
        }
    }

    /// Registers the waker of the task, which waits for the job. False if there is nothing to wait
    /// for: the job was woken, or is not in this use any more. Owner only.
    pub fn register(&self, this: Use, waker: impl FnOnce() -> P::Waker) -> bool {
        let word = self.word.load();
        if word >> USE_SHIFT != this.0 || word & WOKEN != 0 {
            return false;
        }
        drop(self.claim_place());
        self.place.put(waker());
        if !self.begin_to_wait() {
            drop(self.place.take());
            return false;
        }
        true
    }

    /// Has wakes put the job into a queue from now on. It is in the queue at once if it was woken
    /// already. Owner only, on a job that has neither waker nor queue.
    pub fn join(&self, queue: P::Waker) {
        let before = self.claim_place();
        debug_assert!(before.is_none());
        self.place.put(queue);
        if !self.begin_to_wait() {
            let none = self.place.wake();
            debug_assert!(none.is_none());
        }
    }

    /// Takes the wake of a job that its thread has taken out of its queue. The next wake puts it in
    /// again. Owner only.
    pub fn take_from_queue(&self) {
        loop {
            // The thread that has put it in may still be at the place.
            let word = self.wait_until_not_locked();
            let waiting = (word & !WOKEN) | WAITING;
            if self.word.compare_exchange(word, waiting).is_ok() {
                return;
            }
        }
    }

    /// Whether the job was woken, in a child that was forked. There the wake may have been cut off
    /// before it put the job into its queue. Owner only.
    pub fn is_woken_after_fork(&self) -> bool {
        self.wait_until_not_locked() & WOKEN != 0
    }

    /// Whether the job was woken since this was asked last, or is not in this use any more. Owner
    /// only, on a job without a queue.
    pub fn take_wake(&self, this: Use) -> bool {
        let mut word = self.word.load();
        while word >> USE_SHIFT == this.0 {
            if word & WOKEN == 0 {
                return false;
            }
            match self.word.compare_exchange(word, word & !WOKEN) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        true
    }

    /// Wakes the job, in the given use or in any. Returns the waker, if one waits, for the caller
    /// to call. Any thread.
    pub fn wake(&self, only: Option<Use>) -> Option<P::Waker> {
        let mut word = self.word.load();
        loop {
            let this = word >> USE_SHIFT;
            if this == 0 || only.is_some_and(|only| only.0 != this) {
                return None;
            }
            let waits = word & WAITING != 0;
            let lock = if waits { WAITING | LOCKED } else { 0 };
            if waits {
                self.process.store(self.place.process());
            }
            match self.word.compare_exchange(word, (word ^ lock) | WOKEN) {
                Ok(_) if waits => {
                    let waker = self.place.wake();
                    self.word.fetch_xor(LOCKED);
                    return waker;
                }
                Ok(_) => return None,
                Err(other) => word = other,
            }
        }
    }

    /// Sets WAITING, for what this thread has put into the place. False if the job was woken: the
    /// place is still this thread's. Owner only.
    fn begin_to_wait(&self) -> bool {
        let mut word = self.word.load();
        while word & WOKEN == 0 {
            match self.word.compare_exchange(word, word | WAITING) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        false
    }

    /// Makes the place this thread's own, until it sets WAITING. Returns what was there. Owner only.
    fn claim_place(&self) -> Option<P::Waker> {
        loop {
            let word = self.wait_until_not_locked();
            if word & WAITING == 0 || self.word.compare_exchange(word, word ^ WAITING).is_ok() {
                return self.place.take();
            }
        }
    }

    /// Waits until no other thread is at the place. Returns the word. Owner only.
    fn wait_until_not_locked(&self) -> u64 {
        loop {
            let word = self.word.load();
            if word & LOCKED == 0 {
                return word;
            } else if self.take_over_after_fork() {
                self.word.fetch_xor(LOCKED);
            } else {
                W::wait_a_moment();
            }
        }
    }

    /// Takes LOCKED over if its holder is in another process. Returns whether it did.
    fn take_over_after_fork(&self) -> bool {
        let (theirs, ours) = (self.process.load(), self.place.process());
        theirs != 0 && theirs != ours && self.process.compare_exchange(theirs, ours).is_ok()
    }
}

// The model checker has this file under another name.
#[cfg(test)]
#[path = "task/tests.rs"]
mod tests;
