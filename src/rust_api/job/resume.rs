//! Resuming a job, and cancelling it.

use super::{Job, Step, step};
use crate::error::Error;
use crate::jobs::dispatch;
use crate::jobs::job::Resume;
use crate::jobs::requests::Outcome;
use crate::rust_api::launch::Port;
use crate::rust_api::resume_error::ResumeError;
use core::mem;
use core::ptr;
use std::panic;

impl<T: 'static> Job<T> {
    /// Resumes the job where it paused.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start(|| ossl_async::pause()) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// let Ok(Step::Finished(has_paused)) = job.resume() else { panic!() };
    /// assert!(has_paused);
    /// ```
    ///
    /// # Errors
    ///
    /// Each error gives the job back.
    ///
    /// - [`Error::Nested`] inside a job.
    /// - [`Error::NotResumable`] after the end of the thread has freed its pool ([D15]). The
    ///   destructors of thread-locals run before that, and can resume jobs.
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
    /// let work = || {
    ///     let answer = None::<u8>; // it never comes
    ///     while answer.is_none() {
    ///         if !ossl_async::pause() {
    ///             return Err("cancelled");
    ///         }
    ///     }
    ///     Ok(answer)
    /// };
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start(work) };
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
            dispatch::resume(self.record(), ptr::from_mut(&mut port).cast(), how)
        } else {
            Err(Error::NotResumable)
        };
        match resumed {
            // It ended here without a result: its value was dropped under C, and paused meanwhile.
            Ok(Outcome::Finished(_)) if port.is_none() => self.refuse(Error::NotResumable),
            Ok(outcome) => {
                let on_drop = self.on_drop;
                mem::forget(self);
                Ok(step(outcome, port, on_drop))
            }
            Err(error) => self.refuse(error),
        }
    }

    /// Gives the job back, unless a panic ended it under C.
    #[cold]
    fn refuse(self, error: Error) -> Result<Step<T>, ResumeError<T>> {
        match self.unseen_panic() {
            Some(payload) => panic::resume_unwind(payload),
            None => Err(ResumeError { job: self, error }),
        }
    }
}
