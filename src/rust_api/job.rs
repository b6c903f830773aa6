//! A job that ends with a value.

use super::launch::{Launch, Port, run_closure};
use super::start_error::StartError;
use super::wake_handle::WakeHandle;
use crate::error::Error;
use crate::jobs::job::Record;
use crate::jobs::requests::{Argument, Outcome, Resume, Start, StartFailure};
use crate::jobs::{current, dispatch, thread};
use crate::wake::Use;
use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ptr;
use std::panic;

/// What a job has come to.
#[derive(Debug)]
pub enum Step<T> {
    /// It paused and can be resumed.
    Paused(Job<T>),
    /// It ended with this value.
    Finished(T),
}

/// A paused job that will end with a `T`.
///
/// It belongs to the thread that started it and can be resumed only there, so it is neither `Send` nor `Sync`:
///
/// ```compile_fail,E0277
/// fn send(job: ossl_async::Job<()>) -> impl Send {
///     job
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn share(job: &ossl_async::Job<()>) -> impl Send {
///     job
/// }
/// ```
///
/// Dropping it abandons the job: nothing on its stack is dropped, its memory and descriptors stay allocated, it goes on
/// counting against its pool's limit, and [`stats::process`](crate::stats::process) counts it.
#[must_use = "a job that is dropped never ends, and its stack stays allocated"]
pub struct Job<T> {
    record: &'static Record,
    this_use: Use,
    /// The closure's captures lie on the job's stack; whether they may move to another thread is not known.
    result: PhantomData<*mut T>,
}

impl<T: 'static> Job<T> {
    /// Starts a job: `closure` runs on a stack of its own until it ends or [`pause`](crate::pause)s.
    ///
    /// # Errors
    ///
    /// [`StartError::Full`] if the pool's limit is reached; [`StartError::Failed`] with [`Error::Job`] or
    /// [`Error::Thread`] if memory is, [`Error::Nested`] inside a job, [`Error::Unavailable`] where there are no jobs.
    /// Each gives the closure back.
    ///
    /// # Panics
    ///
    /// A panic of the closure reappears here, or where the job is resumed.
    pub fn start<F>(closure: F) -> Result<Step<T>, StartError<F>>
    where
        F: FnOnce() -> T + 'static,
    {
        let mut launch = Launch {
            port: None,
            closure: Some(closure),
        };
        let port = ptr::from_mut(&mut launch).cast();
        let what = Start {
            function: Some(run_closure::<F, T>),
            argument: Argument::Port(port),
            pipe: false,
            wait_ctx: ptr::null_mut(),
        };
        // SAFETY: `run_closure::<F, T>` wants a pointer to such a launch, which stays valid until `start` returns; it catches
        // panics.
        match unsafe { dispatch::start(what) } {
            Ok(outcome) => Ok(step(outcome, launch.port)),
            Err(failure) => {
                let closure = launch
                    .closure
                    .expect("a job that did not start has not taken its closure");
                Err(match failure {
                    StartFailure::NoJob(None) => StartError::Full(closure),
                    StartFailure::NoJob(Some(error)) | StartFailure::Error(error) => {
                        StartError::Failed(error, closure)
                    }
                    StartFailure::Unavailable => StartError::Failed(Error::Unavailable, closure),
                })
            }
        }
    }

    /// Resumes the job where it paused.
    ///
    /// # Errors
    ///
    /// [`Error::Nested`] inside a job, with the job given back. [`Error::NotResumable`] if the thread's jobs have ended with it
    /// (D15), or if C code has resumed the job to its end: the value that it ended with is lost then.
    ///
    /// # Panics
    ///
    /// A panic of the job's closure reappears here, also one that ended the job while C code had resumed it. C sees
    /// such a job finish with 0.
    pub fn resume(self) -> Result<Step<T>, ResumeError<T>> {
        self.resume_with(Resume::Normal)
    }

    /// Has the job come to its end without pausing again: resumes it, and from then on [`pause`](crate::pause) returns false in it, at
    /// once. Its closure must do without what it was waiting for and return; a loop that only a pause that worked can end
    /// never ends.
    ///
    /// # Errors
    ///
    /// As [`resume`](Job::resume).
    ///
    /// # Panics
    ///
    /// A panic of the job's closure reappears here.
    pub fn cancel(self) -> Result<T, ResumeError<T>> {
        self.resume_with(Resume::Cancelled).map(|step| match step {
            Step::Finished(value) => value,
            Step::Paused(_) => unreachable!("a cancelled job cannot pause"),
        })
    }

    fn resume_with(self, how: Resume) -> Result<Step<T>, ResumeError<T>> {
        let mut port: Port<T> = None;
        let resumed = if self.is_live() {
            dispatch::resume(self.record, ptr::from_mut(&mut port).cast(), how)
        } else {
            Err(Error::NotResumable)
        };
        match resumed {
            Ok(outcome) => {
                mem::forget(self);
                Ok(step(outcome, port))
            }
            Err(error) => match self.unseen_panic() {
                Some(payload) => panic::resume_unwind(payload),
                None => Err(ResumeError { job: self, error }),
            },
        }
    }

    /// The descriptor that is ready for reading when somebody has woken the job. The pipe is made when first asked for,
    /// and is readable at once if the job was woken before. Neither read from it nor close it.
    ///
    /// # Errors
    ///
    /// What `pipe2` says, usually that no descriptors are left; `NotFound` if C code has ended the job.
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

    /// The most that the job's stack has been used so far, in bytes, counted in whole pages; by earlier jobs on the same
    /// stack too.
    pub fn stack_used(&self) -> usize {
        if self.is_live() {
            current::stack_used(self.record)
        } else {
            0
        }
    }

    /// A handle for waking the job from anywhere.
    pub fn wake_handle(&self) -> WakeHandle {
        WakeHandle::new(self.record, self.this_use)
    }
}

impl<T> Job<T> {
    /// The panic that the job has ended with where C code resumed it.
    #[cold]
    #[inline(never)]
    fn unseen_panic(&self) -> Option<Box<dyn Any + Send>> {
        let thread = thread::this()?;
        let payload = thread.panics.take(self.this_use)?;
        if thread.currjob.get().is_none() {
            thread.free_if_ended();
        }
        Some(payload)
    }

    /// Whether the record is still in this job's use: C code that got hold of the handle could have ended the job.
    fn is_live(&self) -> bool {
        self.record.signal.is_in_use(self.this_use)
    }
}

impl<T> Drop for Job<T> {
    // Rare, and kept out of whoever starts jobs that end at once.
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        if self.is_live() {
            current::abandon(self.record);
        } else {
            drop(self.unseen_panic());
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("use", &self.this_use.0)
            .finish_non_exhaustive()
    }
}

/// What an outcome means to Rust.
fn step<T>(outcome: Outcome, port: Port<T>) -> Step<T> {
    match outcome {
        Outcome::Paused(record) => Step::Paused(Job {
            record,
            this_use: record.current_use(),
            result: PhantomData,
        }),
        Outcome::Finished(_) => match port.expect("a job that ends leaves its result") {
            Ok(value) => Step::Finished(value),
            Err(payload) => panic::resume_unwind(payload),
        },
    }
}

/// A job could not be resumed. The job comes back.
#[non_exhaustive]
pub struct ResumeError<T> {
    /// The job, as it was.
    pub job: Job<T>,
    /// Why.
    pub error: Error,
}

impl<T> fmt::Debug for ResumeError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeError")
            .field("job", &self.job)
            .field("error", &self.error)
            .finish()
    }
}

impl<T> fmt::Display for ResumeError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for ResumeError<T> {}
