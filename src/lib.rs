//! OpenSSL's ASYNC_JOB facility as a library of its own: jobs that run on their own stack, pause anywhere, and are
//! resumed by their thread; a pool of jobs per thread; file descriptors that say when a job can go on.
//!
//! ```
//! use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//!
//! let step = Job::start(|| {
//!     ossl_async::pause();
//!     "done"
//! });
//! let Ok(Step::Paused(job)) = step else { panic!("the job pauses first") };
//! let Ok(Step::Finished(text)) = job.resume() else { panic!("and then ends") };
//! assert_eq!(text, "done");
//! ```
//!
//! [`Job`], [`Pool`], [`pause`] and [`WakeHandle`] are the Rust face. The module `capi`, with the feature of that name, is what
//! C programs link to. Both share one pool a thread.
//!
//! The library starts no thread. It prints nothing and installs no signal handler, unless the environment asks for it: with
//! `OSSL_ASYNC_STATS=1` it prints the counts of [`stats`] when the process ends, with `OSSL_ASYNC_OVERFLOW_REPORT=1` which job
//! has overflowed its stack before the process dies of it.
//!
//! The comments name rules such as B19, P4 or D5: those of docs/behaviour.md, the reference of what OpenSSL's code does, rule by
//! rule, and of what is done here where it misbehaves. README.md has the table of those departures.

// The core serves both faces. Without the C face nobody calls some of its functions.
#![cfg_attr(not(feature = "capi"), allow(dead_code, unused_imports))]

mod cxx_runtime;
pub mod error;
mod jobs;
mod libcrypto;
mod platform;
mod report;
mod rust_api;
mod stack;
mod text;
mod wait_ctx;
mod wake;

#[cfg(feature = "capi")]
pub mod capi;

pub use error::Error;
pub use rust_api::{
    BlockPause, Job, Pool, ResumeError, StartError, Step, WakeHandle, block_pause, current, in_job,
    is_capable, pause, set_stack_size, stack_size, stats, switch_method,
};
