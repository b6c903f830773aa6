//! Blocking of pauses for a thread's jobs (K1 to K3, K4, K5, B40, B41).

use super::thread;

/// Keeps the thread's jobs from pausing, once more, and returns the block's epoch for [`take_block_back`]; none outside a
/// job, where nothing is blocked (B40).
pub fn block_pause() -> Option<u64> {
    let thread = thread::this()?;
    thread.currjob.get()?;
    thread.blocked.set(thread.blocked.get() + 1);
    Some(thread.block_epoch.get())
}

/// Takes back one block wherever the thread is now, unless [`free_pool`](super::pools::free_pool) has forgotten it already.
pub fn take_block_back(epoch: u64) {
    if let Some(thread) = thread::this().filter(|thread| thread.block_epoch.get() == epoch) {
        thread.blocked.set(thread.blocked.get().saturating_sub(1));
    }
}

/// Takes back one [`block_pause`], inside a job (K2, K3).
pub fn unblock_pause() {
    if let Some(thread) = thread::this().filter(|thread| thread.currjob.get().is_some()) {
        thread.blocked.set(thread.blocked.get().saturating_sub(1));
    }
}
