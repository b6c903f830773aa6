//! How a closure gets to the stack of its job, and how its result gets back.

use crate::jobs::job::Record;
use crate::jobs::{own_context, thread};
use core::any::Any;
use core::ffi::{c_int, c_void};
use std::panic::{self, AssertUnwindSafe};

/// What the frame of a start or a resume shares with the job: where the result goes.
pub type Port<T> = Option<Result<T, Box<dyn Any + Send>>>;

/// What the frame of a start shares with the job: also the closure, until the job has taken it.
#[repr(C)]
pub struct Launch<F, T> {
    /// First, so that a pointer to a launch is one to its port.
    pub port: Port<T>,
    /// What to run; none once the job has it.
    pub closure: Option<F>,
}

/// The job that this is called in. No signal handler does so, and here it need not be as careful as `current` is.
fn running_job() -> Option<&'static Record> {
    thread::this()?.currjob.get()
}

/// The function of every job that Rust starts: the closure, with its panics caught, since nothing may unwind through
/// the base of a fibre.
pub unsafe extern "C" fn run_closure<F: FnOnce() -> T, T>(launch: *mut c_void) -> c_int {
    // SAFETY: `Job::start` passes its launch, which is valid until the job first pauses, and that is not before the
    // closure has been taken out of it here.
    let closure = unsafe { (*launch.cast::<Launch<F, T>>()).closure.take() };
    let closure = closure.expect("a job is started once");
    // A job never changes threads, and its record is the same across its pauses.
    let record = running_job().expect("this is the function of a job");
    record.has_promise.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(closure));
    own_context::free(record); // a cleanup may pause, so the port is looked at afterwards
    let port = record.port.get().cast::<Port<T>>();
    // SAFETY: null, or what `start` or `resume` of this very job passed last; it waits in that call and holds a port
    // of this type.
    match unsafe { port.as_mut() } {
        Some(port) => *port = Some(result),
        None => end_under_c(record, result),
    }
    record.has_promise.set(false);
    0
}

/// The function of a job that a future runs: as [`run_closure`], and its wakes reach a task.
pub unsafe extern "C" fn run_closure_in_task<F: FnOnce() -> T, T>(launch: *mut c_void) -> c_int {
    let record = running_job().expect("this is the function of a job");
    record.task.begin(record.current_use());
    record.signal.mark_task();
    // SAFETY: the caller guarantees it.
    let result = unsafe { run_closure::<F, T>(launch) };
    // The future took the waker out before it resumed the job.
    drop(record.task.end());
    result
}

/// C code resumed a job of Rust's, which has ended. C takes no value and no panic. A panic is kept
/// for the [`Job`](crate::Job), also one of the value's destructor.
#[cold]
fn end_under_c<T>(record: &Record, result: Result<T, Box<dyn Any + Send>>) {
    let panic = match result {
        Ok(value) => panic::catch_unwind(AssertUnwindSafe(|| drop(value))).err(),
        Err(panic) => Some(panic),
    };
    if let (Some(panic), Some(thread)) = (panic, thread::this()) {
        thread.panics.keep(record.current_use(), panic);
    }
}
