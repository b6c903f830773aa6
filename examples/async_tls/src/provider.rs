//! The provider `slow_sign`, which is compiled into this program. A server of your own loads its
//! provider with `Provider::load` alone.

use crate::ffi;
use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::provider::Provider;
use openssl_sys::{
    EVP_PKEY_CTX_free, EVP_PKEY_CTX_new_from_name, EVP_PKEY_KEYPAIR, EVP_PKEY_fromdata,
    EVP_PKEY_fromdata_init, EVP_PKEY_todata, OSSL_PARAM_free,
};
use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

/// What the provider has counted since the process began: `struct slow_sign_counts` in `workers.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signatures that were asked for in a job.
    pub in_job: c_ulong,
    /// Those of them whose job paused, and did not block its thread.
    pub paused: c_ulong,
    /// Signatures whose thread was blocked until they were done.
    pub blocking: c_ulong,
    /// Signatures that worker threads have made.
    pub done: c_ulong,
    /// Ends reported by a wait fd.
    pub by_fd: c_ulong,
    /// Ends reported by a callback.
    pub by_callback: c_ulong,
    /// What went wrong.
    pub errors: c_ulong,
}

impl Counts {
    /// What was counted since then.
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            in_job: self.in_job - earlier.in_job,
            paused: self.paused - earlier.paused,
            blocking: self.blocking - earlier.blocking,
            done: self.done - earlier.done,
            by_fd: self.by_fd - earlier.by_fd,
            by_callback: self.by_callback - earlier.by_callback,
            errors: self.errors - earlier.errors,
        }
    }
}

unsafe extern "C" {
    fn OSSL_provider_init(
        handle: *const c_void,
        of_core: *const c_void,
        of_provider: *mut *const c_void,
        provctx: *mut *mut c_void,
    ) -> c_int;
    safe fn slow_sign_set_workers(number: c_uint, microseconds: c_ulong);
    safe fn slow_sign_hold(hold: c_int);
    fn slow_sign_get_counts(counts: *mut Counts);
    safe fn OSSL_ASYNC_serves_libssl() -> c_int;
}

static BUSY: OnceLock<Duration> = OnceLock::new();

/// How long each signature takes a worker.
pub fn busy() -> Duration {
    BUSY.get().copied().unwrap_or_default()
}

/// Loads the provider, and the default one beside it, until the process ends. Each signature takes
/// one of this many workers for this time. A later call changes nothing.
pub fn load(workers: u32, busy: Duration) -> Result<(), ErrorStack> {
    static LOADED: OnceLock<Result<[Provider; 2], ErrorStack>> = OnceLock::new();
    let load = || {
        // SAFETY: the name ends with a zero, and the function is a provider's.
        let added = unsafe {
            ffi::OSSL_PROVIDER_add_builtin(
                ptr::null_mut(),
                c"slow_sign".as_ptr(),
                OSSL_provider_init,
            )
        };
        if added != 1 {
            return Err(ErrorStack::get());
        }
        let both = [
            Provider::load(None, "default")?,
            Provider::load(None, "slow_sign")?,
        ];
        BUSY.get_or_init(|| busy);
        let microseconds = c_ulong::try_from(busy.as_micros()).unwrap_or(c_ulong::MAX);
        slow_sign_set_workers(workers, microseconds);
        Ok(both)
    };
    LOADED
        .get_or_init(load)
        .as_ref()
        .map(drop)
        .map_err(Clone::clone)
}

/// The same key in the provider, which signs with it. (A device has its keys already. One gets them
/// from an `OSSL_STORE`, by the provider's URI.)
pub fn import(key: &PKeyRef<Private>) -> Result<PKey<Private>, ErrorStack> {
    let mut params = ptr::null_mut();
    let mut imported = ptr::null_mut();
    // SAFETY: the key is live, and the query ends with a zero. What was made here is freed here.
    unsafe {
        let name = ffi::EVP_PKEY_get0_type_name(key.as_ptr());
        let ctx = EVP_PKEY_CTX_new_from_name(ptr::null_mut(), name, c"provider=slow_sign".as_ptr());
        if !ctx.is_null() && EVP_PKEY_todata(key.as_ptr(), EVP_PKEY_KEYPAIR, &mut params) == 1 {
            EVP_PKEY_fromdata_init(ctx);
            EVP_PKEY_fromdata(ctx, &mut imported, EVP_PKEY_KEYPAIR, params);
        }
        OSSL_PARAM_free(params);
        EVP_PKEY_CTX_free(ctx);
    }
    if imported.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { PKey::from_ptr(imported) })
}

/// What has been counted so far.
pub fn counts() -> Counts {
    let mut counts = Counts::default();
    // SAFETY: it writes such a record.
    unsafe { slow_sign_get_counts(&mut counts) };
    counts
}

/// Workers that begin nothing, until this is dropped.
#[must_use = "the workers go on when it is dropped"]
pub struct Hold(());

/// Holds the workers.
pub fn hold() -> Hold {
    slow_sign_hold(1);
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        slow_sign_hold(0);
    }
}

/// Whether libssl and the provider call the functions of ossl-async, and not libcrypto's.
pub fn is_served_by_ossl_async() -> bool {
    OSSL_ASYNC_serves_libssl() == 1
}
