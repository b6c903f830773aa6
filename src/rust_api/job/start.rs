//! Starting a job, and the contract of that.

use super::{Job, Step, step};
use crate::error::Error;
use crate::jobs::dispatch;
use crate::jobs::job::Function;
use crate::jobs::requests::{Argument, Start, StartFailure};
use crate::rust_api::launch::{Launch, run_closure};
use crate::rust_api::on_drop::OnDrop;
use crate::rust_api::start_error::StartError;
use core::ptr;

impl<T: 'static> Job<T> {
    /// Starts a job: `closure` runs on a stack of its own until it ends or [`pause`](crate::pause)s.
    ///
    /// ```
    /// use ossl_async::{Job, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// let text = String::from("moved into the job");
    /// // SAFETY: the contract of `start` is about pauses, and there is none.
    /// let step = unsafe { Job::start(move || text.len()) };
    /// assert!(matches!(step, Ok(Step::Finished(18))));
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
    ///
    /// # Safety
    ///
    /// The caller promises, for the closure and all that it calls: **whenever the job pauses, no
    /// frame between the start and the pause relies, for memory safety, on the calls of its thread
    /// being strictly nested.**
    ///
    /// While a job is paused, its thread runs other code, other jobs among it. What that code
    /// begins need not end before the job is resumed. A job can also be resumed or dropped by a
    /// destructor: of a thread-local while the thread ends, or of a value while the thread unwinds.
    /// [`nesting`](crate::nesting) shows what goes wrong.
    /// So the job does not pause, in [`pause`](crate::pause) or in [`wait_for`](crate::wait_for),
    ///
    /// 1. while a reference or a guard is alive that was obtained through a thread-local, as in
    ///    `LocalKey::with`, or through anything else that lends it only for the time of a call
    ///    outside the job, such as the call that starts or resumes the job;
    /// 2. inside the initialiser of a `thread_local!`, or inside what `std::process::exit` calls,
    ///    such as the destructor of one;
    /// 3. inside a scope that lends a pointer to its own stack through something that outlives the
    ///    scope, and puts the old value back at its end. That something may be a thread-local, as
    ///    in `scoped-tls`, a `Cell` in an `Rc`, or a table by thread id;
    /// 4. inside a scope that changes state of the thread which other safe code takes as proof, as
    ///    `Python::allow_threads` and `critical_section::with` do. `std::thread::panicking` is such
    ///    state too: no value is alive that is sound only because it unwinds if, and only if, that
    ///    is true when it is dropped;
    /// 5. below a frame of C or of an `extern "C"` function, if the [`Job`] may be dropped there.
    ///    Dropping a job unwinds its frames, and these cannot be unwound. Start such a job with
    ///    [`OnDrop::Cancel`];
    /// 6. on a stack of the program's own (`ASYNC_set_mem_functions`) that is too small for the
    ///    closure. This one holds whether the job pauses or not.
    ///
    /// A library that calls the closure, or a function of it, and does not say that it allows stack
    /// switches is taken to break this.
    ///
    /// Not forbidden are pauses inside a tracing span, with a `RefCell` borrowed, or with a mutex
    /// locked. They may give wrong data, a panic or a deadlock, but no undefined behaviour.
    pub unsafe fn start<F>(closure: F) -> Result<Step<T>, StartError<F>>
    where
        F: FnOnce() -> T + 'static,
    {
        // SAFETY: the caller guarantees it.
        unsafe { Job::start_with(OnDrop::Unwind, closure) }
    }

    /// As [`start`](Job::start). `on_drop` says what becomes of the job if it is dropped while it is
    /// paused.
    ///
    /// ```
    /// use ossl_async::{Job, OnDrop, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start_with(OnDrop::Cancel, ossl_async::pause) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// drop(job); // `pause` returns true, and the job ends
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Job::start).
    ///
    /// # Panics
    ///
    /// A panic of the closure reappears here, or where the job is resumed.
    ///
    /// # Safety
    ///
    /// The contract of [`start`](Job::start). Its point 5 is for [`OnDrop::Unwind`] alone: with
    /// [`OnDrop::Cancel`] and [`OnDrop::Abandon`] a job may pause below frames of C.
    pub unsafe fn start_with<F>(on_drop: OnDrop, closure: F) -> Result<Step<T>, StartError<F>>
    where
        F: FnOnce() -> T + 'static,
    {
        // SAFETY: the caller guarantees it, and `run_closure::<F, T>` runs such a launch.
        unsafe { Job::launch(on_drop, closure, run_closure::<F, T>) }
    }

    /// Starts a job whose function is `run`, with a [`Launch<F, T>`](Launch).
    ///
    /// # Safety
    ///
    /// The contract of [`start_with`](Job::start_with). `run` is a function of `launch.rs` for `F`
    /// and `T`.
    #[inline(always)]
    pub(in crate::rust_api) unsafe fn launch<F>(
        on_drop: OnDrop,
        closure: F,
        run: Function,
    ) -> Result<Step<T>, StartError<F>>
    where
        F: FnOnce() -> T + 'static,
    {
        let mut launch = Launch {
            port: None,
            closure: Some(closure),
        };
        let port = ptr::from_mut(&mut launch).cast();
        let what = Start {
            function: Some(run),
            argument: Argument::Port(port),
            pipe: false,
            wait_ctx: ptr::null_mut(),
        };
        // SAFETY: `run` wants a pointer to such a launch, which stays valid until `start` returns; it catches
        // panics.
        match unsafe { dispatch::start(what) } {
            Ok(outcome) => Ok(step(outcome, launch.port, on_drop)),
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
}
