//! One job's record: C's `ASYNC_JOB`. What its states mean and who may change them is here; when they change is
//! `dispatch`'s business.
//!
//! A record lies at the top of its stack (`stack.rs`), is never unmapped and is never anything else, so every handle that
//! was ever issued can be read for the life of the process. All zeros is a record that nobody uses.

use crate::custom_stack;
use crate::error::Error;
use crate::idle::Links;
use crate::libcrypto::LibCtx;
use crate::platform::{self, Exceptions, Work};
use crate::stack::{self, Slot};
use crate::thread::Owner;
use crate::wait_ctx::WaitCtx;
use crate::wake::{Ends, Pipe, Signal, Use};
use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_uint, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};

pub use crate::platform::Function;

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

/// Arguments that a record has room for itself, in bytes.
pub const SMALL_ARGUMENTS: usize = 64;

/// The largest block for arguments that a record keeps from one use to the next, in bytes.
pub const KEPT_ARGUMENTS: usize = 16384;

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

/// An idle record whose memory was given back, so that nothing of it is left in its place but zeros: where it was, and
/// what must be the same when it comes back.
pub struct Cold {
    slot: Slot,
    pipe: Option<Ends>,
    /// The pool that counts it: without it the next finish would destroy the record (P1, D2).
    pool: u64,
}

