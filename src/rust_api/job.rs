//! A job that ends with a value.

mod traits;
mod waiting;

use super::launch::{Launch, Port, run_closure};
use super::start_error::StartError;
use crate::error::Error;
use crate::jobs::job::Record;
use crate::jobs::requests::{Argument, Outcome, Resume, Start, StartFailure};
use crate::jobs::{current, dispatch, thread};
use crate::wake::Use;
use core::any::Any;
use core::marker::PhantomData;
use core::mem;
use core::ptr;
use std::panic;

/// What a start or a resume has come to.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// match Job::start(|| 42).unwrap() {
///     Step::Finished(value) => assert_eq!(value, 42),
///     Step::Paused(job) => drop(job.resume()), // not here: this job does not pause
/// }
/// ```
#[derive(Debug)]
pub enum Step<T> {
    /// It paused and can be resumed.
    Paused(Job<T>),
    /// It ended with this value.
    Finished(T),
}

/// A paused job that will end with a `T`.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// let mut step = Job::start(|| {
///     let pauses = (0..3).filter(|_| ossl_async::pause());
///     pauses.count()
/// }).unwrap();
/// let pauses = loop {
///     match step {
///         Step::Paused(job) => step = job.resume().unwrap(),
///         Step::Finished(value) => break value,
///     }
/// };
/// assert_eq!(pauses, 3);
/// ```
///
/// It belongs to the thread that started it and can be resumed only there. So it is neither `Send`
/// nor `Sync`:
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
/// Dropping it abandons the job. Nothing on the job's stack is dropped. Its memory and descriptors
/// stay allocated, and it still counts against its pool's limit.
/// [`stats::process`](crate::stats::process) counts it as abandoned.
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
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let text = String::from("moved into the job");
    /// let Ok(Step::Finished(length)) = Job::start(move || text.len()) else { panic!() };
    /// assert_eq!(length, 18);
    /// ```
    ///
    /// # Errors
    ///
    /// Each error gives the closure back.
    ///
    /// - [`StartError::Full`] if all jobs that the pool may have are in use.
    /// - [`StartError::Failed`] with [`Error::Job`] or [`Error::Thread`] if memory is used up.
    /// - The same with [`Error::Nested`] inside a job.
    /// - The same with [`Error::Unavailable`] where there are no jobs.
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
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let Ok(Step::Paused(job)) = Job::start(|| ossl_async::pause()) else { panic!() };
    /// let Ok(Step::Finished(has_paused)) = job.resume() else { panic!() };
    /// assert!(has_paused);
    /// ```
    ///
    /// # Errors
    ///
    /// Each error gives the job back.
    ///
    /// - [`Error::Nested`] inside a job.
    /// - [`Error::NotResumable`] if the thread is ending and its jobs have ended before ([D15]).
    /// - The same if C code has resumed the job to its end. The job's value is lost then.
    ///
    /// # Panics
    ///
    /// A panic of the job's closure reappears here. So does a panic that ended the job while C code
    /// had resumed it; C sees such a job finish with 0.
    ///
    /// [D15]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    pub fn resume(self) -> Result<Step<T>, ResumeError<T>> {
        self.resume_with(Resume::Normal)
    }

    /// Resumes the job and stops it from pausing again.
    ///
    /// The [`pause`](crate::pause) that the job is in returns true. Every later one returns false,
    /// at once. The closure must return without what it was waiting for. A loop that ignores what
    /// `pause` returns may never end.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let step = Job::start(|| {
    ///     let answer = None::<u8>; // it never comes
    ///     while answer.is_none() {
    ///         if !ossl_async::pause() {
    ///             return Err("cancelled");
    ///         }
    ///     }
    ///     Ok(answer)
    /// });
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// assert_eq!(job.cancel().unwrap(), Err("cancelled"));
    /// ```
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
    // Rare, and kept out of the code of callers whose jobs end at once.
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

/// A job could not be resumed. The error has the job, which can be resumed later.
///
/// ```
/// use ossl_async::{Error, Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// let Ok(Step::Paused(job)) = Job::start(|| ossl_async::pause()) else { panic!() };
/// // Not inside another job.
/// let Ok(Step::Finished(refused)) = Job::start(|| job.resume().unwrap_err()) else { panic!() };
/// assert_eq!(refused.error, Error::Nested);
/// assert!(matches!(refused.job.resume(), Ok(Step::Finished(true))));
/// ```
#[non_exhaustive]
pub struct ResumeError<T> {
    /// The job, unchanged.
    pub job: Job<T>,
    /// Why.
    pub error: Error,
}
