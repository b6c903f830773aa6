//! Fibres: what OpenSSL's `async_fibre_*` functions do, by the shim.

use crate::platform::types::{Fibre, Work};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

unsafe extern "C" {
    fn ossl_async_fibre_capable() -> c_int;
    fn ossl_async_fibre_enter(
        from: *mut *mut c_void,
        stack: *mut c_void,
        size: usize,
        entry: extern "C-unwind" fn() -> !,
    ) -> c_int;
    fn ossl_async_fibre_switch(from: *mut *mut c_void, to: *mut c_void) -> c_int;
    fn ossl_async_switch_method() -> *const c_char;
    fn ossl_async_fibre_forget(context: *mut c_void);
}

// A thread may end inside a job: what lies below the job's function can be unwound through.
unsafe extern "C-unwind" {
    fn ossl_async_fibre_run(work: *const Work, back: *const *mut c_void) -> !;
}

/// Whether the running system can make contexts (F19).
pub fn is_capable() -> bool {
    // SAFETY: the shim's function only fills a variable of its own.
    unsafe { ossl_async_fibre_capable() != 0 }
}

/// How this build switches: `"registers"`, `"setjmp"` or `"swapcontext"`.
pub fn switch_method() -> &'static str {
    // SAFETY: the shim returns a string literal.
    let name = unsafe { CStr::from_ptr(ossl_async_switch_method()) };
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

/// Suspends the caller in `from` and resumes where `to` was suspended. Returns 1 when somebody switches to `from`.
///
/// # Safety
///
/// `to` is suspended on this thread and its stack is intact; `from` as for [`enter`].
#[inline(always)]
pub unsafe fn switch(from: &Fibre, to: &Fibre) -> c_int {
    // SAFETY: the caller vouches for `to`; what it points to is the context that `enter` or `switch` saved there.
    unsafe { ossl_async_fibre_switch(from.0.as_ptr(), to.0.get()) }
}

/// The bottom of a fibre, for ever: calls the work's function, stores the result, and resumes `back`; again whenever
/// somebody switches to the work's fibre then.
///
/// # Safety
///
/// The caller runs on the fibre's own stack. At each call the function can be called with the argument, and does not leave
/// but by its return, at which `back` is suspended on this thread. Both places stay.
pub unsafe fn serve_jobs(work: &Work, back: &Fibre) -> ! {
    // SAFETY: the caller vouches for all of it. What the shim writes is in cells.
    unsafe { ossl_async_fibre_run(work, back.0.as_ptr().cast_const()) }
}

/// Nobody will resume a fibre: it is new again, and its stack may be used for something else.
///
/// # Safety
///
/// The fibre is new, or suspended with its stack intact.
pub unsafe fn forget_fibre(fibre: &Fibre) {
    // SAFETY: the caller vouches for the context that the shim may look at.
    unsafe { ossl_async_fibre_forget(fibre.0.replace(ptr::null_mut())) };
}
