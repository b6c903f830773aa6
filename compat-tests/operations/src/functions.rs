//! The functions of the second generation as tables of pointers, so that the same code calls any
//! implementation.

use ossl_async::sys::*;
use std::ffi::{c_int, c_void};

/// A job's function.
pub type JobFn = unsafe extern "C" fn(*mut c_void) -> c_int;

/// What a wait context calls for each of its entries when it is freed.
pub type CleanupFn = unsafe extern "C" fn(*mut ASYNC_WAIT_CTX, *const c_void, c_int, *mut c_void);

/// A wait context's callback.
pub type CallbackFn = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Makes a structure of C functions, with the names by which they are looked up.
#[macro_export]
macro_rules! functions {
    ($(#[$about:meta])* $name:ident { $($field:ident $symbol:literal ($($argument:ty),*) $(-> $result:ty)?;)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub struct $name {
            $(
                #[doc = stringify!($symbol)]
                pub $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,
            )*
        }

        impl $name {
            /// Looks the functions up by their names. The error has the first name that was not
            /// found.
            ///
            /// # Safety
            ///
            /// A symbol with the name of an OpenSSL function has the prototype of that function.
            pub unsafe fn look_up(
                find: impl Fn(&std::ffi::CStr) -> Result<*mut std::ffi::c_void, String>,
            ) -> Result<$name, String> {
                Ok($name {
                    // SAFETY: the caller guarantees it.
                    $($field: unsafe {
                        std::mem::transmute::<
                            *mut std::ffi::c_void,
                            unsafe extern "C" fn($($argument),*) $(-> $result)?,
                        >(find($symbol)?)
                    },)*
                })
            }

            /// The functions' names and addresses.
            pub fn addresses(&self) -> Vec<(&'static std::ffi::CStr, *const std::ffi::c_void)> {
                vec![$(($symbol, self.$field as *const std::ffi::c_void)),*]
            }
        }
    };
}

functions! {
    /// The functions of every version of the second generation (7.1 of the behaviour reference).
    Functions {
        init_thread c"ASYNC_init_thread" (usize, usize) -> c_int;
        cleanup_thread c"ASYNC_cleanup_thread" ();
        start_job c"ASYNC_start_job"
            (*mut *mut ASYNC_JOB, *mut ASYNC_WAIT_CTX, *mut c_int, Option<JobFn>, *mut c_void, usize) -> c_int;
        pause_job c"ASYNC_pause_job" () -> c_int;
        get_current_job c"ASYNC_get_current_job" () -> *mut ASYNC_JOB;
        get_wait_ctx c"ASYNC_get_wait_ctx" (*mut ASYNC_JOB) -> *mut ASYNC_WAIT_CTX;
        block_pause c"ASYNC_block_pause" ();
        unblock_pause c"ASYNC_unblock_pause" ();
        is_capable c"ASYNC_is_capable" () -> c_int;
        wait_ctx_new c"ASYNC_WAIT_CTX_new" () -> *mut ASYNC_WAIT_CTX;
        wait_ctx_free c"ASYNC_WAIT_CTX_free" (*mut ASYNC_WAIT_CTX);
        set_wait_fd c"ASYNC_WAIT_CTX_set_wait_fd"
            (*mut ASYNC_WAIT_CTX, *const c_void, c_int, *mut c_void, Option<CleanupFn>) -> c_int;
        get_fd c"ASYNC_WAIT_CTX_get_fd" (*mut ASYNC_WAIT_CTX, *const c_void, *mut c_int, *mut *mut c_void) -> c_int;
        get_all_fds c"ASYNC_WAIT_CTX_get_all_fds" (*mut ASYNC_WAIT_CTX, *mut c_int, *mut usize) -> c_int;
        get_changed_fds c"ASYNC_WAIT_CTX_get_changed_fds"
            (*mut ASYNC_WAIT_CTX, *mut c_int, *mut usize, *mut c_int, *mut usize) -> c_int;
        clear_fd c"ASYNC_WAIT_CTX_clear_fd" (*mut ASYNC_WAIT_CTX, *const c_void) -> c_int;
    }
}

functions! {
    /// The functions that were added in 3.0.
    Functions3 {
        set_callback c"ASYNC_WAIT_CTX_set_callback" (*mut ASYNC_WAIT_CTX, Option<CallbackFn>, *mut c_void) -> c_int;
        get_callback c"ASYNC_WAIT_CTX_get_callback"
            (*mut ASYNC_WAIT_CTX, *mut Option<CallbackFn>, *mut *mut c_void) -> c_int;
        set_status c"ASYNC_WAIT_CTX_set_status" (*mut ASYNC_WAIT_CTX, c_int) -> c_int;
        get_status c"ASYNC_WAIT_CTX_get_status" (*mut ASYNC_WAIT_CTX) -> c_int;
    }
}

impl Functions {
    /// The ossl-async that this program is linked with.
    pub const LINKED: Functions = Functions {
        init_thread: ASYNC_init_thread,
        cleanup_thread: ASYNC_cleanup_thread,
        start_job: ASYNC_start_job,
        pause_job: ASYNC_pause_job,
        get_current_job: ASYNC_get_current_job,
        get_wait_ctx: ASYNC_get_wait_ctx,
        block_pause: ASYNC_block_pause,
        unblock_pause: ASYNC_unblock_pause,
        is_capable: ASYNC_is_capable,
        wait_ctx_new: ASYNC_WAIT_CTX_new,
        wait_ctx_free: ASYNC_WAIT_CTX_free,
        set_wait_fd: ASYNC_WAIT_CTX_set_wait_fd,
        get_fd: ASYNC_WAIT_CTX_get_fd,
        get_all_fds: ASYNC_WAIT_CTX_get_all_fds,
        get_changed_fds: ASYNC_WAIT_CTX_get_changed_fds,
        clear_fd: ASYNC_WAIT_CTX_clear_fd,
    };
}

impl Functions3 {
    /// The ossl-async that this program is linked with.
    pub const LINKED: Functions3 = Functions3 {
        set_callback: ASYNC_WAIT_CTX_set_callback,
        get_callback: ASYNC_WAIT_CTX_get_callback,
        set_status: ASYNC_WAIT_CTX_set_status,
        get_status: ASYNC_WAIT_CTX_get_status,
    };
}
