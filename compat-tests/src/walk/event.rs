//! What one implementation is seen to do: the log that two of them are compared by.

use super::operation::Exclusion;
use operations::model::Cleaned;
use operations::{ContextCall, Seen};

/// An entry of an error queue, in terms that every version shares.
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
    /// From the numbers of 1.1.1 and before (B3).
    pub fn new(library: u32, reason: u32) -> Failure {
        match (library, reason) {
            (51, 103) => Failure::InvalidPoolSize,
            (51, 65) => Failure::OutOfMemory,
            _ => Failure::Other { library, reason },
        }
    }
}

/// A pointer as logs have it: the two implementations' own differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    Null,
    /// A job, by order of first appearance since the pool was made; a wait context, by its place.
    Known(usize),
    /// Not one that was ever seen before: garbage, or freed.
    Unknown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Not called, for a reason that `operation::LEFT_OUT` gives.
    LeftOut(Exclusion),
    /// The function was entered. `job`: what the caller's handle held at that time (B20); `no_bytes`: the start said 0.
    Entered {
        job: Pointer,
        bytes: Option<Vec<u8>>,
        aligned: bool,
        no_bytes: bool,
    },
    /// A pause of the function is over.
    Resumed {
        job: Pointer,
        bytes: Option<Vec<u8>>,
    },
    /// A function given to a resume, which must not run, was called.
    WrongFunction,
    /// The next call is another thread's.
    Elsewhere,
    /// A wait context called for an entry when it was freed.
    CleanedUp {
        context: Pointer,
        with: Option<Cleaned>,
        status: Option<i32>,
    },
    /// The model says otherwise than what was last.
    NotAsModelled(String),
    InitThread {
        max: usize,
        init: usize,
        result: i32,
    },
    CleanupThread,
    /// `job` and `ret` as they are after the call; `untouched`: the caller's argument block was not written.
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
    /// The thread's default library context was replaced; `before` is what it was.
    SetLibctx {
        before: Pointer,
    },
}

/// An event, whose job it was in, and what was in the error queue after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place of the job that ran.
    pub running: Option<usize>,
    pub event: Event,
    pub errors: Vec<Failure>,
}

impl Entry {
    /// What the model says, where that is something else.
    pub fn model_says(&self) -> Option<&str> {
        match &self.event {
            Event::NotAsModelled(want) => Some(want),
            _ => None,
        }
    }
}
