//! Unwinding of a job whose handle was dropped.

use crate::jobs::job::{Record, Resume};
use std::panic;

/// Whether panics unwind in this program. Otherwise they end the process.
pub const IS_POSSIBLE: bool = cfg!(panic = "unwind");

/// What is thrown. No other code can make one, so nobody takes it for a panic of the program's.
struct Dropped;

/// Called in a job when it has been resumed: unwinds it if its handle was dropped.
#[inline(always)]
pub fn unwind_if_dropped(record: &Record) {
    if record.resumed_as.get() == Resume::Unwinding {
        unwind();
    }
}

/// Unwinds without a call of the panic hook.
#[cold]
#[inline(never)]
fn unwind() -> ! {
    panic::resume_unwind(Box::new(Dropped))
}
