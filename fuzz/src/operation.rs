//! What an input means: a sequence of operations, one byte for which and one for each operand. Any bytes are an input;
//! numbers are taken modulo what there is, and operands that are missing are 0.
//!
//! There is one sequence and one place in it. Whoever runs takes the operations from there: first the thread, then each
//! job that it starts or resumes, until that pauses or returns, and the cleanups of wait contexts until they return. So
//! everything can happen inside jobs and cleanups too. At the end of the input whoever runs returns 0.

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
    /// Ends a job's function, or a cleanup. Nothing elsewhere.
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
    /// `ASYNC_WAIT_CTX_set_wait_fd`.
    SetWaitFd {
        on: Target,
        key: Key,
        fd: c_int,
        data: u8,
        cleanup: bool,
    },
    /// `ASYNC_WAIT_CTX_get_fd`, with or without each output.
    GetFd {
        on: Target,
        key: Key,
        fd: bool,
        data: bool,
    },
    /// `ASYNC_WAIT_CTX_get_all_fds`, with or without the array and the number.
    GetAllFds {
        on: Target,
        array: bool,
        count: bool,
    },
    /// `ASYNC_WAIT_CTX_get_changed_fds`: for either list, whether there is an array, and whether there is a number.
    GetChangedFds {
        on: Target,
        arrays: [bool; 2],
        counts: [bool; 2],
    },
    /// `ASYNC_WAIT_CTX_clear_fd`.
    ClearFd { on: Target, key: Key },
    /// `ASYNC_WAIT_CTX_set_callback`: one of two, or NULL.
    SetCallback {
        on: Target,
        callback: Option<usize>,
        argument: u8,
    },
    /// `ASYNC_WAIT_CTX_get_callback`, with or without each output.
    GetCallback {
        on: Target,
        callback: bool,
        argument: bool,
    },
    /// `ASYNC_WAIT_CTX_set_status`.
    SetStatus { on: Target, status: c_int },
    /// `ASYNC_WAIT_CTX_get_status`.
    GetStatus(Target),
    /// A call of the error queue.
    Errors(Errors),
    /// `OSSL_ASYNC_process_stats`, or else `OSSL_ASYNC_thread_stats`, with so many bytes; none: NULL.
    Stats { process: bool, size: Option<usize> },
    /// `ASYNC_set_mem_functions`, `ASYNC_get_mem_functions` and `ASYNC_is_capable`.
    MemFunctions { allocate: bool, free: bool },
    /// `OSSL_ASYNC_set_stack_size` of so many KiB, and `OSSL_ASYNC_get_stack_size`.
    StackSize(usize),
    /// `OSSL_ASYNC_get_stack_used`.
    StackUsed(Handle),
    /// Something that another thread does meanwhile.
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
    /// What is NULL that should not be, or need not be.
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

/// What a job function gets.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// NULL, and the size that is said.
    Null(usize),
    /// So many bytes.
    Bytes(usize),
    /// A few bytes, and a size that no allocator has.
    Huge,
}

/// A handle by number: NULL, then those of abandoned jobs, then those that this input has seen, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Handle(pub u8);

/// A wait context.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The one of this variable, or NULL.
    Place(usize),
    /// The one that the running job was started with, freed or not, or NULL.
    Own,
    /// The one whose cleanup this is in, or NULL.
    Cleaned,
}

/// A key of a wait context's entry.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Fixed(u8),
    /// The wait context itself.
    Context,
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
    /// The text of the newest entry's code, in so many bytes.
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
    /// Makes a pool and leaves it to its end (D15).
    Pool,
    /// Starts a job with one of the wait contexts, which pauses and ends.
    Job,
}

