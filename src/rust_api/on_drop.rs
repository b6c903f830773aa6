//! What becomes of a paused job that is dropped.

/// What becomes of a paused job whose [`Job`](crate::Job) or [`JobFuture`](crate::JobFuture) is
/// dropped.
///
/// [`Job::start`](crate::Job::start) and [`JobFuture::new`](crate::JobFuture::new) mean
/// [`Unwind`](OnDrop::Unwind). [`Job::start_with`](crate::Job::start_with) and
/// [`JobFuture::new_with`](crate::JobFuture::new_with) choose.
///
/// A job is resumed to unwind it and to cancel it. So it is abandoned instead where it cannot be
/// resumed:
///
/// - inside another job;
/// - after the end of the thread has freed its pool. The destructors of thread-locals run before
///   that, so a job in one of them ends as it should;
/// - if libcrypto refuses the job's default library context ([`Error::Libctx`](crate::Error)).
///
/// A panic that ends the job at the drop goes no further, because destructors should not panic.
/// The panic hook has seen it. A value that ends the job is dropped.
///
/// ```
/// use ossl_async::{Job, OnDrop, Step, stats};
/// # if !ossl_async::is_capable() { return }
///
/// let work = || while ossl_async::pause() {}; // ends at the pause that reports the end
/// // SAFETY: the contract of `start_with`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start_with(OnDrop::Cancel, work) };
/// let Ok(Step::Paused(job)) = step else { panic!("it pauses") };
/// drop(job);
/// assert_eq!(stats::thread().finishes, 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDrop {
    /// The pause that the job is in unwinds, as a panic does, and without the panic hook. The
    /// destructors of the job's frames run at the drop, on the job's stack, and the pool has its
    /// job back.
    ///
    /// Code of the job that catches the unwinding should let the job end. If it pauses again, the
    /// job is abandoned there. But if pausing is blocked, or if the drop is part of the thread's own
    /// unwinding from a panic, each such pause returns false. A loop that ignores what `pause`
    /// returns then never ends, and the drop neither.
    ///
    /// As with any panic, a destructor that panics while the job unwinds ends the process.
    /// Unwinding takes some kilobytes of the job's stack.
    ///
    /// In a program that is compiled with `panic = "abort"` nothing unwinds, and the job is
    /// abandoned. A job that is paused in C's `ASYNC_pause_job` goes on from there as if it were
    /// resumed, and is abandoned at its next pause.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// use std::rc::Rc;
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let shared = Rc::new(());
    /// let theirs = shared.clone();
    /// let work = move || {
    ///     ossl_async::pause();
    ///     drop(theirs);
    /// };
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let Ok(Step::Paused(job)) = (unsafe { Job::start(work) }) else { panic!() };
    /// drop(job);
    /// assert_eq!(Rc::strong_count(&shared), 1);
    /// ```
    #[default]
    Unwind,
    /// The job is [cancelled](crate::Job::cancel). The `pause` that it is in returns true, and each
    /// later one false, at once. [`wait_for`](crate::wait_for) returns
    /// [`WaitError::Cancelled`](crate::WaitError::Cancelled), also if the job is in it.
    ///
    /// This is for jobs with frames of C, which cannot be unwound. A loop that ignores what `pause`
    /// returns never ends, and the drop neither.
    ///
    /// ```
    /// use ossl_async::{Job, OnDrop, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let work = || {
    ///     while ossl_async::pause() {} // until it is cancelled
    ///     println!("tidies up");
    /// };
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start_with(OnDrop::Cancel, work) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// drop(job);
    /// assert_eq!(ossl_async::stats::thread().finishes, 1);
    /// ```
    Cancel,
    /// Nothing on the job's stack is dropped. Its memory and descriptors stay allocated, and it
    /// still counts against its pool's limit. [`stats::process`](crate::stats::process) counts it
    /// as abandoned.
    ///
    /// ```
    /// use ossl_async::{Job, OnDrop, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start_with(OnDrop::Abandon, ossl_async::pause) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// drop(job);
    /// assert_eq!(ossl_async::stats::thread().abandoned, 1);
    /// ```
    Abandon,
}
