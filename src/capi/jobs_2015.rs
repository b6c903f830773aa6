//! Generation 1: the functions of the 2015 manual page.

#![expect(
    non_snake_case,
    reason = "the names are OpenSSL's; names.rs exports those that are not symbols here"
)]

use super::start::{ASYNC_ERR, ASYNC_JOB, record, start_or_resume, succeed};
use crate::jobs::dispatch::{self, Pausing};
use crate::jobs::job::Function;
use crate::jobs::requests::{Argument, Start};
use crate::jobs::{block, current, pools};
use crate::platform;
use crate::wake::Pipe;
use core::ffi::{c_int, c_void};
use core::ptr;

/// Makes the calling thread's pool of at most `max_size` jobs; 0 is no limit ([B7], [P3]).
///
/// `init_size` of them are made now, each with its wait fd ([B10]). An earlier pool is replaced
/// ([D2]), also inside a job ([B12]).
///
/// Returns 1, or 0 with an entry and nothing changed. If memory or descriptors run out, it returns
/// 1 with an entry, and the pool has fewer jobs. An `init_size` larger than `max_size` is refused,
/// and here 0 is zero ([B8]).
///
/// [B7]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
/// [P3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#3-pool-accounting
/// [B10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
/// [D2]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
/// [B12]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
/// [B8]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
#[inline(always)]
pub extern "C" fn ASYNC_init_pool(max_size: usize, init_size: usize) -> c_int {
    succeed(pools::init_pool(max_size, init_size, true))
}

/// Frees the calling thread's pool and its idle jobs ([B13], [B14], [B17]).
///
/// Running and paused jobs stay and can be resumed ([B15], [D3]). Inside a job the call is refused:
/// it has no effect but an entry ([D4]).
///
/// [B13]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#13-async_free_pool
/// [B14]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#13-async_free_pool
/// [B17]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#13-async_free_pool
/// [B15]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#13-async_free_pool
/// [D3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
/// [D4]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub extern "C" fn ASYNC_free_pool() {
    if let Err(error) = pools::free_pool() {
        raise!(error);
    }
}

/// Starts a job if `*job` is NULL. Otherwise resumes `*job`. The 5-argument `ASYNC_start_job` of
/// 2015.
///
/// [B19] has the results, and what is written to `*job` and `*ret`. `ret` may be NULL ([D10]).
/// `func` gets a copy of the arguments ([B23] to [B26]). On a resume `func`, `args` and `size` are
/// ignored ([B22]).
///
/// These are refused, with an entry and nothing changed:
///
/// - a call inside a job ([D5]);
/// - the handle of a job that is not paused, or not on this thread ([D6] to [D8]);
/// - NULL for `job`, or for the `func` of a new job ([D10]).
///
/// # Safety
///
/// - `job` and `ret` are NULL or can be written.
/// - `*job` is NULL or a handle that this library issued.
/// - `args` is NULL, or `size` bytes can be read there.
/// - `func` can be called with a copy of these bytes. It returns, and does not unwind.
///
/// [B19]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#14-async_start_job
/// [D10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
/// [B23]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#14-async_start_job
/// [B26]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#14-async_start_job
/// [B22]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#14-async_start_job
/// [D5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
/// [D6]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
/// [D8]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ASYNC_start_job_2015(
    job: *mut *mut ASYNC_JOB,
    ret: *mut c_int,
    func: Option<Function>,
    args: *mut c_void,
    size: usize,
) -> c_int {
    let argument = Argument::Copied(args, size);
    let what = Start {
        function: func,
        argument,
        pipe: true,
        wait_ctx: ptr::null_mut(),
    };
    // SAFETY: the caller guarantees all of it.
    unsafe { start_or_resume(job, ret, what, ASYNC_ERR) }
}

