//! What the library counts, by thread and for the whole process.

use crate::jobs::current;
use crate::report;

pub use crate::report::{Stats, measure_stacks};

/// The counts of this process, all threads together.
pub fn process() -> Stats {
    report::process()
}

/// The counts of the calling thread, since its first job.
pub fn thread() -> Stats {
    current::stats()
}
