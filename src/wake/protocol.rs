//! Generation 1's signal: a pipe that is readable from a wake until the next clear (section 5 of
//! the behaviour reference). The protocol lets any thread wake and clear at any time, also while
//! the job ends or its record is used again or freed.
//!
//! One atomic word in each record has everything:
//!
//! | Bits | Name | Meaning |
//! |---|---|---|
//! | 0 | WANT | the last of wake and clear was a wake |
//! | 1 | HAVE | a byte is in the pipe |
//! | 2 | BUSY | a thread is writing to or reading from the pipe, to make HAVE equal WANT |
//! | 3 | LIVE | a job is using the record |
//! | 4 | PIPE | there is a pipe |
//! | 5 | SHOWN | the pipe is this use's wait fd. Jobs of generation 2 have none |
//! | 6 | TASK | a task or a queue waits for the job: see `task.rs` |
//! | 7 and up | | the number of this use of the record; never the same twice in a process |
//!
//! A wake or a clear changes WANT. A thread that finds HAVE different and BUSY not set sets BUSY.
//! It moves the byte, and clears BUSY only when the two agree. Every other thread returns at once.
//! So no thread waits for a lock, a signal handler can wake, and the pipe never holds two bytes. No
//! wake is lost: in the end the pipe agrees with the last change of WANT. Only the thread that owns
//! the record sets and clears LIVE and PIPE. It closes the pipe only while BUSY is not set.
//!
//! A fork may happen while another thread holds BUSY, which the child does not have. So a thread
//! notes its process before it sets BUSY. A BUSY of another process has no holder. The next thread
//! that changes the word takes it over (D16).
//!
//! Such a thread may have read a BUSY of this process that is over, in a record whose memory was
//! given back since. Such memory reads as zeros. So no process has the number 0, and a thread takes
//! over only if the number is that of another process.
//!
//! A word of zeros is a record that is not live.

use super::parts::{Channel, Word};

pub const WANT: u64 = 1;
pub const HAVE: u64 = 1 << 1;
pub const BUSY: u64 = 1 << 2;
pub const LIVE: u64 = 1 << 3;
pub const PIPE: u64 = 1 << 4;
pub const SHOWN: u64 = 1 << 5;
pub const TASK: u64 = 1 << 6;
pub const USE_SHIFT: u32 = 7;

/// The number of one use of a record, from start to finish. Never 0, and never the same twice in a
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use(pub u64);

/// One record's signal.
///
/// All zeros is a signal without a pipe whose record is not live.
pub struct Signal<W, C> {
    word: W,
    /// The process of the thread that held BUSY last; 0 if none did.
    process: W,
    channel: C,
}

impl<W: Word, C: Channel> Signal<W, C> {
    /// A signal without a pipe, not live.
    pub const fn new(word: W, process: W, channel: C) -> Self {
        Signal {
            word,
            process,
            channel,
        }
    }

    /// The word.
    #[cfg(test)]
    pub fn word(&self) -> u64 {
        self.word.load()
    }

    /// Zeros the word, as when the memory of a free record is given back to the system.
    #[cfg(test)]
    pub fn give_back(&self) {
        self.word.store(0);
        self.process.store(0);
    }

    /// Begins a new use of the record, unsignalled (D19). Owner only.
    ///
    /// `shown` says whether the record's pipe is the wait fd of this use. It must have a pipe then.
    pub fn begin(&self, this: Use, shown: bool) {
        let idle = self.wait_until_not_busy();
        let shown = if shown { SHOWN } else { 0 };
        // The fields do not overlap, so `+` is `|`.
        self.word
            .store((idle & PIPE) + LIVE + shown + (this.0 << USE_SHIFT));
    }

    /// Ends the use: no wake has an effect from here on (D24). The byte is taken out of the pipe.
    /// Owner only.
    pub fn end(&self) {
        let word = self.word.load();
        if word & PIPE == 0 {
            // Without a pipe no thread can be BUSY, because only the owner makes a pipe. What a
            // wake changes at this moment ends with the use anyway. A compare-and-exchange would
            // cost more than the rest of a finish.
            self.word.store(word & !LIVE & !WANT);
        } else {
            self.change(|word| Some(word & !LIVE & !WANT));
        }
    }

    /// Makes the wait fd readable if the record is live (B37, W3). If a use is named, only in that
    /// use. Returns whether a task or a queue waits for the job.
    pub fn wake(&self, only: Option<Use>) -> bool {
        self.change(|word| in_use(word, only).then_some(word | WANT));
        self.word.load() & TASK != 0
    }

    /// Makes the wait fd unreadable, under the same conditions (W4). Never blocks.
    pub fn clear(&self, only: Option<Use>) {
        self.change(|word| in_use(word, only).then_some(word & !WANT));
        if self.word.load() & BUSY != 0 {
            // Another thread is at the pipe. Until it has finished, the fd may stay readable. An
            // event loop would then call again and again, and keep the processor from that thread.
            W::yield_now();
        }
    }

    /// Notes that a task or a queue waits for the job, in this use. Owner only.
    pub fn mark_task(&self) {
        self.change(|word| Some(word | TASK));
    }

