//! Functions that run when a thread or the process ends.

use super::objects::pin;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Has `run` called once, with the thread's state, when the calling thread ends. C++ and Rust
/// thread-local destructors run before that.
///
/// `run` may call this again. Returns false if the process has no thread-specific key left, or no
/// memory for one.
///
/// This uses a pthread key and not a Rust destructor. Rust's run before the key destructors of
/// other libraries, which may still call the library, and on the main thread before `atexit`.
pub fn call_at_thread_exit(run: extern "C" fn(*mut c_void), state: *mut c_void) -> bool {
    // SAFETY: the key is the library's, and is never deleted.
    key(run).is_some_and(|key| unsafe { libc::pthread_setspecific(key, state) == 0 })
}

/// Cancels [`call_at_thread_exit`]: the calling thread has no state any more.
pub fn cancel_thread_exit() {
    let known = KEY.load(Ordering::Acquire);
    if known != 0 {
        // SAFETY: a key that was made is never deleted. Setting NULL needs no memory.
        unsafe { libc::pthread_setspecific((known - 1) as libc::pthread_key_t, ptr::null()) };
    }
}

/// The process's key plus one; 0 before it is made.
static KEY: AtomicUsize = AtomicUsize::new(0);

fn key(run: extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
    let mut known = KEY.load(Ordering::Acquire);
    if known == 0 {
        pin();
        let mut made: libc::pthread_key_t = 0;
        // SAFETY: the key is written to a local variable. The function was just pinned.
        if unsafe {
            libc::pthread_key_create(&mut made, Some(run as unsafe extern "C" fn(*mut c_void)))
        } != 0
        {
            return None;
        }
        known = made as usize + 1;
        if let Err(others) = KEY.compare_exchange(0, known, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: the key was just made, and no other thread has seen it.
            unsafe { libc::pthread_key_delete(made) };
            known = others;
        }
    }
    Some((known - 1) as libc::pthread_key_t)
}

/// Whether the calling thread has called [`call_at_thread_exit`], and `run` was not called yet.
///
/// Signal handlers may call this. It touches no thread-local of the library, because a thread's
/// first access may allocate.
pub fn has_thread_exit() -> bool {
    let known = KEY.load(Ordering::Acquire);
    // SAFETY: a key that was made is never deleted.
    known != 0
        && unsafe { !libc::pthread_getspecific((known - 1) as libc::pthread_key_t).is_null() }
}

/// Has `run` called when the process ends by `exit`.
pub fn call_at_process_exit(run: extern "C" fn()) {
    // SAFETY: the function stays loaded, because attaching a thread has pinned it.
    unsafe { libc::atexit(run) };
}
