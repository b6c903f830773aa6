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

/// Registers a job's stack and record with the checkers (valgrind, sanitizers). Returns the number
/// that [`deregister_job`] needs.
pub fn register_job(stack: *mut [u8], record: *mut [u8]) -> c_uint {
    // SAFETY: a checker only notes the two ranges.
    unsafe { ossl_async_job_register(stack.cast(), stack.len(), record.cast(), record.len()) }
}

/// Deregisters the stack and record of a job.
///
/// # Safety
///
/// The job will not run on the stack any more.
pub unsafe fn deregister_job(id: c_uint, stack: *mut [u8], record: *mut [u8]) {
    // SAFETY: as above. An unknown number has no effect.
    unsafe {
        ossl_async_job_deregister(id, stack.cast(), stack.len(), record.cast(), record.len());
    }
}
