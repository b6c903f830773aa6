//! Generation 2: the job functions of OpenSSL 1.1.0 and later, and 3.2's stack functions (7.1).

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::{ASYNC_JOB, ASYNC_NO_JOBS, record, start_or_resume, succeed, write_output};
use super::wait_contexts::ASYNC_WAIT_CTX;
use crate::error::Error;
use crate::jobs::job::{Function, Record};
use crate::jobs::requests::{Argument, Start};
use crate::jobs::{pools, thread};
use crate::libcrypto;
use crate::platform;
use crate::stack::custom::{self, Allocate, Free};
use core::ffi::{c_int, c_void};
use core::ptr;

/// As [`ASYNC_init_pool`](super::ASYNC_init_pool), without pipes. 0 with an entry also if so many jobs could not even be
/// listed (G1, G2), and where libcrypto 3.6 or later is in the process if `max_size` is more than an `int` holds. Where there
/// are no jobs: 1 (F16).
#[inline(always)]
pub extern "C" fn ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int {
    let done = init_thread(max_size, init_size);
    if max_size == 0 && init_size == 0 {
        // libcrypto itself may be calling, for a pool of its own.
        libcrypto::init_own_pool(thread::is_in_job());
    }
    done
}

/// [`ASYNC_init_thread`], by the name that libcrypto cannot have.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int {
    init_thread(max_size, init_size)
}

fn init_thread(max_size: usize, init_size: usize) -> c_int {
    match pools::init_pool(max_size, init_size, false) {
        Err(Error::Unavailable) => 1,
        done => succeed(done),
    }
}

/// As [`ASYNC_free_pool`](super::ASYNC_free_pool) (G5).
#[inline(always)]
pub extern "C" fn ASYNC_cleanup_thread() {
    super::jobs_2015::ASYNC_free_pool();
}

/// Starts a job (`*job` NULL) with a wait context, or resumes one. `ret` and `ctx` may be NULL (D10, D25). Rules G9, G10.
///
/// # Safety
///
/// As [`ASYNC_start_job_2015`](super::ASYNC_start_job_2015); `ctx` is NULL or has not been freed.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_start_job(
    job: *mut *mut ASYNC_JOB,
    ctx: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    func: Option<Function>,
    args: *mut c_void,
    size: usize,
) -> c_int {
    // No bytes are as good as none at all, as in every OpenSSL that is maintained (B24, D11).
    let args = if size == 0 { ptr::null_mut() } else { args };
    let what = Start {
        function: func,
        argument: Argument::Copied(args, size),
        pipe: false,
        wait_ctx: ctx.cast(),
    };
    // SAFETY: the caller vouches for all of it.
    unsafe { start_or_resume(job, ret, what, ASYNC_NO_JOBS) }
}

/// The wait context that a live job was started with, or NULL. From any thread (G11).
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_get_wait_ctx(job: *mut ASYNC_JOB) -> *mut ASYNC_WAIT_CTX {
    // SAFETY: the caller vouches for the handle.
    let record = unsafe { record(job) };
    record.map_or(ptr::null_mut(), Record::wait_ctx)
}

/// 1 if jobs can be made here, else 0 (F19).
#[inline(always)]
pub extern "C" fn ASYNC_is_capable() -> c_int {
    platform::is_capable().into()
}

/// Installs the functions that make and free stacks; NULL keeps the current one. Returns 1, or 0 once a stack has been
/// tried for in the process (G40, G42), and where there are no jobs.
///
/// # Safety
///
/// Both can be called so from any thread; what the first returns is memory that nothing else uses until the second gets it.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_set_mem_functions(
    alloc_fn: Option<Allocate>,
    free_fn: Option<Free>,
) -> c_int {
    (platform::AVAILABLE && custom::install(alloc_fn, free_fn)).into()
}

/// Writes the current functions to each output that is not NULL; where there are no jobs, NULLs (G43).
///
/// # Safety
///
/// The outputs are NULL or can be written.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_get_mem_functions(
    alloc_fn: *mut Option<Allocate>,
    free_fn: *mut Option<Free>,
) {
    let functions = platform::AVAILABLE.then(custom::installed);
    // SAFETY: the caller vouches for the outputs.
    unsafe {
        write_output(alloc_fn, functions.map(|functions| functions.allocate));
        write_output(free_fn, functions.map(|functions| functions.free));
    }
}
