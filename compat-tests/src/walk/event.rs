//! What one implementation does, as a log. Two implementations are compared by their logs.

use super::operation::Exclusion;
use operations::model::Cleaned;
use operations::{ContextCall, Seen};

/// An entry of an error queue, in terms that all versions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Reason 103 of ASYNC.
    InvalidPoolSize,
    /// Reason 65 of every library.
    OutOfMemory,
    /// Another library or reason.
    Other { library: u32, reason: u32 },
}

impl Failure {
    /// Made from the numbers of 1.1.1 and before (B3).
    pub fn new(library: u32, reason: u32) -> Failure {
        match (library, reason) {
            (51, 103) => Failure::InvalidPoolSize,
            (51, 65) => Failure::OutOfMemory,
            _ => Failure::Other { library, reason },
        }
    }
}

/// A pointer as it appears in logs, because the two implementations' addresses differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    Null,
    /// A job, numbered by first appearance since the pool was made; a wait context, by its place.
    Known(usize),
    /// A pointer that was never seen before: garbage, or freed.
    Unknown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Not called, for a reason that `operation::LEFT_OUT` gives.
    LeftOut(Exclusion),
    /// The function was entered. `job`: what the caller's handle held at that time (B20).
    /// `no_bytes`: the start gave a size of 0.
    Entered {
        job: Pointer,
        bytes: Option<Vec<u8>>,
        aligned: bool,
        no_bytes: bool,
    },
    /// The function's pause has returned.
    Resumed {
        job: Pointer,
        bytes: Option<Vec<u8>>,
    },
    /// A function was called that was given to a resume, and must not run.
    WrongFunction,
    /// Another thread makes the next call.
    Elsewhere,
    /// A wait context called the cleanup of an entry when it was freed.
    CleanedUp {
        context: Pointer,
        with: Option<Cleaned>,
        status: Option<i32>,
    },
    /// The model has another result for the last event.
    NotAsModelled(String),
    InitThread {
        max: usize,
        init: usize,
        result: i32,
    },
    CleanupThread,
    /// `job` and `ret` as they are after the call. `untouched`: the caller's argument block was
    /// not written.
    StartJob {
        resumed: bool,
        result: i32,
        job: Pointer,
        ret: i32,
        untouched: bool,
    },
    /// `paused`: the thread's dispatcher ran in between.
    PauseJob {
        inside: bool,
        result: i32,
        paused: bool,
    },
    GetCurrentJob {
        job: Pointer,
    },
    /// `live`: the job is running or paused.
    GetWaitCtx {
        job: Pointer,
        live: bool,
        context: Pointer,
    },
    BlockPause {
        inside: bool,
    },
    UnblockPause {
        inside: bool,
    },
    IsCapable {
        result: i32,
    },
    New {
        context: Pointer,
    },
    Free {
        context: Pointer,
    },
    OnContext {
        context: Pointer,
        call: ContextCall,
        seen: Seen,
    },
    /// The thread's default library context was replaced. `before` is what it was.
    SetLibctx {
        before: Pointer,
    },
}

/// An event, the job it happened in, and the error queue after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place of the job that ran.
    pub running: Option<usize>,
    pub event: Event,
    pub errors: Vec<Failure>,
}

impl Entry {
    /// What the model says, if that is something else.
    pub fn model_says(&self) -> Option<&str> {
        match &self.event {
            Event::NotAsModelled(want) => Some(want),
            _ => None,
        }
    }
}
