//! One queue of a thread: the jobs that are in it, its members, and which of them were woken. Only
//! that thread uses this. What other threads put in is in `wake/woken.rs`.
//!
//! ```text
//!   asleep:  first ─> job ─> ... ─> last     not woken since they were taken last
//!   awake:   first ─> job ─> ... ─> last     woken, in the order of their wakes
//!   woken:   newest ─> job ─> ...            woken by other threads since the queue looked last
//! ```
//!
//! Each member is in one of the first two lists, by the links that an idle record has in its pool's
//! list. So a member takes no memory beyond its record, and leaves at once, wherever it is. A
//! member leaves when its job ends or is abandoned. So no list ever leads to a record that is not
//! in use, whose memory may be given back.

use super::job::{AtEnd, Record};
use crate::wake::{Node, Pipe, Queued, Signal, Use, Wakes, WokenJobs, WokenLast};
use core::cell::Cell;
use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

/// A queue.
#[repr(C)]
pub struct Members {
    /// First, so that a pointer to it is one to the queue.
    woken: WokenJobs,
    asleep: List,
    awake: List,
}

/// A list of records, by their links.
struct List {
    first: Cell<Option<&'static Record>>,
    last: Cell<Option<&'static Record>>,
}

impl List {
    const fn new() -> List {
        List {
            first: Cell::new(None),
            last: Cell::new(None),
        }
    }

    fn append(&self, record: &'static Record) {
        let before = self.last.replace(Some(record));
        record.links.older.set(before);
        record.links.newer.set(None);
        match before {
            Some(before) => before.links.newer.set(Some(record)),
            None => self.first.set(Some(record)),
        }
    }

    fn remove(&self, record: &'static Record) {
        let (before, after) = (record.links.older.take(), record.links.newer.take());
        match before {
            Some(before) => before.links.newer.set(after),
            None => self.first.set(after),
        }
        match after {
            Some(after) => after.links.older.set(before),
            None => self.last.set(before),
        }
    }
}

impl Members {
    /// A queue without members, and without a pipe.
    pub const fn new() -> Members {
        Members {
            woken: WokenJobs::new(
                WokenLast::none(),
                Signal::new(AtomicU64::new(0), AtomicU64::new(0), Pipe::none()),
                AtomicU64::new(0),
            ),
            asleep: List::new(),
            awake: List::new(),
        }
    }

    /// Makes the pipe, if there is none. In a forked child it replaces that of the parent. There it
    /// also finds members whose wake was cut off by the fork.
    pub fn open(&self) -> Result<(), errno::Errno> {
        if self.woken.open()? {
            self.look();
            let mut next = self.asleep.first.get();
            while let Some(record) = next {
                next = record.links.newer.get();
                if record.task.is_woken_after_fork() {
                    self.awaken(record);
                }
            }
        }
        Ok(())
    }

    /// The descriptor that is readable while a member is woken; -1 if there is none.
    pub fn wait_fd(&self) -> c_int {
        self.woken.channel(Pipe::wait_fd).unwrap_or(-1)
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.asleep.first.get().is_none() && self.awake.first.get().is_none()
    }

    /// The member that was woken first and was not taken since. Each wake is taken once.
    pub fn take(&self) -> Option<&'static Record> {
        // Before a member is taken, it must not be among those that were put in.
        self.look();
        let record = self.awake.first.get()?;
        self.awake.remove(record);
        self.asleep.append(record);
        record.at_end.set(AtEnd::IS_WOKEN, false);
        record.task.take_from_queue();
        Some(record)
    }

    /// Whether the thread may sleep until the descriptor is readable: no member is woken.
    pub fn may_sleep(&self) -> bool {
        self.woken.may_sleep()
    }

    /// Moves the jobs that were put in to those that are awake.
    fn look(&self) {
        let mut put_in = None;
        let mut next = self.woken.take();
        // They come in the order opposite to that of their wakes.
        while let Some(member) = next {
            next = member.take_before();
            member.set_before(put_in);
            put_in = Some(member);
        }
        while let Some(member) = put_in {
            put_in = member.take_before();
            // SAFETY: `join` has put a record there. None if it is just leaving.
            let record = member
                .record()
                .map(|record| unsafe { record.cast::<Record>().as_ref() });
            if let Some(record) = record {
                self.awaken(record);
            }
        }
    }

    /// Moves a member to those that are awake.
    fn awaken(&self, record: &'static Record) {
        if !record.at_end.has(AtEnd::IS_WOKEN) {
            record.at_end.set(AtEnd::IS_WOKEN, true);
            self.asleep.remove(record);
            self.awake.append(record);
        }
    }

    /// Makes all members leave, and closes the pipe.
    pub fn close(&self) {
        for list in [&self.asleep, &self.awake] {
            while let Some(record) = list.first.get() {
                leave(record);
            }
        }
        self.woken.close();
    }
}

/// Makes a job a member of a queue, which is to know it by this key. It leaves the queue that it was
/// in. The job is woken in the queue if it was woken before, and was not cleared since.
///
/// # Safety
///
/// Record and queue belong to the calling thread. The record is in this use, in a job that no task
/// waits for. The queue stays where it is until [`Members::close`].
pub unsafe fn join(queue: NonNull<Members>, record: &'static Record, this_use: Use, key: u64) {
    leave(record);
    // SAFETY: the caller guarantees the queue.
    let members = unsafe { queue.as_ref() };
    record.key.set(key);
    record.at_end.set(AtEnd::LEAVE_QUEUE, true);
    members.asleep.append(record);
    record.task.begin(this_use);
    record.task.join(Wakes::Queue(Queued {
        woken: queue.cast(),
        record: NonNull::from(record).cast(),
    }));
    record.signal.mark_task();
    // A wake that has not seen the mark has left this.
    if record.signal.is_woken() {
        record.task.wake(Some(this_use));
    }
}

/// Makes a job leave its queue, if it is in one.
pub fn leave(record: &'static Record) {
    if record.at_end.has(AtEnd::LEAVE_QUEUE) {
        leave_queue(record);
    }
}

#[cold]
#[inline(never)]
fn leave_queue(record: &'static Record) {
    record.at_end.set(AtEnd::LEAVE_QUEUE, false);
    let Some(Wakes::Queue(queued)) = record.task.end() else {
        return;
    };
    // SAFETY: `join` has put a queue there, which stays where it is while it has members, and whose
    // thread this is.
    let members = unsafe { queued.woken.cast::<Members>().as_ref() };
    members.look(); // it may have been put in
    if record.at_end.has(AtEnd::IS_WOKEN) {
        members.awake.remove(record);
        record.at_end.set(AtEnd::IS_WOKEN, false);
    } else {
        members.asleep.remove(record);
    }
}

/// Does what [`Record::at_end`] says.
#[cold]
#[inline(never)]
pub fn end_use(record: &'static Record) {
    leave(record);
    if record.at_end.has(AtEnd::FREE_BLOCK) {
        record.free_block();
    }
}
