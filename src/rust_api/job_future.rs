//! Blocking code as a future: a job that a task of an executor runs.

#[cfg(unix)]
mod reactor;

use super::job::{Job, Step};
use super::job_error::JobError;
use super::launch::run_closure_in_task;
use super::on_drop::OnDrop;
use super::pause::in_job;
use super::start_error::StartError;
use crate::error::Error;
use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

/// A job as a future. The first poll starts it. While it is paused the future is pending, and a
/// wake of the job wakes the task.
///
/// It takes no descriptor, and nothing polls: [`WakeHandle::wake`](crate::WakeHandle::wake),
/// `ASYNC_wake` and the callback of the job's wait context call the task's waker. The future resumes
/// the job only if it was woken since the last time. Two wakes have the effect of one, and
/// [`clear`](crate::WakeHandle::clear) takes none back. A job that lets other tasks run wakes itself
/// before it pauses.
///
/// A provider that signals by a descriptor alone wakes nothing. The package `ossl-async-tokio`
/// waits for such descriptors. A program with another reactor gets them by `wait_fds`.
///
/// ```
/// use ossl_async::JobFuture;
/// # if !ossl_async::is_capable() { return }
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     use std::task::{Context, Poll, Wake, Waker};
/// #     struct Unpark(std::thread::Thread);
/// #     impl Wake for Unpark {
/// #         fn wake(self: std::sync::Arc<Self>) { self.0.unpark() }
/// #     }
/// #     let waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
/// #     let mut future = std::pin::pin!(future);
/// #     loop {
/// #         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
/// #             Poll::Ready(output) => return output,
/// #             Poll::Pending => std::thread::park(),
/// #         }
/// #     }
/// # }
/// let blocking = || {
///     let handle = ossl_async::current().expect("in a job");
///     let thread = std::thread::spawn(move || {
///         handle.wake();
///         42
///     });
///     ossl_async::pause(); // until the wake; other tasks run meanwhile
///     thread.join().unwrap()
/// };
/// // SAFETY: the contract of `Job::start`: at the pause, no frame relies on nested calls.
/// let future = unsafe { JobFuture::new(blocking) };
/// assert_eq!(block_on(future).unwrap(), 42);
/// ```
///
/// The job belongs to the thread of the first poll, so the future is not `Send`. Executors run such
/// futures on the thread that has them: tokio's `LocalSet`, smol's `LocalExecutor`, `LocalPool`.
/// So does any `block_on`. On tokio call `spawn_local`. `tokio::spawn` does not take the future: the
/// compiler lists many errors, most of them about a `Cell`.
///
/// ```compile_fail,E0277
/// fn send() -> impl Send {
///     unsafe { ossl_async::JobFuture::new(|| 1) }
/// }
/// ```
///
/// # Errors
///
/// The output is an error if the job could not be started or resumed. The future has its closure or
/// its job still, and may be polled again.
///
/// - [`JobError::Full`] if all jobs that the thread's pool may have are in use.
/// - [`JobError::Failed`] as [`Job::start`](crate::Job::start) and [`Job::resume`](crate::Job::resume)
///   say: [`Error::Nested`] if it is polled inside a job.
///
/// # Panics
///
/// A panic of the closure comes out of the poll. So does a poll after the future has ended.
///
/// # Dropping it
///
/// Before the first poll the closure is dropped, and there is no job. After it the job is dropped as
/// a paused [`Job`] is: it unwinds, or what [`new_with`](JobFuture::new_with) says.
/// [`OnDrop`] says what becomes of it inside another job, and while the thread ends.
///
/// # Signal handlers and forks
///
/// A wake calls the task's waker. So a signal handler may wake such a job only if the executor's
/// wakers may be called there. Few may. After a fork the executor decides whether tasks go on in
/// the child.
#[must_use = "a future does nothing until it is polled"]
pub struct JobFuture<T, F = fn() -> T>(State<T, F>);

/// Small, because an executor keeps it beside its own data of the task: 24 bytes while the closure
/// has no more.
enum State<T, F> {
    /// Not started.
    New(F, OnDrop),
    /// Started, and paused.
    Paused(Job<T>),
    /// It has ended, or is being polled.
    Ended,
}

// Nothing in it is ever pinned: the closure moves to the job's stack, and the job stays there.
impl<T, F> Unpin for JobFuture<T, F> {}

impl<T: 'static, F: FnOnce() -> T + 'static> JobFuture<T, F> {
    /// A future that runs the closure in a job.
    ///
    /// ```
    /// # async fn answers() {
    /// // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    /// let future = unsafe { ossl_async::JobFuture::new(|| 42) };
    /// assert_eq!(future.await, Ok(42));
    /// # }
    /// ```
    ///
    /// # Safety
    ///
    /// The contract of [`Job::start`](crate::Job::start). It concerns the closure alone, also where
    /// the future is moved to another task.
    pub unsafe fn new(closure: F) -> JobFuture<T, F> {
        // SAFETY: the caller guarantees it.
        unsafe { JobFuture::new_with(OnDrop::Unwind, closure) }
    }

