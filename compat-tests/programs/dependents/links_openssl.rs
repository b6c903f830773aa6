//! A Rust program that depends on ossl-async and links OpenSSL. It runs one job, and makes one
//! object of libssl. It prints `done`, and libcrypto's file if libcrypto is a shared library.

use ossl_async::{Job, Step};
use std::ffi::c_void;

#[cfg_attr(static_openssl, link(name = "ssl", kind = "static"))]
#[cfg_attr(not(static_openssl), link(name = "ssl"))]
unsafe extern "C" {
    fn TLS_method() -> *const c_void;
    fn SSL_CTX_new(method: *const c_void) -> *mut c_void;
    fn SSL_CTX_free(ctx: *mut c_void);
}

#[cfg_attr(static_openssl, link(name = "crypto", kind = "static"))]
#[cfg_attr(not(static_openssl), link(name = "crypto"))]
unsafe extern "C" {
    fn ERR_peek_error() -> std::ffi::c_ulong;
}

fn main() {
    // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    let step = unsafe { Job::start(|| 7) };
    assert!(matches!(step, Ok(Step::Finished(7))));
    // SAFETY: the calls are as documented.
    unsafe {
        let ctx = SSL_CTX_new(TLS_method());
        assert!(!ctx.is_null());
        SSL_CTX_free(ctx);
        assert_eq!(ERR_peek_error(), 0);
    }
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let libcrypto = maps
        .split_whitespace()
        .find(|word| word.contains("/libcrypto.so"));
    println!("done {}", libcrypto.unwrap_or_default());
}
