//! What a paused job can be asked, and how it is woken.

use super::Job;
use crate::jobs::current;
#[cfg(unix)]
use crate::rust_api::wait_fds::{self, ChangedFds};
use crate::rust_api::wake_handle::WakeHandle;

impl<T: 'static> Job<T> {
    /// The descriptor that is readable while the job is woken.
    ///
    /// For many jobs there is [`WakeQueue`](crate::WakeQueue), with one pipe for all of them.
    ///
    /// The first call makes the job's pipe. If the job was woken before, it is readable at once. Do not
    /// read from it, and do not close it.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// use std::os::fd::AsRawFd;
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start(|| ossl_async::pause()) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// job.wake_handle().wake();
    ///
    /// let fd = job.wait_fd().unwrap().as_raw_fd();
    /// let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    /// // SAFETY: one pollfd, which the kernel fills in.
    /// assert_eq!(unsafe { libc::poll(&mut poll, 1, -1) }, 1);
    /// # drop(job.resume());
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `pipe2`, usually that no descriptors are left. `NotFound` if C code has ended
    /// the job.
    #[cfg(unix)]
    pub fn wait_fd(&self) -> std::io::Result<std::os::fd::BorrowedFd<'_>> {
        if !self.is_live() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        self.record()
            .signal
            .open()
            .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
        let fd = self
            .record()
            .signal
            .channel(crate::wake::Pipe::wait_fd)
            .ok_or(std::io::ErrorKind::NotFound)?;
        // SAFETY: the pipe was just made or is the record's; it is closed when the record is freed, which needs the job
        // to end, and that needs this `Job`.
        Ok(unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) })
    }

    /// The descriptors that an engine or a provider has put into the job's wait context, newest
    /// first. When one can be read, the job can be resumed ([G21]).
    ///
    /// Code in the job gets the context by `ASYNC_get_wait_ctx`, which makes it at the first call.
    /// The context has a callback that wakes the job. A provider that calls callbacks adds no
    /// descriptor, and [`wait_fd`](Job::wait_fd) can be read when it has called. So wait for both.
    ///
    /// These are numbers and not `BorrowedFd`, because the code that added a descriptor may close
    /// it. Do not read from them. An empty list takes no memory. Without the feature `capi` no code
    /// can add a descriptor.
    ///
    /// ```
    /// use ossl_async::{Job, Step, sys};
    /// use std::ptr;
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // What a provider does in C.
    /// let add = |fd| {
    ///     // SAFETY: the running job's context, and an entry without a cleanup.
    ///     unsafe {
    ///         let ctx = sys::ASYNC_get_wait_ctx(sys::ASYNC_get_current_job());
    ///         sys::ASYNC_WAIT_CTX_set_wait_fd(ctx, ptr::null(), fd, ptr::null_mut(), None)
    ///     };
    ///     ossl_async::pause()
    /// };
    /// // SAFETY: the contract of `start`: at the pauses, no frame relies on nested calls.
    /// let step = unsafe { Job::start(move || add(0) && add(1)) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// assert_eq!(job.wait_fds(), [0]);
    ///
    /// let Ok(Step::Paused(job)) = job.resume() else { panic!() };
    /// assert_eq!(job.wait_fds(), [1, 0]);
    /// assert_eq!(job.changed_wait_fds().added, [1]);
    /// # drop(job.resume());
    /// ```
    ///
    /// [G21]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
    #[cfg(unix)]
    pub fn wait_fds(&self) -> Vec<std::os::fd::RawFd> {
        if self.is_live() {
            wait_fds::all(self.record())
        } else {
            vec![]
        }
    }

    /// What has changed in these descriptors since the job was started or resumed last: what was
    /// added, and what was deleted of those from before ([G22]). A descriptor that was added and
    /// deleted since then is in neither list ([G25]).
    ///
    /// ```
    /// use ossl_async::{ChangedFds, Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let Ok(Step::Paused(job)) = (unsafe { Job::start(ossl_async::pause) }) else { panic!() };
    /// assert_eq!(job.changed_wait_fds(), ChangedFds::default()); // no provider, no descriptors
    /// ```
    ///
    /// [G22]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
    /// [G25]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
    #[cfg(unix)]
    pub fn changed_wait_fds(&self) -> ChangedFds {
        if self.is_live() {
            wait_fds::changed(self.record())
        } else {
            ChangedFds::default()
        }
    }

    /// The most that has been used of the job's stack so far, in bytes and in whole pages. Pages
    /// that earlier jobs on the same stack have used count too.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start(|| ossl_async::pause()) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// assert!(job.stack_used() > 0);
    /// assert!(job.stack_used() <= ossl_async::stack_size() * 2);
    /// # drop(job.resume());
    /// ```
    pub fn stack_used(&self) -> usize {
        if self.is_live() {
            current::stack_used(self.record())
        } else {
            0
        }
    }

    /// A handle that wakes the job, from any thread.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start(|| ossl_async::pause()) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// let handle = job.wake_handle();
    /// std::thread::spawn(move || handle.wake()).join().unwrap();
    /// # drop(job.resume());
    /// ```
    pub fn wake_handle(&self) -> WakeHandle {
        WakeHandle::new(self.record(), self.this_use)
    }
}
