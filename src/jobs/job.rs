//! One job's record: C's `ASYNC_JOB`. What its states mean and which code may change them is here.
//! When they change is in `dispatch`.
//!
//! A record lies at the top of its stack (`stack.rs`). It is never unmapped and never used for
//! anything else, so every handle that was ever issued can be read for the life of the process. A
//! record of zeros is not in use.

mod arguments;
pub mod lifetime;

use crate::libcrypto::LibCtx;
use crate::platform;
use crate::platform::types::{Exceptions, Work};
use crate::stack;
use crate::wait_ctx::WaitCtx;
use crate::wake::{Pipe, Signal, Use};
use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_uint, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};

pub use crate::platform::types::Function;

/// Where a record stands (S2). Written by the owner; anybody may read it. That it has finished is not stored: the
/// dispatcher is the first to know, and makes it idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Not handed out: in a pool, or free.
    Idle = 0,
    /// Its function runs, is about to, or has returned this moment.
    Running = 1,
    /// Its function is in `ASYNC_pause_job`.
    Paused = 2,
    /// Its handle was dropped while it was paused: it will never go on.
    Abandoned = 3,
}

/// A record's place in the list of its pool's idle jobs (`idle.rs`).
pub struct Links {
    /// The one released before, or none for the oldest.
    pub older: Cell<Option<&'static Record>>,
    /// The one released after, or none for the newest.
    pub newer: Cell<Option<&'static Record>>,
}

/// Arguments that a record has room for itself, in bytes.
const SMALL_ARGUMENTS: usize = 64;

/// A cache line, in bytes.
const LINE: usize = 64;

/// One job's record. What a start, a pause and a finish use comes first, so that it shares two cache lines.
#[repr(C, align(64))]
pub struct Record {
    /// The job's side: function, argument, result, and the fibre.
    pub work: Work,
    state: AtomicU8,
    /// Whether the job may not pause any more: somebody has cancelled it.
    pub cancelled: Cell<bool>,
    /// Whether the block for arguments is too large to be kept.
    large: Cell<bool>,
    /// Whether the program's own functions made the stack (7.8).
    custom: Cell<bool>,
    /// The job's number with valgrind.
    checker_id: Cell<c_uint>,
    /// The number of the thread that uses the record; 0 is none. Never reused (`thread.rs`).
    owner: AtomicU64,
    /// Where the Rust face wants a job's typed result, in the frame of whoever started or resumed it last; null when
    /// that was C.
    pub port: Cell<*mut c_void>,
    /// The wait context of this use, or null (G9, G11). Held.
    wait_ctx: AtomicPtr<WaitCtx>,

    /// libcrypto's default library context, as the job left it when it paused (G37).
    pub libctx: Cell<LibCtx>,
    /// Generation 1's wait fd and its signal.
    pub signal: Signal<AtomicU64, Pipe>,
    /// This use's number.
    pub this_use: Cell<u64>,
    /// The number of the pool that counts the record; 0 is none (D2).
    pub pool: Cell<u64>,
    /// The idle records of that pool before and after this one (`idle.rs`).
    pub links: Links,

    /// A block for arguments that are not small, or null.
    block: Cell<*mut c_void>,
    block_size: Cell<usize>,
    /// The stack.
    stack_low: Cell<*mut u8>,
    stack_size: Cell<usize>,
    /// The C++ run-time's state of the side that does not run: the job's while it is paused, the dispatcher's while it runs.
    exceptions: Cell<Exceptions>,
    /// Whether that is kept for this use: not where the thread knew of no run-time yet when it began.
    keeps_exceptions: Cell<bool>,
    small: UnsafeCell<Small>,
}

/// Aligned as malloc aligns (B44).
#[repr(C, align(16))]
struct Small([u8; SMALL_ARGUMENTS]);

const _: () = assert!(size_of::<Record>() <= stack::RECORD);
// The two lines; pointers of other sizes are where nobody has measured.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Record, libctx) == LINE && offset_of!(Record, block) == 2 * LINE)
};
// The stack begins right below the record, so this is also the stack's alignment.
const _: () = assert!(stack::RECORD % align_of::<Record>() == 0);

impl Record {
    /// The most that has been used of the stack so far, in whole pages, in bytes; 0 for a stack of the program's own,
    /// whose memory may have been used before.
    pub fn stack_used(&self) -> usize {
        if self.custom.get() {
            0
        } else {
            stack::used(self.stack())
        }
    }