/// Pauses the running job, and returns 1 when the job is resumed ([B32]).
///
/// Returns 1 at once outside a job and while pausing is blocked ([B31], [B34]). Returns 0 at once
/// in a job that was cancelled ([`OSSL_ASYNC_cancel_job`](super::OSSL_ASYNC_cancel_job)).
///
/// # Safety
///
/// No frame of the job relies, for memory safety, on the calls of its thread being strictly nested.
/// [`Job::start`](crate::Job::start) says what that means in Rust.
///
/// [B32]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#15-async_pause_job
/// [B31]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#15-async_pause_job
/// [B34]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#15-async_pause_job
#[inline(always)]
pub unsafe extern "C" fn ASYNC_pause_job() -> c_int {
    // A caller in C may resume the job in a loop, without functions to return through.
    let how = Pausing {
        skipped: 1,
        refused: 0,
        go: platform::switch,
    };
    dispatch::pause(how, |_| true)
}

/// Returns 1 inside a job, else 0 ([B42]).
///
/// [B42]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#110-async_in_job-pre-baseline
#[inline(always)]
pub extern "C" fn ASYNC_in_job() -> c_int {
    current::current().is_some().into()
}

/// Returns the running job's handle, or NULL outside a job ([B35]).
///
/// [B35]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#16-async_get_current_job
#[inline(always)]
pub extern "C" fn ASYNC_get_current_job() -> *mut ASYNC_JOB {
    current::current().map_or(ptr::null_mut(), |record| record.handle().cast())
}

/// Returns the descriptor that [`ASYNC_wake`] makes readable ([B36]).
///
/// Returns -1 for NULL ([D10]), for a job that has ended, and for a job of the six-argument call,
/// which has no descriptor. May be called from any thread.
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
///
/// [B36]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#17-async_get_wait_fd-async_wake-async_clear_wake
/// [D10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub unsafe extern "C" fn ASYNC_get_wait_fd(job: *mut ASYNC_JOB) -> c_int {
    // SAFETY: the caller guarantees that `job` is NULL or a handle of this library.
    let record = unsafe { record(job) };
    record
        .and_then(|record| record.signal.channel(Pipe::wait_fd))
        .unwrap_or(-1)
}

/// Makes the wait fd of a running or paused job readable ([B37]).
///
/// It has no effect on other jobs ([D24]). May be called from any thread.
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
///
/// [B37]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#17-async_get_wait_fd-async_wake-async_clear_wake
/// [D24]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub unsafe extern "C" fn ASYNC_wake(job: *mut ASYNC_JOB) {
    // SAFETY: the caller guarantees that `job` is NULL or a handle of this library.
    if let Some(record) = unsafe { record(job) } {
        record.wake(None);
    }
}

/// Makes the wait fd of a running or paused job unreadable ([B37]). Never blocks ([D9]).
///
/// It has no effect on other jobs. May be called from any thread.
///
/// # Safety
///
/// `job` is NULL or a handle that this library issued.
///
/// [B37]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#17-async_get_wait_fd-async_wake-async_clear_wake
/// [D9]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
#[inline(always)]
pub unsafe extern "C" fn ASYNC_clear_wake(job: *mut ASYNC_JOB) {
    // SAFETY: the caller guarantees that `job` is NULL or a handle of this library.
    if let Some(record) = unsafe { record(job) } {
        record.signal.clear(None);
    }
}

/// Inside a job: adds one to the count that keeps the thread's jobs from pausing ([B41], [K1],
/// [K5]).
///
/// [B41]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#18-async_block_pause-async_unblock_pause
/// [K1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#6-block--unblock
/// [K5]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#6-block--unblock
#[inline(always)]
pub extern "C" fn ASYNC_block_pause() {
    block::block_pause();
}

/// Inside a job: takes one from that count, if it is not 0 ([B41], [K3]).
///
/// # Safety
///
/// No frame of the job relies, for memory safety, on the block that this takes back. A
/// [`BlockPause`](crate::BlockPause) that lives may be that block.
///
/// [B41]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#18-async_block_pause-async_unblock_pause
/// [K3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#6-block--unblock
#[inline(always)]
pub unsafe extern "C" fn ASYNC_unblock_pause() {
    block::unblock_pause();
}
