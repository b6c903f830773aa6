//! Numbers for uses of records. No number is given twice in a process.

use crate::wake::Use;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

static NEXT_USE: AtomicU64 = AtomicU64::new(1);

/// How many numbers a thread takes at once, so that threads rarely contend for the counter.
const USES_AT_ONCE: u64 = 1 << 16;

/// The numbers that one thread has taken and not given out yet.
pub struct Uses(Cell<(u64, u64)>);

impl Uses {
    /// No numbers.
    pub const fn none() -> Uses {
        Uses(Cell::new((0, 0)))
    }

    /// A number for one use of a record.
    pub fn next(&self) -> Use {
        let (mut next, mut end) = self.0.get();
        if next == end {
            next = NEXT_USE.fetch_add(USES_AT_ONCE, Ordering::Relaxed);
            end = next + USES_AT_ONCE;
        }
        self.0.set((next + 1, end));
        Use(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    // Rules: D19, D24
    #[test]
    fn use_numbers_are_never_given_twice_in_any_thread() {
        let draw = || {
            let uses = Uses::none();
            (0..USES_AT_ONCE + 10)
                .map(|_| uses.next().0)
                .collect::<Vec<u64>>()
        };
        let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(draw)).collect();
        let drawn: Vec<u64> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert!(drawn.iter().all(|number| *number != 0));
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
    }
}
