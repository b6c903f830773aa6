//! Generation 1: the functions of the 2015 manual page.

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::{ASYNC_ERR, ASYNC_JOB, record, start_or_resume, succeed};
use crate::jobs::job::Function;
use crate::jobs::requests::{Argument, Start};
use crate::jobs::{block, current, dispatch, pools};
use crate::wake::Pipe;
use core::ffi::{c_int, c_void};
use core::ptr;

/// Makes the calling thread's pool: at most `max_size` jobs (0: no limit), `init_size` of them now, each with its wait
/// fd. Returns 1, or 0 with an entry. Rules B7 to B12, D2.
#[inline(always)]
pub extern "C" fn ASYNC_init_pool(max_size: usize, init_size: usize) -> c_int {
    succeed(pools::init_pool(max_size, init_size, true))
}

/// Frees the calling thread's pool and idle jobs. Inside a job: no effect but an entry. Rules B13 to B17, D3, D4.
#[inline(always)]
pub extern "C" fn ASYNC_free_pool() {
    if let Err(error) = pools::free_pool() {
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
    let argument = Argument::Copied(args, size);
    let what = Start {
        function: func,
        argument,
        pipe: true,
        wait_ctx: ptr::null_mut(),
    };
    // SAFETY: the caller vouches for all of it.
    unsafe { start_or_resume(job, ret, what, ASYNC_ERR) }
}

/// Pauses the running job until it is resumed, and returns 1; also 1, at once, where nothing can be paused (B31 to B34).
/// 0, at once, in a job that was cancelled.
#[inline(always)]
pub extern "C" fn ASYNC_pause_job() -> c_int {
    dispatch::pause(1, 0)
}

/// 1 inside a job, else 0 (B42).
#[inline(always)]
pub extern "C" fn ASYNC_in_job() -> c_int {
    current::current().is_some().into()
}

/// The running job's handle, or NULL outside a job (B35).
#[inline(always)]
pub extern "C" fn ASYNC_get_current_job() -> *mut ASYNC_JOB {
    current::current().map_or(ptr::null_mut(), |record| record.handle().cast())
}

/// The descriptor that a wake makes readable, or -1 for NULL and for a job that has none or has ended (B36, D10).
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_get_wait_fd(job: *mut ASYNC_JOB) -> c_int {
    // SAFETY: the caller vouches for the handle.
    let record = unsafe { record(job) };
    record
        .and_then(|record| record.signal.channel(Pipe::wait_fd))
        .unwrap_or(-1)
}

/// Makes a live job's wait fd readable, from any thread (B37, D24).
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[inline(always)]
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
#[inline(always)]
pub unsafe extern "C" fn ASYNC_clear_wake(job: *mut ASYNC_JOB) {
    // SAFETY: the caller vouches for the handle.
    if let Some(record) = unsafe { record(job) } {
        record.signal.clear(None);
    }
}

/// Inside a job: keeps the thread's jobs from pausing, once more (B41, K1 to K5).
#[inline(always)]
pub extern "C" fn ASYNC_block_pause() {
    block::block_pause();
}

/// Inside a job: takes back one `ASYNC_block_pause` (B41, K3).
#[inline(always)]
pub extern "C" fn ASYNC_unblock_pause() {
    block::unblock_pause();
}
