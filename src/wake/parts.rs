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
    /// Puts a new pipe in the place of the one that is there, under the same descriptors.
    fn renew(&self) -> Result<(), errno::Errno>;
    /// Gives the pipe up. It stays open.
    fn detach(&self) -> Self::Ends;
    /// Takes a pipe that was given up.
    fn attach(&self, ends: Self::Ends);
    /// The number of this process among those that have forked from each other. Never 0.
    fn process(&self) -> u64;
}

/// The place of what a wake of a job reaches: a task's waker, or a queue. A model checker has its
/// own.
pub trait Place {
    /// A waker to call, or a queue to put the job into.
    type Waker;
    /// Puts one in. Nothing is there. One thread at a time.
    fn put(&self, waker: Self::Waker);
    /// Takes out what is there, if anything is. One thread at a time.
    fn take(&self) -> Option<Self::Waker>;
    /// Takes a task's waker out, for the caller to call. Or puts the job into its queue, and leaves
    /// the queue where it is. One thread at a time.
    fn wake(&self) -> Option<Self::Waker>;
    /// As [`Channel::process`].
    fn process(&self) -> u64;
}

/// A job in a queue, and the place in it for the job that was put in before it. One thread at a
/// time uses that place. A model checker has its own.
pub trait Node: Copy {
    /// Notes the job that was put in before this one.
    fn set_before(self, before: Option<Self>);
    /// Takes that note away.
    fn take_before(self) -> Option<Self>;
}

/// The job that was put into a queue last. A model checker has its own.
pub trait Newest {
    /// A job.
    type Node: Node;
    /// Reads it, with Acquire ordering.
    fn load(&self) -> Option<Self::Node>;
    /// Stores `new` if it is `current`. Otherwise returns what it is. With AcqRel ordering.
    fn compare_exchange(
        &self,
        current: Option<Self::Node>,
        new: Self::Node,
    ) -> Result<(), Option<Self::Node>>;
    /// Takes it, and with it all jobs, with AcqRel ordering.
    fn take(&self) -> Option<Self::Node>;
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
