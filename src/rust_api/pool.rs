//! The calling thread's pool.

use crate::error::Error;
use crate::jobs::pools;

/// The calling thread's pool of jobs.
///
/// Each thread has one, which Rust and C share. If the program has not made it, the thread's first
/// job makes it, without a limit. The end of the thread frees it.
///
/// ```
/// use ossl_async::{Job, Pool, StartError, Step};
/// # if !ossl_async::is_capable() { return }
///
/// Pool::init(1, 0).unwrap();
/// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
/// let step = unsafe { Job::start(|| ossl_async::pause()) };
/// let Ok(Step::Paused(job)) = step else { panic!() };
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// assert!(matches!(unsafe { Job::start(|| ()) }, Err(StartError::Full(_))));
/// # drop(job.resume());
/// ```
#[derive(Debug)]
pub enum Pool {}

impl Pool {
    /// Makes the thread's pool, of at most `max_size` jobs: idle, running and paused together. 0 is
    /// no limit. `init_size` of them are made now. If memory runs out, fewer are made, which is no
    /// error ([B10]); the others are made when jobs are started.
    ///
    /// If the thread has a pool already, its idle jobs are freed. Its other jobs can be resumed and
    /// count against no pool ([D2]).
    ///
    /// ```
    /// use ossl_async::{Error, Pool};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// Pool::init(8, 2).unwrap();
    /// assert_eq!(Pool::init(1, 2), Err(Error::PoolSize));
    /// assert_eq!(ossl_async::stats::thread().idle, 2); // the first pool is still there
    /// ```
    ///
    /// # Errors
    ///
    /// An earlier pool stays.
    ///
    /// - [`Error::PoolSize`] if `init_size` is above `max_size`. Here 0 is zero ([B8]).
    /// - [`Error::Pool`] if the process has no thread-specific key left.
    /// - [`Error::Unavailable`] where there are no jobs.
    ///
    /// [B8]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
    /// [B10]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#12-async_init_pool
    /// [D2]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    pub fn init(max_size: usize, init_size: usize) -> Result<(), Error> {
        pools::init_pool(max_size, init_size, false).map(drop)
    }

    /// Frees the thread's pool and its idle jobs, and ends all blocks of pausing ([B14]). Paused
    /// jobs can still be resumed ([D3]). Without a pool, and inside a job ([D4]), it has no effect.
    ///
    /// ```
    /// use ossl_async::{Job, Pool, Step};
    /// # if !ossl_async::is_capable() { return }
    ///
    /// Pool::init(8, 2).unwrap();
    /// // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
    /// let step = unsafe { Job::start(|| ossl_async::pause()) };
    /// let Ok(Step::Paused(job)) = step else { panic!() };
    /// Pool::free();
    /// assert_eq!(ossl_async::stats::thread().idle, 0);
    /// assert!(matches!(job.resume(), Ok(Step::Finished(true))));
    /// ```
    ///
    /// [B14]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#13-async_free_pool
    /// [D3]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    /// [D4]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
    pub fn free() {
        // The one error is the call inside a job, which the sentence above rules out for good.
        let _ = pools::free_pool();
    }
}
