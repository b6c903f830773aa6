//! Looks libcrypto and its functions up, by name. It accepts only an object that also has
//! `ASYNC_WAIT_CTX_new`: OpenSSL has it since 1.1.0, and its forks do not. From then on that object
//! is never unloaded.

use crate::platform;
use crate::platform::loads::Loads;
use crate::platform::types::Object;
use core::ffi::{CStr, c_int, c_ulong, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// The type of `OpenSSL_version_num`. The number has one hexadecimal digit for the major version,
/// two each for minor, fix and patch, and one for the status.
type VersionNumber = unsafe extern "C" fn() -> c_ulong;
/// `ASYNC_init_thread`.
type InitThread = unsafe extern "C" fn(usize, usize) -> c_int;

/// The address of one of libcrypto's functions. Null if it has none of this name, or was not found
/// yet.
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
        // SAFETY: the caller guarantees the type, and the object stays loaded.
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

/// Whether libcrypto was found, and the functions above were looked up.
static FOUND: AtomicBool = AtomicBool::new(false);
/// Its version number; 0 if it has no function that returns it.
static VERSION: AtomicU64 = AtomicU64::new(0);
static LOADS: Loads = Loads::new();

const VERSION_3_6: u64 = 0x3060_0000;

/// Looks for libcrypto, unless it was found already. Called when a thread begins to have jobs.
///
/// Not to be called on a job's stack: the loader needs too much of it.
pub fn find_libcrypto() {
    find_unless_found(|| true);
}

/// As [`find_libcrypto`], for a pool or an error. In a forked child it searches the disk at the
/// first call only.
pub fn find_libcrypto_cheaply() {
    static TRIED_AT: AtomicU64 = AtomicU64::new(0);

    find_unless_found(|| {
        TRIED_AT.swap(platform::fork_count(), Ordering::Relaxed) != platform::fork_count()
    });
}

fn find_unless_found(may_search_disk: impl FnOnce() -> bool) {
    if FOUND.load(Ordering::Acquire) {
        return;
    }
    let _nothing_new =
        LOADS.search(|| object(may_search_disk).map(|object| look_up_functions(&object)));
}

/// Looks up libcrypto's functions and its version.
fn look_up_functions(object: &Object) {
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
        // Both libraries are linked into the program, which has one function of this name: ours.
        INIT_THREAD
            .address
            .store(ptr::null_mut(), Ordering::Relaxed);
    }
    update_serves_libssl();
    // SAFETY: OpenSSL's function of this name has this type since 1.1.0.
    let version = unsafe { VERSION_NUMBER.get::<VersionNumber>() };
    // SAFETY: it only returns a number.
    let version = version.map_or(0, |version| unsafe { version() });
    #[allow(clippy::useless_conversion, reason = "a long has 32 or 64 bits")]
    VERSION.store(version.into(), Ordering::Relaxed);
    FOUND.store(true, Ordering::Release);
}

/// The object that libcrypto is in. Its symbols may be visible to the whole process, or only to
/// some library.
fn object(may_search_disk: impl FnOnce() -> bool) -> Option<Object> {
    let names = [c"libcrypto.so.3", c"libcrypto.so.4", c"libcrypto.so.1.1"];
    platform::object_with_symbol(c"ERR_get_error")
        .filter(is_openssl)
        .or_else(|| platform::loaded_object(c"libcrypto.so.", &is_openssl))
        .or_else(|| {
            may_search_disk()
                .then(|| platform::named_object(&names, &is_openssl))
                .flatten()
        })
}

fn is_openssl(object: &Object) -> bool {
    !platform::symbol_of(object, c"ASYNC_WAIT_CTX_new").is_null()
}

/// libcrypto's version number, if libcrypto was found.
pub fn version() -> Option<u64> {
    FOUND
        .load(Ordering::Acquire)
        .then(|| VERSION.load(Ordering::Relaxed))
}

/// Whether a pool may have so many jobs. libcrypto 3.6 and later refuses more than an `int` can be
/// (G2).
pub fn allows_pool_of(max_size: usize) -> bool {
    c_int::try_from(max_size).is_ok() || version().is_none_or(|version| version < VERSION_3_6)
}

/// Gives libcrypto a pool of its own on the calling thread, if libcrypto called for one.
///
/// A program may get libcrypto's functions from libcrypto itself, by `dlsym` with its handle. Then
/// libcrypto's jobs run beside a preloaded ossl-async. libcrypto calls `ASYNC_init_thread(0, 0)` to
/// make its pool, and the dynamic linker takes it to our function. Without a pool of its own
/// libcrypto would crash.
///
/// If libcrypto did not call, it may have a pool already, which would leak (G4). In a job there is
/// too little stack to find the caller out, so there libcrypto gets a pool in any case.
pub fn init_own_pool(is_in_job: bool) {
    // SAFETY: OpenSSL's function of this name has this type.
    let function = unsafe { INIT_THREAD.get::<InitThread>() };
    let needs_pool = |init_thread: &InitThread| {
        is_in_job || platform::is_called_from(*init_thread as *const c_void)
    };
    if let Some(init_thread) = function.filter(needs_pool) {
        // SAFETY: it may be called at any time. What it returns concerns libcrypto only.
        unsafe { init_thread(0, 0) };
    }
}

/// Whether libssl, engines and providers call this library's functions: the process finds those
/// first. In a job, where the loader is not asked, it returns what was found last.
pub fn serves_libssl(is_in_job: bool) -> bool {
    if !is_in_job {
        update_serves_libssl();
    }
    SERVES_LIBSSL.load(Ordering::Relaxed)
}

static SERVES_LIBSSL: AtomicBool = AtomicBool::new(false);

fn update_serves_libssl() {
    let serves = platform::is_own_code(platform::global_symbol(c"ASYNC_start_job"));
    SERVES_LIBSSL.store(serves, Ordering::Relaxed);
}
