//! Waiting, without a descriptor for each job, for whichever job is woken first.

mod traits;

use super::job::Job;
use crate::error::Error;
use crate::jobs::members::Members;
use crate::platform;
use core::ffi::c_int;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::io;
use std::time::{Duration, Instant};

/// Jobs of one thread, by keys that the program chooses, and a way to wait for whichever is woken
/// first. All of them together take one pipe.
///
/// A job is added once, while it is paused, and stays in the queue until it ends. Each time it is
/// woken, [`wait`](WakeQueue::wait) returns its key once. The program knows by the key which job to
/// resume.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use ossl_async::{Job, Step, WakeQueue};
/// use std::collections::HashMap;
/// # if !ossl_async::is_capable() { return Ok(()) }
///
/// let queue = WakeQueue::new()?;
/// let mut jobs = HashMap::new();
/// for key in 0..100 {
///     let work = move || {
///         let handle = ossl_async::current().expect("in a job");
///         std::thread::spawn(move || handle.wake());
///         ossl_async::pause(); // until the wake
///         key * 2
///     };
///     // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
///     let Ok(Step::Paused(job)) = (unsafe { Job::start(work) }) else { panic!("it pauses") };
///     queue.add(&job, key).expect("it has not ended");
///     jobs.insert(key, job);
/// }
/// let mut sum = 0;
/// while let Some(key) = queue.wait(None)? {
///     let job = jobs.remove(&key).expect("it has not ended");
///     match job.resume().expect("it is this thread's") {
///         Step::Finished(value) => sum += value,
///         Step::Paused(job) => drop(jobs.insert(key, job)),
///     }
/// }
/// assert_eq!(sum, 9900);
/// # Ok(())
/// # }
/// ```
///
/// [`WakeHandle::wake`](crate::WakeHandle::wake) and `ASYNC_wake` wake a job here, from any thread
/// and from signal handlers, whether it is paused or runs. Two wakes have the effect of one until
/// the key was returned. [`clear`](crate::WakeHandle::clear) takes none back.
///
/// A key may be returned once more than there is a reason to: if a job is woken, and finds out by
/// itself what the wake was about. So a job looks again after its pause, and pauses once more.
///
/// # In an event loop
///
/// The queue has a descriptor ([`AsFd`](std::os::fd::AsFd)), for `poll`, `epoll` and their kind. It is
/// readable while a job is woken. Then call `wait` with a limit of zero until it returns `None`. Do
/// not read from it.
///
/// # Threads
///
/// Jobs belong to the thread that started them, and so does their queue. It is neither `Send` nor
/// `Sync`:
///
/// ```compile_fail,E0277
/// fn send(queue: ossl_async::WakeQueue) -> impl Send {
///     queue
/// }
/// ```
///
/// A thread may have several queues. A wake may come after the queue was dropped, and after its
/// thread has ended.
///
/// # Forks
///
/// A child that its thread has forked has a copy of the queue and of the jobs. The child's first
/// `wait` puts a pipe of the child's own in the place of the parent's, under the same descriptor. An
/// `epoll` set that is older than that must learn of it.
pub struct WakeQueue {
    members: NonNull<Members>,
    thread_bound: PhantomData<*mut Members>,
}