    /// The record that a handle means, or none for NULL.
    ///
    /// # Safety
    ///
    /// The handle is NULL or was issued by this library in this process, however long ago.
    pub unsafe fn from_handle(handle: *mut Record) -> Option<&'static Record> {
        // SAFETY: records stay mapped, and are nothing else, for the life of the process.
        NonNull::new(handle).map(|record| unsafe { &*record.as_ptr().cast_const() })
    }

    /// What C programs hold.
    pub fn handle(&'static self) -> *mut Record {
        ptr::from_ref(self).cast_mut()
    }

    /// The job's stack.
    pub fn stack(&self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.stack_low.get(), self.stack_size.get())
    }

    /// Has the processor fetch what a resume and a finish use, all at once: the record's second line, and the frames at the
    /// stack's high end, below the record. With thousands of jobs none of it is in a cache, and each line that is waited
    /// for only when its turn comes costs as much as all together.
    ///
    /// Called before it is known whose the record is, so it looks at nothing: not at whether the stack is one of the program's
    /// own, which lies elsewhere.
    #[inline(always)]
    pub fn prefetch(&self) {
        let record = ptr::from_ref(self).cast::<u8>();
        platform::prefetch(record.wrapping_add(LINE));
        for line in 1..=4 {
            platform::prefetch(record.wrapping_sub(line * LINE));
        }
    }

    /// The memory that the record itself has.
    fn memory(&self) -> *mut [u8] {
        let low = ptr::from_ref(self).cast::<u8>().cast_mut();
        ptr::slice_from_raw_parts_mut(low, stack::RECORD)
    }

    /// Whether the program's own functions made the stack (7.8).
    pub fn has_custom_stack(&self) -> bool {
        self.custom.get()
    }

    /// A use begins in a thread that knows of a C++ run-time: what that keeps for the job is kept from here on. In a job that began
    /// before it is not: to begin with the second half would take away what the first has left in the run-time.
    pub fn begin_exceptions(&self) {
        self.keeps_exceptions.set(true);
    }

    /// Exchanges what the C++ run-time keeps for the thread with what it kept for the other side. Called whenever the thread
    /// goes from one to the other, with the run-time's own place.
    pub fn exchange_exceptions(&self, of_thread: *mut Exceptions) {
        if self.keeps_exceptions.get() {
            // SAFETY: the run-time's own place for this thread.
            self.exceptions
                .set(unsafe { of_thread.replace(self.exceptions.get()) });
        }
    }

    /// The wait context of this use, or null. From any thread (G11).
    pub fn wait_ctx(&self) -> *mut WaitCtx {
        self.wait_ctx.load(Ordering::Acquire)
    }

    /// Sets the wait context of a new use, which holds it. Owner only, at a start.
    ///
    /// # Safety
    ///
    /// The context is null or one that has not been freed. The record has none.
    pub unsafe fn set_wait_ctx(&self, ctx: *mut WaitCtx) {
        // SAFETY: the caller vouches for it.
        if let Some(ctx) = unsafe { ctx.as_ref() } {
            ctx.hold();
        }
        self.wait_ctx.store(ctx, Ordering::Release);
    }

    /// The use has ended and lets go of its wait context. Owner only.
    pub fn clear_wait_ctx(&self) {
        if let Some(ctx) = NonNull::new(self.wait_ctx.load(Ordering::Relaxed)) {
            self.wait_ctx.store(ptr::null_mut(), Ordering::Release);
            // SAFETY: the hold of `set_wait_ctx`.
            unsafe { WaitCtx::let_go(ctx) };
        }
    }

    /// Where the record stands.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            1 => State::Running,
            2 => State::Paused,
            3 => State::Abandoned,
            _ => State::Idle,
        }
    }

    /// Owner only.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Whether a thread may resume the job: it is paused, and that thread started it (D6, D8). Safe to ask of any
    /// record from any thread: thread numbers are never reused, so a record that changes hands at this moment is not
    /// the asker's before or after.
    pub fn is_resumable_by(&self, thread: u64) -> bool {
        self.owner.load(Ordering::Relaxed) == thread && self.state() == State::Paused
    }

    /// This use of the record.
    pub fn current_use(&self) -> Use {
        Use(self.this_use.get())
    }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
