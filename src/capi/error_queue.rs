//! The error queue for programs without OpenSSL. `csrc/standalone/openssl/err.h` maps OpenSSL's
//! names to these functions.

use crate::error::queue::{Entry, Queue};
use crate::error::{self, Error};
use crate::jobs::errors;
use crate::jobs::thread::{self, TEXT_SIZE};
use crate::libcrypto;
use crate::text::{DECIMAL, Text};
use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Queues an error for the calling thread, and where libcrypto is in the process on its queue too.
#[cold]
#[inline(never)]
pub(crate) fn push(error: Error, file: &'static CStr, line: u32) {
    let code = error.code();
    errors::push(Entry { code, file, line });
    if !thread::is_in_job() {
        libcrypto::find_libcrypto_cheaply();
    }
    libcrypto::push(error, file, line);
}

/// Takes the oldest entry out of the thread's queue: its code, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_get_error() -> c_ulong {
    code(errors::with_queue(Queue::pop))
}

/// The oldest entry's code, or 0; the entry stays.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_peek_error() -> c_ulong {
    code(errors::with_queue(Queue::first))
}

/// The newest entry's code, or 0; the entry stays.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_peek_last_error() -> c_ulong {
    code(errors::with_queue(Queue::last))
}

/// As `OSSL_ASYNC_ERR_get_error`; also says where in this library the entry was raised. With an empty queue it writes
/// nothing.
///
/// # Safety
///
/// `file` and `line` are NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_get_error_line(
    file: *mut *const c_char,
    line: *mut c_int,
) -> c_ulong {
    let entry = errors::with_queue(Queue::pop);
    if let Some(entry) = entry {
        // SAFETY: the caller vouches for both.
        if let Some(file) = unsafe { file.as_mut() } {
            *file = entry.file.as_ptr();
        }
        // SAFETY: as above.
        if let Some(line) = unsafe { line.as_mut() } {
            *line = entry.line as c_int;
        }
    }
    code(entry)
}

/// Empties the thread's queue.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_clear_error() {
    errors::with_queue(Queue::clear);
}

/// The text of a code, in `text` or, if that is NULL, in a buffer of the thread's; either has 256 bytes. NULL if the thread has
/// no buffer and there is no memory for one.
///
/// # Safety
///
/// `text` is NULL or 256 bytes can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_error_string(
    code: c_ulong,
    text: *mut c_char,
) -> *mut c_char {
    let own = || errors::thread_unless_ended().map(|thread| thread.text.as_ptr().cast());
    let text = if text.is_null() {
        own().unwrap_or(ptr::null_mut())
    } else {
        text
    };
    if text.is_null() {
        return write_shared_text(code);
    }
    // SAFETY: the caller's buffer or the thread's; both have that size.
    unsafe { write_text(code, text, TEXT_SIZE) };
    text
}

/// The text of a code, cut to `size` bytes with the final NUL.
///
/// # Safety
///
/// `size` bytes can be written at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_error_string_n(
    code: c_ulong,
    text: *mut c_char,
    size: usize,
) {
    // SAFETY: the caller vouches for the buffer.
    unsafe { write_text(code, text, size) };
}

/// Where threads write that have ended their jobs, or have no memory.
static SHARED_TEXT: [AtomicU8; TEXT_SIZE] = [const { AtomicU8::new(0) }; TEXT_SIZE];

#[cold]
fn write_shared_text(code: c_ulong) -> *mut c_char {
    let mut text = [0; TEXT_SIZE];
    // SAFETY: it has that size.
    unsafe { write_text(code, text.as_mut_ptr().cast(), TEXT_SIZE) };
    for (to, byte) in SHARED_TEXT.iter().zip(text) {
        to.store(byte, Ordering::Relaxed);
    }
    SHARED_TEXT.as_ptr().cast_mut().cast()
}

