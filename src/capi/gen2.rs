//! Generation 2: what OpenSSL has from 1.1.0 on, 3.0's callback and status and 3.2's stack functions included (7.1).

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::{ASYNC_JOB, ASYNC_NO_JOBS, record, start_or_resume, succeed};
use crate::custom_stack::{self, Allocate, Free};
use crate::dispatch::{self, Argument, Start};
use crate::error::Error;
use crate::job::{Function, Record};
use crate::libcrypto;
use crate::platform;
use crate::wait_ctx::{Callback, Cleanup, WaitCtx};
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

pub use crate::wait_ctx::WaitCtx as ASYNC_WAIT_CTX;

/// A status: the operation cannot tell when it is done (7.6).
pub const ASYNC_STATUS_UNSUPPORTED: c_int = 0;
/// A status: an error.
pub const ASYNC_STATUS_ERR: c_int = 1;
/// A status: submitted.
pub const ASYNC_STATUS_OK: c_int = 2;
/// A status: busy, try again.
pub const ASYNC_STATUS_EAGAIN: c_int = 3;

/// As [`ASYNC_init_pool`](super::ASYNC_init_pool), without pipes. 0 with an entry also if so many jobs could not even be
/// listed (G1, G2), and where libcrypto 3.6 or later is in the process if `max_size` is more than an `int` holds. Where there
/// are no jobs: 1 (F16).
#[inline(always)]
pub extern "C" fn ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int {
    let done = init_thread(max_size, init_size);
    if max_size == 0 && init_size == 0 {
        // libcrypto itself may be calling, for a pool of its own.
        libcrypto::init_own_pool();
    }
    done
}

/// [`ASYNC_init_thread`], by the name that libcrypto cannot have.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int {
    init_thread(max_size, init_size)
}

fn init_thread(max_size: usize, init_size: usize) -> c_int {
    match dispatch::init_pool(max_size, init_size, false) {
        Err(Error::Unavailable) => 1,
        done => succeed(done),
    }
}

/// As [`ASYNC_free_pool`](super::ASYNC_free_pool) (G5).
#[inline(always)]
pub extern "C" fn ASYNC_cleanup_thread() {
    super::ASYNC_free_pool();
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
    platform::capable().into()
}

/// A new wait context, or NULL without memory (G16).
#[inline(always)]
pub extern "C" fn ASYNC_WAIT_CTX_new() -> *mut ASYNC_WAIT_CTX {
    WaitCtx::new().map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Frees a wait context, calling the cleanups of what is still in it; NULL is allowed (G17, G18, D26).
///
/// # Safety
///
/// `ctx` is NULL or was not freed before, and its cleanups can be called.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_free(ctx: *mut ASYNC_WAIT_CTX) {
    if let Some(ctx) = NonNull::new(ctx) {
        // SAFETY: the caller vouches for it.
        unsafe { WaitCtx::free(ctx) };
    }
}

/// Adds a descriptor under a key (G19). Returns 1, or 0 with an entry; 0 without one for NULL (D28) and for a context
/// that is being freed.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed; `cleanup` can be called for this entry.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_wait_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    custom_data: *mut c_void,
    cleanup: Option<Cleanup>,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let Some(ctx) = (unsafe { wait_ctx(ctx) }) else {
        return 0;
    };
    match ctx.set(key, fd, custom_data, cleanup) {
        Ok(added) => added.into(),
        Err(error) => {
            raise!(error);
            0
        }
    }
}

/// Writes descriptor and data of the newest entry with a key, and returns 1; 0 if there is none (G20). Outputs may be
/// NULL.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed; `fd` and `custom_data` are NULL or can be written.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: *mut c_int,
    custom_data: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let Some((found, data)) = unsafe { wait_ctx(ctx) }.and_then(|ctx| ctx.get(key)) else {
        return 0;
    };
    // SAFETY: the caller vouches for the outputs.
    unsafe {
        write(fd, found);
        write(custom_data, data);
    }
    1
}

/// Writes the number of descriptors and, unless `fd` is NULL, the descriptors, newest first; returns 1, or 0 if `ctx` or
/// `numfds` is NULL (G21).
///
/// # Safety
///
/// `ctx` is NULL or has not been freed; `numfds` is NULL or can be written, `fd` is NULL or has room for all.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_all_fds(
    ctx: *mut ASYNC_WAIT_CTX,
    fd: *mut c_int,
    numfds: *mut usize,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let Some(ctx) = (unsafe { wait_ctx(ctx) }) else {
        return 0;
    };
    if numfds.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for the outputs.
    unsafe { list(fd, numfds, |each| ctx.all(each)) };
    1
}

