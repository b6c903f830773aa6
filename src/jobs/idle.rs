//! The idle jobs of one pool: last in, first out (P4). Jobs that have not been needed for long give
//! their memory back to the system. No program can see that: they keep their place in the order,
//! their handles and their wait fds.
//!
//! ```text
//!   newest ─> record ─> record ─> ... ─> oldest     warm: a list through the records, so that none needs memory (D20)
//!                                          │
//!   cold:   top of a stack of slots, ......┴        what is left of a record whose memory was given back
//! ```
//!
//! How long is long? The pool watches the smallest number of warm jobs over a round of releases. A
//! round is long: a program that starts all its jobs and then finishes all of them never seems to
//! have too many. Warm jobs above [`KEPT`] that were not used in a whole round are too many. From
//! then on each release makes one of them cold, the oldest. So a pool in use makes no system call,
//! a peak does not stay in memory, and no call does more than one step.
//!
//! After a peak of 100,000 jobs, and a million more one after the other, a process has 10 MB of
//! memory. Without this it would have 403 MB.

use super::job::Record;
use super::job::lifetime::Unbacked;
use crate::report::Owner;
use core::cell::Cell;
use core::mem::ManuallyDrop;

/// Idle jobs that always keep their memory.
pub const KEPT: usize = 1024;

/// Releases in a round at the least; otherwise four times as many as the pool has jobs.
const ROUND: usize = 65536;

/// A pool's idle jobs.
pub struct Idle {
    newest: Cell<Option<&'static Record>>,
    oldest: Cell<Option<&'static Record>>,
    /// How many are in the list.
    warm: Cell<usize>,
    /// The smallest number of them in this round.
    lowest: Cell<usize>,
    /// Releases left in this round.
    left: Cell<usize>,
    /// How many of the oldest were not used in the last round and are still to be cooled.
    unused: Cell<usize>,
    /// All idle jobs below the oldest. Thread-locals without destructors are cheaper; the pool empties it.
    unbacked: ManuallyDrop<Cell<Vec<Unbacked>>>,
}

impl Idle {
    /// None.
    pub const fn new() -> Idle {
        Idle {
            newest: Cell::new(None),
            oldest: Cell::new(None),
            warm: Cell::new(0),
            lowest: Cell::new(0),
            left: Cell::new(ROUND),
            unused: Cell::new(0),
            unbacked: ManuallyDrop::new(Cell::new(Vec::new())),
        }
    }

    /// One more, of a pool that has so many jobs in all.
    #[inline]
    pub fn push(&self, record: &'static Record, jobs: usize) {
        let before = self.newest.replace(Some(record));
        record.links.older.set(before);
        match before {
            Some(before) => before.links.newer.set(Some(record)),
            None => self.oldest.set(Some(record)),
        }
        self.warm.set(self.warm.get() + 1);
        match self.left.get() {
            0 => self.new_round(jobs),
            left => self.left.set(left - 1),
        }
        if self.unused.get() > 0 {
            self.release_oldest();
        }
    }

    /// The one released last.
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
        let warm = self.warm.get() - 1;
        self.warm.set(warm);
        self.lowest.set(self.lowest.get().min(warm));
        self.unused.set(self.unused.get().min(warm));
        Some(record)
    }

    /// Destroys them all. A program's own function that frees stacks may call back in; it finds none.
    pub fn destroy(&self, owner: Owner) {
        let mut next = self.newest.take();
        self.oldest.set(None);
        self.warm.set(0);
        self.unused.set(0);
        let cold = self.unbacked.take();
        while let Some(record) = next {
            next = record.links.older.take();
            record.links.newer.set(None);
            record.destroy(owner);
        }
        cold.into_iter().for_each(|cold| cold.destroy(owner));
    }

    #[cold]
    fn new_round(&self, jobs: usize) {
        self.unused.set(self.lowest.get().saturating_sub(KEPT));
        self.lowest.set(self.warm.get());
        self.left.set(ROUND.max(jobs.saturating_mul(4)));
    }

    /// Cools the oldest warm one, if there is memory for what is left of it.
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
        let mut cold = self.unbacked.take();
        if cold.try_reserve(1).is_ok() {
            newer.links.older.set(None);
            self.oldest.set(Some(newer));
            self.warm.set(self.warm.get() - 1);
            cold.push(oldest.release_memory());
        }
        self.unbacked.set(cold);
    }

    /// Warms the cold one that was released last.
    #[cold]
    fn restore_newest(&self, owner: Owner) -> Option<&'static Record> {
        let mut cold = self.unbacked.take();
        let one = cold.pop();
        self.unbacked.set(cold);
        self.lowest.set(0);
        one.map(|one| one.restore(owner))
    }
}
