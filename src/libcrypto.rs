//! What is asked of OpenSSL's libcrypto where it is in the process: to take our errors into its queue, and to let the
//! default library context follow the job (7.2 and 7.7 of the behaviour reference). It is looked up, never linked.
//!
//! Its functions are found by name, and only in an object that also has `ASYNC_WAIT_CTX_new`, which OpenSSL has from 1.1.0
//! on and its forks have not. That object is never unloaded from then on.

use crate::error::{self, Error};
use crate::platform::{self, Loads, Object};
use crate::thread;
use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// 1.1: library, function, reason, file, line.
type PutError = unsafe extern "C" fn(c_int, c_int, c_int, *const c_char, c_int);
/// 3.0 and later, in this order: a new entry, its place, its code.
type NewError = unsafe extern "C" fn();
type SetDebug = unsafe extern "C" fn(*const c_char, c_int, *const c_char);
type SetError = unsafe extern "C" fn(c_int, c_int, *const c_char, ...);
/// Sets the thread's default library context and answers the one before; NULL only asks.
type SetDefault = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
/// The version: one hexadecimal digit for the major one, two each for minor, fix and patch, one for the status.
type VersionNumber = unsafe extern "C" fn() -> c_ulong;
/// `ASYNC_init_thread`.
type InitThread = unsafe extern "C" fn(usize, usize) -> c_int;

