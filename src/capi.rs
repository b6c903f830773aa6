//! What C programs link to, with OpenSSL's names and values. Each function checks its arguments,
//! maps them to Rust's, and maps the result back. `csrc/include/openssl/async.h` and
//! `csrc/standalone/openssl/err.h` declare and document them for C.
//!
//! | Returns | On failure |
//! |---|---|
//! | `int` of `ASYNC_start_job_2015`, `ASYNC_start_job`, `OSSL_ASYNC_cancel_job` | [`ASYNC_ERR`] or [`ASYNC_NO_JOBS`] |
//! | `int` of `ASYNC_get_wait_fd` | -1 |
//! | any other `int`, `size_t` | 0 |
//! | pointers | NULL |
//!
//! Rules such as B19 are those of the [behaviour reference].
//!
//! [behaviour reference]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md
//!
//! A failure leaves one entry in the thread's error queue, unless the function's documentation says
//! otherwise. No panic leaves these functions: a panic would end the process with a message.

/// Queues an error of the library for the calling thread, with the line that reports it.
macro_rules! raise {
    ($error:expr) => {
        $crate::capi::error_queue::push(
            $error,
            const {
                match ::core::ffi::CStr::from_bytes_with_nul(concat!(file!(), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a file's name has no NUL"),
                }
            },
            line!(),
        )
    };
}

mod error_queue;
mod extensions;
mod jobs_1_1_0;
mod jobs_2015;
mod names;
mod start;
mod wait_contexts;

pub use error_queue::*;
pub use extensions::*;
pub use jobs_1_1_0::*;
pub use jobs_2015::*;
pub use start::{ASYNC_ERR, ASYNC_FINISH, ASYNC_JOB, ASYNC_NO_JOBS, ASYNC_PAUSE};
pub use wait_contexts::*;
