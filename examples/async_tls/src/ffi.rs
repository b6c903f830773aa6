//! Functions of OpenSSL that the crates `openssl` and `openssl-sys` do not have.

use std::ffi::{c_char, c_int, c_long, c_void};

use openssl_sys::{EVP_PKEY, OSSL_LIB_CTX, SSL};

pub const SSL_MODE_ASYNC: c_long = 0x100;
pub const SSL_CTRL_MODE: c_int = 33;
pub const SSL_CTRL_CLEAR_MODE: c_int = 78;
pub const SSL_ERROR_WANT_ASYNC: c_int = 9;
pub const SSL_ERROR_WANT_ASYNC_JOB: c_int = 10;

pub type AsyncCallback = unsafe extern "C" fn(ssl: *mut SSL, arg: *mut c_void) -> c_int;
pub type ProviderInit = unsafe extern "C" fn(
    handle: *const c_void,
    of_core: *const c_void,
    of_provider: *mut *const c_void,
    provctx: *mut *mut c_void,
) -> c_int;

unsafe extern "C" {
    pub fn SSL_ctrl(ssl: *mut SSL, command: c_int, number: c_long, pointer: *mut c_void) -> c_long;
    pub fn SSL_set_async_callback(ssl: *mut SSL, callback: AsyncCallback) -> c_int;
    pub fn SSL_set_async_callback_arg(ssl: *mut SSL, arg: *mut c_void) -> c_int;
    pub fn SSL_get_all_async_fds(ssl: *mut SSL, fds: *mut c_int, number: *mut usize) -> c_int;
    pub fn OSSL_PROVIDER_add_builtin(
        libctx: *mut OSSL_LIB_CTX,
        name: *const c_char,
        init: ProviderInit,
    ) -> c_int;
    pub fn EVP_PKEY_get0_type_name(key: *const EVP_PKEY) -> *const c_char;
}
