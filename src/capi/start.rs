//! What both generations share: how a start is passed to the dispatcher, and what it returns.

use crate::error::Error;
use crate::jobs::current;
use crate::jobs::dispatch;
use crate::jobs::job::{Record, Resume};
use crate::jobs::requests::{Outcome, Start, StartFailure};
use crate::platform;
use core::ffi::c_int;
use core::ptr;

/// A job, as C programs see it ([B1]).
///
/// [B1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
#[repr(C)]
pub struct ASYNC_JOB {
    opaque: [u8; 0],
}

/// A start or resume was refused or failed. The error queue has the reason ([B1]).
///
/// [B1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const ASYNC_ERR: c_int = 0;
/// No job is available now. If the pool's limit is not the reason, the error queue has it ([B19]).
///
/// [B19]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#14-async_start_job
pub const ASYNC_NO_JOBS: c_int = 1;
/// The job paused ([B1]).
///
/// [B1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const ASYNC_PAUSE: c_int = 2;
/// The job ended ([B1]).
///
/// [B1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const ASYNC_FINISH: c_int = 3;

/// Returns 1, or 0 after queueing the error. A pool with fewer jobs than asked for is a success and
/// queues an error too (B10).
pub(super) fn succeed(done: Result<Option<Error>, Error>) -> c_int {
    match done {
        Ok(shortfall) => {
            if let Some(error) = shortfall {
                raise!(error);
            }
            1
        }
        Err(error) => {
            raise!(error);
            0
        }
    }
}

/// Returns the record that a handle stands for.
///
/// # Safety
///
/// As [`Record::from_handle`].
pub(super) unsafe fn record(job: *mut ASYNC_JOB) -> Option<&'static Record> {
    // SAFETY: the caller guarantees that `job` is NULL or a handle of this library.
    unsafe { Record::from_handle(job.cast()) }
}

/// Starts a job if `*job` is NULL, else resumes that one. Writes `*job` and `*ret` as B19 says.
///
/// `unavailable` is what to return where there are no jobs (F15, F16).
///
/// # Safety
///
/// - `job` and `ret` are NULL or can be written.
/// - `*job` is NULL or a handle that this library issued.
/// - `what` fulfils the conditions of [`dispatch::start`].
#[inline(always)]
pub(super) unsafe fn start_or_resume(
    job: *mut *mut ASYNC_JOB,
    ret: *mut c_int,
    what: Start,
    unavailable: c_int,
) -> c_int {
    if job.is_null() {
        return fail(StartFailure::Error(current::refuse_null()), unavailable);
    }
    // No reference to the caller's `*job` is kept: the running job may use it too (B20). SAFETY:
    // the caller guarantees that `job` can be read and has NULL or a handle of this library.
    match unsafe { record(job.read()) } {
        // SAFETY: the caller guarantees that `job` and `ret` can be written.
        Some(record) => unsafe { resume(record, job, ret, Resume::Normal) },
        // SAFETY: the caller guarantees `what`.
        None => match unsafe { dispatch::start(what) } {
            // SAFETY: the caller guarantees that `job` and `ret` can be written.
            Ok(outcome) => unsafe { report(outcome, job, ret) },
            Err(failure) => fail(failure, unavailable),
        },
    }
}

/// Resumes the job that a handle stands for. Writes `*job` and `*ret` as B19 says.
///
/// # Safety
///
/// `job` can be written. `ret` is NULL or can be written.
#[inline(always)]
pub(super) unsafe fn resume(
    record: &'static Record,
    job: *mut *mut ASYNC_JOB,
    ret: *mut c_int,
    how: Resume,
) -> c_int {
    match dispatch::resume(record, ptr::null_mut(), how) {
        // SAFETY: the caller guarantees that `job` and `ret` can be written.
        Ok(outcome) => unsafe { report(outcome, job, ret) },
        Err(error) => fail(StartFailure::Error(error), ASYNC_ERR),
    }
}

/// Writes the outcome of a start or resume, and returns its number.
///
/// # Safety
///
/// As for [`resume`].
#[inline(always)]
unsafe fn report(outcome: Outcome, job: *mut *mut ASYNC_JOB, ret: *mut c_int) -> c_int {
    match outcome {
        Outcome::Paused(record) => {
            // SAFETY: the caller guarantees that `job` can be written.
            unsafe { job.write(record.handle().cast()) };
            platform::return_after_switch(ASYNC_PAUSE)
        }
        Outcome::Finished(result) => {
            if !ret.is_null() {
                // SAFETY: the caller guarantees that `ret` can be written.
                unsafe { ret.write(result) };
            }
            // The result is written first (S4), because the caller's `job` and `ret` may overlap.
            // SAFETY: the caller guarantees that `job` can be written.
            unsafe { job.write(ptr::null_mut()) };
            ASYNC_FINISH
        }
    }
}

/// Queues why a start or resume failed, and returns its number.
#[cold]
pub(super) fn fail(failure: StartFailure, unavailable: c_int) -> c_int {
    match failure {
        StartFailure::Unavailable => unavailable,
        StartFailure::NoJob(reason) => {
            if let Some(error) = reason {
                raise!(error);
            }
            ASYNC_NO_JOBS
        }
        StartFailure::Error(error) => {
            raise!(error);
            ASYNC_ERR
        }
    }
}

/// Writes an output, unless the caller passed NULL for it.
///
/// # Safety
///
/// `to` is NULL or can be written.
pub(super) unsafe fn write_output<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: the caller guarantees it.
        unsafe { to.write(value) };
    }
}
