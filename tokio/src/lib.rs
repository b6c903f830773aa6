#![doc = include_str!("../README.md")]
#![cfg(unix)]

mod error;
mod registered;

pub use error::FdJobError;

use ossl_async::JobFuture;
use registered::Registered;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A [`JobFuture`] that also waits for the descriptors of its job's wait context.
///
/// While the job is paused, duplicates of its descriptors are in tokio's reactor. When one can be
/// read, the job is resumed. They leave the reactor, and are closed, before each resume and before
/// the job is dropped. A wake resumes the job as well, be it by the callback of the wait context or
/// by a [`WakeHandle`](ossl_async::WakeHandle).
///
/// A file that `epoll` does not take, such as a regular one, can always be read, as `poll` and
/// `select` say too. The job is then resumed after other tasks have had their turn.
///
/// Jobs may have a descriptor in common. When it can be read, all that wait for it are resumed.
///
/// ```
/// use ossl_async::JobFuture;
/// use ossl_async_tokio::FdJob;
///
/// # async fn answers() {
/// // SAFETY: the contract of `Job::start` is about pauses, and there is none.
/// let job = FdJob::new(unsafe { JobFuture::new(|| 42) });
/// assert_eq!(job.await.unwrap(), 42);
/// # }
/// ```
///
/// # Errors
///
/// [`FdJobError::Job`] as [`JobFuture`] says. [`FdJobError::Fd`] if a descriptor cannot be
/// registered: it is not open, or no descriptors are left for the duplicate. Also if the runtime
/// that they are registered with has ended. The future has its job still, and may be polled again,
/// in another runtime too.
///
/// # Panics
///
/// As [`JobFuture`]. Also if a job has descriptors and is polled outside a runtime of tokio, or in
/// one whose I/O is not enabled.
#[must_use = "a future does nothing until it is polled"]
pub struct FdJob<T, F = fn() -> T> {
    /// Before the job, and so dropped before it.
    registered: Registered,
    job: JobFuture<T, F>,
}

impl<T: 'static, F: FnOnce() -> T + 'static> FdJob<T, F> {
    /// The job of a future, also of one that has been polled.
    ///
    /// ```
    /// # use ossl_async::JobFuture;
    /// // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    /// let job = ossl_async_tokio::FdJob::new(unsafe { JobFuture::new(|| 42) });
    /// # drop(job);
    /// ```
    pub fn new(job: JobFuture<T, F>) -> FdJob<T, F> {
        let registered = Registered::default();
        FdJob { registered, job }
    }

    /// The future without its descriptors.
    ///
    /// ```
    /// # use ossl_async::JobFuture;
    /// // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    /// let job = ossl_async_tokio::FdJob::from(unsafe { JobFuture::new(|| 42) });
    /// let future: JobFuture<_, _> = job.into_inner();
    /// # drop(future);
    /// ```
    pub fn into_inner(self) -> JobFuture<T, F> {
        self.job
    }
}

impl<T: 'static, F: FnOnce() -> T + 'static> From<JobFuture<T, F>> for FdJob<T, F> {
    fn from(job: JobFuture<T, F>) -> FdJob<T, F> {
        FdJob::new(job)
    }
}

impl<T: 'static, F: FnOnce() -> T + 'static> Future for FdJob<T, F> {
    type Output = Result<T, FdJobError>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let FdJob { registered, job } = self.get_mut();
        if registered.poll_readable(ctx)?.is_ready() {
            job.wake();
        }
        let polled = Pin::new(&mut *job).poll_with(ctx, || registered.clear());
        if let Poll::Ready(ended) = polled {
            return Poll::Ready(ended.map_err(FdJobError::Job));
        }
        // It has paused anew, or it has no descriptors.
        if registered.is_empty() {
            registered.add(&job.wait_fds())?;
            if registered.poll_readable(ctx)?.is_ready() {
                ctx.waker().wake_by_ref(); // other tasks come first
            }
        }
        Poll::Pending
    }
}

impl<T, F> fmt::Debug for FdJob<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdJob")
            .field("job", &self.job)
            .field("registered", &self.registered)
            .finish()
    }
}
