//! Waking a job from any thread.

use crate::jobs::current as running;
use crate::jobs::job::Record;
use crate::wake::{self, Pipe, Signal, Task, Use, WakerPlace};
use core::fmt;
use core::sync::atomic::AtomicU64;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Wakes one job, from any thread, at any time, also from a signal handler. After that job has ended
/// the handle has no effect, also if its memory is used for another job.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| ossl_async::pause()) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// let handle = job.wake_handle();
/// let copy = handle.clone();
/// std::thread::spawn(move || copy.wake()).join().unwrap();
/// let _ = job.resume();
/// handle.wake(); // no effect: the job has ended
/// ```
#[derive(Clone)]
pub struct WakeHandle {
    signal: &'static Signal<AtomicU64, Pipe>,
    task: &'static Task<AtomicU64, WakerPlace>,
    this_use: Use,
}

impl WakeHandle {
    /// A handle of one use of a record.
    pub(super) fn new(record: &'static Record, this_use: Use) -> WakeHandle {
        WakeHandle {
            signal: &record.signal,
            task: &record.task,
            this_use,
        }
    }

    /// Makes the job's wait fd readable, until the next [`clear`](WakeHandle::clear). Wakes the task
    /// of a [`JobFuture`](crate::JobFuture). A [`WakeQueue`](crate::WakeQueue) that has the job returns
    /// its key. Two wakes have the effect of one.
    ///
    /// ```
    /// # if !ossl_async::is_capable() { return }
    /// let work = || {
    ///     ossl_async::current().expect("in a job").wake(); // a job may wake itself
    /// };
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// let started = unsafe { ossl_async::Job::start(work) };
    /// # assert!(started.is_ok());
    /// ```
    pub fn wake(&self) {
        wake::wake(self.signal, self.task, Some(self.this_use));
    }

    /// Makes the job's wait fd unreadable, however many wakes there were. Never blocks.
    ///
    /// ```
    /// # if !ossl_async::is_capable() { return }
    /// let work = || {
    ///     let this_job = ossl_async::current().expect("in a job");
    ///     this_job.wake();
    ///     this_job.clear();
    /// };
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// let started = unsafe { ossl_async::Job::start(work) };
    /// # assert!(started.is_ok());
    /// ```
    pub fn clear(&self) {
        self.signal.clear(Some(self.this_use));
    }
}

/// A waker that wakes the job, for code in the job that polls futures by hand.
///
/// ```
/// use ossl_async::{Job, Step};
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
/// # if !ossl_async::is_capable() { return }
///
/// let work = || {
///     let mut future = pin!(async { 42 }); // any future
///     let waker = Waker::from(ossl_async::current().expect("in a job"));
///     loop {
///         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
///             Poll::Ready(value) => break value,
///             Poll::Pending => drop(ossl_async::pause()),
///         }
///     }
/// };
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(work) };
/// assert!(matches!(step, Ok(Step::Finished(42))));
/// ```
///
/// Signal handlers may call its `wake_by_ref`. They must not drop it: the last copy that is dropped
/// frees memory.
impl From<WakeHandle> for Waker {
    fn from(handle: WakeHandle) -> Waker {
        struct Wakes(WakeHandle);
        impl Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.wake();
            }

            fn wake_by_ref(self: &Arc<Self>) {
                self.0.wake();
            }
        }
        Waker::from(Arc::new(Wakes(handle)))
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeHandle")
            .field("use", &self.this_use.0)
            .finish_non_exhaustive()
    }
}

/// Inside a job, a handle that wakes it. Outside a job, `None`.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// assert!(ossl_async::current().is_none());
/// let work = || {
///     let handle = ossl_async::current().expect("in a job");
///     std::thread::spawn(move || handle.wake());
///     ossl_async::pause()
/// };
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(work) };
/// # let Ok(Step::Paused(job)) = step else { panic!() };
/// # drop(job.resume());
/// ```
pub fn current() -> Option<WakeHandle> {
    running::current().map(|record| WakeHandle::new(record, record.current_use()))
}
