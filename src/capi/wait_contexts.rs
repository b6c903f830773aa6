//! Wait contexts, as OpenSSL has them since 1.1.0 (7.5), with the callback and status of 3.0 (7.6).

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::write_output;
use crate::wait_ctx::{Callback, Cleanup, WaitCtx};
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

pub use crate::wait_ctx::WaitCtx as ASYNC_WAIT_CTX;

/// A status: the callback is not used ([7.6]).
///
/// [7.6]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#76-callback-and-status-30
pub const ASYNC_STATUS_UNSUPPORTED: c_int = 0;
/// A status: the work failed.
pub const ASYNC_STATUS_ERR: c_int = 1;
/// A status: the work is under way or done.
pub const ASYNC_STATUS_OK: c_int = 2;
/// A status: nothing was begun; try again later.
pub const ASYNC_STATUS_EAGAIN: c_int = 3;

/// Returns a new wait context, or NULL if there is no memory ([G16]).
///
/// [G16]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
#[inline(always)]
pub extern "C" fn ASYNC_WAIT_CTX_new() -> *mut ASYNC_WAIT_CTX {
    WaitCtx::new().map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Frees a wait context and calls the cleanups of its entries ([G17], [G18]). NULL has no effect.
///
/// If a job is still paused on it, the context stays, empty, until that job ends ([D26]).
///
/// # Safety
///
/// `ctx` is NULL or was not freed before. Its cleanups can be called.
///
/// [G17]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
/// [G18]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
/// [D26]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_free(ctx: *mut ASYNC_WAIT_CTX) {
    if let Some(ctx) = NonNull::new(ctx) {
        // SAFETY: the caller guarantees it.
        unsafe { WaitCtx::free(ctx) };
    }
}

/// Adds an entry: a descriptor under a key ([G19]).
///
/// Returns 1. Returns 0 with an entry if there is no memory. Returns 0 without one for a NULL
/// context ([D28]), and for a context that is being freed.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed. `cleanup` can be called for this entry.
///
/// [G19]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
/// [D28]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_wait_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    custom_data: *mut c_void,
    cleanup: Option<Cleanup>,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
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

/// Writes descriptor and data of the newest entry with a key ([G20]). Either output may be NULL.
/// Returns 1, or 0 with nothing written if there is no such entry.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed. `fd` and `custom_data` are NULL or can be written.
///
/// [G20]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: *mut c_int,
    custom_data: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    let Some((found, data)) = unsafe { wait_ctx(ctx) }.and_then(|ctx| ctx.get(key)) else {
        return 0;
    };
    // SAFETY: the caller guarantees that the outputs can be written.
    unsafe {
        write_output(fd, found);
        write_output(custom_data, data);
    }
    1
}

/// Writes the number of descriptors. Unless `fd` is NULL, also writes them, newest first ([G21]).
/// Returns 1, or 0 if `ctx` or `numfds` is NULL.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed. `numfds` is NULL or can be written. `fd` is NULL or has room
/// for all descriptors.
///
/// [G21]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_all_fds(
    ctx: *mut ASYNC_WAIT_CTX,
    fd: *mut c_int,
    numfds: *mut usize,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    let Some(ctx) = (unsafe { wait_ctx(ctx) }) else {
        return 0;
    };
    if numfds.is_null() {
        return 0;
    }
    // SAFETY: the caller guarantees that the outputs can be written.
    unsafe { write_list(fd, numfds, |each| ctx.all(each)) };
    1
}

