//! Generation 1: the wait fd and its signal, from a wake until the next clear. And the waker of a
//! task that waits for a job.

#[macro_use]
pub mod parts;
mod pipe;
mod place;
mod protocol;
mod task;

pub use pipe::{Ends, Pipe};
pub use place::WakerPlace;
pub use protocol::{Signal, Use};
pub use task::Task;

use core::sync::atomic::AtomicU64;

/// Wakes a job, in the given use or in any: its wait fd becomes readable, and its task is woken. May
/// be called from any thread.
#[inline(always)]
pub fn wake(
    signal: &Signal<AtomicU64, Pipe>,
    task: &Task<AtomicU64, WakerPlace>,
    only: Option<Use>,
) {
    if signal.wake(only) {
        wake_task(task, only);
    }
}

#[cold]
#[inline(never)]
fn wake_task(task: &Task<AtomicU64, WakerPlace>, only: Option<Use>) {
    if let Some(waker) = task.wake(only) {
        waker.wake();
    }
}