/// One of libcrypto's functions, by address; null if it has none of the name, or was not found yet.
struct Function {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Function {
    const fn named(name: &'static CStr) -> Function {
        Function {
            name,
            address: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn find_in(&self, object: &Object) {
        self.address
            .store(object.symbol(self.name), Ordering::Relaxed);
    }

    /// The function, if there is one.
    ///
    /// # Safety
    ///
    /// `F` is the type of libcrypto's function of this name.
    #[inline(always)]
    unsafe fn get<F: Copy>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let address = self.address.load(Ordering::Relaxed);
        // SAFETY: the caller vouches for the type, and the object stays loaded.
        (!address.is_null()).then(|| unsafe { mem::transmute_copy::<*mut c_void, F>(&address) })
    }
}

static SET_DEFAULT: Function = Function::named(c"OSSL_LIB_CTX_set0_default");
static NEW_ERROR: Function = Function::named(c"ERR_new");
static SET_DEBUG: Function = Function::named(c"ERR_set_debug");
static SET_ERROR: Function = Function::named(c"ERR_set_error");
static PUT_ERROR: Function = Function::named(c"ERR_put_error");
static INIT_THREAD: Function = Function::named(c"ASYNC_init_thread");
static VERSION_NUMBER: Function = Function::named(c"OpenSSL_version_num");

/// Whether libcrypto was found, and all of the above with it.
static FOUND: AtomicBool = AtomicBool::new(false);
/// Its version, as it writes it; 0 if it does not say.
static VERSION: AtomicU64 = AtomicU64::new(0);
static LOADS: Loads = Loads::new();

const VERSION_1_1_1: u64 = 0x1010_1000;
const VERSION_3_2: u64 = 0x3020_0000;
const VERSION_3_6: u64 = 0x3060_0000;

/// Looks for libcrypto, unless it was found already: when a thread begins to have jobs. Not on a job's stack, of which the
/// loader would take more than we may.
pub fn find() {
    find_by(|| true);
}

/// The same, for a pool or an error. In a forked child the names are tried for the first one only: each time the disk is
/// searched.
pub fn find_in_passing() {
    static TRIED_AT: AtomicU64 = AtomicU64::new(0);

    find_by(|| TRIED_AT.swap(platform::forks(), Ordering::Relaxed) != platform::forks());
}

fn find_by(tries_names: impl FnOnce() -> bool) {
    if FOUND.load(Ordering::Acquire) {
        return;
    }
    let _nothing_new = LOADS.search(|| object(tries_names).map(|object| note(&object)));
}

/// libcrypto is this one.
fn note(object: &Object) {
    for function in [
        &SET_DEFAULT,
        &NEW_ERROR,
        &SET_DEBUG,
        &SET_ERROR,
        &PUT_ERROR,
        &INIT_THREAD,
        &VERSION_NUMBER,
    ] {
        function.find_in(object);
    }
    if platform::is_ours(INIT_THREAD.address.load(Ordering::Relaxed)) {
        // Both are linked into the program, which has one of the name.
        INIT_THREAD
            .address
            .store(ptr::null_mut(), Ordering::Relaxed);
    }
    note_who_serves();
    // SAFETY: OpenSSL's function of this name has this type since 1.1.0.
    let version = unsafe { VERSION_NUMBER.get::<VersionNumber>() };
    // SAFETY: it only returns a number.
    let version = version.map_or(0, |version| unsafe { version() });
    #[allow(clippy::useless_conversion, reason = "a long has 32 or 64 bits")]
    VERSION.store(version.into(), Ordering::Relaxed);
    FOUND.store(true, Ordering::Release);
}

/// The object that libcrypto is in: where the process sees it, or where only some library does.
fn object(tries_names: impl FnOnce() -> bool) -> Option<Object> {
    let names = [c"libcrypto.so.3", c"libcrypto.so.4", c"libcrypto.so.1.1"];
    platform::object_of(c"ERR_get_error")
        .filter(is_openssl)
        .or_else(|| platform::object_like(c"libcrypto.so.", is_openssl))
        .or_else(|| {
            tries_names()
                .then(|| platform::object_named(&names, is_openssl))
                .flatten()
        })
}

fn is_openssl(object: &Object) -> bool {
    !object.symbol(c"ASYNC_WAIT_CTX_new").is_null()
}

/// libcrypto's version as it writes it, where it was found.
fn version() -> Option<u64> {
    FOUND
        .load(Ordering::Acquire)
        .then(|| VERSION.load(Ordering::Relaxed))
}

/// Whether a pool may be allowed so many jobs: libcrypto refuses more than an `int` holds from 3.6 on (G2).
pub fn allows_pool_of(max_size: usize) -> bool {
    c_int::try_from(max_size).is_ok() || version().is_none_or(|version| version < VERSION_3_6)
}

/// Gives libcrypto a pool of its own on the calling thread.
///
/// A program that takes libcrypto's functions from libcrypto itself, by `dlsym` with its handle, runs libcrypto's jobs beside
/// a preloaded library of ours. libcrypto makes its pool by `ASYNC_init_thread(0, 0)`, and gets there by the dynamic linker,
/// so it comes to ours; it would go on without a pool, and crash.
///
/// Only if libcrypto called: a pool that it has already would leak (G4). In a job, on whose stack there is no room to find that
/// out, it gets one in any case.
pub fn init_own_pool() {
    // SAFETY: OpenSSL's function of this name has this type.
    let function = unsafe { INIT_THREAD.get::<InitThread>() };
    let wants_it = |init_thread: &InitThread| {
        thread::is_in_job() || platform::is_called_from(*init_thread as *const c_void)
    };
    if let Some(init_thread) = function.filter(wants_it) {
        // SAFETY: it may be called at any time, and what it answers is between it and libcrypto.
        unsafe { init_thread(0, 0) };
    }
}

/// Whether the functions that libssl, engines and providers call are this library's: those that the process sees first. In a job,
/// where the loader is not asked, what was so when libcrypto was found.
pub fn serves_libssl() -> bool {
    if !thread::is_in_job() {
        note_who_serves();
    }
    SERVES_LIBSSL.load(Ordering::Relaxed)
}

static SERVES_LIBSSL: AtomicBool = AtomicBool::new(false);

fn note_who_serves() {
    let serves = platform::is_ours(platform::seen_by_all(c"ASYNC_start_job"));
    SERVES_LIBSSL.store(serves, Ordering::Relaxed);
}

/// A default library context of libcrypto's, or nothing where there is none to follow. The pointer is borrowed (G38).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibCtx(pub *mut c_void);

impl LibCtx {
    /// None: also what to set in order to ask only.
    pub const NONE: LibCtx = LibCtx(ptr::null_mut());