/// Writes how many descriptors were added and how many were deleted since the last resume ([G22]).
///
/// Unless an array is NULL, also writes these descriptors to it. Returns 1, or 0 if `ctx` or a
/// number is NULL.
///
/// # Safety
///
/// As [`ASYNC_WAIT_CTX_get_all_fds`], for both arrays and both numbers.
///
/// [G22]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_changed_fds(
    ctx: *mut ASYNC_WAIT_CTX,
    addfd: *mut c_int,
    numaddfds: *mut usize,
    delfd: *mut c_int,
    numdelfds: *mut usize,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    let Some(ctx) = (unsafe { wait_ctx(ctx) }) else {
        return 0;
    };
    if numaddfds.is_null() || numdelfds.is_null() {
        return 0;
    }
    // SAFETY: the caller guarantees that the outputs can be written.
    unsafe {
        write_list(addfd, numaddfds, |each| ctx.added(each));
        write_list(delfd, numdelfds, |each| ctx.deleted(each));
    }
    1
}

/// Clears the newest entry with a key, and does not call its cleanup ([G23] to [G27]). Returns 1,
/// or 0 if there is no such entry.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
///
/// [G23]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
/// [G27]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_clear_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    unsafe { wait_ctx(ctx) }
        .is_some_and(|ctx| ctx.clear(key))
        .into()
}

/// Keeps a callback and its argument ([G33]). A NULL callback removes it. Returns 1, or 0 for a
/// NULL context.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
///
/// [G33]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#76-callback-and-status-30
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_callback(
    ctx: *mut ASYNC_WAIT_CTX,
    callback: Option<Callback>,
    callback_arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    let ctx = unsafe { wait_ctx(ctx) };
    ctx.map(|ctx| ctx.set_callback(callback, callback_arg))
        .is_some()
        .into()
}

/// Writes the callback and its argument ([G34]). Either output may be NULL. Returns 1, or 0 if no
/// callback is set, and for a NULL context.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed. The outputs are NULL or can be written.
///
/// [G34]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#76-callback-and-status-30
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_callback(
    ctx: *mut ASYNC_WAIT_CTX,
    callback: *mut Option<Callback>,
    callback_arg: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    let Some((found, argument)) = unsafe { wait_ctx(ctx) }.and_then(WaitCtx::callback) else {
        return 0;
    };
    // SAFETY: the caller guarantees that the outputs can be written.
    unsafe {
        write_output(callback, Some(found));
        write_output(callback_arg, argument);
    }
    1
}

/// Keeps a status, any number ([G35]). May be called from any thread. Returns 1, or 0 for a NULL
/// context.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
///
/// [G35]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#76-callback-and-status-30
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_set_status(
    ctx: *mut ASYNC_WAIT_CTX,
    status: c_int,
) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    let ctx = unsafe { wait_ctx(ctx) };
    ctx.map(|ctx| ctx.set_status(status)).is_some().into()
}

/// Returns the status, or 0 for a NULL context ([G35]). May be called from any thread.
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
///
/// [G35]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#76-callback-and-status-30
#[inline(always)]
pub unsafe extern "C" fn ASYNC_WAIT_CTX_get_status(ctx: *mut ASYNC_WAIT_CTX) -> c_int {
    // SAFETY: the caller guarantees that `ctx` is NULL or has not been freed.
    unsafe { wait_ctx(ctx) }.map_or(0, WaitCtx::status)
}

/// Returns the context that a pointer stands for, or none for NULL (D28).
///
/// # Safety
///
/// `ctx` is NULL or has not been freed.
unsafe fn wait_ctx<'a>(ctx: *mut ASYNC_WAIT_CTX) -> Option<&'a WaitCtx> {
    // SAFETY: the caller guarantees it.
    unsafe { ctx.as_ref() }
}

/// Writes the length of a list of descriptors. Unless `to` is NULL, also writes the descriptors.
///
/// # Safety
///
/// `to` is NULL or has room for all. `length` can be written.
unsafe fn write_list(
    to: *mut c_int,
    length: *mut usize,
    visit: impl FnOnce(&mut dyn FnMut(c_int)),
) {
    let mut count = 0;
    visit(&mut |fd| {
        if !to.is_null() {
            // SAFETY: the caller guarantees the room.
            unsafe { to.add(count).write(fd) };
        }
        count += 1;
    });
    // SAFETY: the caller guarantees it.
    unsafe { length.write(count) };
}
