//! Pausing the running job, and sections in which it does not pause.

use crate::jobs::{block, current, dispatch};
use core::marker::PhantomData;

/// Pauses the job that this is called in, until its thread resumes it, and returns true. False, at once, where nothing
/// can be paused: outside a job, in one that was [cancelled](crate::Job::cancel), while pausing is blocked (B31), or while the
/// thread unwinds from a panic.
///
/// A pause is a call that may take arbitrarily long and, if the job is abandoned, for ever. What other code on the thread
/// may do meanwhile is everything: two things that Rust takes for granted do not survive that, and must not be paused in.
/// One is the initialiser of a `thread_local!`, which another job could enter too. The other is a scope in which other
/// threads borrow from this one's thread-local storage (`LocalKey::with` around `std::thread::scope`), if the job may
/// be abandoned there and the thread end.
pub fn pause() -> bool {
    dispatch::pause(0, 0) != 0
}

/// Whether this is called inside a job (B42).
pub fn in_job() -> bool {
    current::current().is_some()
}

/// Keeps the thread's jobs from pausing until the guard is dropped: for sections in which a lock is held. Guards nest.
/// Outside a job nothing is blocked, as there is nothing to pause (B40).
///
/// The block is the thread's (K1): a guard that outlives its job, because the job returned it or forgot it, goes on
/// blocking the thread's other jobs until it is dropped.
pub fn block_pause() -> BlockPause {
    BlockPause {
        blocked: block::block_pause(),
        thread_bound: PhantomData,
    }
}

/// Pausing is blocked while this lives; see [`block_pause`].
#[derive(Debug)]
#[must_use = "pausing is blocked only while the guard lives"]
pub struct BlockPause {
    /// When it was blocked; none outside a job.
    blocked: Option<u64>,
    thread_bound: PhantomData<*mut ()>,
}

impl Drop for BlockPause {
    fn drop(&mut self) {
        if let Some(epoch) = self.blocked {
            block::take_block_back(epoch);
        }
    }
}
