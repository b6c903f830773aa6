//! Generation 1: the functions of the 2015 manual page.

use crate::dispatch::{self, Argument, Outcome, StartFailure};
use crate::error::Error;
use crate::job::{Function, Record};
use core::ffi::{c_int, c_void};
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

/// Makes the calling thread's pool: at most `max_size` jobs (0: no limit), `init_size` of them now, each with its wait
/// fd. Returns 1, or 0 with an entry. Rules B7 to B12, D2.
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_init_pool(max_size: usize, init_size: usize) -> c_int {
    match dispatch::init_pool(max_size, init_size, true) {
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

/// Frees the calling thread's pool and idle jobs. Inside a job: no effect but an entry. Rules B13 to B17, D3, D4.
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_free_pool() {
    if let Err(error) = dispatch::free_pool() {
        raise!(error);
    }
}

/// Starts a job (`*job` NULL) or resumes one: the 5-argument `ASYNC_start_job` of 2015. `ret` may be NULL (D10).
/// Rules B18 to B30 and, for what is refused, D5 to D8 and D10.
///
/// # Safety
///
/// `job` and `ret` are NULL or can be written; `*job` is NULL or a handle that this library issued; `size` bytes can be
/// read at `args` unless that is NULL; `func` can be called with a copy of them, and returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_start_job_2015(
    job: *mut *mut ASYNC_JOB,
    ret: *mut c_int,
    func: Option<Function>,
    args: *mut c_void,
    size: usize,
) -> c_int {
    if job.is_null() {
        let nested = dispatch::current().is_some();
        raise!(if nested {
            Error::Nested
        } else {
            Error::NullArgument
        });
        return ASYNC_ERR;
    }
    // No reference to the caller's handle is kept: the job may use it too while it runs (B20).
    // SAFETY: the caller vouches for `job` and for the handle in it.
    let outcome = match unsafe { record(job.read()) } {
        Some(record) => dispatch::resume(record, ptr::null_mut()).map_err(StartFailure::Error),
        // SAFETY: the caller vouches for the function and its arguments.
        None => unsafe { dispatch::start(func, Argument::Copied(args, size), true) },
    };
    match outcome {
        Ok(Outcome::Paused(record)) => {
            // SAFETY: the caller vouches for `job`.
            unsafe { job.write(record.handle().cast()) };
            ASYNC_PAUSE
        }
        Ok(Outcome::Finished(result)) => {
            if !ret.is_null() {
                // SAFETY: the caller vouches for `ret`.
                unsafe { ret.write(result) };
            }
            // After the result (S4), for callers in whose memory the two overlap.
            // SAFETY: the caller vouches for `job`.
            unsafe { job.write(ptr::null_mut()) };
            ASYNC_FINISH
        }
        Err(StartFailure::Unavailable) => ASYNC_ERR,
        Err(StartFailure::NoJob(reason)) => {
            if let Some(error) = reason {
                raise!(error);
            }
            ASYNC_NO_JOBS
        }
        Err(StartFailure::Error(error)) => {
            raise!(error);
            ASYNC_ERR
        }
    }
}

/// Pauses the running job until it is resumed, and returns 1; also 1, at once, where nothing can be paused (B31 to B34).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_pause_job() -> c_int {
    dispatch::pause();
    1
}

/// 1 inside a job, else 0 (B42).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_in_job() -> c_int {
    dispatch::current().is_some().into()
}

/// The running job's handle, or NULL outside a job (B35).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_get_current_job() -> *mut ASYNC_JOB {
    dispatch::current().map_or(ptr::null_mut(), |record| record.handle().cast())
}

/// The descriptor that a wake makes readable, or -1 for NULL and for a job that has none or has ended (B36, D10).
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_get_wait_fd(job: *mut ASYNC_JOB) -> c_int {
    // SAFETY: the caller vouches for the handle.
    let record = unsafe { record(job) };
    record
        .and_then(|record| record.signal.channel())
        .map_or(-1, |pipe| pipe.wait_fd())
}

/// Makes a live job's wait fd readable, from any thread (B37, D24).
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_wake(job: *mut ASYNC_JOB) {
    // SAFETY: the caller vouches for the handle.
    if let Some(record) = unsafe { record(job) } {
        record.signal.wake(None);
    }
}

/// Makes a live job's wait fd unreadable, from any thread; never blocks (B37, D9).
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_clear_wake(job: *mut ASYNC_JOB) {
    // SAFETY: the caller vouches for the handle.
    if let Some(record) = unsafe { record(job) } {
        record.signal.clear(None);
    }
}

/// Inside a job: keeps the thread's jobs from pausing, once more (B41, K1 to K5).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_block_pause() {
    dispatch::block_pause();
}

/// Inside a job: takes back one `ASYNC_block_pause` (B41, K3).
#[unsafe(no_mangle)]
pub extern "C" fn ASYNC_unblock_pause() {
    dispatch::unblock_pause();
}

/// The record that a handle means.
///
/// # Safety
///
/// As [`Record::from_handle`].
unsafe fn record(job: *mut ASYNC_JOB) -> Option<&'static Record> {
    // SAFETY: the caller vouches for the handle.
    unsafe { Record::from_handle(job.cast()) }
}
