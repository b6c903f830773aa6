//! Generation 2: the job functions of OpenSSL 1.1.0 and later (7.1), and the stack functions of 3.2
//! (7.8).

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::{ASYNC_JOB, ASYNC_NO_JOBS, record, start_or_resume, succeed, write_output};
use super::wait_contexts::ASYNC_WAIT_CTX;
use crate::error::Error;
use crate::jobs::job::Function;
use crate::jobs::requests::{Argument, Start};
use crate::jobs::{own_context, pools, thread};
use crate::libcrypto;
use crate::platform;
use crate::stack::custom::{self, Allocate, Free};
use core::ffi::{c_int, c_void};
use core::ptr;

/// [`ASYNC_init_pool`](super::ASYNC_init_pool) under its later name, without pipes ([G1]).
///
/// It also returns 0, with an entry, in two cases ([G2]):
///
/// - There is no memory to list `init_size` jobs.
/// - libcrypto 3.6 or later is in the process, and `max_size` is larger than an `int` can be.
///
/// Where there are no jobs it returns 1 ([F16]).
///
/// [G1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#73-thread-init-and-cleanup
/// [G2]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#73-thread-init-and-cleanup
/// [F16]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#44-null-implementation
#[inline(always)]
pub extern "C" fn ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int {
    let done = init_thread(max_size, init_size);
    if max_size == 0 && init_size == 0 {
        // libcrypto's own function may be the caller. It needs a pool of libcrypto's.
        libcrypto::init_own_pool(thread::is_in_job());
    }
    done
}

/// [`ASYNC_init_thread`] under the name that only this library has.
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

/// [`ASYNC_free_pool`](super::ASYNC_free_pool) under its later name ([G5]).
///
/// [G5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#73-thread-init-and-cleanup
#[inline(always)]
pub extern "C" fn ASYNC_cleanup_thread() {
    super::jobs_2015::ASYNC_free_pool();
}

/// Starts a job with a wait context if `*job` is NULL. Otherwise resumes `*job` ([G9], [G10]).
///
/// `ret` and `ctx` may be NULL ([D10], [D25]).
///
/// # Safety
///
/// As [`ASYNC_start_job_2015`](super::ASYNC_start_job_2015). `ctx` is NULL or has not been freed.
///
/// [G9]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#74-start-pause-current
/// [G10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#74-start-pause-current
/// [D10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
/// [D25]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub unsafe extern "C" fn ASYNC_start_job(
    job: *mut *mut ASYNC_JOB,
    ctx: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    func: Option<Function>,
    args: *mut c_void,
    size: usize,
) -> c_int {
    // Size 0 means that there is no argument, as in every maintained OpenSSL (B24, D11).
    let args = if size == 0 { ptr::null_mut() } else { args };
    let what = Start {
        function: func,
        argument: Argument::Copied(args, size),
        pipe: false,
        wait_ctx: ctx.cast(),
    };
    // SAFETY: the caller guarantees all of it.
    unsafe { start_or_resume(job, ret, what, ASYNC_NO_JOBS) }
}

/// Returns the wait context that a running or paused job was started with, or NULL ([G11]).
///
/// May be called from any thread. A job that Rust has started was given none. It gets one of its
/// own when code in the job first calls this, and the callback of that one wakes the job.
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
///
/// [G11]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#74-start-pause-current
#[inline(always)]
pub unsafe extern "C" fn ASYNC_get_wait_ctx(job: *mut ASYNC_JOB) -> *mut ASYNC_WAIT_CTX {
    // SAFETY: the caller guarantees that `job` is NULL or a handle of this library.
    let record = unsafe { record(job) };
    record.map_or(ptr::null_mut(), own_context::wait_ctx)
}

/// Returns 1 if this build and this system have jobs, else 0 ([F19]).
///
/// [F19]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#45-platform-gates-for-the-posix-implementation
#[inline(always)]
pub extern "C" fn ASYNC_is_capable() -> c_int {
    platform::is_capable().into()
}

/// Sets the functions that allocate and free stacks. NULL keeps the current one.
///
/// Returns 1. Returns 0 once the process has tried to make a stack ([G40], [G42]), and where there
/// are no jobs.
///
/// # Safety
///
/// Both functions can be called from any thread. Nothing else uses the memory that `alloc_fn`
/// returns until `free_fn` gets it.
///
/// [G40]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#78-stack-allocator-32
/// [G42]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#78-stack-allocator-32
#[inline(always)]
pub unsafe extern "C" fn ASYNC_set_mem_functions(
    alloc_fn: Option<Allocate>,
    free_fn: Option<Free>,
) -> c_int {
    (platform::AVAILABLE && custom::install(alloc_fn, free_fn)).into()
}

/// Writes the current functions to each output that is not NULL ([G43]).
///
/// Where there are no jobs it writes NULL.
///
/// # Safety
///
/// The outputs are NULL or can be written.
///
/// [G43]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#78-stack-allocator-32
#[inline(always)]
pub unsafe extern "C" fn ASYNC_get_mem_functions(
    alloc_fn: *mut Option<Allocate>,
    free_fn: *mut Option<Free>,
) {
    let functions = platform::AVAILABLE.then(custom::installed);
    // SAFETY: the caller guarantees that the outputs can be written.
    unsafe {
        write_output(alloc_fn, functions.map(|functions| functions.allocate));
        write_output(free_fn, functions.map(|functions| functions.free));
    }
}