/// The bytes that were not used yet.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next_byte().unwrap_or(0)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn bit(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// Two bits of one byte.
    fn bits(&mut self) -> [bool; 2] {
        let byte = self.byte();
        [byte & 1 == 0, byte & 2 == 0]
    }

    fn number(&mut self) -> c_int {
        c_int::from(self.byte() as i8)
    }

    fn generation(&mut self) -> u8 {
        1 + self.byte() % 2
    }

    fn handle(&mut self) -> Handle {
        Handle(self.byte())
    }

    fn key(&mut self) -> Key {
        match self.byte() % 4 {
            3 => Key::Context,
            n => Key::Fixed(n),
        }
    }

    fn target(&mut self) -> Target {
        match self.below(CONTEXTS + 2) {
            0 => Target::Own,
            1 => Target::Cleaned,
            n => Target::Place(n - 2),
        }
    }

    /// A pool's size: small ones, and the largest there is.
    fn size(&mut self) -> usize {
        match self.byte() {
            u8::MAX => usize::MAX,
            n => usize::from(n) % 5,
        }
    }

    fn start(&mut self) -> Start {
        let place = self.below(PLACES);
        let style = self.byte();
        Start {
            place,
            generation: 1 + style % 2,
            omitted: omitted(style / 2),
            argument: match self.byte() % 8 {
                0 => Argument::Null(0),
                1 => Argument::Null(8),
                2 => Argument::Null(usize::MAX),
                3 => Argument::Bytes(0),
                4 => Argument::Bytes(1),
                5 => Argument::Bytes(24),
                6 => Argument::Bytes(5000),
                _ => Argument::Huge,
            },
            context: self.target(),
        }
    }
}

fn omitted(number: u8) -> Omitted {
    match number % 8 {
        5 => Omitted::Result,
        6 => Omitted::Function,
        7 => Omitted::Handle,
        _ => Omitted::Nothing,
    }
}

impl Iterator for Input<'_> {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        Some(match self.next_byte()? % 31 {
            0 => Operation::Start(self.start()),
            1 => Operation::Pause,
            2 => Operation::Return(self.number()),
            3 => Operation::Put {
                place: self.below(PLACES),
                handle: self.handle(),
            },
            4 => Operation::InitPool {
                generation: self.generation(),
                max: self.size(),
                init: self.size(),
            },
            5 => Operation::FreePool {
                generation: self.generation(),
            },
            6 => Operation::Block,
            7 => Operation::Unblock,
            8 => Operation::Wake(self.handle()),
            9 => Operation::ClearWake(self.handle()),
            10 => Operation::GetWaitFd(self.handle()),
            11 => Operation::GetWaitCtx(self.handle()),
            12 => Operation::NewContext(self.below(CONTEXTS)),
            13 => Operation::FreeContext(self.target()),
            14 => Operation::SetWaitFd {
                on: self.target(),
                key: self.key(),
                fd: self.number(),
                data: self.byte(),
                cleanup: self.bit(),
            },
            15 => {
                let (on, key, [fd, data]) = (self.target(), self.key(), self.bits());
                Operation::GetFd { on, key, fd, data }
            }
            16 => {
                let (on, [array, count]) = (self.target(), self.bits());
                Operation::GetAllFds { on, array, count }
            }
            17 => Operation::GetChangedFds {
                on: self.target(),
                arrays: self.bits(),
                counts: self.bits(),
            },
            18 => Operation::ClearFd {
                on: self.target(),
                key: self.key(),
            },
            19 => Operation::SetCallback {
                on: self.target(),
                callback: Some(self.below(3)).filter(|callback| *callback < 2),
                argument: self.byte(),
            },
            20 => {
                let (on, [callback, argument]) = (self.target(), self.bits());
                Operation::GetCallback {
                    on,
                    callback,
                    argument,
                }
            }
            21 => Operation::SetStatus {
                on: self.target(),
                status: self.number(),
            },
            22 => Operation::GetStatus(self.target()),
            23 => Operation::Errors(match self.byte() % 4 {
                0 => Errors::Get,
                1 => {
                    let [file, line] = self.bits();
                    Errors::GetLine { file, line }
                }
                2 => Errors::Clear,
                _ => Errors::Text(self.byte().into()),
            }),
            24 => Operation::Stats {
                process: self.bit(),
                size: Some(self.byte().into()).filter(|size| *size != 0xff),
            },
            25 => {
                let [allocate, free] = self.bits();
                Operation::MemFunctions { allocate, free }
            }
            26 => Operation::Elsewhere {
                what: match self.byte() % 7 {
                    0 => Elsewhere::Wake,
                    1 => Elsewhere::ClearWake,
                    2 => Elsewhere::GetWaitFd,
                    3 => Elsewhere::GetWaitCtx,
                    4 => Elsewhere::Resume,
                    5 => Elsewhere::Pool,
                    _ => Elsewhere::Job,
                },
                handle: self.handle(),
            },
            27 => Operation::Cancel {
                place: self.below(PLACES),
                omitted: omitted(self.byte()),
            },
            28 => Operation::StackSize(self.byte().into()),
            29 => Operation::StackUsed(self.handle()),
            _ => Operation::Descriptors,
        })
    }
}
