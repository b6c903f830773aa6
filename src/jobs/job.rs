//! One job's record: C's `ASYNC_JOB`. What its states mean and which code may change them is here.
//! When they change is in `dispatch`.
//!
//! A record lies at the top of its stack (`stack.rs`). It is never unmapped and never used for
//! anything else, so every handle that was ever issued can be read for the life of the process. A
//! record of zeros is not in use.

mod arguments;
mod at_end;
pub mod lifetime;

use super::wanted::Wanted;
use crate::libcrypto::LibCtx;
use crate::platform;
use crate::platform::types::{Exceptions, Work};
use crate::stack;
use crate::wait_ctx::WaitCtx;
use crate::wake::{self, Pipe, Signal, Task, Use, WakerPlace};
use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_uint, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};

pub use crate::platform::types::Function;
pub use at_end::AtEnd;

/// A record's state (S2). Only the owner writes it; any thread may read it.
///
/// There is no state for "finished": the dispatcher learns it first, and makes the record idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No job uses it: it is in a pool, or free.
    Idle = 0,
    /// Its function runs, is about to run, or has just returned.
    Running = 1,
    /// Its function is in `ASYNC_pause_job`.
    Paused = 2,
    /// Its Rust handle was dropped while it was paused, and it could not or should not end. It is
    /// never resumed.
    Abandoned = 3,
}

/// How a paused job is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Resume {
    /// It runs on, and may pause again.
    Normal = 0,
    /// It runs on and cannot pause again: the dispatcher refuses its pauses until it has ended.
    Cancelled = 1,
    /// Its Rust handle was dropped: the Rust face's pause unwinds.
    Unwinding = 2,
}

/// A record's place in a list: of its pool's idle jobs (`idle.rs`), or while it is in use, of its
/// queue's members (`members.rs`).
pub struct Links {
    /// The record put in before this one; none for the oldest.
    pub older: Cell<Option<&'static Record>>,
    /// The record put in after this one; none for the newest.
    pub newer: Cell<Option<&'static Record>>,
}

/// The size of arguments that fit into the record itself, in bytes.
const SMALL_ARGUMENTS: usize = 64;

/// A cache line, in bytes.
const LINE: usize = 64;

/// One job's record. What a start, a pause and a finish use comes first, in two cache lines.
#[repr(C, align(64))]
pub struct Record {
    /// The job's side: function, argument, result, and the fibre.
    pub work: Work,
    state: AtomicU8,
    /// How the job was resumed last.
    pub resumed_as: Cell<Resume>,
    /// What the end of this use must do that most need not: see [`AtEnd`].
    pub at_end: AtEnd,
    /// Whether the program's own functions made the stack (7.8).
    custom: Cell<bool>,
    /// The job's number with valgrind.
    checker_id: Cell<c_uint>,
    /// The number of the thread that owns the record; 0 is none. Never reused (`thread.rs`).
    owner: AtomicU64,
    /// Where the Rust API wants the job's typed result: in the frame of the call that started or
    /// resumed the job last. Null if that was a call from C.
    pub port: Cell<*mut c_void>,
    /// The wait context of this use, or null (G9, G11). The record holds a reference to it.
    wait_ctx: AtomicPtr<WaitCtx>,

    /// libcrypto's default library context, as it was when the job paused (G37).
    pub libctx: Cell<LibCtx>,
    /// Generation 1's wait fd and its signal.
    pub signal: Signal<AtomicU64, Pipe>,
    /// This use's number.
    pub this_use: Cell<u64>,
    /// The number of the pool that counts the record; 0 is none (D2).
    pub pool: Cell<u64>,
    /// The record's neighbours in the list that it is in.
    pub links: Links,

    /// A block for arguments that do not fit into the record, or null.
    block: Cell<*mut c_void>,
    block_size: Cell<usize>,
    /// The stack.
    stack_low: Cell<*mut u8>,
    stack_size: Cell<usize>,
    /// The C++ run-time's state of the side that does not run. That is the job's while it is
    /// paused, and the dispatcher's while it runs.
    exceptions: Cell<Exceptions>,
    /// Whether `exceptions` is used in this use of the record. Not if the thread knew of no C++
    /// run-time when the use began.
    keeps_exceptions: Cell<bool>,
    /// Whether the function of this use is a closure whose starter has promised that its frames
    /// allow pauses. The closure's wrapper sets and clears it, so that C's starts need not.
    pub has_promise: Cell<bool>,
    small: UnsafeCell<Small>,
    /// The task that waits for the job, if the Rust face runs it as a future. Or the queue that it is
    /// a member of.
    pub task: Task<AtomicU64, WakerPlace>,
    /// The future that such a job waits for, while it is paused.
    pub wanted: Cell<Wanted>,
    /// The key by which the program knows the job in its queue.
    pub key: Cell<u64>,
}

/// Aligned as malloc aligns (B44).
#[repr(C, align(16))]
struct Small([u8; SMALL_ARGUMENTS]);

const _: () = assert!(size_of::<Record>() <= stack::RECORD);
// The two cache lines. Not measured for pointers of other sizes.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Record, libctx) == LINE && offset_of!(Record, block) == 2 * LINE);
    assert!(size_of::<Record>() == 5 * LINE)
};
// The stack begins right below the record, so this is also the stack's alignment.
const _: () = assert!(stack::RECORD % align_of::<Record>() == 0);

