//! Environment variables, and output to standard error.

use core::ffi::{CStr, c_char};

/// The value of an environment variable, copied to `buffer` and cut off at its end. Each byte that
/// is not ASCII becomes `?`.
///
/// None if the program runs with more rights than its user (set-id).
pub fn environment_variable<'a>(name: &CStr, buffer: &'a mut [u8]) -> Option<&'a str> {
    // SAFETY: the name ends in a NUL; the result is NULL or a string that the environment keeps.
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

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// What Linux has, for the BSDs and macOS.
///
/// # Safety
///
/// The name ends in a NUL.
#[cfg(not(target_os = "linux"))]
unsafe fn secure_getenv(name: *const c_char) -> *const c_char {
    // SAFETY: the caller guarantees the name.
    unsafe {
        if libc::issetugid() != 0 {
            return core::ptr::null();
        }
        libc::getenv(name)
    }
}

/// Writes to standard error directly. It does not go through the program's streams.
pub fn print_error(text: &str) {
    // SAFETY: the bytes are the string's.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
