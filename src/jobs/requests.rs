//! The requests to start and to resume a job, and their results.

use super::job::{Function, Record};
use super::pool::NoJob;
use crate::error::Error;
use crate::wait_ctx::WaitCtx;
use core::ffi::{c_int, c_void};

/// The result of a start or resume.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// The function paused; the job can be resumed.
    Paused(&'static Record),
    /// The function returned this value.
    Finished(c_int),
}

/// Why a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// This build has no jobs (F15).
    Unavailable,
    /// No job is available now. There is an error if the pool's limit is not the reason (D18).
    NoJob(Option<Error>),
    /// The start was refused or failed.
    Error(Error),
}

/// A job function's argument.
#[derive(Clone, Copy)]
pub enum Argument {
    /// A private copy of so many bytes at this address. Null is passed on as null, whatever the
    /// size (B23 to B25).
    Copied(*const c_void, usize),
    /// The pointer itself, which is also where the Rust API wants the result.
    Port(*mut c_void),
}

/// What to start.
#[derive(Clone, Copy)]
pub struct Start {
    /// The job's function.
    pub function: Option<Function>,
    /// What to pass to it.
    pub argument: Argument,
    /// Whether the job must have a wait fd, as generation 1's must.
    pub pipe: bool,
    /// Generation 2's wait context, or null.
    pub wait_ctx: *mut WaitCtx,
}

impl From<NoJob> for StartFailure {
    fn from(none: NoJob) -> StartFailure {
        StartFailure::NoJob(match none {
            NoJob::Full => None,
            NoJob::Failed(error) => Some(error),
        })
    }
}