impl Record {
    /// The most that has been used of the stack so far, in bytes and in whole pages.
    ///
    /// 0 for a stack of the program's own: its memory may have been used before.
    pub fn stack_used(&self) -> usize {
        if self.custom.get() {
            0
        } else {
            stack::used(self.stack())
        }
    }

    /// Whether safe Rust code may pause the job: Rust started it.
    ///
    /// While Rust waits for it, it has a port. So only a job that C has started or resumed costs
    /// the cache line where the promise is.
    #[inline(always)]
    pub fn allows_safe_pauses(&self) -> bool {
        !self.port.get().is_null() || self.has_promise.get()
    }

    /// The record that a handle stands for, or none for NULL.
    ///
    /// # Safety
    ///
    /// The handle is NULL or was issued by this library in this process, at any time.
    pub unsafe fn from_handle(handle: *mut Record) -> Option<&'static Record> {
        // SAFETY: a record stays mapped, and stays a record, for the life of the process.
        NonNull::new(handle).map(|record| unsafe { &*record.as_ptr().cast_const() })
    }

    /// The handle that C programs hold.
    pub fn handle(&'static self) -> *mut Record {
        ptr::from_ref(self).cast_mut()
    }

    /// The job's stack.
    pub fn stack(&self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.stack_low.get(), self.stack_size.get())
    }

    /// Prefetches what a resume and a finish use: the record's second cache line, and the frames at
    /// the stack's high end, below the record.
    ///
    /// With thousands of jobs nothing of this is in a cache. Fetched one after the other, each line
    /// costs as much as all of them fetched at once.
    ///
    /// It is called before the owner of the record is known, so it reads nothing. It does not ask
    /// whether the stack is the program's own, which lies elsewhere.
    #[inline(always)]
    pub fn prefetch(&self) {
        let record = ptr::from_ref(self).cast::<u8>();
        platform::prefetch(record.wrapping_add(LINE));
        for line in 1..=4 {
            platform::prefetch(record.wrapping_sub(line * LINE));
        }
    }

    /// The memory of the record itself.
    fn memory(&self) -> *mut [u8] {
        let low = ptr::from_ref(self).cast::<u8>().cast_mut();
        ptr::slice_from_raw_parts_mut(low, stack::RECORD)
    }

    /// Whether the program's own functions made the stack (7.8).
    pub fn has_custom_stack(&self) -> bool {
        self.custom.get()
    }

    /// Begins to keep the C++ run-time's state for this use. Called when a use begins in a thread
    /// that knows of a C++ run-time.
    ///
    /// In a use that had begun before, nothing is kept: the first exchange would take away what the
    /// job has left in the run-time already.
    pub fn begin_exceptions(&self) {
        self.keeps_exceptions.set(true);
    }

    /// Exchanges what the C++ run-time keeps for the thread with what it kept for the other side.
    /// Called at each switch. `of_thread` is the run-time's own place.
    pub fn exchange_exceptions(&self, of_thread: *mut Exceptions) {
        if self.keeps_exceptions.get() {
            // SAFETY: it is the run-time's own place for this thread.
            self.exceptions
                .set(unsafe { of_thread.replace(self.exceptions.get()) });
        }
    }

    /// The wait context of this use, or null (G11). May be called from any thread.
    pub fn wait_ctx(&self) -> *mut WaitCtx {
        self.wait_ctx.load(Ordering::Acquire)
    }

    /// Sets the wait context of a new use, and takes a reference to it. Owner only, at a start.
    ///
    /// # Safety
    ///
    /// The context is null or one that has not been freed. The record has none.
    pub unsafe fn set_wait_ctx(&self, ctx: *mut WaitCtx) {
        // SAFETY: the caller guarantees it.
        if let Some(ctx) = unsafe { ctx.as_ref() } {
            ctx.hold();
        }
        self.wait_ctx.store(ctx, Ordering::Release);
    }

    /// Gives up the wait context at the end of a use. Owner only.
    pub fn clear_wait_ctx(&self) {
        if let Some(ctx) = NonNull::new(self.wait_ctx.load(Ordering::Relaxed)) {
            self.wait_ctx.store(ptr::null_mut(), Ordering::Release);
            // SAFETY: `set_wait_ctx` took the reference.
            unsafe { WaitCtx::release(ctx) };
        }
    }

    /// The record's state.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            1 => State::Running,
            2 => State::Paused,
            3 => State::Abandoned,
            _ => State::Idle,
        }
    }

    /// Sets the record's state. Owner only.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Whether a thread may resume the job: it is paused, and that thread started it (D6, D8).
    ///
    /// May be called for any record from any thread. Thread numbers are never reused. So a record
    /// that changes its owner at this moment belongs to another thread before and after.
    pub fn is_resumable_by(&self, thread: u64) -> bool {
        self.owner.load(Ordering::Relaxed) == thread && self.state() == State::Paused
    }

    /// Wakes the job, in the given use or in any: its wait fd becomes readable, its task is woken,
    /// and it is put into its queue. May be called from any thread.
    #[inline(always)]
    pub fn wake(&self, only: Option<Use>) {
        wake::wake(&self.signal, &self.task, only);
    }

    /// The number of this use of the record.
    pub fn current_use(&self) -> Use {
        Use(self.this_use.get())
    }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
