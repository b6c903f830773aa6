//! Searches in the loaded objects. A search is repeated only if more objects were loaded since.

use super::load_count;
use core::sync::atomic::{AtomicU64, Ordering};

/// How many objects the process had loaded at the last search.
pub struct Loads(AtomicU64);

impl Loads {
    /// Nothing was searched yet.
    pub const fn new() -> Loads {
        Loads(AtomicU64::new(0))
    }

    /// Calls `find` if objects were loaded since the last search.
    ///
    /// In a forked child the number of loads is not known, so it always calls `find`. Threads that
    /// call this at the same time all search, and each returns after its own search.
    pub fn search<R>(&self, find: impl FnOnce() -> Option<R>) -> Option<R> {
        let Some(count) = load_count() else {
            return find();
        };
        if self.0.load(Ordering::Relaxed) == count {
            return None;
        }
        let found = find();
        self.0.store(count, Ordering::Relaxed);
        found
    }
}
