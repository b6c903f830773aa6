//! What the library tells valgrind and the sanitizers (`csrc/checkers.c`).

#[cfg(target_os = "linux")]
use core::ffi::c_int;
use core::ffi::c_uint;
use core::ffi::c_void;

unsafe extern "C" {
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

/// Whether the process runs under valgrind, as far as the shim can tell.
#[cfg(target_os = "linux")]
pub fn under_valgrind() -> bool {
    // SAFETY: has no conditions.
    unsafe { ossl_async_under_valgrind() != 0 }
}

/// Tells checkers (valgrind, sanitizers) about a job's stack and record; the result is what [`deregister_job`] wants.
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
