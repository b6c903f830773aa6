//! Waking a job from anywhere.

use crate::jobs::current as running;
use crate::jobs::job::Record;
use crate::wake::{Pipe, Signal, Use};
use core::fmt;
use core::sync::atomic::AtomicU64;

/// Wakes one job: from any thread, at any time, also from a signal handler. Once that job has ended the handle has no
/// effect, whatever its memory is used for by then.
#[derive(Clone)]
pub struct WakeHandle {
    signal: &'static Signal<AtomicU64, Pipe>,
    this_use: Use,
}

impl WakeHandle {
    /// A handle of one use of a record.
    pub(super) fn new(record: &'static Record, this_use: Use) -> WakeHandle {
        WakeHandle {
            signal: &record.signal,
            this_use,
        }
    }

    /// Makes the job's wait fd readable, until the next [`clear`](WakeHandle::clear).
    pub fn wake(&self) {
        self.signal.wake(Some(self.this_use));
    }

    /// Makes the job's wait fd unreadable. Never blocks.
    pub fn clear(&self) {
        self.signal.clear(Some(self.this_use));
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeHandle")
            .field("use", &self.this_use.0)
            .finish_non_exhaustive()
    }
}

/// Inside a job: a handle for waking it. Outside: none.
pub fn current() -> Option<WakeHandle> {
    running::current().map(|record| WakeHandle {
        signal: &record.signal,
        this_use: record.current_use(),
    })
}
