//! What a wake of a job reaches besides its wait fd: the waker of the task that waits for the job,
//! or the queue of its thread (`woken.rs`). Any thread may wake the job at any time, also while the
//! waker is registered, while the job ends, or while its record is used again.
//!
//! One atomic word has everything:
//!
//! | Bits | Name | Meaning |
//! |---|---|---|
//! | 0 | LOCKED | a thread is at the place of the waker |
//! | 1 | WOKEN | the job was woken since its thread has taken the last wake |
//! | 2 and up | | the number of the use of the record; 0 is no job with a task or a queue |
//!
//! The thread whose wake sets WOKEN takes the waker out, under LOCKED, and calls it afterwards. A
//! thread that finds LOCKED sets WOKEN and returns at once. If the task's thread holds LOCKED, to
//! register a waker, it finds WOKEN when it unlocks, and takes the waker back. So no wake is lost
//! between a look at WOKEN and the registration. No waker is called and nothing is freed under
//! LOCKED. Only the job's thread ever waits for LOCKED, for a few instructions of another thread.
//!
//! A queue stays in the place until the job leaves it. The thread whose wake sets WOKEN puts the job
//! in, under LOCKED. So a job with WOKEN is in its queue once, and nobody puts it in again before
//! its thread has taken it out and has cleared WOKEN. Once the job's thread has held LOCKED to end
//! this, no other thread uses the queue because of this job.
//!
//! A wake that finds WOKEN writes the word all the same. The thread that clears WOKEN then sees all
//! that came before that wake.
//!
//! A fork may happen while another thread holds LOCKED, which the child does not have. So a thread
//! notes its process before it sets LOCKED, and the task's thread takes over a LOCKED of another
//! process. Only that thread looks at the process.
//!
//! All zeros is no task and no waker.

use super::parts::{Place, Word};
use super::protocol::Use;

const LOCKED: u64 = 1;
const WOKEN: u64 = 1 << 1;
const USE_SHIFT: u32 = 2;

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
        self.lock();
        let waker = self.place.exchange(None);
        self.word.store(0);
        waker
    }

    /// Takes the waker away, for the caller to drop, if this is still the use. Owner only.
    pub fn forget_waker(&self, this: Use) -> Option<P::Waker> {
        let word = self.lock();
        let waker = if word >> USE_SHIFT == this.0 {
            self.place.exchange(None)
        } else {
            None
        };
        self.unlock();
        waker
    }

    /// Registers the waker of the task, which waits for the job. Returns it if there is nothing to
    /// wait for: the job was woken, or is not in this use any more. Owner only.
    pub fn register(&self, this: Use, waker: P::Waker) -> Option<P::Waker> {
        let word = self.lock();
        if word >> USE_SHIFT != this.0 {
            self.unlock();
            return Some(waker);
        }
        let before = self.place.exchange(Some(waker));
        let woken = self.unlock() & WOKEN != 0;
        drop(before);
        if woken { self.forget_waker(this) } else { None }
    }

    /// Has wakes put the job into a queue from now on. It is in the queue at once if it was woken
    /// already. Owner only, on a job that has neither waker nor queue.
    pub fn join(&self, queue: P::Waker) {
        let mut word = self.lock();
        let before = self.place.exchange(Some(queue));
        debug_assert!(before.is_none());
        let mut is_in = false;
        loop {
            if word & WOKEN != 0 && !is_in {
                let none = self.place.wake();
                debug_assert!(none.is_none());
                is_in = true;
            }
            match self.word.compare_exchange(word | LOCKED, word & !LOCKED) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// Takes the wake of a job that its thread has taken out of its queue. The next wake puts it in
    /// again. Owner only.
    pub fn take_from_queue(&self) {
        // The thread that has put it in may still hold LOCKED. A wake that found LOCKED without
        // WOKEN would leave the rest to that thread, which does not look.
        let mut word = self.lock() | LOCKED;
        while let Err(other) = self.word.compare_exchange(word, word & !LOCKED & !WOKEN) {
            word = other;
        }
    }

    /// Whether the job was woken, in a child that was forked. There the wake may have been cut off
    /// before it put the job into its queue. Owner only.
    pub fn is_woken_after_fork(&self) -> bool {
        self.lock();
        self.unlock() & WOKEN != 0
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
            let mine = word & (WOKEN | LOCKED) == 0;
            if mine {
                self.process.store(self.place.process());
            }
            let new = word | WOKEN | if mine { LOCKED } else { 0 };
            match self.word.compare_exchange(word, new) {
                Ok(_) if !mine => return None,
                Ok(_) => {
                    let waker = self.place.wake();
                    self.unlock();
                    return waker;
                }
                Err(other) => word = other,
            }
        }
    }

    /// Sets LOCKED. Returns the word. Owner only.
    fn lock(&self) -> u64 {
        loop {
            let word = self.word.load();
            if word & LOCKED != 0 {
                if self.take_over_after_fork() {
                    return word;
                }
                W::wait_a_moment();
                continue;
            }
            self.process.store(self.place.process());
            if self.word.compare_exchange(word, word | LOCKED).is_ok() {
                return word;
            }
        }
    }

    /// Clears LOCKED. Returns the word as it was.
    fn unlock(&self) -> u64 {
        let mut word = self.word.load();
        loop {
            match self.word.compare_exchange(word, word & !LOCKED) {
                Ok(_) => return word,
                Err(other) => word = other,
            }
        }
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