    /// Makes this the thread's default, unless it is none, and answers the one before (G37). None before 3.0.
    pub fn set_default(self) -> LibCtx {
        // SAFETY: libcrypto's function of this name has this type.
        let Some(set_default) = (unsafe { SET_DEFAULT.get::<SetDefault>() }) else {
            return LibCtx::NONE;
        };
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

/// Puts an error on libcrypto's queue, as its version does (7.2). On any stack: it looks for nothing.
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

/// What a version of libcrypto queues for an error, in the packing of before 3.0: one entry, two, or none (7.2, G48).
fn entries(error: Error, is_1_1: bool, version: u64) -> [Option<u32>; 2] {
    let own = error.code();
    let no_memory = |function| error::pack(ERR_LIB_CRYPTO, function, error::ERR_R_MALLOC_FAILURE);
    match error {
        // The allocator speaks for itself.
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
        // Not an error of OpenSSL's.
        Error::CustomStack => [None, None],
        _ => [Some(own), None],
    }
}

/// The number of libcrypto's own errors, its allocator's among them.
const ERR_LIB_CRYPTO: u32 = 15;
/// 1.1.1's function code for a list that has no room.
const CRYPTO_F_SK_RESERVE: u32 = 129;
/// A reason since 3.0: what libcrypto's own entry says. Stands for 0x8000F.
const ERR_R_CRYPTO_LIB: u32 = ERR_LIB_CRYPTO;

/// The reasons that all of OpenSSL's libraries share have other numbers since 3.0.
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
mod tests {
    use super::*;

    // Rules: G47, G48
    #[test]
    fn shared_reasons_are_those_of_3_0_and_the_others_as_they_were() {
        for (before, since) in [
            (65, 0xC0100),
            (66, 0xC0101),
            (67, 0xC0102),
            (68, 0xC0103),
            (15, 0x8000F),
            (100, 100),
            (103, 103),
        ] {
            assert_eq!(reason_since_3_0(before), since);
        }
    }

    // Rules: G2, G48
    #[test]
    fn each_version_has_its_own_entries_for_memory_that_is_not_there() {
        const V1_1_0: u64 = 0x1010_00cf;
        const V1_1_1W: u64 = 0x1010_117f;
        const V3_0: u64 = 0x3000_0160;
        const V3_5: u64 = 0x3050_0090;
        let of = |error, version: u64| {
            let found = entries(error, version < 0x3000_0000, version);
            found.into_iter().flatten().collect::<Vec<u32>>()
        };
        let allocator = 15 << 24 | 65;
        for error in [Error::Thread, Error::Pool, Error::Job, Error::Arguments] {
            for version in [V1_1_0, V1_1_1W, V3_0] {
                assert_eq!(of(error, version), [error.code()]);
            }
            assert_eq!(of(error, V3_5), [allocator]);
        }
        let list = Error::PoolList.code();
        assert_eq!(of(Error::PoolList, V1_1_0), [list]);
        assert_eq!(of(Error::PoolList, V1_1_1W), [allocator | 129 << 12, list]);
        assert_eq!(of(Error::PoolList, V3_0), [allocator | 129 << 12, list]);
        assert_eq!(of(Error::PoolList, V3_5), [allocator, list - 65 + 15]);
        assert_eq!(of(Error::WaitFd, V1_1_0), []);
        assert_eq!(of(Error::WaitFd, V1_1_1W), [0x3306_A041]);
        assert_eq!(of(Error::WaitFd, V3_5), [allocator]);
        for version in [V1_1_0, V1_1_1W, V3_0, V3_5] {
            assert_eq!(of(Error::CustomStack, version), []);
            assert_eq!(of(Error::Nested, version), [0x3306_9044]);
            assert_eq!(of(Error::WaitPipe, version), [0x3306_6064]);
        }
    }
}
