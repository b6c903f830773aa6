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

/// Queues an error for the calling thread. If libcrypto is in the process, queues it there too.
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

/// Removes the oldest entry of the thread's queue and returns its code; 0 if there is none ([B5]).
///
/// [B5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_get_error() -> c_ulong {
    code(errors::with_queue(Queue::pop))
}

/// Returns the oldest entry's code and leaves the entry there; 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_peek_error() -> c_ulong {
    code(errors::with_queue(Queue::first))
}

/// Returns the newest entry's code and leaves the entry there; 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_peek_last_error() -> c_ulong {
    code(errors::with_queue(Queue::last))
}

/// As [`OSSL_ASYNC_ERR_get_error`]. Also writes the file and line that raised the error.
///
/// If the queue is empty it writes nothing.
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
        // SAFETY: the caller guarantees both.
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

/// Writes the text of a code ([B43]) and returns its address.
///
/// If `text` is NULL, it writes to a buffer of the thread. If the thread has none, and there is no
/// memory for one, it writes to a buffer that all threads share.
///
/// # Safety
///
/// `text` is NULL or 256 bytes can be written there.
///
/// [B43]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
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
    // SAFETY: `text` is the caller's buffer or the thread's. Both have this size.
    unsafe { write_text(code, text, TEXT_SIZE) };
    text
}

/// Writes the text of a code, cut to `size` bytes with the final NUL.
///
/// # Safety
///
/// `text` is NULL or `size` bytes can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_error_string_n(
    code: c_ulong,
    text: *mut c_char,
    size: usize,
) {
    // SAFETY: the caller guarantees the buffer.
    unsafe { write_text(code, text, size) };
}

/// The text buffer of threads that have none: they are ending, or there is no memory.
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
    // SAFETY: at most `size` bytes, which the caller guarantees.
    unsafe {
        ptr::copy_nonoverlapping(whole.as_ptr().cast(), text, length);
        text.add(length).write(0);
    }
}

/// Returns the library's name in a code, or NULL.
///
/// It is NULL if the library has no name, and before [`OSSL_ASYNC_ERR_load_ASYNC_strings`] ([B4]).
///
/// [B4]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_lib_error_string(code: c_ulong) -> *const c_char {
    name(error::library_text, code)
}

/// Returns the function's name in a code, or NULL, as [`OSSL_ASYNC_ERR_lib_error_string`].
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_func_error_string(code: c_ulong) -> *const c_char {
    name(error::function_text, code)
}

/// Returns the reason's text in a code, or NULL, as [`OSSL_ASYNC_ERR_lib_error_string`].
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_reason_error_string(code: c_ulong) -> *const c_char {
    name(error::reason_text, code)
}

/// Switches the texts of codes on, for all threads ([B4]). May be called again.
///
/// [B4]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_load_ASYNC_strings() {
    LOADED.store(true, Ordering::Relaxed);
}

/// The function that [`OSSL_ASYNC_ERR_print_errors_cb`] calls with a line, its length and `user`.
///
/// If it returns 0 or less, it is not called again.
pub type PrintCallback = unsafe extern "C" fn(*const c_char, usize, *mut c_void) -> c_int;

/// Removes all entries of the thread's queue, oldest first, and passes a line for each to
/// `callback`.
///
/// A line is `thread:text:file:line:data`; data is empty. If `callback` returns 0 or less, the
/// other entries stay in the queue.
///
/// # Safety
///
/// `callback` is NULL or can be called with such arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_print_errors_cb(
    callback: Option<PrintCallback>,
    user: *mut c_void,
) {
    if let Some(callback) = callback {
        // SAFETY: the caller guarantees the callback.
        print_errors(|line| unsafe { callback(line.as_ptr(), line.count_bytes(), user) } > 0);
    }
}

/// As [`OSSL_ASYNC_ERR_print_errors_cb`], but writes the lines to a C stream.
///
/// # Safety
///
/// `stream` is an open `FILE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_print_errors_fp(stream: *mut libc::FILE) {
    // SAFETY: the line ends in a NUL, and the stream is the caller's.
    print_errors(|line| unsafe { libc::fputs(line.as_ptr(), stream) } >= 0);
}

/// The most bytes of a line of [`print_errors`], its NUL included.
const LINE_SIZE: usize = 512;

fn print_errors(mut print: impl FnMut(&CStr) -> bool) {
    while let Some(entry) = errors::with_queue(Queue::pop) {
        let mut line = [0; LINE_SIZE];
        let mut text = Text::new(&mut line[..LINE_SIZE - 1]);
        describe_entry(entry, &mut text);
        // The last byte of `line` stays 0.
        if !print(CStr::from_bytes_until_nul(&line).unwrap_or_default()) {
            return;
        }
    }
}

/// Writes the line for an entry. The thread's number is the address of its record.
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

/// Whether codes have texts. As in OpenSSL, a program must load them first (B4, B43).
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
