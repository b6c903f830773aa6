//! POSIX with a working `ucontext`: the only file that calls the C shim. Beside it, one file each, is what is asked of libc,
//! which nothing else calls but for a stream to print to.

use super::{Fibre, Work};
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr;

#[path = "ucontext/exceptions.rs"]
mod exceptions;
#[path = "ucontext/faults.rs"]
mod faults;
#[path = "ucontext/forks.rs"]
mod forks;
#[path = "ucontext/memory.rs"]
mod memory;
#[path = "ucontext/objects.rs"]
mod objects;
#[path = "ucontext/pipes.rs"]
mod pipes;
#[path = "ucontext/process.rs"]
mod process;

pub use exceptions::{Exceptions, exceptions};
pub use faults::{SignalStack, free_signal_stack, signal_stack, watch_faults};
pub use forks::{ForkSafe, forks};
pub use memory::{
    allocate, free, give_back, guard, guard_each, guards_from_environment, locks_new_memory, map,
    page_size, populate, populate_each, prefetch, unmap, untouched,
};
pub use objects::{
    Loads, Object, is_called_from, is_ours, object_like, object_named, object_of, seen_by_all,
};
pub use pipes::{close, pipe, put_byte, take_byte};
pub use process::{
    at_process_exit, at_thread_exit, environment, exit_is_awaited, forget_thread_exit, print_error,
};

/// Whether jobs can exist in this build at all.
pub const AVAILABLE: bool = true;

/// Whether the first access of a thread to its state may allocate: in a library with glibc that is loaded later, unless the
/// pointer is initial-exec (`csrc/thread.c`).
pub const THREAD_STATE_MAY_ALLOCATE: bool =
    cfg!(all(target_env = "gnu", not(ossl_async_initial_exec)));

unsafe extern "C" {
    fn ossl_async_thread_get() -> *mut c_void;
    fn ossl_async_thread_set(state: *mut c_void);
}

unsafe extern "C" {
    fn ossl_async_fibre_capable() -> c_int;
    fn ossl_async_fibre_enter(
        from: *mut *mut c_void,
        stack: *mut c_void,
        size: usize,
        entry: extern "C-unwind" fn() -> !,
    ) -> c_int;
    fn ossl_async_fibre_switch(from: *mut *mut c_void, to: *mut c_void) -> c_int;
    fn ossl_async_fibre_way() -> *const c_char;
    fn ossl_async_fibre_forget(context: *mut c_void);
    #[cfg(target_os = "linux")]
    fn ossl_async_under_valgrind() -> c_int;
    fn ossl_async_job_register(
        stack: *mut c_void,
        stack_size: usize,
        record: *mut c_void,
        record_size: usize,
    ) -> c_uint;
    fn ossl_async_job_deregister(
        id: c_uint,
        stack: *mut c_void,
        stack_size: usize,
        record: *mut c_void,
        record_size: usize,
    );
}

// A thread may end inside a job: what lies below the job's function can be unwound through.
unsafe extern "C-unwind" {
    fn ossl_async_fibre_serve(work: *const Work, back: *const *mut c_void) -> !;
}

/// The calling thread's word, null until it is set.
#[inline(always)]
pub fn thread_state() -> *mut c_void {
    // SAFETY: reads a variable of the thread.
    unsafe { ossl_async_thread_get() }
}

/// Sets the calling thread's word.
pub fn set_thread_state(state: *mut c_void) {
    // SAFETY: writes a variable of the thread.
    unsafe { ossl_async_thread_set(state) };
}

/// Whether the running system can make contexts (F19).
pub fn capable() -> bool {
    // SAFETY: the shim's function only fills a variable of its own.
    unsafe { ossl_async_fibre_capable() != 0 }
}

/// How this build switches: `"registers"`, `"setjmp"` or `"swapcontext"`.
pub fn way() -> &'static str {
    // SAFETY: the shim returns a string literal.
    let name = unsafe { CStr::from_ptr(ossl_async_fibre_way()) };
    name.to_str().unwrap_or_default()
}

/// Suspends the caller in `from` and calls `entry` at the top of `stack`. Returns true when somebody switches to
/// `from`, false if the new context could not be entered, in which case nothing has run (F6).
///
/// # Safety
///
/// `stack` is memory that nothing else uses until the fibre has ended for good, and `from` is switched to only on
/// this thread and at most once.
pub unsafe fn enter(from: &Fibre, stack: *mut [u8], entry: extern "C-unwind" fn() -> !) -> bool {
    // SAFETY: the caller vouches for the stack and for `from`; `entry` never returns, by its type.
    unsafe { ossl_async_fibre_enter(from.0.as_ptr(), stack.cast(), stack.len(), entry) != 0 }
}

/// Suspends the caller in `from` and goes on where `to` was suspended. Answers 1 when somebody switches to `from`.
///
/// # Safety
///
/// `to` is suspended on this thread and its stack is intact; `from` as for [`enter`].
#[inline(always)]
pub unsafe fn switch(from: &Fibre, to: &Fibre) -> c_int {
    // SAFETY: the caller vouches for `to`; what it points to is the context that `enter` or `switch` saved there.
    unsafe { ossl_async_fibre_switch(from.0.as_ptr(), to.0.get()) }
}

/// The bottom of a fibre, for ever: calls the work's function, stores the result, and goes on with `back`; again whenever
/// somebody switches to the work's fibre then.
///
/// # Safety
///
/// The caller runs on the fibre's own stack. At each call the function can be called with the argument, and does not leave
/// but by its return, at which `back` is suspended on this thread. Both places stay.
pub unsafe fn serve(work: &Work, back: &Fibre) -> ! {
    // SAFETY: the caller vouches for all of it. What the shim writes is in cells.
    unsafe { ossl_async_fibre_serve(work, back.0.as_ptr().cast_const()) }
}

/// Nobody will go on with a fibre: it is new again, and its stack may be used for something else.
///
/// # Safety
///
/// The fibre is new, or suspended with its stack intact.
pub unsafe fn forget(fibre: &Fibre) {
    // SAFETY: the caller vouches for the context that the shim may look at.
    unsafe { ossl_async_fibre_forget(fibre.0.replace(ptr::null_mut())) };
}

/// Whether the process runs under valgrind, as far as the shim can tell.
#[cfg(target_os = "linux")]
fn under_valgrind() -> bool {
    // SAFETY: has no conditions.
    unsafe { ossl_async_under_valgrind() != 0 }
}

/// Tells checkers (valgrind, sanitizers) about a job's stack and record; the answer is what [`deregister_job`] wants.
pub fn register_job(stack: *mut [u8], record: *mut [u8]) -> c_uint {
    // SAFETY: the two ranges are only noted by a checker that watches.
    unsafe { ossl_async_job_register(stack.cast(), stack.len(), record.cast(), record.len()) }
}

/// Tells them that they are a job's no longer.
///
/// # Safety
///
/// Nothing will run on the stack any more as what it was.
pub unsafe fn deregister_job(id: c_uint, stack: *mut [u8], record: *mut [u8]) {
    // SAFETY: as above; an unknown number has no effect.
    unsafe {
        ossl_async_job_deregister(id, stack.cast(), stack.len(), record.cast(), record.len());
    }
}
