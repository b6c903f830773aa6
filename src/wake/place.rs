//! The place in a record of what a wake reaches: a task's waker, or a queue.

use super::parts::{Newest, Node, Place};
use super::pipe::Pipe;
use super::woken::Woken;
use crate::platform;
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::panic::RefUnwindSafe;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use core::task::{RawWakerVTable, Waker};

/// What a wake of a job reaches.
pub enum Wakes {
    /// The task that waits for the job.
    Task(Waker),
    /// The queue of the job's thread.
    Queue(Queued),
}

/// A job's queue.
#[derive(Clone, Copy)]
pub struct Queued {
    /// The queue. It stays where it is as long as this is in a place.
    pub woken: NonNull<WokenJobs>,
    /// The job's record, which only its own thread looks at. Its address is even.
    pub record: NonNull<()>,
}

/// A queue's woken jobs.
pub type WokenJobs = Woken<AtomicU64, Pipe, WokenLast>;

/// Put into the second word of a place that has a queue. The address of a waker's table is even.
const IS_QUEUE: usize = 1;

/// A waker or a queue in its parts, so that all zeros is none.
pub struct WakerPlace {
    /// The waker's data, or the queue.
    data: Cell<*const ()>,
    /// The waker's table, or the record and [`IS_QUEUE`].
    table: Cell<*const ()>,
    /// In a queue: the job that was put in before this one.
    before: Cell<Option<Member>>,
}

// SAFETY: wakers may be used on any thread, and a queue's parts are not used in another way. Only
// the holder of LOCKED uses the place (`task.rs`). `before` is used by whoever puts the job in, and
// then by the thread that takes it out.
unsafe impl Sync for WakerPlace {}

// Nothing that could panic is called while the place changes.
impl RefUnwindSafe for WakerPlace {}

const _: () = assert!(align_of::<RawWakerVTable>() > IS_QUEUE);

impl Place for WakerPlace {
    type Waker = Wakes;

    fn put(&self, wakes: Wakes) {
        let (data, table) = match wakes {
            Wakes::Task(waker) => {
                let waker = ManuallyDrop::new(waker);
                (waker.data(), ptr::from_ref(waker.vtable()).cast())
            }
            Wakes::Queue(queued) => {
                let record = queued.record.as_ptr().cast_const();
                let table = record.map_addr(|address| address | IS_QUEUE);
                (queued.woken.as_ptr().cast_const().cast(), table)
            }
        };
        self.data.set(data);
        self.table.set(table);
    }

    fn take(&self) -> Option<Wakes> {
        // Whoever is cut off by a fork has taken it out by this, or has not.
        let table = self.table.replace(ptr::null());
        let data = self.data.get();
        if let Some(queued) = queued(data, table) {
            return Some(Wakes::Queue(queued));
        }
        // SAFETY: null, or the table of a waker that was put here.
        let table: &'static RawWakerVTable = unsafe { table.cast::<RawWakerVTable>().as_ref() }?;
        // SAFETY: the parts of one waker, which was not dropped when it was put here, and is taken
        // once.
        Some(Wakes::Task(unsafe { Waker::new(data, table) }))
    }

    fn wake(&self) -> Option<Wakes> {
        let Some(queued) = queued(self.data.get(), self.table.get()) else {
            return self.take();
        };
        // SAFETY: a queue stays where it is as long as it is in a place, and this one is: the
        // caller holds LOCKED.
        let woken = unsafe { queued.woken.as_ref() };
        woken.put(Member(NonNull::from(self)));
        None
    }

    fn process(&self) -> u64 {
        platform::fork_count() + 1
    }
}

/// The queue that a place's words stand for, if they do.
fn queued(data: *const (), table: *const ()) -> Option<Queued> {
    if table.addr() & IS_QUEUE == 0 {
        return None;
    }
    let record = table.map_addr(|address| address & !IS_QUEUE);
    Some(Queued {
        woken: NonNull::new(data.cast_mut())?.cast(),
        record: NonNull::new(record.cast_mut())?,
    })
}

/// A job in a queue.
#[derive(Clone, Copy)]
pub struct Member(NonNull<WakerPlace>);

impl Member {
    /// The job's record, for the thread that has taken the job out. It must still be in the queue's
    /// members.
    pub fn record(self) -> Option<NonNull<()>> {
        // SAFETY: a place lies in a record, which stays mapped.
        let place = unsafe { self.0.as_ref() };
        queued(place.data.get(), place.table.get()).map(|queued| queued.record)
    }
}

impl Node for Member {
    fn set_before(self, before: Option<Member>) {
        // SAFETY: as above.
        unsafe { self.0.as_ref() }.before.set(before);
    }

    fn take_before(self) -> Option<Member> {
        // SAFETY: as above.
        unsafe { self.0.as_ref() }.before.take()
    }
}

/// The job that was put into a queue last.
pub struct WokenLast(AtomicPtr<WakerPlace>);

impl WokenLast {
    /// None.
    pub const fn none() -> WokenLast {
        WokenLast(AtomicPtr::new(ptr::null_mut()))
    }
}

/// Null for none.
fn address(member: Option<Member>) -> *mut WakerPlace {
    member.map_or(ptr::null_mut(), |Member(place)| place.as_ptr())
}

fn member(address: *mut WakerPlace) -> Option<Member> {
    NonNull::new(address).map(Member)
}

impl Newest for WokenLast {
    type Node = Member;

    fn load(&self) -> Option<Member> {
        member(self.0.load(Ordering::Acquire))
    }

    fn compare_exchange(&self, current: Option<Member>, new: Member) -> Result<(), Option<Member>> {
        let (current, new) = (address(current), address(Some(new)));
        self.0
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(member)
    }

    fn take(&self) -> Option<Member> {
        member(self.0.swap(ptr::null_mut(), Ordering::AcqRel))
    }

    fn process(&self) -> u64 {
        platform::fork_count() + 1
    }
}
