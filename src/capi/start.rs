//! What both generations share: how a start is passed to the dispatcher, and what it returns.

use crate::error::Error;
use crate::jobs::current;
use crate::jobs::dispatch;
use crate::jobs::job::Record;
use crate::jobs::requests::{Outcome, Resume, Start, StartFailure};
use core::ffi::c_int;
use core::ptr;

/// A job, as C programs know it (B1).
#[repr(C)]
pub struct ASYNC_JOB {
    opaque: [u8; 0],
}

/// Result of a start: an error, which is in the error queue (B1).
pub const ASYNC_ERR: c_int = 0;
/// Result of a start: no job is to be had now; an entry in the error queue says why if the reason is not the limit.
pub const ASYNC_NO_JOBS: c_int = 1;
/// Result of a start: the job paused.
pub const ASYNC_PAUSE: c_int = 2;
/// Result of a start: the job ended.
pub const ASYNC_FINISH: c_int = 3;

/// 1, or 0 with an entry. A shortfall is an entry too, and success (B10).
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

/// The record that a handle means.
///
/// # Safety
///
/// As [`Record::from_handle`].
pub(super) unsafe fn record(job: *mut ASYNC_JOB) -> Option<&'static Record> {
    // SAFETY: the caller vouches for the handle.
    unsafe { Record::from_handle(job.cast()) }
}

/// Starts a job if `*job` is NULL, else resumes that one; writes `*job` and `*ret` as B19 has it. `unavailable` is what to
/// return where there are no jobs (F15, F16).
///
/// # Safety
///
/// `job` and `ret` are NULL or can be written, `*job` is NULL or was issued by this library, and `what` as for
/// [`dispatch::start`].
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
    // No reference to the caller's handle is kept: the job may use it too while it runs (B20).
    // SAFETY: the caller vouches for `job` and for the handle in it.
    match unsafe { record(job.read()) } {
        // SAFETY: the caller vouches for the places.
        Some(record) => unsafe { resume(record, job, ret, Resume::Normal) },
        // SAFETY: the caller vouches for what is to be started.
        None => match unsafe { dispatch::start(what) } {
            // SAFETY: the caller vouches for the places.
            Ok(outcome) => unsafe { report(outcome, job, ret) },
            Err(failure) => fail(failure, unavailable),
        },
    }
}

/// Resumes the job that a handle means, and writes `*job` and `*ret` as B19 has it.
///
/// # Safety
///
/// `job` and `ret` can be written; `ret` may be NULL.
#[inline(always)]
pub(super) unsafe fn resume(
    record: &'static Record,
    job: *mut *mut ASYNC_JOB,
    ret: *mut c_int,
    how: Resume,
) -> c_int {
    match dispatch::resume(record, ptr::null_mut(), how) {
        // SAFETY: the caller vouches for the places.
        Ok(outcome) => unsafe { report(outcome, job, ret) },
        Err(error) => fail(StartFailure::Error(error), ASYNC_ERR),
    }
}

/// Writes what a job came to.
///
/// # Safety
///
/// As for [`resume`].
#[inline(always)]
unsafe fn report(outcome: Outcome, job: *mut *mut ASYNC_JOB, ret: *mut c_int) -> c_int {
    match outcome {
        Outcome::Paused(record) => {
            // SAFETY: the caller vouches for `job`.
            unsafe { job.write(record.handle().cast()) };
            ASYNC_PAUSE
        }
        Outcome::Finished(result) => {
            if !ret.is_null() {
                // SAFETY: the caller vouches for `ret`.
                unsafe { ret.write(result) };
            }
            // After the result (S4), for callers in whose memory the two overlap.
            // SAFETY: the caller vouches for `job`.
            unsafe { job.write(ptr::null_mut()) };
            ASYNC_FINISH
        }
    }
}

/// Queues why there was no start or resume.
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

/// Writes an output, unless the caller does not want it.
///
/// # Safety
///
/// `to` is NULL or can be written.
pub(super) unsafe fn write_output<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: the caller vouches for it.
        unsafe { to.write(value) };
    }
}
