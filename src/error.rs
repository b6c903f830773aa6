//! What can go wrong, and OpenSSL's codes and texts for it. The queue of errors is not here.

mod messages;
pub(crate) mod queue;

use crate::text::{DECIMAL, Text, UPPER_HEX};
use core::ffi::CStr;
use core::fmt;

/// The number of the ASYNC library in a packed code ([B3]).
///
/// [B3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const ERR_LIB_ASYNC: u32 = 51;

/// Function code: a thread's context.
pub const ASYNC_F_ASYNC_CTX_NEW: u32 = 100;
/// Function code: `ASYNC_init_pool`, and `ASYNC_free_pool` called inside a job.
pub const ASYNC_F_ASYNC_INIT_POOL: u32 = 101;
/// Function code: a job's record.
pub const ASYNC_F_ASYNC_JOB_NEW: u32 = 102;
/// Function code: `ASYNC_pause_job`. Not raised.
pub const ASYNC_F_ASYNC_PAUSE_JOB: u32 = 103;
/// Function code: a job's main loop. Not raised.
pub const ASYNC_F_ASYNC_START_FUNC: u32 = 104;
/// Function code: `ASYNC_start_job`.
pub const ASYNC_F_ASYNC_START_JOB: u32 = 105;

/// Function code: `ASYNC_init_thread`; the number of its predecessor.
pub const ASYNC_F_ASYNC_INIT_THREAD: u32 = 101;
/// Function code: `ASYNC_WAIT_CTX_set_wait_fd`.
pub const ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD: u32 = 106;

/// Reason code: the wait fd's pipe could not be made.
pub const ASYNC_R_CANNOT_CREATE_WAIT_PIPE: u32 = 100;
/// Reason code: the pool could not be stored; what an implementation without jobs says.
pub const ASYNC_R_FAILED_TO_SET_POOL: u32 = 101;
/// Reason code: a switch failed. Not raised.
pub const ASYNC_R_FAILED_TO_SWAP_CONTEXT: u32 = 102;
/// Reason code: more jobs at once than the pool may have.
pub const ASYNC_R_INVALID_POOL_SIZE: u32 = 103;

/// Reason code: initialisation failed. Not raised.
pub const ASYNC_R_INIT_FAILED: u32 = 105;

/// Reason code of every OpenSSL library: out of memory.
pub const ERR_R_MALLOC_FAILURE: u32 = 65;
/// Reason code of every OpenSSL library: a call that is not allowed here.
pub const ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED: u32 = 66;
/// Reason code of every OpenSSL library: NULL where an argument is needed.
pub const ERR_R_PASSED_NULL_PARAMETER: u32 = 67;
/// Reason code of every OpenSSL library: what should not happen.
pub const ERR_R_INTERNAL_ERROR: u32 = 68;

