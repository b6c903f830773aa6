//! Why such a job could not go on.

use ossl_async::JobError;
use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// Why an [`FdJob`](crate::FdJob) could not go on.
///
/// ```
/// use ossl_async_tokio::FdJobError;
///
/// fn say(error: &FdJobError) -> String {
///     match error {
///         FdJobError::Job(error) => format!("no job: {error}"),
///         FdJobError::Fd { fd, error } => format!("descriptor {fd}: {error}"),
///         _ => error.to_string(),
///     }
/// }
/// # let error = FdJobError::Job(ossl_async::JobError::Full);
/// # assert!(say(&error).starts_with("no job: "));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FdJobError {
    /// The job could not be started or resumed.
    Job(JobError),
    /// The reactor could not wait for a descriptor of the job's.
    Fd {
        /// The descriptor, as code in the job has named it.
        fd: RawFd,
        /// The reason.
        error: io::Error,
    },
}

impl fmt::Display for FdJobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FdJobError::Job(error) => error.fmt(f),
            FdJobError::Fd { fd, error } => write!(f, "cannot wait for descriptor {fd}: {error}"),
        }
    }
}

impl std::error::Error for FdJobError {}
