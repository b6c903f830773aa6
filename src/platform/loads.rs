//! Searches in the loaded objects. A search is repeated only if something was loaded since.

use super::load_count;
use core::sync::atomic::{AtomicU64, Ordering};

/// How many objects the process had loaded when they were last searched for something.
pub struct Loads(AtomicU64);

impl Loads {
    /// Nobody has searched.
    pub const fn new() -> Loads {
        Loads(AtomicU64::new(0))
    }

    /// Searches, if objects were loaded since the last search, so that this one may find more. Always in a forked child, where it
    /// cannot be known. Threads that come at once all search, and none goes on before it has.
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
