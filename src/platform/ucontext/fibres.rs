//! Fibres: what OpenSSL's `async_fibre_*` functions do. The C shim does the work.

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
    fn ossl_async_fibre_leave(from: *mut *mut c_void, to: *mut c_void) -> c_int;
    safe fn ossl_async_fibre_return(value: c_int) -> c_int;
    fn ossl_async_switch_method() -> *const c_char;
    fn ossl_async_fibre_forget(context: *mut c_void);
}

// A thread may end inside a job. Then the frames below the job's function are unwound.
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

/// Suspends the caller in `from` and calls `entry` at the top of `stack`.
///
/// Returns true when `from` is switched to. Returns false if the new context could not be entered;
/// then nothing has run (F6).
///
/// # Safety
///
/// - Nothing else uses the memory of `stack` until the fibre has ended for good.
/// - `from` is switched to on this thread only, and at most once.
pub unsafe fn enter(from: &Fibre, stack: *mut [u8], entry: extern "C-unwind" fn() -> !) -> bool {
    // SAFETY: the caller guarantees the stack and `from`. By its type, `entry` never returns.
    unsafe { ossl_async_fibre_enter(from.0.as_ptr(), stack.cast(), stack.len(), entry) != 0 }
}

/// Suspends the caller in `from` and resumes where `to` was suspended. Returns 1 when `from` is
/// switched to.
///
/// # Safety
///
/// `to` is suspended on this thread, and its stack is intact. `from` as for [`enter`].
#[inline(always)]
pub unsafe fn switch(from: &Fibre, to: &Fibre) -> c_int {
    // SAFETY: the caller guarantees `to`. It points to the context that `enter` or `switch` saved.
    unsafe { ossl_async_fibre_switch(from.0.as_ptr(), to.0.get()) }
}

/// Does what [`switch`] does. It is faster if what has resumed the fibre will return through several
/// functions, and slower if not (`fibre.h`).
///
/// # Safety
///
/// As for [`switch`].
#[inline(always)]
pub unsafe fn leave(from: &Fibre, to: &Fibre) -> c_int {
    // SAFETY: the caller guarantees `to`, as for `switch`.
    unsafe { ossl_async_fibre_leave(from.0.as_ptr(), to.0.get()) }
}

/// Returns `value`. For the last step of a function that goes on after a switch: the shim returns
/// straight to that function's caller, in a way that the processor predicts (`fibre.h`).
#[inline(always)]
pub fn return_after_switch(value: c_int) -> c_int {
    ossl_async_fibre_return(value)
}

/// The bottom frame of a fibre, in an endless loop: calls the work's function, stores its result,
/// and switches to `back`. When the work's fibre is switched to, it calls the next function.
///
/// # Safety
///
/// - The caller runs on the fibre's own stack.
/// - At each call the function can be called with the argument. It leaves only by returning.
/// - When it returns, `back` is suspended on this thread. `work` and `back` stay valid.
pub unsafe fn serve_jobs(work: &Work, back: &Fibre) -> ! {
    // SAFETY: the caller guarantees all of it. What the shim writes is in cells.
    unsafe { ossl_async_fibre_run(work, back.0.as_ptr().cast_const()) }
}

/// Makes a fibre new again. It is never resumed, and its stack may be used for something else.
///
/// # Safety
///
/// The fibre is new, or suspended with its stack intact.
pub unsafe fn forget_fibre(fibre: &Fibre) {
    // SAFETY: the caller guarantees the context, which the shim may read.
    unsafe { ossl_async_fibre_forget(fibre.0.replace(ptr::null_mut())) };
}
