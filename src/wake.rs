//! Generation 1: the wait fd and its signal, from a wake until the next clear. And what else a wake
//! reaches: the waker of a task that waits for a job, or the queue of the job's thread.

#[macro_use]
pub mod parts;
mod pipe;
mod place;
#[cfg(test)]
mod plain;
mod protocol;
mod task;
mod woken;

pub use parts::Node;
pub use pipe::{Ends, Pipe};
pub use place::{Queued, WakerPlace, Wakes, WokenJobs, WokenLast};
pub use protocol::{Signal, Use};
pub use task::Task;

use core::sync::atomic::AtomicU64;

/// Wakes a job, in the given use or in any: its wait fd becomes readable, its task is woken, and
/// it is put into its queue. May be called from any thread.
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
    if let Some(Wakes::Task(waker)) = task.wake(only) {
        waker.wake();
    }
}
