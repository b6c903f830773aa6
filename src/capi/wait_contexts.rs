//! Wait contexts, as OpenSSL has them from 1.1.0 on, with 3.0's callback and status (7.5, 7.6).

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::write_output;
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
        write_output(fd, found);
        write_output(custom_data, data);
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
    unsafe { write_list(fd, numfds, |each| ctx.all(each)) };
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
        write_list(addfd, numaddfds, |each| ctx.added(each));
        write_list(delfd, numdelfds, |each| ctx.deleted(each));
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
        write_output(callback, Some(found));
        write_output(callback_arg, argument);
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

/// The context that a pointer means, or none for NULL (D28).
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
unsafe fn wait_ctx<'a>(ctx: *mut ASYNC_WAIT_CTX) -> Option<&'a WaitCtx> {
    // SAFETY: the caller vouches for it.
    unsafe { ctx.as_ref() }
}

/// Writes a list of descriptors, unless `to` is NULL, and its length.
///
/// # Safety
///
/// `to` is NULL or has room for all; `length` can be written.
unsafe fn write_list(
    to: *mut c_int,
    length: *mut usize,
    visit: impl FnOnce(&mut dyn FnMut(c_int)),
) {
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
