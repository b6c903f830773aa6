//! The symbols of the functions whose names libcrypto may have too. Most of them have a second
//! symbol here.
//!
//! A C program of the five-argument API calls `OSSL_ASYNC_pause_job`. The header maps the familiar
//! name to it, because libcrypto cannot have that symbol. Programs of the six-argument API, libssl
//! and engines call `ASYNC_pause_job`, which libcrypto may have too. `ASYNC_start_job` has one
//! name. `ASYNC_init_thread` has two functions, because it does more under libcrypto's name.
//!
//! The Rust functions behind these symbols are not symbols themselves. So they call each other
//! inside the library, whichever library the process finds first under an exported name.
//!
//! All these symbols must come from one library. If the linker took some from here and others from
//! libcrypto, libssl would crash. In an executable the linker takes only the sections that are
//! needed. So all of them are in one module, which rustc compiles into one object file, and in one
//! section. The linker keeps or drops a section as a whole.

use crate::capi::{ASYNC_JOB, ASYNC_WAIT_CTX};
use crate::jobs::job::Function;
use crate::stack::custom::{Allocate, Free};
use crate::wait_ctx::{Callback, Cleanup};
use core::ffi::{c_int, c_void};

/// Exports each function under its own name.
macro_rules! one_name {
    ($(fn $plain:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        $(two_names!(@ $plain leads to $plain ($($argument: $type),*) $(-> $result)?);)*
    };
}

/// Exports each function under both names. The Rust function with the first name has the signature,
/// and says what the caller must guarantee.
macro_rules! two_names {
    ($(fn $plain:ident, $ours:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        $(
            two_names!(@ $plain leads to $plain ($($argument: $type),*) $(-> $result)?);
            two_names!(@ $ours leads to $plain ($($argument: $type),*) $(-> $result)?);
        )*
    };
    (@ $symbol:ident leads to $function:ident ($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        const _: () = {
            #[unsafe(no_mangle)]
            #[cfg_attr(
                all(unix, not(target_vendor = "apple")),
                unsafe(link_section = ".text.ossl_async_names")
            )]
            unsafe extern "C" fn $symbol($($argument: $type),*) $(-> $result)? {
                #[allow(unused_unsafe, reason = "some of the functions are safe")]
                // SAFETY: the caller of the symbol fulfils the conditions of the Rust function.
                unsafe {
                    $crate::capi::$function($($argument),*)
                }
            }
        };
    };
}

one_name! {
    fn ASYNC_init_thread(max_size: usize, init_size: usize) -> c_int;
    fn ASYNC_start_job(
        job: *mut *mut ASYNC_JOB,
        wait_ctx: *mut ASYNC_WAIT_CTX,
        ret: *mut c_int,
        func: Option<Function>,
        args: *mut c_void,
        size: usize,
    ) -> c_int;
}

two_names! {
    fn ASYNC_init_pool, OSSL_ASYNC_init_pool(max_size: usize, init_size: usize) -> c_int;
    fn ASYNC_free_pool, OSSL_ASYNC_free_pool();
    fn ASYNC_pause_job, OSSL_ASYNC_pause_job() -> c_int;
    fn ASYNC_in_job, OSSL_ASYNC_in_job() -> c_int;
    fn ASYNC_get_current_job, OSSL_ASYNC_get_current_job() -> *mut ASYNC_JOB;
    fn ASYNC_get_wait_fd, OSSL_ASYNC_get_wait_fd(job: *mut ASYNC_JOB) -> c_int;
    fn ASYNC_wake, OSSL_ASYNC_wake(job: *mut ASYNC_JOB);
    fn ASYNC_clear_wake, OSSL_ASYNC_clear_wake(job: *mut ASYNC_JOB);
    fn ASYNC_block_pause, OSSL_ASYNC_block_pause();
    fn ASYNC_unblock_pause, OSSL_ASYNC_unblock_pause();

    fn ASYNC_cleanup_thread, OSSL_ASYNC_cleanup_thread();
    fn ASYNC_is_capable, OSSL_ASYNC_is_capable() -> c_int;
    fn ASYNC_get_wait_ctx, OSSL_ASYNC_get_wait_ctx(job: *mut ASYNC_JOB) -> *mut ASYNC_WAIT_CTX;

    fn ASYNC_WAIT_CTX_new, OSSL_ASYNC_WAIT_CTX_new() -> *mut ASYNC_WAIT_CTX;
    fn ASYNC_WAIT_CTX_free, OSSL_ASYNC_WAIT_CTX_free(ctx: *mut ASYNC_WAIT_CTX);
    fn ASYNC_WAIT_CTX_set_wait_fd, OSSL_ASYNC_WAIT_CTX_set_wait_fd(
        ctx: *mut ASYNC_WAIT_CTX,
        key: *const c_void,
        fd: c_int,
        custom_data: *mut c_void,
        cleanup: Option<Cleanup>,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_fd, OSSL_ASYNC_WAIT_CTX_get_fd(
        ctx: *mut ASYNC_WAIT_CTX,
        key: *const c_void,
        fd: *mut c_int,
        custom_data: *mut *mut c_void,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_all_fds, OSSL_ASYNC_WAIT_CTX_get_all_fds(
        ctx: *mut ASYNC_WAIT_CTX,
        fd: *mut c_int,
        numfds: *mut usize,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_changed_fds, OSSL_ASYNC_WAIT_CTX_get_changed_fds(
        ctx: *mut ASYNC_WAIT_CTX,
        addfd: *mut c_int,
        numaddfds: *mut usize,
        delfd: *mut c_int,
        numdelfds: *mut usize,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_clear_fd, OSSL_ASYNC_WAIT_CTX_clear_fd(
        ctx: *mut ASYNC_WAIT_CTX,
        key: *const c_void,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_set_callback, OSSL_ASYNC_WAIT_CTX_set_callback(
        ctx: *mut ASYNC_WAIT_CTX,
        callback: Option<Callback>,
        callback_arg: *mut c_void,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_callback, OSSL_ASYNC_WAIT_CTX_get_callback(
        ctx: *mut ASYNC_WAIT_CTX,
        callback: *mut Option<Callback>,
        callback_arg: *mut *mut c_void,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_set_status, OSSL_ASYNC_WAIT_CTX_set_status(
        ctx: *mut ASYNC_WAIT_CTX,
        status: c_int,
    ) -> c_int;
    fn ASYNC_WAIT_CTX_get_status, OSSL_ASYNC_WAIT_CTX_get_status(ctx: *mut ASYNC_WAIT_CTX) -> c_int;

    fn ASYNC_set_mem_functions, OSSL_ASYNC_set_mem_functions(
        alloc_fn: Option<Allocate>,
        free_fn: Option<Free>,
    ) -> c_int;
    fn ASYNC_get_mem_functions, OSSL_ASYNC_get_mem_functions(
        alloc_fn: *mut Option<Allocate>,
        free_fn: *mut Option<Free>,
    );
}