/// Writes how many descriptors were added and cleared since the last resume and, into each array that is not NULL, which;
/// returns 1, or 0 if `ctx` or a count is NULL (G22).
///
/// # Safety
///
/// As [`ASYNC_WAIT_CTX_get_all_fds`], for both pairs.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_changed_fds(
    ctx: *mut ASYNC_WAIT_CTX,
    addfd: *mut c_int,
    numaddfds: *mut usize,
    delfd: *mut c_int,
    numdelfds: *mut usize,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let Some(ctx) = (unsafe { wait_ctx(ctx) }) else {
        return 0;
    };
    if numaddfds.is_null() || numdelfds.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for the outputs.
    unsafe {
        list(addfd, numaddfds, |each| ctx.added(each));
        list(delfd, numdelfds, |each| ctx.deleted(each));
    }
    1
}

/// Takes the newest entry with a key away, without its cleanup; 0 if there is none (G23 to G27).
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_clear_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    unsafe { wait_ctx(ctx) }
        .is_some_and(|ctx| ctx.clear(key))
        .into()
}

/// Sets the callback, NULL unsets it; returns 1, or 0 for a NULL context (G33).
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_callback(
    ctx: *mut ASYNC_WAIT_CTX,
    callback: Option<Callback>,
    callback_arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let ctx = unsafe { wait_ctx(ctx) };
    ctx.map(|ctx| ctx.set_callback(callback, callback_arg))
        .is_some()
        .into()
}

/// Writes the callback and its argument and returns 1; 0 if none is set, or for a NULL context (G34). Outputs may be NULL.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed; the outputs are NULL or can be written.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_callback(
    ctx: *mut ASYNC_WAIT_CTX,
    callback: *mut Option<Callback>,
    callback_arg: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let Some((found, argument)) = unsafe { wait_ctx(ctx) }.and_then(WaitCtx::callback) else {
        return 0;
    };
    // SAFETY: the caller vouches for the outputs.
    unsafe {
        write(callback, Some(found));
        write(callback_arg, argument);
    }
    1
}

/// Sets the status, any number, and returns 1; 0 for a NULL context (G35). From any thread.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_status(
    ctx: *mut ASYNC_WAIT_CTX,
    status: c_int,
) -> c_int {
    // SAFETY: the caller vouches for the context.
    let ctx = unsafe { wait_ctx(ctx) };
    ctx.map(|ctx| ctx.set_status(status)).is_some().into()
}

/// The status; 0 for a NULL context (G35). From any thread.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_status(ctx: *mut ASYNC_WAIT_CTX) -> c_int {
    // SAFETY: the caller vouches for the context.
    unsafe { wait_ctx(ctx) }.map_or(0, WaitCtx::status)
}

/// Installs the functions that make and free stacks; NULL keeps the current one. Returns 1, or 0 once a stack has been
/// tried for in the process (G40, G42), and where there are no jobs.
///
/// # Safety
///
/// Both can be called so from any thread; what the first answers is memory that nothing else uses until the second gets it.
#[inline(always)]
pub unsafe extern "C" fn ASYNC_set_mem_functions(
    alloc_fn: Option<Allocate>,
    free_fn: Option<Free>,
) -> c_int {
    (platform::AVAILABLE && custom_stack::install(alloc_fn, free_fn)).into()
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
    let functions = platform::AVAILABLE.then(custom_stack::installed);
    // SAFETY: the caller vouches for the outputs.
    unsafe {
        write(alloc_fn, functions.map(|functions| functions.allocate));
        write(free_fn, functions.map(|functions| functions.free));
    }
}

/// The context that a pointer means, or none for NULL (D28).
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
unsafe fn wait_ctx<'a>(ctx: *mut ASYNC_WAIT_CTX) -> Option<&'a WaitCtx> {
    // SAFETY: the caller vouches for it.
    unsafe { ctx.as_ref() }
}

/// Writes an output, unless the caller does not want it.
///
/// # Safety
///
/// `to` is NULL or can be written.
unsafe fn write<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: the caller vouches for it.
        unsafe { to.write(value) };
    }
}

/// Writes a list of descriptors, unless `to` is NULL, and its length.
///
/// # Safety
///
/// `to` is NULL or has room for all; `length` can be written.
unsafe fn list(to: *mut c_int, length: *mut usize, visit: impl FnOnce(&mut dyn FnMut(c_int))) {
    let mut count = 0;
    visit(&mut |fd| {
        if !to.is_null() {
            // SAFETY: the caller vouches for the room.
            unsafe { to.add(count).write(fd) };
        }
        count += 1;
    });
    // SAFETY: the caller vouches for it.
    unsafe { length.write(count) };
}
