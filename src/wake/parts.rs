//! What the protocols need: an atomic word, a pipe, and a place for a waker. The library has one of
//! each (`pipe.rs`, `place.rs`), and a model checker has its own.

/// The atomic word. A model checker has its own.
pub trait Word {
    /// Reads the value, with Acquire ordering.
    fn load(&self) -> u64;
    /// Stores a value, with Release ordering.
    fn store(&self, value: u64);
    /// Stores `new` if the value is `current`. Otherwise returns the value.
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64>;
    /// Inverts bits, and returns the value before.
    fn fetch_xor(&self, bits: u64) -> u64;
    /// Lets another thread run, which the caller waits for.
    fn wait_a_moment();
    /// Lets another thread run, without waiting for it.
    fn yield_now() {
        Self::wait_a_moment();
    }
}

/// The pipe. A model checker has its own.
pub trait Channel {
    /// Makes the pipe.
    fn open(&self) -> Result<(), errno::Errno>;
    /// Puts one byte in. False if the system refuses it.
    fn put(&self) -> bool;
    /// Takes one byte out, if there is one.
    fn take(&self);
    /// Closes the pipe.
    fn close(&self);
    /// The two ends of a pipe that no channel uses.
    type Ends;
    /// Gives the pipe up. It stays open.
    fn detach(&self) -> Self::Ends;
    /// Takes a pipe that was given up.
    fn attach(&self, ends: Self::Ends);
    /// The number of this process among those that have forked from each other. Never 0.
    fn process(&self) -> u64;
}

/// The place of a task's waker. A model checker has its own.
pub trait Place {
    /// What is called when the job is woken.
    type Waker: Clone;
    /// Puts a waker in. What is there is not looked at. One thread at a time.
    fn put(&self, waker: Self::Waker);
    /// Takes the waker out that was put in last, unless it was taken out before. One thread at a
    /// time.
    fn take(&self) -> Option<Self::Waker>;
    /// As [`Channel::process`].
    fn process(&self) -> u64;
}

/// Implements [`Word`] for an atomic type: the standard library's here, and a model checker's where
/// these orderings are checked.
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