impl Record {
    /// A record with its stack, idle, owned by a thread.
    pub fn create(owner: Owner) -> Result<&'static Record, Error> {
        let custom = custom_stack::functions_to_use();
        let (place, stack) = match custom {
            Some(functions) => custom_stack::acquire(functions)?,
            None => stack::acquire()
                .map(|slot| (slot.record(), slot.stack()))
                .ok_or(Error::Job)?,
        };
        // SAFETY: the place is a record's and nobody else's, and not in use.
        let record = unsafe { Record::begin(place, stack, custom.is_some(), owner) };
        owner.counters.created.add(1);
        owner.counters.stack_bytes.add(stack.len() as u64);
        Ok(record)
    }

    /// A record of zeros becomes an idle one.
    ///
    /// # Safety
    ///
    /// The place is mapped for ever, [`stack::RECORD`] bytes, aligned to 64 (both asserted above), never anything but a
    /// record, and the caller's. It is zeroed, or what [`end`](Record::end) left.
    unsafe fn begin(
        place: NonNull<u8>,
        stack: *mut [u8],
        custom: bool,
        owner: Owner,
    ) -> &'static Record {
        // SAFETY: the caller vouches for the place. Zeros are a valid record: null, zero, None. Others may hold a stale
        // handle to it, but use only its atomics.
        let record: &'static Record = unsafe { place.cast().as_ref() };
        record
            .checker_id
            .set(platform::register_job(stack, record.memory()));
        record.stack_low.set(stack.cast());
        record.stack_size.set(stack.len());
        record.custom.set(custom);
        record.owner.store(owner.number, Ordering::Relaxed);
        record
    }

    /// Ends an idle record, but for its pipe: from here on its place reads as not live.
    fn end(&self) {
        // SAFETY: the fibre is new, or waits in `platform::serve` for a use that will not come.
        unsafe {
            platform::forget(&self.work.fibre);
            platform::deregister_job(self.checker_id.get(), self.stack(), self.memory());
        }
        self.free_block();
        self.exceptions.set(Exceptions::NONE);
        self.keeps_exceptions.set(false);
        // For memory that keeps its contents; otherwise it reads as zeros in a moment anyway.
        self.set_state(State::Idle);
        self.owner.store(0, Ordering::Relaxed);
    }

    /// Frees an idle record: stack, pipe and all. Nobody can resume or wake it any more.
    pub fn destroy(&'static self, owner: Owner) {
        let stack = self.stack();
        owner.counters.destroyed.add(1);
        owner.counters.stack_bytes.subtract(stack.len() as u64);
        self.signal.close();
        self.end();
        // SAFETY: place and stack came from there, no frame of the job is live, and the record does not read as live.
        unsafe {
            if self.custom.get() {
                custom_stack::release(NonNull::from(self).cast(), stack);
            } else {
                let slot = Slot::of_record(NonNull::from(self).cast());
                stack::empty(slot);
                stack::release(slot);
            }
        }
    }

    /// Gives the memory of an idle record back to the system. Not if the stack is the
    /// [program's own](Record::has_custom_stack).
    pub fn cool(&'static self) -> Cold {
        assert!(!self.has_custom_stack());
        let slot = Slot::of_record(NonNull::from(self).cast());
        let pipe = self.signal.detach();
        let pool = self.pool.get();
        self.end();
        // SAFETY: no frame of the job is live, and the record does not read as live.
        unsafe { stack::empty(slot) };
        Cold { slot, pipe, pool }
    }

    /// The most that has been used of the stack so far, in whole pages, in bytes; 0 for a stack of the program's own,
    /// whose memory may have been used before.
    pub fn stack_used(&self) -> usize {
        if self.custom.get() {
            0
        } else {
            stack::used(self.stack())
        }
    }

    /// Copies the caller's arguments to where they stay until the job ends. None if there is no memory for them, or their
    /// size is 0 (B23, B24).
    ///
    /// # Safety
    ///
    /// The bytes can be read. The record is idle and the caller's.
    pub unsafe fn copy_arguments(&self, bytes: *const c_void, size: usize) -> Option<*mut c_void> {
        let place = if size <= SMALL_ARGUMENTS {
            if size == 0 {
                return None;
            }
            self.small.get().cast()
        } else {
            self.block_for(size)?
        };
        // SAFETY: the caller vouches for the bytes; the place is as large, and used by nobody else.
        unsafe { ptr::copy_nonoverlapping(bytes.cast::<u8>(), place.cast(), size) };
        Some(place)
    }

    /// The record's block, made larger if it has to be.
    #[cold]
    fn block_for(&self, size: usize) -> Option<*mut c_void> {
        if self.block_size.get() < size {
            self.free_block();
            let block = platform::allocate(size);
            if block.is_null() {
                return None;
            }
            self.block.set(block);
            self.block_size.set(size);
            self.large.set(size > KEPT_ARGUMENTS);
        }
        Some(self.block.get())
    }

    /// The job has ended: a block that is too large to keep goes.
    pub fn drop_arguments(&self) {
        if self.large.get() {
            self.free_block();
        }
    }

    #[cold]
    fn free_block(&self) {
        // SAFETY: null or a block of `allocate`'s, which no job uses any more.
        unsafe { platform::free(self.block.replace(ptr::null_mut())) };
        self.block_size.set(0);
        self.large.set(false);
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
    pub unsafe fn set_wait_ctx(&self, ctx: *mut WaitCtx, owner: Owner) {
        // SAFETY: the caller vouches for it.
        if let Some(ctx) = unsafe { ctx.as_ref() } {
            ctx.hold(owner.number);
        }
        self.wait_ctx.store(ctx, Ordering::Release);
    }

    /// The use has ended and lets go of its wait context. Owner only.
    pub fn clear_wait_ctx(&self, owner: Owner) {
        if let Some(ctx) = NonNull::new(self.wait_ctx.load(Ordering::Relaxed)) {
            self.wait_ctx.store(ptr::null_mut(), Ordering::Release);
            // SAFETY: the hold of `set_wait_ctx`, by the same owner.
            unsafe { WaitCtx::let_go(ctx, owner.number) };
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

impl Cold {
    /// The record as it was: the same handle and the same wait fd, idle, with a fibre that is new (P4).
    pub fn warm(self, owner: Owner) -> &'static Record {
        self.slot.prepare();
        // SAFETY: the slot is still this record's, and `cool` left it ended.
        let record = unsafe { Record::begin(self.slot.record(), self.slot.stack(), false, owner) };
        record.signal.attach(self.pipe);
        record.pool.set(self.pool);
        record
    }

    /// Frees it for good.
    pub fn destroy(self, owner: Owner) {
        owner.counters.destroyed.add(1);
        owner
            .counters
            .stack_bytes
            .subtract(self.slot.stack().len() as u64);
        if let Some(ends) = self.pipe {
            ends.close();
        }
        // SAFETY: `cool` emptied it.
        unsafe { stack::release(self.slot) };
    }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests {
    use super::*;

    // Rules: S2, D6
    #[test]
    fn a_record_can_be_resumed_only_while_it_is_paused_and_only_by_its_owner() {
        let owner = Owner {
            number: 7,
            counters: crate::stats::Counters::take().expect("memory"),
        };
        let record = Record::create(owner).expect("memory");
        assert_eq!(record.state(), State::Idle);
        for state in [State::Running, State::Paused, State::Abandoned, State::Idle] {
            record.set_state(state);
            assert_eq!(record.state(), state);
            assert_eq!(record.is_resumable_by(7), state == State::Paused);
            assert!(!record.is_resumable_by(8) && !record.is_resumable_by(0));
        }
        record.set_state(State::Paused);
        record.destroy(owner);
        owner.counters.give_back();
        assert!(!record.is_resumable_by(7) && !record.is_resumable_by(0));
    }
}
