//! The size of stacks: the program's, the environment's, and the limits of both.

use crate::platform;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Stack that a job has if nobody asks for more or less, in bytes: the one line to change.
pub const DEFAULT: usize = 128 * 1024;

/// The least that can be asked for, in bytes: what OpenSSL gives (F8).
pub const LEAST: usize = 32768;

/// The most that can be asked for, in bytes.
pub const MOST: usize = 1 << 30;

/// What was asked for, in bytes; 0 is nothing yet. Changed only with the slabs locked, and only while there is no slot.
pub static SIZE: AtomicUsize = AtomicUsize::new(0);

/// The stack that a job has at least, in bytes.
pub fn size() -> usize {
    match SIZE.load(Ordering::Relaxed) {
        0 => DEFAULT,
        size => size,
    }
}

/// What the environment's `OSSL_ASYNC_STACK_SIZE` says, bytes in decimal digits. A value that is none, or out of range, is
/// reported on standard error, once, and otherwise ignored.
pub fn size_from_environment() -> Option<usize> {
    static REPORTED: AtomicBool = AtomicBool::new(false);

    let mut buffer = [0; 24];
    let room = buffer.len();
    let text = platform::environment_variable(c"OSSL_ASYNC_STACK_SIZE", &mut buffer)?;
    // What fills the buffer may have been cut off, and `parse` takes a sign.
    let is_number = text.len() < room && text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = text.parse().ok().filter(|_| is_number);
    let allowed = bytes.filter(|bytes| (LEAST..=MOST).contains(bytes));
    if allowed.is_none() && !REPORTED.swap(true, Ordering::Relaxed) {
        platform::print_formatted(format_args!(
            "ossl-async: OSSL_ASYNC_STACK_SIZE={text}: expected bytes from {LEAST} to {MOST}; stacks have {DEFAULT}\n"
        ));
    }
    allowed
}

const _: () = assert!(LEAST <= DEFAULT && DEFAULT <= MOST);
