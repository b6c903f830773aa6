//! A thread's error queue (B3, B5): codes that were raised and not read yet. Which thread has a
//! queue, and what happens where one has none, is in `jobs/errors.rs`.

use core::cell::Cell;
use core::ffi::CStr;

/// The number of entries that a queue can hold.
pub const QUEUE_ENTRIES: usize = 16;

/// One entry: a packed code, and where in this library's source it was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The packed code; never 0.
    pub code: u32,
    /// The source file.
    pub file: &'static CStr,
    /// The line in it.
    pub line: u32,
}

impl Entry {
    /// An entry of which only the code is known.
    pub const fn of_code(code: u32) -> Entry {
        Entry {
            code,
            file: c"",
            line: 0,
        }
    }
}

/// A thread's error queue: the newest [`QUEUE_ENTRIES`] entries, oldest first. It belongs to the
/// thread and not to the job (B5).
pub struct Queue {
    entries: [Cell<Option<Entry>>; QUEUE_ENTRIES],
    first: Cell<usize>,
    count: Cell<usize>,
}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Queue {
        Queue {
            entries: [const { Cell::new(None) }; QUEUE_ENTRIES],
            first: Cell::new(0),
            count: Cell::new(0),
        }
    }

    /// Adds an entry; a full queue loses its oldest.
    pub fn push(&self, entry: Entry) {
        if self.count.get() == QUEUE_ENTRIES {
            self.pop();
        }
        self.entries[(self.first.get() + self.count.get()) % QUEUE_ENTRIES].set(Some(entry));
        self.count.set(self.count.get() + 1);
    }

    /// Removes and returns the oldest entry.
    pub fn pop(&self) -> Option<Entry> {
        let entry = self.first()?;
        self.first.set(self.first.get().wrapping_add(1));
        self.count.set(self.count.get() - 1);
        Some(entry)
    }

    /// The oldest entry.
    pub fn first(&self) -> Option<Entry> {
        self.nth(0)
    }

    /// The newest entry.
    pub fn last(&self) -> Option<Entry> {
        self.nth(self.count.get().checked_sub(1)?)
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.count.set(0);
    }

    fn nth(&self, n: usize) -> Option<Entry> {
        if n < self.count.get() {
            self.entries[(self.first.get() + n) % QUEUE_ENTRIES].get()
        } else {
            None
        }
    }
}
