//! The waker of the task that waits for a job. Any thread may wake the job at any time, also while
//! the task is registered, while the job ends, or while its record is used again.
//!
//! One atomic word has everything:
//!
//! | Bits | Name | Meaning |
//! |---|---|---|
//! | 0 | LOCKED | a thread that wakes the job is at the place of the waker |
//! | 1 | WOKEN | the job was woken since it was resumed last |
//! | 2 | WAITING | a waker is in the place. Never with WOKEN |
//! | 3 and up | | the number of the use of the record; 0 is no job with a task |
//!
//! A wake sets WOKEN. If it finds WAITING, it sets LOCKED in its place by the same exchange. Then
//! it takes the waker out, clears LOCKED, and calls the waker. While neither LOCKED nor WAITING is
//! set, the place belongs to the task's thread. That thread puts a waker in, and sets WAITING
//! unless it finds WOKEN. So no wake is lost between a look at WOKEN and the registration.
//!
//! A wake exchanges the word even if WOKEN is set already. So the task's thread, which exchanges it
//! to take the wake, sees what every waking thread wrote before.
//!
//! Nothing is called and nothing is freed under LOCKED. Only the task's thread ever waits for
//! LOCKED, for a few instructions of another thread. A signal handler may wake.
//!
//! A fork may happen while another thread holds LOCKED, which the child does not have. So a thread
//! notes its process before it sets LOCKED, and the task's thread takes over a LOCKED of another
//! process. The waker that the other thread was taking out is lost in the child, but WOKEN is set.
//!
//! All zeros is no task and no waker.

use super::parts::{Place, Word};
use super::protocol::Use;

const LOCKED: u64 = 1;
const WOKEN: u64 = 1 << 1;
const WAITING: u64 = 1 << 2;
const USE_SHIFT: u32 = 3;

/// One record's task.
pub struct Task<W, P> {
    word: W,
    /// The process of the thread that held LOCKED last; 0 if none did.
    process: W,
    place: P,
}

impl<W: Word, P: Place> Task<W, P> {
    /// No task.
    #[cfg(test)]
    pub const fn new(word: W, process: W, place: P) -> Self {
        Task {
            word,
            process,
            place,
        }
    }

    /// Begins a use of the record by a job with a task. Owner only.
    pub fn begin(&self, this: Use) {
        self.word.store(this.0 << USE_SHIFT);
    }

    /// Whether a job with a task is in this use. Owner only.
    pub fn is_in_use(&self, this: Use) -> bool {
        self.word.load() >> USE_SHIFT == this.0
    }

    /// Ends it: no wake has an effect from here on. Returns the waker, for the caller to drop.
    /// Owner only.
    pub fn end(&self) -> Option<P::Waker> {
        let waker = self.claim_place();
        self.word.store(0);
        waker
    }

    /// Takes the waker away, for the caller to drop, if this is still the use. Owner only.
    pub fn forget_waker(&self, this: Use) -> Option<P::Waker> {
        if self.is_in_use(this) {
            self.claim_place()
        } else {
            None
        }
    }

    /// Registers the waker of the task, which waits for the job. False if there is nothing to wait
    /// for: the job was woken, or is not in this use any more. Owner only.
    pub fn register(&self, this: Use, waker: &P::Waker) -> bool {
        let mut word = self.word.load();
        if word >> USE_SHIFT != this.0 || word & WOKEN != 0 {
            return false;
        }
        drop(self.claim_place());
        self.place.put(waker.clone());
        word = self.word.load();
        while word & WOKEN == 0 {
            match self.word.compare_exchange(word, word | WAITING) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        drop(self.place.take());
        false
    }

    /// Whether the job was woken since this was asked last, or is not in this use any more. Owner
    /// only.
    pub fn take_wake(&self, this: Use) -> bool {
        let mut word = self.word.load();
        while word >> USE_SHIFT == this.0 {
            if word & WOKEN == 0 {
                return false;
            }
            match self.word.compare_exchange(word, word & !WOKEN) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        true
    }

    /// Wakes the job, in the given use or in any. Returns the waker, if one waits, for the caller
    /// to call. Any thread.
    pub fn wake(&self, only: Option<Use>) -> Option<P::Waker> {
        let mut word = self.word.load();
        loop {
            let this = word >> USE_SHIFT;
            if this == 0 || only.is_some_and(|only| only.0 != this) {
                return None;
            }
            let waits = word & WAITING != 0;
            if waits {
                self.process.store(self.place.process());
            }
            let lock = if waits { WAITING | LOCKED } else { 0 };
            match self.word.compare_exchange(word, (word ^ lock) | WOKEN) {
                Ok(_) if waits => {
                    let waker = self.place.take();
                    self.word.fetch_xor(LOCKED);
                    return waker;
                }
                Ok(_) => return None,
                Err(other) => word = other,
            }
        }
    }

    /// Makes the place this thread's own, until it sets WAITING. Returns the waker that was there.
    /// Owner only.
    fn claim_place(&self) -> Option<P::Waker> {
        let mut word = self.word.load();
        while word & (LOCKED | WAITING) != 0 {
            if word & WAITING != 0 {
                match self.word.compare_exchange(word, word & !WAITING) {
                    Ok(_) => return self.place.take(),
                    Err(other) => word = other,
                }
            } else {
                if self.take_over_after_fork() {
                    self.word.fetch_xor(LOCKED);
                } else {
                    W::wait_a_moment();
                }
                word = self.word.load();
            }
        }
        None
    }

    /// Takes LOCKED over if its holder is in another process. Returns whether it did.
    fn take_over_after_fork(&self) -> bool {
        let (theirs, ours) = (self.process.load(), self.place.process());
        theirs != 0 && theirs != ours && self.process.compare_exchange(theirs, ours).is_ok()
    }
}

// The model checker has this file under another name.
#[cfg(test)]
#[path = "task/tests.rs"]
mod tests;
