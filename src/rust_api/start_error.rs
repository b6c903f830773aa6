//! Why a job could not be started.

use crate::error::Error;
use core::fmt;

/// A job could not be started. The error has the closure. [`JobError`](crate::JobError) is the same
/// without it, and says how `?` works.
///
/// ```
/// use ossl_async::{Job, Pool, StartError, Step};
/// # if !ossl_async::is_capable() { return }
///
/// Pool::init(1, 0).unwrap();
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| ossl_async::pause()) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// let later = match unsafe { Job::start(|| "later") } {
///     Err(StartError::Full(closure)) => closure, // try again when a job has ended
///     _ => panic!("the pool has no job left"),
/// };
/// let _ = job.resume();
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// assert!(matches!(unsafe { Job::start(later) }, Ok(Step::Finished("later"))));
/// ```
pub enum StartError<F> {
    /// All jobs that the pool may have are in use. Try again when a job has ended.
    Full(F),
    /// The start failed for this reason.
    Failed(Error, F),
}

impl<F> StartError<F> {
    /// The closure, which was not run.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// let nested = || unsafe { Job::start(|| 42) }.unwrap_err().into_closure();
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// let step = unsafe { Job::start(nested) };
    /// let Ok(Step::Finished(closure)) = step else { panic!() };
    /// assert_eq!(closure(), 42);
    /// ```
    pub fn into_closure(self) -> F {
        match self {
            StartError::Full(closure) | StartError::Failed(_, closure) => closure,
        }
    }

    /// The reason, or `None` if all jobs of the pool are in use.
    ///
    /// ```
    /// use ossl_async::{Error, Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// let nested = || unsafe { Job::start(|| ()) }.unwrap_err().error();
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// assert!(matches!(unsafe { Job::start(nested) }, Ok(Step::Finished(Some(Error::Nested)))));
    /// ```
    pub fn error(&self) -> Option<Error> {
        match self {
            StartError::Full(_) => None,
            StartError::Failed(error, _) => Some(*error),
        }
    }
}

impl<F> fmt::Debug for StartError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Full(_) => f.write_str("Full(..)"),
            StartError::Failed(error, _) => write!(f, "Failed({error:?}, ..)"),
        }
    }
}

impl<F> fmt::Display for StartError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Full(_) => f.write_str("all jobs of the pool are in use"),
            StartError::Failed(error, _) => error.fmt(f),
        }
    }
}
