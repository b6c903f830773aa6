//! Why a job could not be started or resumed, without the closure or the job.

use super::resume_error::ResumeError;
use super::start_error::StartError;
use crate::error::Error;
use core::fmt;

/// Why a job could not be started or resumed. It has neither the closure nor the job, so it may be
/// sent to any thread.
///
/// [`StartError`] and [`ResumeError`] give closure and job back. Those may belong to their thread,
/// so they are no [`std::error::Error`] themselves. The operator `?` turns them into a boxed error,
/// or into this one, and drops what they give back:
///
/// ```
/// use ossl_async::{Job, JobError, Step};
/// use std::error::Error;
/// use std::rc::Rc;
/// # if !ossl_async::is_capable() { return }
///
/// fn boxed(shared: Rc<u8>) -> Result<u8, Box<dyn Error + Send + Sync>> {
///     // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
///     let mut step = unsafe { Job::start(move || (ossl_async::pause(), *shared).1) }?;
///     loop {
///         match step {
///             Step::Paused(job) => step = job.resume()?,
///             Step::Finished(value) => return Ok(value),
///         }
///     }
/// }
///
/// fn typed(job: Job<u8>) -> Result<u8, JobError> {
///     Ok(job.cancel()?)
/// }
/// # assert_eq!(boxed(Rc::new(7)).unwrap(), 7);
/// # let Ok(Step::Paused(job)) = (unsafe { Job::start(|| (ossl_async::pause(), 7).1) }) else {
/// #     panic!()
/// # };
/// # assert_eq!(typed(job).unwrap(), 7);
/// ```
///
/// A function that returns an error of a crate, such as `anyhow`, takes one more word:
/// `job.resume().map_err(JobError::from)?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobError {
    /// All jobs that the pool may have are in use.
    Full,
    /// It failed for this reason.
    Failed(Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Full => f.write_str("all jobs of the pool are in use"),
            JobError::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JobError {}

impl From<Error> for JobError {
    fn from(error: Error) -> JobError {
        JobError::Failed(error)
    }
}

impl<F> From<StartError<F>> for JobError {
    fn from(error: StartError<F>) -> JobError {
        error.error().map_or(JobError::Full, JobError::Failed)
    }
}

impl<T> From<ResumeError<T>> for JobError {
    fn from(refused: ResumeError<T>) -> JobError {
        JobError::Failed(refused.error)
    }
}

/// For `?` in functions that return such a box: the standard library's conversion wants an error
/// that is `Send` and `Sync`.
macro_rules! boxed {
    ($($boxed:ty),*) => {
        $(
            impl<F> From<StartError<F>> for $boxed {
                fn from(error: StartError<F>) -> Self {
                    JobError::from(error).into()
                }
            }

            impl<T> From<ResumeError<T>> for $boxed {
                fn from(refused: ResumeError<T>) -> Self {
                    JobError::from(refused).into()
                }
            }
        )*
    };
}

boxed!(
    Box<dyn std::error::Error>,
    Box<dyn std::error::Error + Send + Sync>
);
