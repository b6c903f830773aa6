//! A word for unit tests, in which one thread plays all parts.

use super::parts::Word;
use core::cell::Cell;

/// A word of one thread.
pub struct Plain(pub Cell<u64>);

impl Word for Plain {
    fn load(&self) -> u64 {
        self.0.get()
    }

    fn store(&self, value: u64) {
        self.0.set(value);
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        if self.0.get() == current {
            Ok(self.0.replace(new))
        } else {
            Err(self.0.get())
        }
    }

    fn fetch_xor(&self, bits: u64) -> u64 {
        self.0.replace(self.0.get() ^ bits)
    }

    fn wait_a_moment() {
        panic!("nobody holds it");
    }
}
