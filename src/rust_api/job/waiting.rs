//! What a paused job can be asked, and how it is woken.

use super::Job;
use crate::jobs::current;
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
        self.record
            .signal
            .open()
            .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
        let fd = self
            .record
            .signal
            .channel(crate::wake::Pipe::wait_fd)
            .ok_or(std::io::ErrorKind::NotFound)?;
        // SAFETY: the pipe was just made or is the record's; it is closed when the record is freed, which needs the job
        // to end, and that needs this `Job`.
        Ok(unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) })
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
            current::stack_used(self.record)
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
        WakeHandle::new(self.record, self.this_use)
    }
}
