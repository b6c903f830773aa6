//! A job that ends with a value.

mod drop;
#[cfg(unix)]
mod queue;
mod resume;
mod start;
mod task;
mod traits;
mod waiting;

use super::launch::Port;
use super::on_drop::OnDrop;
use crate::jobs::job::Record;
use crate::jobs::requests::Outcome;
use crate::jobs::thread;
use crate::wake::Use;
use core::any::Any;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::panic;

/// What a start or a resume has come to.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// match unsafe { Job::start(|| 42) }.unwrap() {
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
/// let work = || {
///     let pauses = (0..3).filter(|_| ossl_async::pause());
///     pauses.count()
/// };
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let mut step = unsafe { Job::start(work) }.unwrap();
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
/// Dropping it unwinds the job, unless it was started otherwise: see [`OnDrop`].
#[must_use = "a paused job that is dropped unwinds, and does not finish its work"]
pub struct Job<T> {
    /// A pointer, so that no job can be sent to another thread, where it could not be resumed and
    /// the closure's captures may not go. A reference would do that too. But then the compiler names
    /// each cell of the record to somebody who tries.
    record: NonNull<Record>,
    this_use: Use,
    on_drop: OnDrop,
    result: PhantomData<fn() -> T>,
}

impl<T> Job<T> {
    fn record(&self) -> &'static Record {
        // SAFETY: it comes from a reference, and the memory of records stays mapped.
        unsafe { self.record.as_ref() }
    }

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
        self.record().signal.is_in_use(self.this_use)
    }
}

/// What an outcome means to Rust.
fn step<T>(outcome: Outcome, port: Port<T>, on_drop: OnDrop) -> Step<T> {
    match outcome {
        Outcome::Paused(record) => Step::Paused(Job {
            record: NonNull::from(record),
            this_use: record.current_use(),
            on_drop,
            result: PhantomData,
        }),
        Outcome::Finished(_) => match port.expect("a job that ends leaves its result") {
            Ok(value) => Step::Finished(value),
            Err(payload) => panic::resume_unwind(payload),
        },
    }
}