impl WakeQueue {
    /// A queue without jobs.
    ///
    /// ```
    /// # if !ossl_async::is_capable() { return Ok::<(), std::io::Error>(()) }
    /// let queue = ossl_async::WakeQueue::new()?;
    /// assert!(queue.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `pipe2`, usually that no descriptors are left. `OutOfMemory`. `Unsupported` where
    /// there are no jobs.
    pub fn new() -> io::Result<WakeQueue> {
        if !platform::AVAILABLE {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let members = NonNull::new(platform::allocate(size_of::<Members>()))
            .ok_or(io::ErrorKind::OutOfMemory)?
            .cast::<Members>();
        // SAFETY: the block is new, large enough, and aligned for any type.
        unsafe { members.write(Members::new()) };
        let queue = WakeQueue {
            members,
            thread_bound: PhantomData,
        };
        queue.members().open().map_err(of_system)?;
        Ok(queue)
    }

    /// Adds a job under a key. If it was woken before, and not [cleared](crate::WakeHandle::clear)
    /// since, it is in the queue as woken at once.
    ///
    /// Two jobs may have the same key. A job is in one queue at a time, under one key: it leaves the
    /// queue that it was in.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use ossl_async::{Job, Step, WakeQueue};
    /// use std::time::Duration;
    /// # if !ossl_async::is_capable() { return Ok(()) }
    ///
    /// let queue = WakeQueue::new()?;
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let Ok(Step::Paused(job)) = (unsafe { Job::start(ossl_async::pause) }) else { panic!() };
    /// job.wake_handle().wake();
    /// queue.add(&job, 7).expect("it has not ended");
    /// assert_eq!(queue.wait(None)?, Some(7));
    /// assert_eq!(queue.wait(Some(Duration::ZERO))?, None);
    /// # drop(job.resume());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotResumable`] if C code has ended the job.
    pub fn add<T>(&self, job: &Job<T>, key: u64) -> Result<(), Error> {
        // SAFETY: neither can leave its thread, and the queue stays until it is dropped.
        unsafe { job.join(self.members, key) }
    }

    /// Removes a job from the queue that it is in, if it is in one. Its key is not returned any
    /// more. A job that ends or is dropped is removed by that.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use ossl_async::{Job, Step, WakeQueue};
    /// # if !ossl_async::is_capable() { return Ok(()) }
    ///
    /// let queue = WakeQueue::new()?;
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let Ok(Step::Paused(job)) = (unsafe { Job::start(ossl_async::pause) }) else { panic!() };
    /// queue.add(&job, 7).expect("it has not ended");
    /// job.wake_handle().wake();
    /// WakeQueue::remove(&job);
    /// assert_eq!(queue.wait(None)?, None); // at once: there are no jobs
    /// # drop(job.resume());
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove<T>(job: &Job<T>) {
        job.leave_queue();
    }

    /// Waits until a job is woken, and returns its key. Jobs that are woken already come first, in
    /// the order of their wakes.
    ///
    /// Returns `None` when the time limit has passed, and at once if the queue has no jobs. A limit
    /// of zero does not wait. Without a limit it waits as long as there are jobs. A signal does not
    /// end the wait.
    ///
    /// It blocks the thread, also inside a job.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use ossl_async::{Job, Step, WakeQueue};
    /// use std::time::Duration;
    /// # if !ossl_async::is_capable() { return Ok(()) }
    ///
    /// let queue = WakeQueue::new()?;
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let Ok(Step::Paused(job)) = (unsafe { Job::start(ossl_async::pause) }) else { panic!() };
    /// queue.add(&job, 7).expect("it has not ended");
    /// assert_eq!(queue.wait(Some(Duration::from_millis(1)))?, None);
    ///
    /// let handle = job.wake_handle();
    /// std::thread::spawn(move || handle.wake());
    /// assert_eq!(queue.wait(None)?, Some(7));
    /// # drop(job.resume());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// In a forked child the error of `pipe2`, as for [`new`](WakeQueue::new). Otherwise none.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<Option<u64>> {
        let members = self.members();
        members.open().map_err(of_system)?;
        let mut end = None;
        loop {
            if let Some(record) = members.take() {
                return Ok(Some(record.key.get()));
            }
            if members.is_empty() {
                return Ok(None);
            }
            if !members.may_sleep() {
                continue;
            }
            let milliseconds = match limit {
                None => -1,
                Some(Duration::ZERO) => return Ok(None),
                Some(limit) => {
                    // A limit that no clock reaches is none.
                    let end = *end.get_or_insert_with(|| Instant::now().checked_add(limit));
                    match end.map(|end| end.saturating_duration_since(Instant::now())) {
                        Some(Duration::ZERO) => return Ok(None),
                        left => left.map_or(-1, milliseconds),
                    }
                }
            };
            platform::wait_until_readable(members.wait_fd(), milliseconds);
        }
    }

    /// Whether the queue has no jobs.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use ossl_async::{Job, Step, WakeQueue};
    /// # if !ossl_async::is_capable() { return Ok(()) }
    ///
    /// let queue = WakeQueue::new()?;
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let Ok(Step::Paused(job)) = (unsafe { Job::start(ossl_async::pause) }) else { panic!() };
    /// queue.add(&job, 7).expect("it has not ended");
    /// assert!(!queue.is_empty());
    /// drop(job);
    /// assert!(queue.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    fn members(&self) -> &Members {
        // SAFETY: it is freed when this is dropped.
        unsafe { self.members.as_ref() }
    }
}

/// So many milliseconds as poll takes, rounded up.
fn milliseconds(left: Duration) -> c_int {
    let rest = left.subsec_nanos().div_ceil(1_000_000);
    let whole = left.as_secs().saturating_mul(1000);
    c_int::try_from(whole.saturating_add(rest.into())).unwrap_or(c_int::MAX)
}

fn of_system(errno: errno::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}

impl Drop for WakeQueue {
    fn drop(&mut self) {
        self.members().close();
        // SAFETY: `new` has made the block. No job is a member any more, so no place leads here.
        unsafe { platform::free(self.members.as_ptr().cast()) };
    }
}
