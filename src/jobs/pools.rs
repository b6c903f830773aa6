//! Making and freeing a thread's pool: section 1 of the behaviour reference, without its defects.

use super::current::refused;
use super::job::Record;
use super::thread::{self, Thread};
use crate::error::Error;
use crate::libcrypto;
use crate::platform;
use crate::report::Owner;
use core::ffi::c_int;

/// Makes the thread's pool, or replaces it by a new one (1.2 and 7.3).
///
/// `pipes` says whether the jobs made now get a wait fd at once, as generation 1's do. If fewer
/// jobs than asked for could be made, it returns the reason.
pub fn init_pool(max_size: usize, init_size: usize, pipes: bool) -> Result<Option<Error>, Error> {
    if init_size > max_size {
        return Err(Error::PoolSize);
    }
    if !platform::AVAILABLE {
        return Err(Error::Unavailable);
    }
    if !pipes && c_int::try_from(max_size).is_err() {
        if !thread::is_in_job() {
            libcrypto::find_libcrypto_cheaply();
        }
        if !libcrypto::allows_pool_of(max_size) {
            return Err(Error::PoolSize); // G2
        }
    }
    if !pipes && !could_be_listed(init_size) {
        return Err(Error::PoolList); // G2
    }
    let (thread, owner) = thread::attach().ok_or(Error::Pool)?;
    if !thread.may_pool() {
        thread.free_if_ended();
        return Ok(None);
    }
    renew(thread, owner, max_size);
    thread.find_exceptions();
    Ok(thread.pool.fill(owner, init_size, pipes).err())
}

/// Frees the thread's pool and idle jobs, and sets the count of blocks to 0 (section 1.3).
///
/// Paused jobs can still be resumed, and are destroyed when they end (D3).
pub fn free_pool() -> Result<(), Error> {
    let Some(thread) = thread::this() else {
        return Ok(());
    };
    if thread.currjob.get().is_some() {
        return Err(refused(Error::FreeInsideJob));
    }
    if let Some(owner) = thread.owner() {
        thread.pool.free(owner);
    }
    thread.forget_blocks();
    Ok(())
}

/// Replaces the pool of a thread by a new, empty one.
#[cold]
#[inline(never)]
pub fn renew(thread: &Thread, owner: Owner, max_size: usize) {
    if thread.currjob.get().is_none() {
        libcrypto::find_libcrypto_cheaply();
    }
    thread.pool.renew(max_size, owner);
}

/// Whether there is memory for a list of so many jobs. This library's pool needs none, but
/// generation 2 refuses an impossible number before it makes the first job.
fn could_be_listed(jobs: usize) -> bool {
    let bytes = jobs.saturating_mul(size_of::<*mut Record>()).max(1);
    // A compiler may remove an allocation that is only freed again. `black_box` prevents that.
    let list = core::hint::black_box(platform::allocate(bytes));
    // SAFETY: the block was just made, or is null.
    unsafe { platform::free(list) };
    !list.is_null()
}
