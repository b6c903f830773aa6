//! The idle jobs of one pool: last in, first out (P4). If idle jobs have not been needed for long,
//! the pool gives their memory back to the system. No program can notice: they keep their place in
//! the order, their handles and their wait fds.
//!
//! ```text
//!   newest ─> record ─> record ─> ... ─> oldest     backed: a list through the records, so that none needs memory (D20)
//!                                          │
//!   unbacked: top of a stack of slots, ....┘        what is left of a record whose memory was given back
//! ```
//!
//! When is a job unused for long? The pool counts releases in rounds, and notes the smallest number
//! of backed jobs in each round. Those that were not used in a whole round, beyond [`KEPT`], are
//! too many. From then on each release gives back the memory of one job, the oldest. A round is
//! long, so a program that starts all its jobs and then finishes all of them never seems to have
//! too many.
//!
//! So a pool in use makes no system call, memory of a peak is given back, and no call does more
//! than one step.
//!
//! After a peak of 100,000 jobs, and a million more one after the other, a process has 10 MB of
//! memory. Without this it would have 403 MB.

use super::job::Record;
use super::job::lifetime::Unbacked;
use crate::report::Owner;
use core::cell::Cell;
use core::mem::ManuallyDrop;

/// The number of idle jobs that always keep their memory.
pub const KEPT: usize = 1024;

/// The least number of releases in a round. If four times the number of the pool's jobs is more,
/// that.
const ROUND: usize = 65536;

/// A pool's idle jobs.
pub struct Idle {
    newest: Cell<Option<&'static Record>>,
    oldest: Cell<Option<&'static Record>>,
    /// How many backed jobs are in the list.
    backed: Cell<usize>,
    /// The smallest number of backed jobs in this round.
    lowest: Cell<usize>,
    /// Releases left in this round.
    releases_left: Cell<usize>,
    /// How many of the oldest were not used in the last round and still have memory to give back.
    unused: Cell<usize>,
    /// The unbacked jobs, which are older than all in the list. The pool empties it: thread-locals
    /// without destructors are cheaper.
    unbacked: ManuallyDrop<Cell<Vec<Unbacked>>>,
}

impl Idle {
    /// No idle jobs.
    pub const fn new() -> Idle {
        Idle {
            newest: Cell::new(None),
            oldest: Cell::new(None),
            backed: Cell::new(0),
            lowest: Cell::new(0),
            releases_left: Cell::new(ROUND),
            unused: Cell::new(0),
            unbacked: ManuallyDrop::new(Cell::new(Vec::new())),
        }
    }

    /// Adds a job. `jobs` is the number of all jobs of the pool.
    #[inline]
    pub fn push(&self, record: &'static Record, jobs: usize) {
        let before = self.newest.replace(Some(record));
        record.links.older.set(before);
        match before {
            Some(before) => before.links.newer.set(Some(record)),
            None => self.oldest.set(Some(record)),
        }
        self.backed.set(self.backed.get() + 1);
        match self.releases_left.get() {
            0 => self.new_round(jobs),
            left => self.releases_left.set(left - 1),
        }
        if self.unused.get() > 0 {
            self.release_oldest();
        }
    }

    /// Removes and returns the job that was released last.
    #[inline]
    pub fn pop(&self, owner: Owner) -> Option<&'static Record> {
        let Some(record) = self.newest.get() else {
            return self.restore_newest(owner);
        };
        let older = record.links.older.take();
        self.newest.set(older);
        match older {
            Some(older) => older.links.newer.set(None),
            None => self.oldest.set(None),
        }
        let backed = self.backed.get() - 1;
        self.backed.set(backed);
        self.lowest.set(self.lowest.get().min(backed));
        self.unused.set(self.unused.get().min(backed));
        Some(record)
    }

    /// Destroys all idle jobs. A program's own function that frees stacks may call the library
    /// again. It finds no idle job then.
    pub fn destroy(&self, owner: Owner) {
        let mut next = self.newest.take();
        self.oldest.set(None);
        self.backed.set(0);
        self.unused.set(0);
        let unbacked = self.unbacked.take();
        while let Some(record) = next {
            next = record.links.older.take();
            record.links.newer.set(None);
            record.destroy(owner);
        }
        unbacked
            .into_iter()
            .for_each(|record| record.destroy(owner));
    }

    #[cold]
    fn new_round(&self, jobs: usize) {
        self.unused.set(self.lowest.get().saturating_sub(KEPT));
        self.lowest.set(self.backed.get());
        self.releases_left.set(ROUND.max(jobs.saturating_mul(4)));
    }

    /// Gives back the memory of the oldest backed job, if there is memory to note what is left of
    /// it.
    #[cold]
    fn release_oldest(&self) {
        self.unused.set(self.unused.get() - 1);
        let Some(oldest) = self
            .oldest
            .get()
            .filter(|record| !record.has_custom_stack())
        else {
            return;
        };
        let Some(newer) = oldest.links.newer.get() else {
            return;
        };
        let mut unbacked = self.unbacked.take();
        if unbacked.try_reserve(1).is_ok() {
            newer.links.older.set(None);
            self.oldest.set(Some(newer));
            self.backed.set(self.backed.get() - 1);
            unbacked.push(oldest.release_memory());
        }
        self.unbacked.set(unbacked);
    }

    /// Gives memory again to the unbacked job that was released last.
    #[cold]
    fn restore_newest(&self, owner: Owner) -> Option<&'static Record> {
        let mut unbacked = self.unbacked.take();
        let newest = unbacked.pop();
        self.unbacked.set(unbacked);
        self.lowest.set(0);
        newest.map(|record| record.restore(owner))
    }
}
