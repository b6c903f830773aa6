//! What the library counts for the whole process.

use core::sync::atomic::{AtomicU64, Ordering};

/// Counts since the process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs that will never end: paused when their thread ended (D15), or when their `Job` was dropped. Each keeps its
    /// stack and its wait fd.
    pub abandoned: u64,
}

static ABANDONED: AtomicU64 = AtomicU64::new(0);

/// The counts of this process, all threads together.
pub fn process() -> Stats {
    Stats {
        abandoned: ABANDONED.load(Ordering::Relaxed),
    }
}

pub(crate) fn abandon(jobs: u64) {
    ABANDONED.fetch_add(jobs, Ordering::Relaxed);
}
