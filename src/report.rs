//! What the library reports: statistics, and which job has overflowed its stack.

mod counters;
mod overflow;
mod stats;

pub use counters::{Counters, Owner, refused_elsewhere};
pub use overflow::{RunningJob, report_overflow, watch_overflows};
pub use stats::{Stats, measure_stacks, measures_stacks, process, report_if_asked};