/// What went wrong.
///
/// Its text says what happened. OpenSSL's text with the code follows in brackets, as C programs get
/// it; there several errors can have the same.
///
/// ```
/// use ossl_async::{Error, Pool};
/// # if !ossl_async::is_capable() { return }
///
/// let error = Pool::init(1, 2).unwrap_err();
/// assert_eq!(error, Error::PoolSize);
/// assert_eq!(
///     error.to_string(),
///     "a pool cannot have so many jobs, or more at first than at most \
///      (error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size)"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The process has no thread-specific key left, or no memory for one. So the thread cannot run
    /// jobs ([E1]).
    ///
    /// [E1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    Thread,
    /// `init_size` is above `max_size`, where 0 counts as zero ([E2], [B8]).
    ///
    /// [E2]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [B8]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
    PoolSize,
    /// The pool could not be made, for the reason of [`Error::Thread`] ([E3]).
    ///
    /// [E3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    Pool,
    /// There is not even the memory to list so many jobs ([E3], [G2]).
    ///
    /// [E3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [G2]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#73-thread-init-and-cleanup
    PoolList,
    /// There are no jobs in this build or on this system ([E4], [F15]).
    ///
    /// [E4]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [F15]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#44-null-implementation
    Unavailable,
    /// No memory, or no guard, for a job's stack and record ([E5], [D17]).
    ///
    /// [E5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [D17]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    Job,
    /// The program's stack function returned no stack, or one that is too small ([E5], [G41]).
    ///
    /// [E5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [G41]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#78-stack-allocator-32
    CustomStack,
    /// No pipe for the wait fd, usually because no descriptors are left ([E6]).
    ///
    /// [E6]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    WaitPipe,
    /// No memory for the copy of the arguments, or its size is 0 ([E9], [B24]).
    ///
    /// [E9]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [B24]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#14-async_start_job
    Arguments,
    /// The job's stack could not be entered, and the function has not run ([E11], [F6]). The switch
    /// by registers cannot fail.
    ///
    /// [E11]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    /// [F6]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#41-posix-contexts
    Enter,
    /// A job was started or resumed inside a job ([D5], [D7]).
    ///
    /// [D5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    /// [D7]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    Nested,
    /// The handle is not one of a paused job of this thread ([D6], [D8]).
    ///
    /// [D6]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    /// [D8]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    NotResumable,
    /// NULL where an argument is needed ([D10]).
    ///
    /// [D10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    NullArgument,
    /// The program tried to free the pool inside a job ([D4]).
    ///
    /// [D4]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    FreeInsideJob,
    /// libcrypto refused the paused job's default library context. The job stays paused ([G39],
    /// [D30]).
    ///
    /// [G39]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#77-default-library-context-30
    /// [D30]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    Libctx,
    /// No memory for one more descriptor in a wait context.
    WaitFd,
    /// A stack size out of range, or after the process's first stack was made.
    StackSize,
}

impl Error {
    /// The packed code: library, function and reason, as OpenSSL of 2015 has them ([B3]).
    ///
    /// ```
    /// assert_eq!(ossl_async::Error::PoolSize.code(), 0x3306_5067);
    /// ```
    ///
    /// [B3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
    pub fn code(self) -> u32 {
        use Error::*;
        let (function, reason) = match self {
            Thread => (ASYNC_F_ASYNC_CTX_NEW, ERR_R_MALLOC_FAILURE),
            PoolSize => (ASYNC_F_ASYNC_INIT_POOL, ASYNC_R_INVALID_POOL_SIZE),
            Pool | PoolList => (ASYNC_F_ASYNC_INIT_POOL, ERR_R_MALLOC_FAILURE),
            Unavailable => (ASYNC_F_ASYNC_INIT_POOL, ASYNC_R_FAILED_TO_SET_POOL),
            Job | CustomStack => (ASYNC_F_ASYNC_JOB_NEW, ERR_R_MALLOC_FAILURE),
            WaitPipe => (ASYNC_F_ASYNC_JOB_NEW, ASYNC_R_CANNOT_CREATE_WAIT_PIPE),
            Arguments => (ASYNC_F_ASYNC_START_JOB, ERR_R_MALLOC_FAILURE),
            Enter | Nested | Libctx => (ASYNC_F_ASYNC_START_JOB, ERR_R_INTERNAL_ERROR),
            NotResumable => (ASYNC_F_ASYNC_START_JOB, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED),
            NullArgument => (ASYNC_F_ASYNC_START_JOB, ERR_R_PASSED_NULL_PARAMETER),
            WaitFd => (ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD, ERR_R_MALLOC_FAILURE),
            StackSize => (ASYNC_F_ASYNC_JOB_NEW, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED),
            FreeInsideJob => (ASYNC_F_ASYNC_INIT_POOL, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED),
        };
        pack(ERR_LIB_ASYNC, function, reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = [0; 256];
        let mut text = Text::new(&mut room);
        describe(self.code(), true, &mut text);
        write!(f, "{} ({})", messages::of(*self), text.as_str())
    }
}

impl std::error::Error for Error {}

/// Packs a code from the numbers of library, function and reason ([B3]).
///
/// ```
/// use ossl_async::error;
///
/// let code = error::pack(error::ERR_LIB_ASYNC, 101, 103);
/// assert_eq!(code, ossl_async::Error::PoolSize.code());
/// ```
///
/// [B3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#11-types-constants-error-queue
pub const fn pack(library: u32, function: u32, reason: u32) -> u32 {
    (library << 24) + (function << 12) + reason
}

/// The library's number in a packed code.
///
/// ```
/// use ossl_async::error;
///
/// assert_eq!(error::library(0x3306_5067), error::ERR_LIB_ASYNC);
/// ```
pub const fn library(code: u32) -> u32 {
    code >> 24
}

/// The function's number in a packed code.
///
/// ```
/// use ossl_async::error;
///
/// assert_eq!(error::function(0x3306_5067), error::ASYNC_F_ASYNC_INIT_POOL);
/// ```
pub const fn function(code: u32) -> u32 {
    code >> 12 & 0xfff
}

/// The reason's number in a packed code.
///
/// ```
/// use ossl_async::error;
///
/// assert_eq!(error::reason(0x3306_5067), error::ASYNC_R_INVALID_POOL_SIZE);
/// ```
pub const fn reason(code: u32) -> u32 {
    code & 0xfff
}

/// The name of a code's library, if it is ours.
pub(crate) fn library_text(code: u32) -> Option<&'static CStr> {
    (library(code) == ERR_LIB_ASYNC).then_some(c"ASYNC routines")
}

