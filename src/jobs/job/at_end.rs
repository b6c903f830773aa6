//! What the end of a use must do that most need not.

use core::cell::Cell;

/// What the end of a use must do that most need not. The end tests all of it at once.
pub struct AtEnd(Cell<u8>);

impl AtEnd {
    /// Free the block for arguments, which is too large to keep for the next use.
    pub const FREE_BLOCK: u8 = 1;
    /// Leave the queue that the job is a member of.
    pub const LEAVE_QUEUE: u8 = 1 << 1;
    /// Not for the end: the queue has it among its woken jobs.
    pub const IS_WOKEN: u8 = 1 << 2;

    /// Whether there is anything.
    #[inline(always)]
    pub fn is_nothing(&self) -> bool {
        self.0.get() == 0
    }

    /// Whether it has this.
    pub fn has(&self, what: u8) -> bool {
        self.0.get() & what != 0
    }

    /// Notes this, or that it is not to be done.
    pub fn set(&self, what: u8, to: bool) {
        let others = self.0.get() & !what;
        self.0.set(if to { others | what } else { others });
    }
}
