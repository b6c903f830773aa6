//! The requests to start and to resume a job, and their results.

use super::job::{Function, Record};
use super::pool::NoJob;
use crate::error::Error;
use crate::wait_ctx::WaitCtx;
use core::ffi::{c_int, c_void};

/// What a start or a resume came to.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// The function paused; the job can be resumed.
    Paused(&'static Record),
    /// The function returned this.
    Finished(c_int),
}

/// Why a start came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// This build has no jobs (F15).
    Unavailable,
    /// No job is to be had now; with an error where the reason is not the pool's limit (D18).
    NoJob(Option<Error>),
    /// The start was wrong, or could not be done.
    Error(Error),
}

/// A job function's argument.
#[derive(Clone, Copy)]
pub enum Argument {
    /// A private copy of this many bytes at this address; null is passed on as null, whatever the size (B23 to B25).
    Copied(*const c_void, usize),
    /// The pointer itself, and where the Rust face wants the result.
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

/// How a paused job goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// As if it had never paused.
    Normal,
    /// The same, but it cannot pause again: [`pause`](super::dispatch::pause) refuses until the job has ended.
    Cancelled,
}

impl From<NoJob> for StartFailure {
    fn from(none: NoJob) -> StartFailure {
        StartFailure::NoJob(match none {
            NoJob::Full => None,
            NoJob::Failed(error) => Some(error),
        })
    }
}
