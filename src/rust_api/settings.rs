//! What is the same for all jobs of the process.

use crate::error::Error;
use crate::platform;
use crate::stack;

/// Whether jobs can be made here at all: not on systems without a working `ucontext` (F15, F19).
pub fn is_capable() -> bool {
    platform::is_capable()
}

/// Sets the stack that jobs have at least, in bytes, from 32768 to 2^30 (the default is 131072), before the process's first
/// job is made. Goes before `OSSL_ASYNC_STACK_SIZE` in the environment, which has bytes too.
///
/// # Errors
///
/// [`Error::StackSize`] if it is out of range, too late, or there are no jobs in this build.
pub fn set_stack_size(bytes: usize) -> Result<(), Error> {
    stack::set_size(bytes)
}

/// The stack that jobs have at least, in bytes. What the environment says counts from the first job on.
pub fn stack_size() -> usize {
    stack::size()
}

/// How this build switches stacks: `"registers"`, `"setjmp"`, `"swapcontext"`, or `"null"` where there are no jobs.
pub fn switch_method() -> &'static str {
    platform::switch_method()
}
