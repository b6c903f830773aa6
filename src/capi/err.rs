//! The error queue for programs without OpenSSL: what `csrc/standalone/openssl/err.h` maps OpenSSL's names to.

use super::queue::{Entry, QUEUE, Queue};
use crate::error::{self, Error};
use crate::libcrypto;
use core::cell::Cell;
use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::fmt::{self, Write};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Queues an error for the calling thread, and where libcrypto is in the process on its queue too.
pub(crate) fn push(error: Error, file: &'static CStr, line: u32) {
    let code = error.code();
    QUEUE.with(|queue| queue.push(Entry { code, file, line }));
    libcrypto::push(error, file, line);
}

/// Takes the oldest entry out of the thread's queue: its code, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_get_error() -> c_ulong {
    code(QUEUE.with(Queue::pop))
}

/// The oldest entry's code, or 0; the entry stays.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_peek_error() -> c_ulong {
    code(QUEUE.with(Queue::first))
}

/// The newest entry's code, or 0; the entry stays.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_ERR_peek_last_error() -> c_ulong {
    code(QUEUE.with(Queue::last))
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
    let entry = QUEUE.with(Queue::pop);
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
    QUEUE.with(Queue::clear);
}

/// Bytes that `ERR_error_string` may fill.
const TEXT_SIZE: usize = 256;

thread_local! {
    /// Where `ERR_error_string` writes when it is given no buffer.
    static OWN_TEXT: Cell<[c_char; TEXT_SIZE]> = const { Cell::new([0; TEXT_SIZE]) };
}

/// The text of a code, in `text` or, if that is NULL, in a buffer of the thread's; either has 256 bytes.
///
/// # Safety
///
/// `text` is NULL or 256 bytes can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_error_string(
    code: c_ulong,
    text: *mut c_char,
) -> *mut c_char {
    let text = if text.is_null() {
        OWN_TEXT.with(|own| own.as_ptr().cast())
    } else {
        text
    };
    // SAFETY: the caller's buffer or the thread's; both have that size.
    unsafe { OSSL_ASYNC_ERR_error_string_n(code, text, TEXT_SIZE) };
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
    let line = Text::of(code);
    let Some(room) = size.checked_sub(1) else {
        return;
    };
    let length = line.as_bytes().len().min(room);
    // SAFETY: at most `size` bytes, which the caller vouches for.
    unsafe {
        ptr::copy_nonoverlapping(line.as_bytes().as_ptr(), text.cast(), length);
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
/// data is empty. Stops early if the callback answers 0 or less; that entry is gone too.
///
/// # Safety
///
/// `callback` is NULL or can be called so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_print_errors_cb(
    callback: Option<PrintCallback>,
    user: *mut c_void,
) {
    let Some(callback) = callback else { return };
    while let Some(entry) = QUEUE.with(Queue::pop) {
        let line = Text::of_entry(entry);
        // SAFETY: the caller vouches for the callback; the line ends in a NUL.
        if unsafe { callback(line.as_ptr(), line.as_bytes().len(), user) } <= 0 {
            return;
        }
    }
}

/// As `OSSL_ASYNC_ERR_print_errors_cb`, to a C stream.
///
/// # Safety
///
/// `stream` is an open `FILE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_ERR_print_errors_fp(stream: *mut libc::FILE) {
    unsafe extern "C" fn print(line: *const c_char, _length: usize, stream: *mut c_void) -> c_int {
        // SAFETY: the line ends in a NUL, and the stream is the caller's.
        (unsafe { libc::fputs(line, stream.cast()) } >= 0).into()
    }
    // SAFETY: the callback has the type that is wanted.
    unsafe { OSSL_ASYNC_ERR_print_errors_cb(Some(print), stream.cast()) }
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

/// A line of text that needs no memory. What does not fit is cut off; the last byte stays NUL.
struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    const EMPTY: Text = Text {
        bytes: [0; 512],
        length: 0,
    };

    /// The text of a code, as [`error::describe`] has it.
    fn of(code: c_ulong) -> Text {
        let mut text = Text::EMPTY;
        // Writing to a `Text` cannot fail.
        let _ = error::describe(code as u32, strings_loaded(), &mut text);
        text
    }

    /// The line of a queue's entry.
    fn of_entry(entry: Entry) -> Text {
        let mut text = Text::EMPTY;
        let thread = QUEUE.with(|queue| ptr::from_ref(queue).addr());
        let _ = write!(text, "{thread}:");
        let _ = error::describe(entry.code, strings_loaded(), &mut text);
        let _ = writeln!(
            text,
            ":{}:{}:",
            entry.file.to_str().unwrap_or_default(),
            entry.line
        );
        text
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.length;
        let length = part.len().min(room);
        self.bytes[self.length..self.length + length].copy_from_slice(&part.as_bytes()[..length]);
        self.length += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rules: B43
    #[test]
    fn a_text_that_is_too_long_is_cut_and_still_ends() {
        let mut text = Text::EMPTY;
        for _ in 0..30 {
            text.write_str("twenty characters...").unwrap();
        }
        assert_eq!(text.as_bytes().len(), text.bytes.len() - 1);
        assert!(text.as_bytes().ends_with(b"twenty char"));
        assert_eq!(text.bytes.last(), Some(&0));
    }
}
