//! The wait context of a job that Rust has started. C gives a job its context at the start. Here
//! one is made when code in the job first asks for it, so that a start of Rust's pays nothing.

use super::job::Record;
use super::thread;
use crate::wait_ctx::WaitCtx;
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

/// The wait context of a job, or null (G11). May be called from any thread.
///
/// A job that Rust has started gets one here, if code in the job asks. Its callback wakes the job.
pub fn wait_ctx(record: &'static Record) -> *mut WaitCtx {
    let ctx = record.wait_ctx();
    if ctx.is_null() { make(record) } else { ctx }
}

/// Makes it, if this is called in the job. Null if not, and if there is no memory.
#[cold]
#[inline(never)]
fn make(record: &'static Record) -> *mut WaitCtx {
    let running = thread::this().and_then(|thread| thread.currjob.get());
    if !running.is_some_and(|running| ptr::eq(running, record) && record.has_promise.get()) {
        return ptr::null_mut();
    }
    let Some(made) = WaitCtx::new() else {
        return ptr::null_mut();
    };
    // SAFETY: just made, and freed when the job has ended.
    unsafe { made.as_ref() }.set_callback(Some(wake), record.handle().cast());
    // SAFETY: the same. The job has no context yet.
    unsafe { record.set_wait_ctx(made.as_ptr()) };
    made.as_ptr()
}

/// Frees the context that [`wait_ctx`] has made, if it has, and so calls its cleanups. Called in a
/// job that Rust has started, when its closure has ended.
#[inline(always)]
pub fn free(record: &Record) {
    if let Some(ctx) = NonNull::new(record.wait_ctx()) {
        free_now(ctx);
    }
}

#[cold]
#[inline(never)]
fn free_now(ctx: NonNull<WaitCtx>) {
    // SAFETY: `make` made it, and the record's reference keeps it. If C code has freed it, this has
    // no effect. What was added to it, its adder guarantees.
    unsafe { WaitCtx::free(ctx) };
}

/// The callback of such a context. It may come late, and then wakes another job: a wake too many.
unsafe extern "C" fn wake(record: *mut c_void) -> c_int {
    // SAFETY: `make` has set a record's handle.
    if let Some(record) = unsafe { Record::from_handle(record.cast()) } {
        record.wake(None);
    }
    1
}
