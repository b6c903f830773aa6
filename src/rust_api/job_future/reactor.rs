//! What the code that waits for a job's descriptors needs of its future.

use super::{JobFuture, State};
use crate::rust_api::job_error::JobError;
use crate::rust_api::wait_fds::ChangedFds;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::os::fd::RawFd;

impl<T: 'static, F: FnOnce() -> T + 'static> JobFuture<T, F> {
    /// The descriptors that the paused job waits for: those of
    /// [`Job::wait_fds`](crate::Job::wait_fds). When one can be read, [`wake`](JobFuture::wake) the
    /// job and poll the future.
    ///
    /// There are none before the first poll and after the end. Nor are there any while the job is
    /// in [`wait_for`](crate::wait_for), because then no descriptor ends its wait.
    ///
    /// Code in the job may close a descriptor and open another one of its number. So take them out
    /// of the reactor before the job is resumed ([`poll_with`](JobFuture::poll_with)), and before
    /// the future is dropped.
    ///
    /// ```
    /// // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    /// let future = unsafe { ossl_async::JobFuture::new(|| 1) };
    /// assert_eq!(future.wait_fds(), []); // it was not polled
    /// ```
    pub fn wait_fds(&self) -> Vec<RawFd> {
        match &self.0 {
            State::Paused(job) if !job.wants_a_future() => job.wait_fds(),
            _ => vec![],
        }
    }

    /// What has changed in the job's descriptors since it was started or resumed last:
    /// [`Job::changed_wait_fds`](crate::Job::changed_wait_fds). A job in
    /// [`wait_for`](crate::wait_for) has such changes too.
    ///
    /// ```
    /// // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    /// let future = unsafe { ossl_async::JobFuture::new(|| 1) };
    /// assert_eq!(future.changed_wait_fds().added, []); // it was not polled
    /// ```
    pub fn changed_wait_fds(&self) -> ChangedFds {
        match &self.0 {
            State::Paused(job) => job.changed_wait_fds(),
            _ => ChangedFds::default(),
        }
    }

    /// Wakes the job, so that the next poll resumes it. Unlike other wakes it does not call the
    /// task's waker: it is for code that polls the future next. It has no effect while there is no
    /// paused job.
    ///
    /// ```
    /// use ossl_async::JobFuture;
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll, Waker};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `Job::start`: at the pause, no frame relies on nested calls.
    /// let mut future = unsafe { JobFuture::new(ossl_async::pause) };
    /// let mut ctx = Context::from_waker(Waker::noop());
    /// assert!(Pin::new(&mut future).poll(&mut ctx).is_pending());
    /// future.wake();
    /// assert_eq!(Pin::new(&mut future).poll(&mut ctx), Poll::Ready(Ok(true)));
    /// ```
    pub fn wake(&mut self) {
        if let State::Paused(job) = &self.0 {
            job.forget_waker();
            job.wake_handle().wake();
        }
    }

    /// Polls the future, and calls `before_resume` right before each resume of the job. A reactor
    /// forgets the job's descriptors there. A wake may come at any moment, so nothing else tells in
    /// time whether a poll resumes the job.
    ///
    /// ```
    /// use ossl_async::{JobFuture, sys};
    /// use std::pin::Pin;
    /// use std::ptr;
    /// use std::task::{Context, Poll, Waker};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // What a provider does in C: it adds a descriptor, and pauses until that can be read.
    /// let provider = || {
    ///     // SAFETY: the running job's context, and an entry without a cleanup.
    ///     let added = unsafe {
    ///         let ctx = sys::ASYNC_get_wait_ctx(sys::ASYNC_get_current_job());
    ///         sys::ASYNC_WAIT_CTX_set_wait_fd(ctx, ptr::null(), 0, ptr::null_mut(), None)
    ///     };
    ///     added == 1 && ossl_async::pause()
    /// };
    /// // SAFETY: the contract of `Job::start`: at the pause, no frame relies on nested calls.
    /// let mut job = unsafe { JobFuture::new(provider) };
    /// let mut ctx = Context::from_waker(Waker::noop());
    ///
    /// assert!(Pin::new(&mut job).poll(&mut ctx).is_pending());
    /// let mut registered = job.wait_fds();
    /// assert_eq!(registered, [0]);
    /// job.wake(); // a reactor has seen that it can be read
    /// let polled = Pin::new(&mut job).poll_with(&mut ctx, || registered.clear());
    /// assert_eq!(polled, Poll::Ready(Ok(true)));
    /// assert!(registered.is_empty());
    /// ```
    ///
    /// # Errors
    ///
    /// As the output of the future.
    ///
    /// # Panics
    ///
    /// As a poll. If `before_resume` panics, the job is dropped.
    pub fn poll_with(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        mut before_resume: impl FnMut(),
    ) -> Poll<Result<T, JobError>> {
        self.get_mut().poll_job(ctx, &mut before_resume)
    }
}
