//! Where libcrypto is, and its functions. They are looked up by name, and only in an object that
//! also has `ASYNC_WAIT_CTX_new`: OpenSSL has it from 1.1.0 on, and its forks do not. From then on
//! that object is never unloaded.

use crate::platform;
use crate::platform::loads::Loads;
use crate::platform::types::Object;
use core::ffi::{CStr, c_int, c_ulong, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// The version: one hexadecimal digit for the major one, two each for minor, fix and patch, one for the status.
type VersionNumber = unsafe extern "C" fn() -> c_ulong;
/// `ASYNC_init_thread`.
type InitThread = unsafe extern "C" fn(usize, usize) -> c_int;

/// One of libcrypto's functions, by address; null if it has none of the name, or was not found yet.
pub struct Function {
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
            .store(platform::symbol_of(object, self.name), Ordering::Relaxed);
    }

    /// The function, if there is one.
    ///
    /// # Safety
    ///
    /// `F` is the type of libcrypto's function of this name.
    #[inline(always)]
    pub unsafe fn get<F: Copy>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let address = self.address.load(Ordering::Relaxed);
        // SAFETY: the caller vouches for the type, and the object stays loaded.
        (!address.is_null()).then(|| unsafe { mem::transmute_copy::<*mut c_void, F>(&address) })
    }
}

pub static SET_DEFAULT: Function = Function::named(c"OSSL_LIB_CTX_set0_default");
pub static NEW_ERROR: Function = Function::named(c"ERR_new");
pub static SET_DEBUG: Function = Function::named(c"ERR_set_debug");
pub static SET_ERROR: Function = Function::named(c"ERR_set_error");
pub static PUT_ERROR: Function = Function::named(c"ERR_put_error");
static INIT_THREAD: Function = Function::named(c"ASYNC_init_thread");
static VERSION_NUMBER: Function = Function::named(c"OpenSSL_version_num");

/// Whether libcrypto was found, and all of the above with it.
static FOUND: AtomicBool = AtomicBool::new(false);
/// Its version, as it writes it; 0 if it does not say.
static VERSION: AtomicU64 = AtomicU64::new(0);
static LOADS: Loads = Loads::new();

const VERSION_3_6: u64 = 0x3060_0000;

/// Looks for libcrypto, unless it was found already: when a thread begins to have jobs. Not on a job's stack, of which the
/// loader would take more than we may.
pub fn find_libcrypto() {
    find_unless_found(|| true);
}

/// The same, for a pool or an error. In a forked child the names are tried for the first one only: each time the disk is
/// searched.
pub fn find_libcrypto_cheaply() {
    static TRIED_AT: AtomicU64 = AtomicU64::new(0);

    find_unless_found(|| {
        TRIED_AT.swap(platform::fork_count(), Ordering::Relaxed) != platform::fork_count()
    });
}

fn find_unless_found(tries_names: impl FnOnce() -> bool) {
    if FOUND.load(Ordering::Acquire) {
        return;
    }
    let _nothing_new = LOADS.search(|| object(tries_names).map(|object| remember(&object)));
}

/// libcrypto is this one.
fn remember(object: &Object) {
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
    if platform::is_own_code(INIT_THREAD.address.load(Ordering::Relaxed)) {
        // Both are linked into the program, which has one of the name.
        INIT_THREAD
            .address
            .store(ptr::null_mut(), Ordering::Relaxed);
    }
    remember_who_serves();
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
    platform::object_with_symbol(c"ERR_get_error")
        .filter(is_openssl)
        .or_else(|| platform::loaded_object(c"libcrypto.so.", &is_openssl))
        .or_else(|| {
            tries_names()
                .then(|| platform::named_object(&names, &is_openssl))
                .flatten()
        })
}

fn is_openssl(object: &Object) -> bool {
    !platform::symbol_of(object, c"ASYNC_WAIT_CTX_new").is_null()
}

/// libcrypto's version as it writes it, where it was found.
pub fn version() -> Option<u64> {
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
/// so it comes to ours; it would continue without a pool, and crash.
///
/// Only if libcrypto called: a pool that it has already would leak (G4). In a job, on whose stack there is no room to find that
/// out, it gets one in any case.
pub fn init_own_pool(is_in_job: bool) {
    // SAFETY: OpenSSL's function of this name has this type.
    let function = unsafe { INIT_THREAD.get::<InitThread>() };
    let wants_it = |init_thread: &InitThread| {
        is_in_job || platform::is_called_from(*init_thread as *const c_void)
    };
    if let Some(init_thread) = function.filter(wants_it) {
        // SAFETY: it may be called at any time, and what it returns is between it and libcrypto.
        unsafe { init_thread(0, 0) };
    }
}

/// Whether the functions that libssl, engines and providers call are this library's: those that the process sees first. In a job,
/// where the loader is not asked, what was so when libcrypto was found.
pub fn serves_libssl(is_in_job: bool) -> bool {
    if !is_in_job {
        remember_who_serves();
    }
    SERVES_LIBSSL.load(Ordering::Relaxed)
}

static SERVES_LIBSSL: AtomicBool = AtomicBool::new(false);

fn remember_who_serves() {
    let serves = platform::is_own_code(platform::global_symbol(c"ASYNC_start_job"));
    SERVES_LIBSSL.store(serves, Ordering::Relaxed);
}
