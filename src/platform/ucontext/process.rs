//! Threads and processes that end, what the environment says, and standard error.

use super::objects::pin;
use core::ffi::{CStr, c_char, c_void};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Has `run` called with the thread's state when the calling thread ends, after C++ and Rust thread-local destructors, once.
/// It may be asked for again then. Answers false if the process has no thread-specific key left, or no memory for one.
///
/// A pthread key and not a Rust destructor: those run before other libraries' key destructors, which may still call
/// in, and on the main thread before `atexit`.
pub fn at_thread_exit(run: extern "C" fn(*mut c_void), state: *mut c_void) -> bool {
    // SAFETY: the key is ours and never deleted.
    key(run).is_some_and(|key| unsafe { libc::pthread_setspecific(key, state) == 0 })
}

/// The calling thread has no state any more: nothing is called when it ends.
pub fn forget_thread_exit() {
    let known = KEY.load(Ordering::Acquire);
    if known != 0 {
        // SAFETY: a key that was made is never deleted. Setting NULL needs no memory.
        unsafe { libc::pthread_setspecific((known - 1) as libc::pthread_key_t, ptr::null()) };
    }
}

/// The process's key, plus one; 0 before it was made.
static KEY: AtomicUsize = AtomicUsize::new(0);

fn key(run: extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
    let mut known = KEY.load(Ordering::Acquire);
    if known == 0 {
        pin();
        let mut made: libc::pthread_key_t = 0;
        // SAFETY: the key is written to a variable of ours; the function was just pinned.
        if unsafe {
            libc::pthread_key_create(&mut made, Some(run as unsafe extern "C" fn(*mut c_void)))
        } != 0
        {
            return None;
        }
        known = made as usize + 1;
        if let Err(others) = KEY.compare_exchange(0, known, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: nobody else has seen the key just made.
            unsafe { libc::pthread_key_delete(made) };
            known = others;
        }
    }
    Some((known - 1) as libc::pthread_key_t)
}

/// Whether the calling thread has asked for [`at_thread_exit`] and has not got there. Touches no thread-local of the
/// library, whose memory may have to be allocated when a thread first does so: signal handlers can ask.
pub fn exit_is_awaited() -> bool {
    let known = KEY.load(Ordering::Acquire);
    // SAFETY: a key that was made is never deleted.
    known != 0
        && unsafe { !libc::pthread_getspecific((known - 1) as libc::pthread_key_t).is_null() }
}

/// Has `run` called when the process ends by `exit`.
pub fn at_process_exit(run: extern "C" fn()) {
    // SAFETY: the function stays loaded: a thread has been attached, which pins it.
    unsafe { libc::atexit(run) };
}

/// The value of an environment variable, copied to `buffer` and cut off where that ends; `?` for each byte that is not ASCII.
/// Never in a program that runs with more rights than its user.
pub fn environment<'a>(name: &CStr, buffer: &'a mut [u8]) -> Option<&'a str> {
    // SAFETY: the name ends in a NUL; the answer is NULL or a string that the environment keeps.
    let value = unsafe {
        let found = secure_getenv(name.as_ptr());
        if found.is_null() {
            return None;
        }
        CStr::from_ptr(found).to_bytes()
    };
    let copied = value.len().min(buffer.len());
    buffer[..copied].copy_from_slice(&value[..copied]);
    for byte in &mut buffer[..copied] {
        if !byte.is_ascii() {
            *byte = b'?';
        }
    }
    core::str::from_utf8(&buffer[..copied]).ok()
}

unsafe extern "C" {
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// Writes to standard error, past whatever the program's streams hold.
pub fn print_error(text: &str) {
    // SAFETY: the bytes are the string's.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
