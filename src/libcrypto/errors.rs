//! The library's errors on libcrypto's queue, in the form of the libcrypto in the process (7.2,
//! G47, G48).

use super::found::{NEW_ERROR, PUT_ERROR, SET_DEBUG, SET_ERROR, version};
use crate::error::{self, Error};
use core::ffi::{CStr, c_char, c_int};
use core::ptr;

/// 1.1: library, function, reason, file, line.
type PutError = unsafe extern "C" fn(c_int, c_int, c_int, *const c_char, c_int);
/// 3.0 and later, in this order: a new entry, its place, its code.
type NewError = unsafe extern "C" fn();
type SetDebug = unsafe extern "C" fn(*const c_char, c_int, *const c_char);
type SetError = unsafe extern "C" fn(c_int, c_int, *const c_char, ...);

const VERSION_1_1_1: u64 = 0x1010_1000;
const VERSION_3_2: u64 = 0x3020_0000;

/// Puts an error on libcrypto's queue, as its version does (7.2). May be called on any stack,
/// because it looks nothing up.
pub fn push(error: Error, file: &'static CStr, line: u32) {
    let Some(version) = version() else { return };
    // SAFETY: 3.0's functions of these names have these types.
    let since_3_0 = unsafe {
        (
            NEW_ERROR.get::<NewError>(),
            SET_DEBUG.get::<SetDebug>(),
            SET_ERROR.get::<SetError>(),
        )
    };
    // SAFETY: 1.1's function of this name has this type.
    let before = unsafe { PUT_ERROR.get::<PutError>() };
    let is_1_1 = since_3_0.0.is_none();
    for code in entries(error, is_1_1, version).into_iter().flatten() {
        let library = error::library(code) as c_int;
        let reason = error::reason(code);
        let line = line as c_int;
        match (since_3_0, before) {
            ((Some(new_error), Some(set_debug), Some(set_error)), _) => {
                let function = error::function_text(code).unwrap_or_default();
                // SAFETY: the strings live for ever.
                unsafe {
                    new_error();
                    set_debug(file.as_ptr(), line, function.as_ptr());
                    set_error(library, reason_since_3_0(reason), ptr::null());
                }
            }
            (_, Some(put_error)) => {
                let function = error::function(code) as c_int;
                // SAFETY: the string lives for ever.
                unsafe { put_error(library, function, reason as c_int, file.as_ptr(), line) };
            }
            _ => {}
        }
    }
}

/// The entries that a version of libcrypto queues for an error, in the packing of before 3.0: one,
/// two or none (7.2, G48).
fn entries(error: Error, is_1_1: bool, version: u64) -> [Option<u32>; 2] {
    let own = error.code();
    let no_memory = |function| error::pack(ERR_LIB_CRYPTO, function, error::ERR_R_MALLOC_FAILURE);
    match error {
        // The allocator queues the entry.
        Error::Thread | Error::Pool | Error::Job | Error::Arguments | Error::WaitFd
            if version >= VERSION_3_2 =>
        {
            [Some(no_memory(0)), None]
        }
        Error::PoolList if version >= VERSION_3_2 => [
            Some(no_memory(0)),
            Some(error::pack(
                error::library(own),
                error::function(own),
                ERR_R_CRYPTO_LIB,
            )),
        ],
        Error::PoolList if !is_1_1 || version >= VERSION_1_1_1 => {
            [Some(no_memory(CRYPTO_F_SK_RESERVE)), Some(own)]
        }
        Error::WaitFd if is_1_1 && version < VERSION_1_1_1 => [None, None],
        // OpenSSL has no such error.
        Error::CustomStack => [None, None],
        _ => [Some(own), None],
    }
}

/// The number of libcrypto's own errors, its allocator's among them.
const ERR_LIB_CRYPTO: u32 = 15;
/// 1.1.1's function code for a list that has no room.
const CRYPTO_F_SK_RESERVE: u32 = 129;
/// A reason since 3.0, "error in libcrypto". It stands for 0x8000F.
const ERR_R_CRYPTO_LIB: u32 = ERR_LIB_CRYPTO;

/// A reason's number since 3.0. Only the reasons that all of OpenSSL's libraries share have
/// changed.
fn reason_since_3_0(reason: u32) -> c_int {
    let shared = 0xC0000;
    (match reason {
        error::ERR_R_MALLOC_FAILURE => shared + 0x100,
        error::ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED => shared + 0x101,
        error::ERR_R_PASSED_NULL_PARAMETER => shared + 0x102,
        error::ERR_R_INTERNAL_ERROR => shared + 0x103,
        ERR_R_CRYPTO_LIB => 0x80000 + ERR_R_CRYPTO_LIB,
        ours => ours,
    }) as c_int
}

#[cfg(test)]
mod tests;
