//! What can go wrong, for Rust: the variants, and the words for each. OpenSSL's numbers and texts
//! are in `codes.rs`.

mod codes;
pub(crate) mod queue;

pub use codes::*;
pub(crate) use codes::{describe, function_text, library_text, reason_text};

use crate::text::Text;
use core::fmt;

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

    /// What happened, as a clause.
    fn words(self) -> &'static str {
        use Error::*;
        match self {
            Thread => "the thread cannot run jobs: no thread-specific key or no memory is left",
            PoolSize => "a pool cannot have so many jobs, or more at first than at most",
            Pool => "no pool: no thread-specific key or no memory is left",
            PoolList => "a pool cannot have so many jobs: there is no memory to list them",
            Unavailable => "this build or this system has no jobs",
            Job => "no memory, or no guard, for the stack of a job",
            CustomStack => "the program's stack function gave no stack, or one that is too small",
            WaitPipe => "no pipe for the wait descriptor of a job",
            Arguments => "no memory for the arguments of a job, or their size is 0",
            Enter => "the stack of the job could not be entered",
            Nested => "a job cannot be started or resumed inside a job",
            NotResumable => "this is no paused job of this thread",
            NullArgument => "NULL where an argument is needed",
            FreeInsideJob => "a pool cannot be freed inside a job",
            Libctx => {
                "libcrypto refused the default library context of the job, which stays paused"
            }
            WaitFd => "no memory for one more descriptor in a wait context",
            StackSize => {
                "the size of stacks is out of range, or was set after the first stack was made"
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = [0; 256];
        let mut text = Text::new(&mut room);
        describe(self.code(), true, &mut text);
        write!(f, "{} ({})", self.words(), text.as_str())
    }
}

impl std::error::Error for Error {}
