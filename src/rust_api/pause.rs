//! Pausing the running job, and blocking of pauses.

use crate::jobs::{block, current, dispatch};
use core::marker::PhantomData;

/// Pauses the running job. Returns true when the job's thread has resumed it.
///
/// Returns false, at once, if nothing can be paused: outside a job, in a job that was
/// [cancelled](crate::Job::cancel), while pausing is blocked ([B31]), and while the thread unwinds
/// from a panic.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// assert!(!ossl_async::pause()); // not in a job
/// let Ok(Step::Paused(job)) = Job::start(|| ossl_async::pause()) else { panic!() };
/// assert!(matches!(job.resume(), Ok(Step::Finished(true))));
/// ```
///
/// # Where a job must not pause
///
/// Other code runs on the thread while the job is paused, for any time. If the job is abandoned,
/// `pause` never returns. Two things in Rust rely on that not happening. Do not pause
///
/// - inside the initialiser of a `thread_local!`, because another job could enter it too;
/// - inside a scope in which other threads borrow from this thread's thread-local storage
///   (`LocalKey::with` around `std::thread::scope`), if the job may be abandoned there and the
///   thread end.
///
/// [B31]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#15-async_pause_job
pub fn pause() -> bool {
    dispatch::pause(0, 0) != 0
}

/// Whether this is called inside a job.
///
/// ```
/// use ossl_async::{Job, Step};
/// # if !ossl_async::is_capable() { return }
///
/// assert!(!ossl_async::in_job());
/// assert!(matches!(Job::start(|| ossl_async::in_job()), Ok(Step::Finished(true))));
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
/// let step = Job::start(|| {
///     let guard = ossl_async::block_pause();
///     assert!(!ossl_async::pause()); // returns at once
///     drop(guard);
///     ossl_async::pause()
/// });
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
/// let step = Job::start(|| {
///     let _locked = Locked { _no_pause: ossl_async::block_pause() };
///     ossl_async::pause()
/// });
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
