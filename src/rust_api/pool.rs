//! The calling thread's pool.

use crate::error::Error;
use crate::jobs::pools;

/// The calling thread's pool of jobs. There is one a thread, shared with C; it comes into being, unlimited, with the
/// first job if not before, and goes with the thread if not before.
#[derive(Debug)]
pub enum Pool {}

impl Pool {
    /// Makes the thread's pool: at most `max_size` jobs, idle and in use together (0: no limit), `init_size` of them at
    /// once. Replaces a pool that is there already: its idle jobs are freed, those in use go on and count against no
    /// pool (D2). If memory runs out there are fewer jobs up front, which is no error (B10): growth is tried again when
    /// jobs are started.
    ///
    /// # Errors
    ///
    /// [`Error::PoolSize`] if `init_size` is above `max_size`, where 0 is zero (B8); [`Error::Pool`];
    /// [`Error::Unavailable`]. What was there before stays.
    pub fn init(max_size: usize, init_size: usize) -> Result<(), Error> {
        pools::init_pool(max_size, init_size, false).map(drop)
    }

    /// Frees the thread's pool and its idle jobs, and forgets the thread's pause blocks (B14). Paused jobs can still be
    /// resumed (D3). Without a pool, or inside a job (D4), it has no effect.
    pub fn free() {
        // The one error is the call inside a job, which the sentence above rules out for good.
        let _ = pools::free_pool();
    }
}
