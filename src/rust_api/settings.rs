//! Settings of the whole process, and what the build can do.

use crate::error::Error;
use crate::platform;
use crate::stack;

/// Whether there are jobs here. There are none on systems without a working `ucontext`, nor in a
/// build without jobs ([F15], [F19]).
///
/// ```
/// use ossl_async::{Error, Job, StartError};
///
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// let started = unsafe { Job::start(|| ()) };
/// let unavailable = matches!(started, Err(StartError::Failed(Error::Unavailable, _)));
/// assert_eq!(unavailable, !ossl_async::is_capable());
/// ```
///
/// [F15]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#44-null-implementation
/// [F19]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#45-platform-gates-for-the-posix-implementation
pub fn is_capable() -> bool {
    platform::is_capable()
}

/// Sets the least size of jobs' stacks, in bytes: from 32768 to 2^30. The default is 131072. It must
/// be called before the process's first job is made. `OSSL_ASYNC_STACK_SIZE` in the environment
/// does the same, and such a call overrides it.
///
/// ```standalone_crate
/// use ossl_async::{Error, Job};
/// # if !ossl_async::is_capable() { return }
///
/// ossl_async::set_stack_size(256 * 1024).unwrap();
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// let _ = unsafe { Job::start(|| ()) };
/// assert_eq!(ossl_async::set_stack_size(64 * 1024), Err(Error::StackSize)); // too late
/// ```
///
/// # Errors
///
/// [`Error::StackSize`] if the size is out of range, if a job was made before, and where there are
/// no jobs.
pub fn set_stack_size(bytes: usize) -> Result<(), Error> {
    stack::set_size(bytes)
}

/// The least size of jobs' stacks, in bytes. The environment's size counts from the first job on.
///
/// ```
/// assert!(ossl_async::stack_size() >= 32768 || !ossl_async::is_capable());
/// ```
pub fn stack_size() -> usize {
    stack::size()
}

/// How this build switches stacks: `"registers"`, `"setjmp"`, `"swapcontext"`, or `"null"` where
/// there are no jobs.
///
/// ```
/// assert_eq!(ossl_async::switch_method() == "null", !ossl_async::is_capable());
/// ```
pub fn switch_method() -> &'static str {
    platform::switch_method()
}
