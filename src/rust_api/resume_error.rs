//! Why a job could not be resumed.

use super::job::Job;
use crate::error::Error;
use core::fmt;

/// A job could not be resumed. The error has the job, which can be resumed later.
/// [`JobError`](crate::JobError) is the same without it, and says how `?` works.
///
/// ```
/// use ossl_async::{Error, Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| ossl_async::pause()) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// // Not inside another job.
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// let step = unsafe { Job::start(|| job.resume().unwrap_err()) };
/// let Ok(Step::Finished(refused)) = step else { panic!() };
/// assert_eq!(refused.error, Error::Nested);
/// assert!(matches!(refused.job.resume(), Ok(Step::Finished(true))));
/// ```
#[non_exhaustive]
pub struct ResumeError<T> {
    /// The job, unchanged.
    pub job: Job<T>,
    /// Why.
    pub error: Error,
}

impl<T> fmt::Debug for ResumeError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeError")
            .field("job", &self.job)
            .field("error", &self.error)
            .finish()
    }
}

impl<T> fmt::Display for ResumeError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
