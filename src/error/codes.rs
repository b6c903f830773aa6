//! OpenSSL's numbers and texts of errors, and how a code is packed.

use crate::text::{DECIMAL, Text, UPPER_HEX};
use core::ffi::CStr;

/// The number of the ASYNC library in a packed code ([B3]).
///
/// [B3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const ERR_LIB_ASYNC: u32 = 51;

/// Function code: a thread's context.
pub const ASYNC_F_ASYNC_CTX_NEW: u32 = 100;
/// Function code: `ASYNC_init_pool`, and `ASYNC_free_pool` called inside a job.
pub const ASYNC_F_ASYNC_INIT_POOL: u32 = 101;
/// Function code: a job's record.
pub const ASYNC_F_ASYNC_JOB_NEW: u32 = 102;
/// Function code: `ASYNC_pause_job`. Not raised.
pub const ASYNC_F_ASYNC_PAUSE_JOB: u32 = 103;
/// Function code: a job's main loop. Not raised.
pub const ASYNC_F_ASYNC_START_FUNC: u32 = 104;
/// Function code: `ASYNC_start_job`.
pub const ASYNC_F_ASYNC_START_JOB: u32 = 105;

/// Function code: `ASYNC_init_thread`; the number of its predecessor.
pub const ASYNC_F_ASYNC_INIT_THREAD: u32 = 101;
/// Function code: `ASYNC_WAIT_CTX_set_wait_fd`.
pub const ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD: u32 = 106;

/// Reason code: the wait fd's pipe could not be made.
pub const ASYNC_R_CANNOT_CREATE_WAIT_PIPE: u32 = 100;
/// Reason code: the pool could not be stored; what an implementation without jobs says.
pub const ASYNC_R_FAILED_TO_SET_POOL: u32 = 101;
/// Reason code: a switch failed. Not raised.
pub const ASYNC_R_FAILED_TO_SWAP_CONTEXT: u32 = 102;
/// Reason code: more jobs at once than the pool may have.
pub const ASYNC_R_INVALID_POOL_SIZE: u32 = 103;

/// Reason code: initialisation failed. Not raised.
pub const ASYNC_R_INIT_FAILED: u32 = 105;

/// Reason code of every OpenSSL library: out of memory.
pub const ERR_R_MALLOC_FAILURE: u32 = 65;
/// Reason code of every OpenSSL library: a call that is not allowed here.
pub const ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED: u32 = 66;
/// Reason code of every OpenSSL library: NULL where an argument is needed.
pub const ERR_R_PASSED_NULL_PARAMETER: u32 = 67;
/// Reason code of every OpenSSL library: what should not happen.
pub const ERR_R_INTERNAL_ERROR: u32 = 68;

/// Packs a code from the numbers of library, function and reason ([B3]).
///
/// ```
/// use ossl_async::error;
///
/// let code = error::pack(error::ERR_LIB_ASYNC, 101, 103);
/// assert_eq!(code, ossl_async::Error::PoolSize.code());
/// ```
///
/// [B3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const fn pack(library: u32, function: u32, reason: u32) -> u32 {
    (library << 24) + (function << 12) + reason
}

/// The library's number in a packed code.
///
/// ```
/// use ossl_async::error;
///
/// assert_eq!(error::library(0x3306_5067), error::ERR_LIB_ASYNC);
/// ```
pub const fn library(code: u32) -> u32 {
    code >> 24
}

/// The function's number in a packed code.
///
/// ```
/// use ossl_async::error;
///
/// assert_eq!(error::function(0x3306_5067), error::ASYNC_F_ASYNC_INIT_POOL);
/// ```
pub const fn function(code: u32) -> u32 {
    code >> 12 & 0xfff
}

/// The reason's number in a packed code.
///
/// ```
/// use ossl_async::error;
///
/// assert_eq!(error::reason(0x3306_5067), error::ASYNC_R_INVALID_POOL_SIZE);
/// ```
pub const fn reason(code: u32) -> u32 {
    code & 0xfff
}

/// The name of a code's library, if it is ours.
pub(crate) fn library_text(code: u32) -> Option<&'static CStr> {
    (library(code) == ERR_LIB_ASYNC).then_some(c"ASYNC routines")
}

/// The name of a code's function, if it is one of ours (B4).
pub(crate) fn function_text(code: u32) -> Option<&'static CStr> {
    library_text(code)?;
    Some(match function(code) {
        ASYNC_F_ASYNC_CTX_NEW => c"ASYNC_CTX_NEW",
        ASYNC_F_ASYNC_INIT_POOL => c"ASYNC_init_pool",
        ASYNC_F_ASYNC_JOB_NEW => c"ASYNC_JOB_NEW",
        ASYNC_F_ASYNC_PAUSE_JOB => c"ASYNC_pause_job",
        ASYNC_F_ASYNC_START_FUNC => c"ASYNC_START_FUNC",
        ASYNC_F_ASYNC_START_JOB => c"ASYNC_start_job",
        ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD => c"ASYNC_WAIT_CTX_set_wait_fd",
        _ => return None,
    })
}

/// The text of a code's reason: the generic ones of every library, and ours (B4, B43).
pub(crate) fn reason_text(code: u32) -> Option<&'static CStr> {
    let ours = library_text(code).is_some();
    Some(match reason(code) {
        ERR_R_MALLOC_FAILURE => c"malloc failure",
        ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED => c"called a function you should not call",
        ERR_R_PASSED_NULL_PARAMETER => c"passed a null parameter",
        ERR_R_INTERNAL_ERROR => c"internal error",
        ASYNC_R_CANNOT_CREATE_WAIT_PIPE if ours => c"cannot create wait pipe",
        ASYNC_R_FAILED_TO_SET_POOL if ours => c"failed to set pool",
        ASYNC_R_FAILED_TO_SWAP_CONTEXT if ours => c"failed to swap context",
        ASYNC_R_INVALID_POOL_SIZE if ours => c"invalid pool size",
        ASYNC_R_INIT_FAILED if ours => c"init failed",
        _ => return None,
    })
}

/// Writes the one-line text of a code, as `ERR_error_string` does (B43). A part that has no text is
/// written as its number. Without `texts`, all parts are.
pub(crate) fn describe(code: u32, texts: bool, text: &mut Text<'_>) {
    text.add("error:");
    text.add_number(code as usize, UPPER_HEX, 8);
    let mut part = |name: Option<&'static CStr>, kind: &str, number: u32| {
        text.add(":");
        match name.filter(|_| texts).and_then(|name| name.to_str().ok()) {
            Some(name) => text.add(name),
            None => {
                text.add(kind);
                text.add("(");
                text.add_number(number as usize, DECIMAL, 1);
                text.add(")");
            }
        }
    };
    part(library_text(code), "lib", library(code));
    part(function_text(code), "func", function(code));
    part(reason_text(code), "reason", reason(code));
}
