//! The C functions, types and constants of both generations under C's names, for Rust crates that
//! call them as C programs do. They are those of this very library: no second one is linked.
//!
//! | Header | Here |
//! |---|---|
//! | `ASYNC_start_job` of the 2015 manual, with five arguments | [`ASYNC_start_job_2015`] |
//! | `ASYNC_start_job` of OpenSSL 1.1.0 and later, with six | [`ASYNC_start_job`] |
//! | every other function of `openssl/async.h` | the same name |
//! | `ERR_get_error` and so on, of the standalone `openssl/err.h` | [`OSSL_ASYNC_ERR_get_error`] and so on |
//!
//! ```
//! use ossl_async::sys::*;
//! use std::ffi::{c_int, c_void};
//! use std::ptr;
//! # if ASYNC_is_capable() == 0 { return }
//!
//! unsafe extern "C" fn work(_: *mut c_void) -> c_int {
//!     // SAFETY: no frame of the job relies on nested calls.
//!     unsafe { ASYNC_pause_job() };
//!     42
//! }
//!
//! let (mut job, mut ret) = (ptr::null_mut(), 0);
//! for expected in [ASYNC_PAUSE, ASYNC_FINISH] {
//!     // SAFETY: `job` and `ret` can be written, and the function takes no argument.
//!     let got = unsafe { ASYNC_start_job_2015(&mut job, &mut ret, Some(work), ptr::null_mut(), 0) };
//!     assert_eq!(got, expected);
//! }
//! assert_eq!(ret, 42);
//! ```
//!
//! # C code of the same crate
//!
//! Cargo tells a build script where the headers are if the `Cargo.toml` beside it names this crate
//! itself, under `[dependencies]`. The feature `capi` gives the functions their C symbols:
//!
//! | Variable | Directory of |
//! |---|---|
//! | `DEP_OSSL_ASYNC_INCLUDE` | `openssl/async.h`, `openssl/asyncerr.h` |
//! | `DEP_OSSL_ASYNC_STANDALONE` | `openssl/err.h`, for programs without OpenSSL |
//!
//! ```no_run
//! // build.rs, with the package `cc`
//! # mod cc {
//! #     pub struct Build;
//! #     impl Build {
//! #         pub fn new() -> Build { Build }
//! #         pub fn include(&mut self, _: std::ffi::OsString) -> &mut Build { self }
//! #         pub fn file(&mut self, _: &str) -> &mut Build { self }
//! #         pub fn compile(&mut self, _: &str) {}
//! #     }
//! # }
//! let headers = std::env::var_os("DEP_OSSL_ASYNC_INCLUDE").expect("Cargo.toml names ossl-async");
//! cc::Build::new().include(headers).file("src/work.c").compile("work");
//! ```
//!
//! The linker keeps the symbols only if Rust code of the program uses this crate. `use ossl_async as
//! _;` is enough.

#![allow(non_camel_case_types, reason = "C's names")]

use crate::stack::custom;
use crate::wait_ctx::Callback;
use core::ffi::c_int;

pub use crate::capi::*;
pub use crate::error::{
    ASYNC_F_ASYNC_CTX_NEW, ASYNC_F_ASYNC_INIT_POOL, ASYNC_F_ASYNC_INIT_THREAD,
    ASYNC_F_ASYNC_JOB_NEW, ASYNC_F_ASYNC_PAUSE_JOB, ASYNC_F_ASYNC_START_FUNC,
    ASYNC_F_ASYNC_START_JOB, ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD, ASYNC_R_CANNOT_CREATE_WAIT_PIPE,
    ASYNC_R_FAILED_TO_SET_POOL, ASYNC_R_FAILED_TO_SWAP_CONTEXT, ASYNC_R_INIT_FAILED,
    ASYNC_R_INVALID_POOL_SIZE, ERR_LIB_ASYNC, ERR_R_INTERNAL_ERROR, ERR_R_MALLOC_FAILURE,
    ERR_R_PASSED_NULL_PARAMETER, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED,
};

/// A descriptor that a wait context has.
pub type OSSL_ASYNC_FD = c_int;
/// No descriptor.
pub const OSSL_BAD_ASYNC_FD: OSSL_ASYNC_FD = -1;
/// A function that wakes a job by another way than a descriptor; none is NULL.
pub type ASYNC_callback_fn = Option<Callback>;
/// A function that gets the memory of a stack; none is NULL.
pub type ASYNC_stack_alloc_fn = Option<custom::Allocate>;
/// A function that frees the memory of a stack; none is NULL.
pub type ASYNC_stack_free_fn = Option<custom::Free>;