/// # Safety
///
/// `text` is NULL or `size` bytes can be written there.
unsafe fn write_text(code: c_ulong, text: *mut c_char, size: usize) {
    let Some(room) = size.checked_sub(1).filter(|_| !text.is_null()) else {
        return;
    };
    let mut line = [0; TEXT_SIZE];
    let mut whole = Text::new(&mut line);
    error::describe(code as u32, strings_loaded(), &mut whole);
    let whole = whole.as_str();
    let length = whole.len().min(room);
    // SAFETY: at most `size` bytes, which the caller vouches for.
    unsafe {
        ptr::copy_nonoverlapping(whole.as_ptr().cast(), text, length);
        text.add(length).write(0);
    }
}

/// The library's name in a code, or NULL: no name, or texts not loaded.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_lib_error_string(code: c_ulong) -> *const c_char {
    name(error::library_text, code)
}

/// The function's name in a code, or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_func_error_string(code: c_ulong) -> *const c_char {
    name(error::function_text, code)
}

/// The reason's text in a code, or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_reason_error_string(code: c_ulong) -> *const c_char {
    name(error::reason_text, code)
}

/// Texts are given from now on (B4). May be called repeatedly.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_load_ASYNC_strings() {
    LOADED.store(true, Ordering::Relaxed);
}

/// What [`OSSL_ASYNC_ERR_print_errors_cb`] calls: a line, its length, the caller's pointer. 0 or less stops it.
pub type PrintCallback = unsafe extern "C" fn(*const c_char, usize, *mut c_void) -> c_int;

/// Empties the thread's queue, calling back with one line an entry, oldest first: `thread:text:file:line:data`, where
/// data is empty. Stops early if the callback returns 0 or less; that entry is gone too.
///
/// # Safety
///
/// `callback` is NULL or can be called so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_print_errors_cb(
    callback: Option<PrintCallback>,
    user: *mut c_void,
) {
    if let Some(callback) = callback {
        // SAFETY: the caller vouches for the callback.
        print_errors(|line| unsafe { callback(line.as_ptr(), line.count_bytes(), user) } > 0);
    }
}

/// As `OSSL_ASYNC_ERR_print_errors_cb`, to a C stream.
///
/// # Safety
///
/// `stream` is an open `FILE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_print_errors_fp(stream: *mut libc::FILE) {
    // SAFETY: the line ends in a NUL, and the stream is the caller's.
    print_errors(|line| unsafe { libc::fputs(line.as_ptr(), stream) } >= 0);
}

/// Bytes that a line of [`print_errors`] may have, with its end.
const LINE_SIZE: usize = 512;

fn print_errors(mut print: impl FnMut(&CStr) -> bool) {
    while let Some(entry) = errors::with_queue(Queue::pop) {
        let mut line = [0; LINE_SIZE];
        let mut text = Text::new(&mut line[..LINE_SIZE - 1]);
        describe_entry(entry, &mut text);
        // The last byte stays 0.
        if !print(CStr::from_bytes_until_nul(&line).unwrap_or_default()) {
            return;
        }
    }
}

/// The line of a queue's entry. The thread's number is an address that is its own.
fn describe_entry(entry: Entry, text: &mut Text<'_>) {
    let thread = thread::this().map_or(0, |thread| ptr::from_ref(thread).addr());
    text.add_number(thread, DECIMAL, 1);
    text.add(":");
    error::describe(entry.code, strings_loaded(), text);
    text.add(":");
    text.add(entry.file.to_str().unwrap_or_default());
    text.add(":");
    text.add_number(entry.line as usize, DECIMAL, 1);
    text.add(":\n");
}

/// Whether texts are given for codes. OpenSSL wants that asked for, by `ERR_load_ASYNC_strings` (B4, B43).
static LOADED: AtomicBool = AtomicBool::new(false);

fn strings_loaded() -> bool {
    LOADED.load(Ordering::Relaxed)
}

fn code(entry: Option<Entry>) -> c_ulong {
    entry.map_or(0, |entry| entry.code.into())
}

fn name(text: fn(u32) -> Option<&'static CStr>, code: c_ulong) -> *const c_char {
    let text = if strings_loaded() {
        text(code as u32)
    } else {
        None
    };
    text.map_or(ptr::null(), CStr::as_ptr)
}