    /// As [`new`](JobFuture::new). `on_drop` says what becomes of the job if the future is dropped
    /// while it is paused.
    ///
    /// ```
    /// use ossl_async::{JobFuture, OnDrop, WaitError, wait_for};
    /// use std::future::pending;
    /// use std::pin::Pin;
    /// use std::sync::mpsc;
    /// use std::task::{Context, Waker};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let work = move || sender.send(wait_for(pending::<()>()));
    /// // SAFETY: the contract of `Job::start`: where it waits, no frame relies on nested calls.
    /// let mut future = unsafe { JobFuture::new_with(OnDrop::Cancel, work) };
    /// let mut ctx = Context::from_waker(Waker::noop());
    /// assert!(Pin::new(&mut future).poll(&mut ctx).is_pending());
    /// drop(future); // the wait ends, and the job goes on to its end
    /// assert_eq!(receiver.recv(), Ok(Err(WaitError::Cancelled)));
    /// ```
    ///
    /// # Safety
    ///
    /// The contract of [`Job::start_with`](crate::Job::start_with).
    pub unsafe fn new_with(on_drop: OnDrop, closure: F) -> JobFuture<T, F> {
        JobFuture(State::New(closure, on_drop))
    }

    /// Polls the job: starts it, or resumes it if it was woken or its future is ready.
    /// `before_resume` is called right before each resume.
    fn poll_job(
        &mut self,
        ctx: &mut Context<'_>,
        before_resume: &mut dyn FnMut(),
    ) -> Poll<Result<T, JobError>> {
        let ended = match &self.0 {
            State::New(..) => self.start(),
            // Its future is polled on the thread's own stack, and nowhere else.
            State::Paused(job) if job.wants_a_future() && in_job() => {
                Some(Err(JobError::Failed(Error::Nested)))
            }
            State::Paused(job) if !job.wants_a_future() && job.take_wake() => {
                self.resume(before_resume)
            }
            State::Paused(_) => None,
            State::Ended => panic!("a future that has ended was polled"),
        };
        match ended {
            Some(ended) => Poll::Ready(ended),
            None => self.wait(ctx, before_resume),
        }
    }

    /// Polls the future that the paused job waits for, as long as the job goes on by that. Then the
    /// next wake wakes the task.
    fn wait(
        &mut self,
        ctx: &mut Context<'_>,
        before_resume: &mut dyn FnMut(),
    ) -> Poll<Result<T, JobError>> {
        while let State::Paused(job) = &self.0 {
            match job.poll_wanted(ctx) {
                Some(true) => {
                    if let Some(ended) = self.resume(before_resume) {
                        return Poll::Ready(ended);
                    }
                }
                Some(false) => break,
                None => {
                    if !job.register(ctx.waker()) {
                        ctx.waker().wake_by_ref(); // it was woken before it paused
                    }
                    break;
                }
            }
        }
        Poll::Pending
    }

    /// Starts the job. None if it has paused, else what the future is ready with.
    fn start(&mut self) -> Option<Result<T, JobError>> {
        let State::New(closure, on_drop) = mem::replace(&mut self.0, State::Ended) else {
            unreachable!("it is started once");
        };
        // SAFETY: the caller of `new_with` guarantees the contract, and the function is the one for
        // such a closure.
        match unsafe { Job::launch(on_drop, closure, run_closure_in_task::<F, T>) } {
            Ok(step) => self.keep(step),
            Err(error) => {
                let why = error.error().map_or(JobError::Full, JobError::Failed);
                self.0 = State::New(StartError::into_closure(error), on_drop);
                Some(Err(why))
            }
        }
    }

    /// Resumes the paused job. None if it has paused again, else what the future is ready with.
    fn resume(&mut self, before_resume: &mut dyn FnMut()) -> Option<Result<T, JobError>> {
        let State::Paused(job) = mem::replace(&mut self.0, State::Ended) else {
            unreachable!("it is paused");
        };
        job.forget_waker();
        before_resume();
        match job.resume() {
            Ok(step) => self.keep(step),
            Err(refused) => {
                refused.job.wake_handle().wake(); // the next poll tries again
                self.0 = State::Paused(refused.job);
                Some(Err(JobError::Failed(refused.error)))
            }
        }
    }

    /// Keeps the job if it has paused. Returns its value if it has ended.
    fn keep(&mut self, step: Step<T>) -> Option<Result<T, JobError>> {
        match step {
            Step::Paused(job) => {
                self.0 = State::Paused(job);
                None
            }
            Step::Finished(value) => Some(Ok(value)),
        }
    }
}

impl<T: 'static, F: FnOnce() -> T + 'static> Future for JobFuture<T, F> {
    type Output = Result<T, JobError>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_job(ctx, &mut || ())
    }
}

impl<T, F> Drop for JobFuture<T, F> {
    fn drop(&mut self) {
        if let State::Paused(job) = &self.0 {
            job.forget_waker();
        }
    }
}

impl<T, F> fmt::Debug for JobFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0 {
            State::New(..) => "not started",
            State::Paused(_) => "paused",
            State::Ended => "ended",
        };
        f.debug_tuple("JobFuture").field(&state).finish()
    }
}
