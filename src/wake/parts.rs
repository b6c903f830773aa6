//! What the protocol needs: an atomic word and a pipe. The library has one of each (`pipe.rs`), and
//! a model checker has its own.

/// The atomic word, so that a model checker can bring its own.
pub trait Word {
    /// Reads, seeing what was written before the value was stored.
    fn load(&self) -> u64;
    /// Stores, showing what was written before.
    fn store(&self, value: u64);
    /// Stores `new` if the value is `current`, else returns what it is.
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64>;
    /// Flips bits; returns the value before.
    fn fetch_xor(&self, bits: u64) -> u64;
    /// Lets somebody else run, while waiting for them.
    fn wait_a_moment();
    /// Lets somebody else run, without waiting for them.
    fn yield_now() {
        Self::wait_a_moment();
    }
}

/// The pipe, so that a model checker can bring its own.
pub trait Channel {
    /// Makes the pipe.
    fn open(&self) -> Result<(), errno::Errno>;
    /// Puts one byte in. False if the system refuses it.
    fn put(&self) -> bool;
    /// Takes one byte out, if there is one.
    fn take(&self);
    /// Closes the pipe.
    fn close(&self);
    /// What is kept of a pipe while no channel has it.
    type Ends;
    /// Lets go of the pipe, which stays open.
    fn detach(&self) -> Self::Ends;
    /// Has a pipe again that was let go of.
    fn attach(&self, ends: Self::Ends);
    /// The number of this process among those that have forked from each other. Never 0.
    fn process(&self) -> u64;
}

/// Makes an atomic type a word: the standard library's here, a model checker's where these orderings are checked.
macro_rules! word {
    ($atomic:ty, $wait_a_moment:path) => {
        impl Word for $atomic {
            fn load(&self) -> u64 {
                self.load(core::sync::atomic::Ordering::Acquire)
            }

            fn store(&self, value: u64) {
                self.store(value, core::sync::atomic::Ordering::Release);
            }

            fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
                use core::sync::atomic::Ordering::{AcqRel, Acquire};
                self.compare_exchange(current, new, AcqRel, Acquire)
            }

            fn fetch_xor(&self, bits: u64) -> u64 {
                self.fetch_xor(bits, core::sync::atomic::Ordering::AcqRel)
            }

            fn wait_a_moment() {
                $wait_a_moment();
            }
        }
    };
}
