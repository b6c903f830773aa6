//! Functions that OpenSSL does not have: which library serves libssl, the version, cancelling a
//! job, the size of stacks, statistics.

use super::start::{ASYNC_ERR, ASYNC_JOB, fail, record, resume};
use crate::jobs::job::Resume;
use crate::jobs::requests::StartFailure;
use crate::jobs::{current, thread};
use crate::libcrypto;
use crate::report::{self, Stats};
use crate::stack;
use core::ffi::{c_int, c_ulong};
use core::ptr;

/// Resumes a paused job and stops it from pausing again.
///
/// From then on `ASYNC_pause_job` returns 0 in that job, at once. The function returns by its own
/// error path: no frame is unwound from outside.
///
/// Returns `ASYNC_FINISH`. Returns `ASYNC_ERR` with an entry if `*job` is not a paused job of this
/// thread.
///
/// # Safety
///
/// `job` and `ret` are NULL or can be written. `*job` is NULL or a handle that this library issued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_cancel_job(job: *mut *mut ASYNC_JOB, ret: *mut c_int) -> c_int {
    // SAFETY: the caller guarantees `job` and the handle in it.
    let paused = unsafe { job.as_ref().and_then(|job| record(*job)) };
    match paused {
        // SAFETY: the caller guarantees that `job` and `ret` can be written; `job` is not NULL.
        Some(record) => unsafe { resume(record, job, ret, Resume::Cancelled) },
        None => fail(StartFailure::Error(current::refuse_null()), ASYNC_ERR),
    }
}

/// Sets the smallest size of jobs' stacks, in bytes: from 32768 to 2^30.
///
/// It must be called before the process makes the first such stack. Returns 1, or 0 with an entry.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_set_stack_size(bytes: usize) -> c_int {
    match stack::set_size(bytes) {
        Ok(()) => 1,
        Err(error) => {
            raise!(error);
            0
        }
    }
}

/// Returns the smallest size of jobs' stacks, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_get_stack_size() -> usize {
    stack::size()
}

/// Returns the most that has been used of a job's stack so far, in bytes and in whole pages.
///
/// What earlier jobs on the same stack have used counts too. Returns 0 if `job` is not a running or
/// paused job of this thread, and if the stack is the program's own.
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_get_stack_used(job: *mut ASYNC_JOB) -> usize {
    // SAFETY: the caller guarantees that `job` is NULL or a handle of this library.
    unsafe { record(job) }.map_or(0, current::stack_used)
}

/// Switches measuring on (`measure` not 0) or off, for all threads.
///
/// While it is on, the stack of each job that ends is measured for `stack_high_water`.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_measure_stacks(measure: c_int) {
    report::measure_stacks(measure != 0);
}

/// Returns 1 if libssl, engines and providers of the process call this library's functions.
///
/// Returns 0 if they call libcrypto's, or if the library cannot find out.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_serves_libssl() -> c_int {
    libcrypto::serves_libssl(thread::is_in_job()).into()
}

/// Returns the version of the library, packed as OpenSSL 3 packs its own: `0xMNN00PP0` for M.N.P.
///
/// The header has its own version in `OSSL_ASYNC_VERSION_NUMBER`.
#[unsafe(no_mangle)]
pub extern "C" fn OSSL_ASYNC_version() -> c_ulong {
    const fn number(digits: &str) -> c_ulong {
        match c_ulong::from_str_radix(digits, 10) {
            Ok(number) => number,
            Err(_) => panic!("cargo checks that versions are numbers"),
        }
    }
    const {
        number(env!("CARGO_PKG_VERSION_MAJOR")) << 28
            | number(env!("CARGO_PKG_VERSION_MINOR")) << 20
            | number(env!("CARGO_PKG_VERSION_PATCH")) << 4
    }
}

/// The library's counts, as C programs see them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `stats::Stats`")]
pub struct OSSL_ASYNC_STATS {
    pub jobs_created: usize,
    pub jobs_idle: usize,
    pub jobs_running: usize,
    pub jobs_paused: usize,
    pub jobs_abandoned: usize,
    pub starts: usize,
    pub pauses: usize,
    pub resumes: usize,
    pub finishes: usize,
    pub refusals: usize,
    pub stack_bytes: usize,
    pub stack_high_water: usize,
}

impl From<Stats> for OSSL_ASYNC_STATS {
    fn from(stats: Stats) -> OSSL_ASYNC_STATS {
        OSSL_ASYNC_STATS {
            jobs_created: stats.created as usize,
            jobs_idle: stats.idle as usize,
            jobs_running: stats.running as usize,
            jobs_paused: stats.paused as usize,
            jobs_abandoned: stats.abandoned as usize,
            starts: stats.starts as usize,
            pauses: stats.pauses as usize,
            resumes: stats.resumes as usize,
            finishes: stats.finishes as usize,
            refusals: stats.refusals as usize,
            stack_bytes: stats.stack_bytes as usize,
            stack_high_water: stats.stack_high_water as usize,
        }
    }
}

/// Writes the counts of the calling thread since its first job: the first `size` bytes of them.
///
/// Returns 1, or 0 if `stats` is NULL.
///
/// # Safety
///
/// `stats` is NULL or `size` bytes can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_thread_stats(
    stats: *mut OSSL_ASYNC_STATS,
    size: usize,
) -> c_int {
    // SAFETY: the caller guarantees the memory.
    unsafe { write_stats(stats, size, current::stats()) }
}

/// Writes the counts of the whole process, in the same way. Threads that have ended count too.
///
/// # Safety
///
/// As [`OSSL_ASYNC_thread_stats`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OSSL_ASYNC_process_stats(
    stats: *mut OSSL_ASYNC_STATS,
    size: usize,
) -> c_int {
    // SAFETY: the caller guarantees the memory.
    unsafe { write_stats(stats, size, report::process()) }
}

/// # Safety
///
/// As [`OSSL_ASYNC_thread_stats`].
unsafe fn write_stats(to: *mut OSSL_ASYNC_STATS, size: usize, stats: Stats) -> c_int {
    if to.is_null() {
        return 0;
    }
    let stats = OSSL_ASYNC_STATS::from(stats);
    let size = size.min(size_of_val(&stats));
    // SAFETY: the caller guarantees so many bytes.
    unsafe { ptr::copy_nonoverlapping(ptr::from_ref(&stats).cast::<u8>(), to.cast(), size) };
    1
}
