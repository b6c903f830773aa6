//! The calling thread's current job and counts, abandoning a job, and counting refused calls.

use super::job::{Record, State};
use super::thread::{self, Thread};
use crate::error::Error;
use crate::report::{self, Stats};
use core::ptr;

/// The job that the calling thread is in. Signal handlers may call this.
pub fn current() -> Option<&'static Record> {
    thread::this_in_handlers()?.currjob.get()
}

/// The most that has been used of a job's stack so far, in bytes. 0 unless the job runs or is
/// paused on this thread.
pub fn stack_used(record: &Record) -> usize {
    let is_mine = thread::this().is_some_and(|thread| {
        let runs = thread.currjob.get();
        let owner = thread.owner();
        owner.is_some_and(|owner| record.is_resumable_by(owner.number))
            || runs.is_some_and(|current| ptr::eq(current, record))
    });
    if is_mine { record.stack_used() } else { 0 }
}

/// The counts of the calling thread, since its first job.
pub fn stats() -> Stats {
    thread::this()
        .and_then(Thread::owner)
        .map(|owner| Stats::of_thread(owner.counters))
        .unwrap_or_default()
}

/// Whether the calling thread can resume the job here and now.
pub fn is_resumable_here(record: &Record) -> bool {
    thread::this().is_some_and(|thread| {
        let owner = thread.owner();
        thread.currjob.get().is_none()
            && owner.is_some_and(|owner| record.is_resumable_by(owner.number))
    })
}

/// Abandons a paused job of this thread: its stack and wait fd stay, and nothing can resume or wake
/// it. It is in no queue.
///
/// It has no effect on any other job.
pub fn abandon(record: &'static Record) {
    let Some(thread) = thread::this() else { return };
    let owner = thread
        .owner()
        .filter(|owner| record.is_resumable_by(owner.number));
    if let Some(owner) = owner {
        owner.counters.abandoned.add(1);
        record.set_state(State::Abandoned);
        record.signal.end();
        thread.free_if_ended();
    }
}

/// The error of a start or resume whose `job` is NULL.
#[cold]
pub fn refuse_null() -> Error {
    refused(if current().is_some() {
        Error::Nested
    } else {
        Error::NullArgument
    })
}

/// Counts an error that misuse by the caller caused.
#[cold]
#[inline(never)]
pub fn refused(error: Error) -> Error {
    match thread::this().and_then(Thread::owner) {
        Some(owner) => owner.counters.refusals.add(1),
        None => report::refused_elsewhere(),
    }
    error
}
