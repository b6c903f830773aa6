//! What an input means: a sequence of operations, with one byte for the operation and one for each
//! operand. Any bytes are an input. Numbers are taken modulo the number of choices, and missing
//! operands are 0.
//!
//! There is one sequence and one place in it. The function that runs takes the next operation from
//! there. First this is the thread. Then it is each job that the thread starts or resumes, until
//! that pauses or returns. It is also each cleanup of a wait context, until that returns. So
//! everything can happen inside jobs and cleanups too. At the end of the input each of these
//! functions returns 0.

mod input;

pub use input::Input;
use operations::{Argument, ContextCall};
use std::ffi::c_int;

/// Variables for handles.
pub const PLACES: usize = 6;

/// Variables for wait contexts.
pub const CONTEXTS: usize = 3;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// Starts a job, or resumes what the variable holds.
    Start(Start),
    /// Writes a handle to a variable, whatever was in it.
    Put { place: usize, handle: Handle },
    /// `ASYNC_pause_job`.
    Pause,
    /// `OSSL_ASYNC_cancel_job`.
    Cancel { place: usize, omitted: Omitted },
    /// Ends a job's function, or a cleanup. Does nothing elsewhere.
    Return(c_int),
    /// `ASYNC_init_pool` (generation 1) or `ASYNC_init_thread`.
    InitPool {
        generation: u8,
        max: usize,
        init: usize,
    },
    /// `ASYNC_free_pool` (generation 1) or `ASYNC_cleanup_thread`.
    FreePool { generation: u8 },
    /// `ASYNC_block_pause`.
    Block,
    /// `ASYNC_unblock_pause`.
    Unblock,
    /// `ASYNC_wake`.
    Wake(Handle),
    /// `ASYNC_clear_wake`.
    ClearWake(Handle),
    /// `ASYNC_get_wait_fd`.
    GetWaitFd(Handle),
    /// `ASYNC_get_wait_ctx`.
    GetWaitCtx(Handle),
    /// `ASYNC_WAIT_CTX_new`, if the variable is free.
    NewContext(usize),
    /// `ASYNC_WAIT_CTX_free`, also of contexts that jobs use.
    FreeContext(Target),
    /// A call on a wait context.
    OnContext { on: Target, call: ContextCall },
    /// A call of the error queue.
    Errors(Errors),
    /// `OSSL_ASYNC_process_stats`, or else `OSSL_ASYNC_thread_stats`, with a buffer of this size.
    /// None: NULL.
    Stats { process: bool, size: Option<usize> },
    /// `ASYNC_set_mem_functions`, `ASYNC_get_mem_functions` and `ASYNC_is_capable`.
    MemFunctions { allocate: bool, free: bool },
    /// `OSSL_ASYNC_set_stack_size` with this many KiB, and `OSSL_ASYNC_get_stack_size`.
    StackSize(usize),
    /// `OSSL_ASYNC_get_stack_used`.
    StackUsed(Handle),
    /// Something that another thread does while this thread waits.
    Elsewhere { what: Elsewhere, handle: Handle },
    /// Counts the descriptors that are open.
    Descriptors,
}

/// How a job is started or resumed.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The variable of the handle.
    pub place: usize,
    /// 1: five arguments, no wait context; 2: six.
    pub generation: u8,
    /// Which argument is NULL, whether the call allows that or not.
    pub omitted: Omitted,
    /// The argument's size, and whether it is NULL.
    pub argument: Argument,
    /// Its wait context.
    pub context: Target,
}

/// An argument of a start that is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    Nothing,
    Result,
    Function,
    Handle,
}

/// A handle by number: NULL, then those of abandoned jobs, then those that this input has seen,
/// oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Handle(pub u8);

/// A wait context.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The wait context of this variable, or NULL.
    Place(usize),
    /// The wait context that the running job was started with, freed or not, or NULL.
    Own,
    /// The wait context whose cleanup is running, or NULL.
    Cleaned,
}

/// A call of the error queue.
#[derive(Clone, Copy, Debug)]
pub enum Errors {
    Get,
    GetLine {
        file: bool,
        line: bool,
    },
    Clear,
    /// The text of the newest entry's code, in a buffer of this size.
    Text(usize),
}

/// What another thread does.
#[derive(Clone, Copy, Debug)]
pub enum Elsewhere {
    Wake,
    ClearWake,
    GetWaitFd,
    GetWaitCtx,
    /// Resumes the job, which is refused (D8).
    Resume,
    /// Makes a pool, which the thread's end frees (D15).
    Pool,
    /// Starts a job with one of the wait contexts. The job pauses and ends.
    Job,
}
