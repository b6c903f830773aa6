//! The one thread-local, a word (`csrc/thread.c`).

use core::ffi::c_void;

/// Whether a thread's first access to its state may allocate. That is so in a library that is loaded
/// later, unless the pointer is initial-exec (`csrc/thread.c`). musl allocates when it loads the
/// library.
pub const THREAD_STATE_MAY_ALLOCATE: bool =
    cfg!(not(any(target_env = "musl", ossl_async_initial_exec)));

unsafe extern "C" {
    fn ossl_async_thread_get() -> *mut c_void;
    fn ossl_async_thread_set(state: *mut c_void);
}

/// The calling thread's word, null until it is set.
#[inline(always)]
pub fn thread_state() -> *mut c_void {
    // SAFETY: reads a variable of the thread.
    unsafe { ossl_async_thread_get() }
}

/// Sets the calling thread's word.
pub fn set_thread_state(state: *mut c_void) {
    // SAFETY: writes a variable of the thread.
    unsafe { ossl_async_thread_set(state) };
}
