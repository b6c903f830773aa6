//! Pausing the running job, and blocking of pauses.

use super::unwinding::unwind_if_dropped;
use crate::jobs::dispatch::{self, Pausing};
use crate::jobs::job::Record;
use crate::jobs::{block, current};
use crate::platform;
use core::marker::PhantomData;

/// Pauses the running job. Returns true when the job's thread has resumed it.
///
/// Returns false, at once, if nothing can be paused: outside a job, in a job that was
/// [cancelled](crate::Job::cancel), while pausing is blocked ([B31]), and while the thread unwinds
/// from a panic.
///
/// It never returns if the job is dropped meanwhile and unwinds ([`OnDrop`](crate::OnDrop)).
///
/// It also returns false, at once, in a job that C code has started, as libssl does. Rust code in
/// a callback there has nobody's promise that the job may pause. [`pause_any_job`] pauses it.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// assert!(!ossl_async::pause()); // not in a job
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| ossl_async::pause()) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// assert!(matches!(job.resume(), Ok(Step::Finished(true))));
/// ```
///
/// It is safe to call anywhere. [`Job::start`](crate::Job::start) is the unsafe one: its caller
/// promises that the job pauses only where that does no harm.
///
/// [B31]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#15-async_pause_job
pub fn pause() -> bool {
    pause_if(Record::allows_safe_pauses)
}

/// As [`pause`], also in a job that C code has started.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| unsafe { ossl_async::pause_any_job() }) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// assert!(matches!(job.resume(), Ok(Step::Finished(true))));
/// ```
///
/// # Safety
///
/// The contract of [`Job::start`](crate::Job::start) holds for this pause. No frame between the
/// start of the job and this call relies, for memory safety, on the calls of its thread being
/// strictly nested. A job that C code has started is never unwound, so point 5 does not apply to
/// it.
pub unsafe fn pause_any_job() -> bool {
    pause_if(|_| true)
}

/// Pauses the running job if `allows` allows it, and unwinds it if it was dropped meanwhile.
#[inline(always)]
fn pause_if(allows: impl FnOnce(&Record) -> bool) -> bool {
    let mut running = None;
    // A future is polled by functions of an executor, which all return.
    let how = Pausing {
        skipped: 0,
        refused: 0,
        go: platform::leave,
    };
    let has_paused = dispatch::pause(how, |record| {
        running = Some(record);
        allows(record)
    });
    match running {
        Some(record) if has_paused != 0 => {
            unwind_if_dropped(record);
            true
        }
        _ => false,
    }
}

/// Whether this is called inside a job.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// assert!(!ossl_async::in_job());
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// assert!(matches!(unsafe { Job::start(|| ossl_async::in_job()) }, Ok(Step::Finished(true))));
/// ```
pub fn in_job() -> bool {
    current::current().is_some()
}

/// Keeps the thread's jobs from pausing until the guard is dropped. It is for sections in which a
/// job holds a lock. Guards nest. Outside a job it blocks nothing ([B40]).
///
/// The block belongs to the thread ([K1]). A guard that outlives its job, because the job returned
/// it or forgot it, still blocks the thread's other jobs until it is dropped.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// let work = || {
///     let guard = ossl_async::block_pause();
///     assert!(!ossl_async::pause()); // returns at once
///     drop(guard);
///     ossl_async::pause()
/// };
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(work) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// # drop(job.resume());
/// ```
///
/// [B40]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#18-async_block_pause-async_unblock_pause
/// [K1]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#6-block--unblock
pub fn block_pause() -> BlockPause {
    BlockPause {
        blocked: block::block_pause(),
        thread_bound: PhantomData,
    }
}

/// Pausing is blocked while this lives; see [`block_pause`].
///
/// ```
/// use ossl_async::{BlockPause, Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// struct Locked {
///     _no_pause: BlockPause,
/// }
///
/// let work = || {
///     let _locked = Locked { _no_pause: ossl_async::block_pause() };
///     ossl_async::pause()
/// };
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(work) };
/// assert!(matches!(step, Ok(Step::Finished(false))));
/// ```
#[derive(Debug)]
#[must_use = "pausing is blocked only while the guard lives"]
pub struct BlockPause {
    /// When it was blocked; none outside a job.
    blocked: Option<u64>,
    thread_bound: PhantomData<*mut ()>,
}

impl Drop for BlockPause {
    fn drop(&mut self) {
        if let Some(epoch) = self.blocked {
            block::take_block_back(epoch);
        }
    }
}