/// The name of a code's function, if it is one of ours (B4).
pub(crate) fn function_text(code: u32) -> Option<&'static CStr> {
    library_text(code)?;
    Some(match function(code) {
        ASYNC_F_ASYNC_CTX_NEW => c"ASYNC_CTX_NEW",
        ASYNC_F_ASYNC_INIT_POOL => c"ASYNC_init_pool",
        ASYNC_F_ASYNC_JOB_NEW => c"ASYNC_JOB_NEW",
        ASYNC_F_ASYNC_PAUSE_JOB => c"ASYNC_pause_job",
        ASYNC_F_ASYNC_START_FUNC => c"ASYNC_START_FUNC",
        ASYNC_F_ASYNC_START_JOB => c"ASYNC_start_job",
        ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD => c"ASYNC_WAIT_CTX_set_wait_fd",
        _ => return None,
    })
}

/// The text of a code's reason: the generic ones of every library, and ours (B4, B43).
pub(crate) fn reason_text(code: u32) -> Option<&'static CStr> {
    let ours = library_text(code).is_some();
    Some(match reason(code) {
        ERR_R_MALLOC_FAILURE => c"malloc failure",
        ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED => c"called a function you should not call",
        ERR_R_PASSED_NULL_PARAMETER => c"passed a null parameter",
        ERR_R_INTERNAL_ERROR => c"internal error",
        ASYNC_R_CANNOT_CREATE_WAIT_PIPE if ours => c"cannot create wait pipe",
        ASYNC_R_FAILED_TO_SET_POOL if ours => c"failed to set pool",
        ASYNC_R_FAILED_TO_SWAP_CONTEXT if ours => c"failed to swap context",
        ASYNC_R_INVALID_POOL_SIZE if ours => c"invalid pool size",
        ASYNC_R_INIT_FAILED if ours => c"init failed",
        _ => return None,
    })
}

/// Writes the one-line text of a code, as `ERR_error_string` does (B43). A part that has no text is
/// written as its number. Without `texts`, all parts are.
pub(crate) fn describe(code: u32, texts: bool, text: &mut Text<'_>) {
    text.add("error:");
    text.add_number(code as usize, UPPER_HEX, 8);
    let mut part = |name: Option<&'static CStr>, kind: &str, number: u32| {
        text.add(":");
        match name.filter(|_| texts).and_then(|name| name.to_str().ok()) {
            Some(name) => text.add(name),
            None => {
                text.add(kind);
                text.add("(");
                text.add_number(number as usize, DECIMAL, 1);
                text.add(")");
            }
        }
    };
    part(library_text(code), "lib", library(code));
    part(function_text(code), "func", function(code));
    part(reason_text(code), "reason", reason(code));
}
