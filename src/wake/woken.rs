//! The jobs of one thread's queue that were woken, until the thread takes them, and the descriptor
//! that the thread waits for. Any thread may put a job in at any time, also a signal handler.
//!
//! ```text
//!   newest ─> job ─> job ─> ... ─> the job that was put in first
//! ```
//!
//! A job is put in by a compare-and-exchange of `newest`. The queue's thread takes all of them at
//! once. So nobody waits for anybody, and a job needs one word for its place in the list.
//!
//! The descriptor is that of a [`Signal`]. Whoever puts a job in wakes it, afterwards. The queue's
//! thread clears it and then looks once more for a job. If it finds none, it may sleep: the next
//! job that is put in makes the descriptor readable.
//!
//! A forked child has the pipe in common with its parent. A byte that one of them writes would wake
//! the other. So in the child nobody uses it. Before the queue's thread sleeps there, it puts a new
//! pipe in its place.

use super::parts::{Channel, Newest, Node, Word};
use super::protocol::{Signal, Use};

/// A signal has one use as long as its pipe is open.
const ONLY_USE: Use = Use(1);

/// A queue's woken jobs. All zeros is a queue without jobs, and without a pipe.
pub struct Woken<W, C, N> {
    newest: N,
    signal: Signal<W, C>,
    /// The process whose pipe it is; 0 is none.
    process: W,
}

impl<W: Word, C: Channel, N: Newest> Woken<W, C, N> {
    /// No jobs.
    pub const fn new(newest: N, signal: Signal<W, C>, process: W) -> Self {
        Woken {
            newest,
            signal,
            process,
        }
    }

    /// Makes the pipe, unless it is there and of this process. Returns whether it made one. Owner
    /// only.
    pub fn open(&self) -> Result<bool, errno::Errno> {
        let (of, here) = (self.process.load(), self.newest.process());
        if of == here {
            return Ok(false);
        }
        self.signal.disown(C::renew)?;
        self.signal.ensure_pipe()?;
        self.signal.begin(ONLY_USE, true);
        self.process.store(here);
        Ok(true)
    }

    /// Closes the pipe. Owner only, when no job can be put in any more.
    pub fn close(&self) {
        if self.process.load() == self.newest.process() {
            self.signal.end();
            self.signal.close();
        } else {
            // It has no effect but to close the pipe, which cannot fail.
            let _ = self.signal.disown(|channel| {
                channel.close();
                Ok(())
            });
        }
    }

    /// Puts a job in, which must not be in. Any thread, one at a time for one job.
    pub fn put(&self, job: N::Node) {
        let mut newest = self.newest.load();
        loop {
            job.set_before(newest);
            match self.newest.compare_exchange(newest, job) {
                Ok(()) => break,
                Err(other) => newest = other,
            }
        }
        if self.process.load() == self.newest.process() {
            self.signal.wake(None);
        }
    }

    /// Takes all jobs out. The first is the one that was put in last. Owner only.
    pub fn take(&self) -> Option<N::Node> {
        self.newest.load()?;
        self.newest.take()
    }

    /// Makes the descriptor unreadable. Returns whether it stays so until a job is put in: no job
    /// is in. Owner only.
    pub fn may_sleep(&self) -> bool {
        self.signal.clear(None);
        self.newest.load().is_none()
    }

    /// The job that was put in last.
    #[cfg(test)]
    #[allow(dead_code, reason = "only the model checker calls it")]
    pub fn newest(&self) -> &N {
        &self.newest
    }

    /// What `look` returns for the channel.
    pub fn channel<R>(&self, look: impl FnOnce(&C) -> R) -> Option<R> {
        self.signal.channel(look)
    }
}

// The model checker has this file under another name.
#[cfg(test)]
#[path = "woken/tests.rs"]
mod tests;