    /// Makes the pipe if there is none, and makes it the wait fd of this use. It is readable at
    /// once if the job was woken before. Owner only.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "the Rust face has wait fds on Unix")
    )]
    pub fn open(&self) -> Result<(), errno::Errno> {
        self.ensure_pipe()?;
        self.change(|word| Some(word | PIPE | SHOWN));
        Ok(())
    }

    /// Makes the pipe if there is none. Owner only.
    pub fn ensure_pipe(&self) -> Result<(), errno::Errno> {
        if self.word.load() & PIPE == 0 {
            self.channel.open()?;
            self.change(|word| Some(word | PIPE));
        }
        Ok(())
    }

    /// Closes the pipe if there is one. Owner only, on a record that is not live.
    pub fn close(&self) {
        if self.wait_until_not_busy() & PIPE != 0 {
            self.channel.close();
        }
        self.word.store(0);
    }

    /// In a forked child: ends the use of a pipe that it has in common with its parent, without a
    /// change of what is in it. `how` closes the pipe or puts another in its place. Owner only,
    /// while no other thread of the child uses the signal.
    pub fn disown(
        &self,
        how: impl FnOnce(&C) -> Result<(), errno::Errno>,
    ) -> Result<(), errno::Errno> {
        if self.word.load() & PIPE != 0 {
            how(&self.channel)?;
            self.word.store(PIPE);
        }
        Ok(())
    }

    /// Takes the pipe, if there is one, from a record that is not live. Owner only.
    pub fn detach(&self) -> Option<C::Ends> {
        let piped = self.wait_until_not_busy() & PIPE != 0;
        self.word.store(0);
        piped.then(|| self.channel.detach())
    }

    /// Gives back a pipe that was taken from a record. The record has none now, and is not live.
    /// Owner only.
    pub fn attach(&self, ends: Option<C::Ends>) {
        if let Some(ends) = ends {
            self.channel.attach(ends);
            self.word.store(PIPE);
        }
    }

    /// What `look` returns for the channel, if the record is live and the channel is its wait fd.
    ///
    /// Both are checked before `look` and after it. A record may end meanwhile, and its memory then
    /// reads as zeros.
    pub fn channel<R>(&self, look: impl FnOnce(&C) -> R) -> Option<R> {
        let word = self.word.load();
        if word & LIVE == 0 || word & SHOWN == 0 {
            return None;
        }
        let found = look(&self.channel);
        in_use(self.word.load(), Some(Use(word >> USE_SHIFT))).then_some(found)
    }

    /// Whether the last of wake and clear was a wake. Owner only.
    pub fn is_woken(&self) -> bool {
        self.word.load() & WANT != 0
    }

    /// Whether the record is in the given use.
    pub fn is_in_use(&self, this: Use) -> bool {
        in_use(self.word.load(), Some(this))
    }

    /// Waits until no thread is at the pipe of a record that is not live. Returns the word.
    fn wait_until_not_busy(&self) -> u64 {
        loop {
            let word = self.word.load();
            if word & BUSY == 0 {
                return word;
            } else if self.take_over_after_fork() {
                self.sync_pipe(word);
            } else {
                W::wait_a_moment();
            }
        }
    }

    /// Changes the word as `edit` says, unless that returns none. If this call sets BUSY, it also
    /// moves the byte.
    fn change(&self, edit: impl Fn(u64) -> Option<u64>) {
        let mut word = self.word.load();
        if word & BUSY != 0 && self.take_over_after_fork() {
            self.sync_pipe(word);
            word = self.word.load();
        }
        while let Some(edited) = edit(word) {
            let mine = edited & BUSY == 0 && edited & PIPE != 0 && !pipe_is_in_sync(edited);
            let new = if mine { edited + BUSY } else { edited };
            if mine {
                self.process.store(self.channel.process());
            }
            match self.word.compare_exchange(word, new) {
                Ok(_) if mine => return self.sync_pipe(new),
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// Takes BUSY over if its holder is in another process. Returns whether it did.
    fn take_over_after_fork(&self) -> bool {
        let (theirs, ours) = (self.process.load(), self.channel.process());
        theirs != 0 && theirs != ours && self.process.compare_exchange(theirs, ours).is_ok()
    }

    /// Moves the byte until HAVE equals WANT, then clears BUSY. `word` is the word as this thread
    /// last wrote it.
    fn sync_pipe(&self, mut word: u64) {
        loop {
            let left = if pipe_is_in_sync(word) {
                word & !BUSY
            } else if self.move_byte(word & WANT != 0) {
                word = self.word.fetch_xor(HAVE) ^ HAVE;
                continue;
            } else {
                // The system refused the byte. Clearing WANT undoes the wake. So the next wake
                // tries again, and is not taken for a second one (W9).
                word & !BUSY & !WANT
            };
            match self.word.compare_exchange(word, left) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// Puts the byte in, or takes it out. False if the system refuses it.
    fn move_byte(&self, wanted: bool) -> bool {
        if wanted {
            return self.channel.put();
        }
        self.channel.take();
        true
    }
}

fn pipe_is_in_sync(word: u64) -> bool {
    (word & WANT != 0) == (word & HAVE != 0)
}

fn in_use(word: u64, only: Option<Use>) -> bool {
    word & LIVE != 0 && only.is_none_or(|this| word >> USE_SHIFT == this.0)
}

// The model checker has this file under another name.
#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
