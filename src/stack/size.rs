//! The size of stacks: as the program or the environment sets it, and the limits of both.

use crate::platform;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The default size of a stack, in bytes. To change it, change this line.
pub const DEFAULT: usize = 128 * 1024;

/// The smallest size that can be set, in bytes: OpenSSL's (F8).
pub const LEAST: usize = 32768;

/// The largest size that can be set, in bytes.
pub const MOST: usize = 1 << 30;

/// The size that was set, in bytes; 0 if none was. It changes only while the slabs are locked and
/// no slot exists.
pub static SIZE: AtomicUsize = AtomicUsize::new(0);

/// The smallest size of a job's stack, in bytes.
pub fn size() -> usize {
    match SIZE.load(Ordering::Relaxed) {
        0 => DEFAULT,
        size => size,
    }
}

/// The size from `OSSL_ASYNC_STACK_SIZE` in the environment, bytes in decimal digits. A value that
/// is not a number, or out of range, is reported on standard error, once, and ignored.
pub fn size_from_environment() -> Option<usize> {
    static REPORTED: AtomicBool = AtomicBool::new(false);

    let mut buffer = [0; 24];
    let room = buffer.len();
    let text = platform::environment_variable(c"OSSL_ASYNC_STACK_SIZE", &mut buffer)?;
    // A text that fills the buffer may have been cut off. `parse` accepts a sign, which is not
    // allowed here.
    let is_number = text.len() < room && text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = text.parse().ok().filter(|_| is_number);
    let allowed = bytes.filter(|bytes| (LEAST..=MOST).contains(bytes));
    if allowed.is_none() && !REPORTED.swap(true, Ordering::Relaxed) {
        platform::print_formatted(format_args!(
            "ossl-async: OSSL_ASYNC_STACK_SIZE={text} is ignored: expected a number of bytes \
             from {LEAST} to {MOST}. Stacks have {DEFAULT} bytes.\n"
        ));
    }
    allowed
}

const _: () = assert!(LEAST <= DEFAULT && DEFAULT <= MOST);
