//! What is asked of OpenSSL's libcrypto where it is in the process: to take our errors into its queue, and to let the
//! default library context follow the job (7.2 and 7.7 of the behaviour reference). It is looked up, never linked.
//!
//! Its functions are found by name, and only in an object that also has `ASYNC_WAIT_CTX_new`, which OpenSSL has from 1.1.0
//! on and its forks have not. That object is never unloaded from then on.

use crate::error::{self, Error};
use crate::platform::{self, Object};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// 1.1: library, function, reason, file, line.
type PutError = unsafe extern "C" fn(c_int, c_int, c_int, *const c_char, c_int);
/// 3.0 and later, in this order: a new entry, its place, its code.
type NewError = unsafe extern "C" fn();
type SetDebug = unsafe extern "C" fn(*const c_char, c_int, *const c_char);
type SetError = unsafe extern "C" fn(c_int, c_int, *const c_char, ...);
/// Sets the thread's default library context and answers the one before; NULL only asks.
type SetDefault = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// Where libcrypto's default library context is set, once it was found.
static SET_DEFAULT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// The object that libcrypto is in: where the process sees it, or where only some library does.
fn object() -> Option<Object> {
    seen_by_all().or_else(|| platform::object_like(c"libcrypto.so.", is_openssl))
}

fn seen_by_all() -> Option<Object> {
    platform::object_of(c"ERR_get_error").filter(is_openssl)
}

fn is_openssl(object: &Object) -> bool {
    !object.symbol(c"ASYNC_WAIT_CTX_new").is_null()
}

/// Looks for libcrypto, for the library context's sake. Not on any hot path: when a thread begins to have jobs.
pub fn look() {
    follow(object);
}

/// The same, wherever the whole process sees it by now: when a pool is made.
pub fn look_again() {
    follow(seen_by_all);
}

fn follow(find: impl FnOnce() -> Option<Object>) {
    if SET_DEFAULT.load(Ordering::Relaxed).is_null() {
        if let Some(object) = find() {
            SET_DEFAULT.store(
                object.symbol(c"OSSL_LIB_CTX_set0_default"),
                Ordering::Relaxed,
            );
        }
    }
}

/// A default library context of libcrypto's, or nothing where there is none to follow. The pointer is borrowed (G38).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibCtx(pub *mut c_void);

impl LibCtx {
    /// None: also what to set in order to ask only.
    pub const NONE: LibCtx = LibCtx(ptr::null_mut());

    /// Makes this the thread's default, unless it is none, and answers the one before (G37). None before 3.0.
    pub fn set_default(self) -> LibCtx {
        let function = SET_DEFAULT.load(Ordering::Relaxed);
        if function.is_null() {
            return LibCtx::NONE;
        }
        // SAFETY: libcrypto's function of this name has this type.
        let set_default = unsafe { mem::transmute::<*mut c_void, SetDefault>(function) };
        // To ask costs half as much as to set, and most jobs never change it.
        // SAFETY: NULL only asks.
        let before = LibCtx(unsafe { set_default(Self::NONE.0) });
        if self != Self::NONE && self != before {
            // SAFETY: the context is one that libcrypto answered.
            return LibCtx(unsafe { set_default(self.0) });
        }
        before
    }
}

/// Puts an error on libcrypto's queue, packed as its version does (7.2).
pub fn push(error: Error, file: &'static CStr, line: u32) {
    let Some(object) = object() else { return };
    let code = error.code();
    let library = error::library(code) as c_int;
    let reason = error::reason(code);
    let line = line as c_int;
    let [new_error, set_debug, set_error, put_error] = [
        c"ERR_new",
        c"ERR_set_debug",
        c"ERR_set_error",
        c"ERR_put_error",
    ]
    .map(|name| object.symbol(name));
    if ![new_error, set_debug, set_error].contains(&ptr::null_mut()) {
        let function = error::function_text(code).unwrap_or_default();
        // SAFETY: 3.0's functions of these names have these types; the strings live for ever.
        unsafe {
            mem::transmute::<*mut c_void, NewError>(new_error)();
            mem::transmute::<*mut c_void, SetDebug>(set_debug)(
                file.as_ptr(),
                line,
                function.as_ptr(),
            );
            mem::transmute::<*mut c_void, SetError>(set_error)(
                library,
                reason_since_3_0(reason),
                ptr::null(),
            );
        }
    } else if !put_error.is_null() {
        let function = error::function(code) as c_int;
        // SAFETY: 1.1's function of this name has this type; the string lives for ever.
        unsafe {
            mem::transmute::<*mut c_void, PutError>(put_error)(
                library,
                function,
                reason as c_int,
                file.as_ptr(),
                line,
            );
        }
    }
}

/// The reasons that all of OpenSSL's libraries share have other numbers since 3.0.
fn reason_since_3_0(reason: u32) -> c_int {
    let shared = 0xC0000;
    (match reason {
        error::ERR_R_MALLOC_FAILURE => shared + 0x100,
        error::ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED => shared + 0x101,
        error::ERR_R_PASSED_NULL_PARAMETER => shared + 0x102,
        error::ERR_R_INTERNAL_ERROR => shared + 0x103,
        ours => ours,
    }) as c_int
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rules: G47
    #[test]
    fn shared_reasons_are_those_of_3_0_and_the_others_as_they_were() {
        for (before, since) in [
            (65, 0xC0100),
            (66, 0xC0101),
            (67, 0xC0102),
            (68, 0xC0103),
            (100, 100),
            (103, 103),
        ] {
            assert_eq!(reason_since_3_0(before), since);
        }
    }
}
