//! Blocking of pauses for a thread's jobs (K1 to K3, K4, K5, B40, B41).

use super::thread;

/// Adds one to the count of blocks, which keeps the thread's jobs from pausing.
///
/// Returns the block's epoch for [`take_block_back`]. Outside a job it blocks nothing and returns
/// none (B40).
pub fn block_pause() -> Option<u64> {
    let thread = thread::this()?;
    thread.currjob.get()?;
    thread.blocked.set(thread.blocked.get() + 1);
    Some(thread.block_epoch.get())
}

/// Takes one block back, inside a job or outside. It has no effect if
/// [`free_pool`](super::pools::free_pool) has reset the count since.
pub fn take_block_back(epoch: u64) {
    if let Some(thread) = thread::this().filter(|thread| thread.block_epoch.get() == epoch) {
        thread.blocked.set(thread.blocked.get().saturating_sub(1));
    }
}

/// Takes one [`block_pause`] back, inside a job only (K2, K3).
pub fn unblock_pause() {
    if let Some(thread) = thread::this().filter(|thread| thread.currjob.get().is_some()) {
        thread.blocked.set(thread.blocked.get().saturating_sub(1));
    }
}
