//! What the library counts, for each thread and for the whole process.
//!
//! ```
//! use ossl_async::{Job, stats};
//! # if !ossl_async::is_capable() { return }
//!
//! // SAFETY: the contract of `start` is about pauses, and there is none.
//! let _ = unsafe { Job::start(|| ()) };
//! let counts = stats::process();
//! println!("{} jobs were started, {} are idle", counts.starts, counts.idle);
//! ```

use crate::jobs::current;
use crate::report;

pub use crate::report::{Stats, measure_stacks};

/// The counts of this process, all threads together.
///
/// ```
/// use ossl_async::{Job, stats};
/// # if !ossl_async::is_capable() { return }
///
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// std::thread::spawn(|| drop(unsafe { Job::start(|| ()) })).join().unwrap();
/// assert!(stats::process().starts >= 1);
/// ```
pub fn process() -> Stats {
    report::process()
}

/// The counts of the calling thread, since its first job.
///
/// ```
/// use ossl_async::{Job, Step, stats};
/// # if !ossl_async::is_capable() { return }
///
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| ossl_async::pause()) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// assert_eq!(stats::thread().paused, 1);
/// # drop(job.resume());
/// ```
pub fn thread() -> Stats {
    current::stats()
}
