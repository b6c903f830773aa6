//! One thread's pool: its idle jobs, its limit and its count (section 3 of the behaviour
//! reference).

use super::idle::Idle;
use super::job::Record;
use crate::error::Error;
use crate::report::Owner;
use crate::wake::Ends;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Why a pool has no job to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoJob {
    /// All jobs that it may have are in use (P2).
    Full,
    /// The limit allows one more job, but it could not be made (D18).
    Failed(Error),
}

/// A thread's pool. Number 0 is no pool.
pub struct Pool {
    /// Tells pools apart: a record has the number of the pool that counts it. Never reused.
    number: Cell<u64>,
    /// 0: no limit.
    max_size: Cell<usize>,
    /// The number of records ever made for this pool. It never decreases (P1).
    curr_size: Cell<usize>,
    idle: Idle,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Pool {
    /// No pool.
    pub const fn none() -> Pool {
        Pool {
            number: Cell::new(0),
            max_size: Cell::new(0),
            curr_size: Cell::new(0),
            idle: Idle::new(),
        }
    }

    /// Whether there is a pool.
    pub fn exists(&self) -> bool {
        self.number.get() != 0
    }

    /// Replaces the pool by a new, empty one. Frees the idle jobs of the old one. Its jobs in use
    /// belong to no pool any more (D2).
    #[cold]
    #[inline(never)]
    pub fn renew(&self, max_size: usize, owner: Owner) {
        self.free(owner);
        while self.exists() {
            self.free(owner); // The program's function that frees stacks has made a pool.
        }
        self.number.set(NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        self.curr_size.set(0);
        self.max_size.set(max_size);
    }

    /// Frees the idle jobs and the pool. Jobs in use belong to no pool any more (B14, B15).
    pub fn free(&self, owner: Owner) {
        self.number.set(0);
        // There is no pool from here on. The program's function that frees stacks may make a new
        // one.
        self.idle.destroy(owner);
    }

    /// The idle job that was released last, with a pipe if it must have one. None if no job is
    /// idle.
    #[inline(always)]
    pub fn reuse(&self, owner: Owner, pipe: bool) -> Result<Option<&'static Record>, NoJob> {
        match self.idle.pop(owner) {
            Some(record) if pipe && record.signal.ensure_pipe().is_err() => {
                self.release(record, owner);
                Err(NoJob::Failed(Error::WaitPipe))
            }
            found => Ok(found),
        }
    }

    /// A new job if the limit allows one, with a pipe if it must have one.
    #[cold]
    pub fn grow(&self, owner: Owner, pipe: bool) -> Result<&'static Record, NoJob> {
        if self.max_size.get() != 0 && self.curr_size.get() >= self.max_size.get() {
            return Err(NoJob::Full);
        }
        self.create(owner, pipe).map_err(NoJob::Failed)
    }

    /// Takes a job back. One of this pool becomes idle. Any other is destroyed (D2, D3). Returns
    /// whether it became idle.
    #[inline(always)]
    pub fn release(&self, record: &'static Record, owner: Owner) -> bool {
        let pooled = self.exists() && record.pool.get() == self.number.get();
        if pooled {
            self.idle.push(record, self.curr_size.get());
        } else {
            record.destroy(owner);
        }
        pooled
    }

    /// Makes `count` idle jobs, with pipes if asked for. Stops at the first that cannot be made
    /// (B10).
    pub fn fill(&self, owner: Owner, count: usize, pipes: bool) -> Result<(), Error> {
        for _ in 0..count {
            let record = self.create(owner, pipes)?;
            self.release(record, owner);
        }
        Ok(())
    }

    /// Makes a record that this pool counts. If it cannot be made, it is not counted (P8).
    fn create(&self, owner: Owner, pipe: bool) -> Result<&'static Record, Error> {
        // The pipe comes first. So a start that finds no descriptor left costs one system call, and
        // no stack.
        let ends = if pipe {
            Some(Ends::open().map_err(|_| Error::WaitPipe)?)
        } else {
            None
        };
        // It is counted before it is made. The program's function that makes stacks may start jobs,
        // or make a new pool, which then does not count this record.
        let number = self.number.get();
        self.curr_size.set(self.curr_size.get() + 1);
        let made = Record::create(owner);
        match made {
            Ok(record) => {
                record.signal.attach(ends);
                record.pool.set(number);
            }
            Err(_) => {
                if let Some(ends) = ends {
                    ends.close();
                }
                if self.number.get() == number {
                    self.curr_size.set(self.curr_size.get() - 1);
                }
            }
        }
        made
    }
}
