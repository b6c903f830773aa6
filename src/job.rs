//! One job's record: C's `ASYNC_JOB`. What its states mean and who may change them is here; when they change is
//! `dispatch`'s business.
//!
//! A record lies at the top of its stack (`stack.rs`), is never unmapped and is never anything else, so every handle that
//! was ever issued can be read for the life of the process. All zeros is a record that nobody uses.

use crate::custom_stack;
use crate::error::Error;
use crate::libcrypto::LibCtx;
use crate::platform::{self, Fibre};
use crate::stack::{self, Slot};
use crate::thread::Owner;
use crate::wait_ctx::WaitCtx;
use crate::wake::{Pipe, Signal, Use};
use core::cell::Cell;
use core::ffi::{c_int, c_uint, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// A job's function, as C has it.
pub type Function = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Where a record stands (S2). Written by the owner; anybody may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Not handed out: in a pool, or free.
    Idle = 0,
    /// Its function runs, or is about to.
    Running = 1,
    /// Its function is in `ASYNC_pause_job`.
    Paused = 2,
    /// Its function has returned.
    Finished = 3,
    /// Its handle was dropped while it was paused: it will never go on.
    Abandoned = 4,
}

/// One job's record.
#[repr(C, align(64))]
pub struct Record {
    state: AtomicU32,
    /// The stack's number with valgrind.
    checker_id: Cell<c_uint>,
    /// The stack.
    stack_low: Cell<*mut u8>,
    stack_size: Cell<usize>,
    /// Whether the program's own functions made it (7.8).
    custom: Cell<bool>,
    /// The number of the thread that uses the record; 0 is none. Never reused (`thread.rs`).
    owner: AtomicU64,
    /// The suspended side of the job.
    pub fibre: Fibre,
    /// Generation 1's wait fd and its signal.
    pub signal: Signal<AtomicU64, Pipe>,
    /// What to call.
    pub function: Cell<Option<Function>>,
    /// What to call it with.
    pub argument: Cell<*mut c_void>,
    /// The private copy of the caller's arguments, or null; freed at the end (B23).
    pub copy: Cell<*mut c_void>,
    /// What it returned.
    pub result: Cell<c_int>,
    /// Where the Rust face wants a job's typed result, in the frame of whoever started or resumed it last; null when
    /// that was C.
    pub port: Cell<*mut c_void>,
    /// The number of the pool that counts the record; 0 is none (D2).
    pub pool: Cell<u64>,
    /// The next idle record of that pool.
    pub next: Cell<Option<&'static Record>>,
    /// This use's number.
    pub this_use: Cell<u64>,
    /// The wait context of this use, or null (G9, G11). Held.
    wait_ctx: AtomicPtr<WaitCtx>,
    /// libcrypto's default library context, as the job left it when it paused (G37).
    pub libctx: Cell<LibCtx>,
}

const _: () = assert!(size_of::<Record>() <= stack::RECORD);
// The stack begins right below the record, so this is also the stack's alignment.
const _: () = assert!(stack::RECORD % align_of::<Record>() == 0);

impl Record {
    /// A record with its stack, idle, owned by a thread.
    pub fn create(owner: Owner) -> Result<&'static Record, Error> {
        let custom = custom_stack::functions_to_use();
        let place = match custom {
            Some(functions) => custom_stack::acquire(functions),
            None => stack::acquire().map(|slot| (slot.record(), slot.stack())),
        };
        let (record, stack) = place.ok_or(Error::Job)?;
        // SAFETY: the place is aligned, big enough (both asserted above), mapped for ever and zeroed, or what `destroy`
        // left. Zeros are a valid record: null, zero, None. Others may hold a stale handle to it, but use only its atomics.
        let record: &'static Record = unsafe { record.cast().as_ref() };
        record
            .checker_id
            .set(platform::register_job(stack, record.memory()));
        record.stack_low.set(stack.cast());
        record.stack_size.set(stack.len());
        record.custom.set(custom.is_some());
        record.owner.store(owner.number, Ordering::Relaxed);
        owner.counters.created.add(1);
        owner.counters.stack_bytes.add(stack.len() as u64);
        Ok(record)
    }

    /// Frees a record that is idle or has finished: stack, pipe and all. Nobody can resume or wake it any more.
    pub fn destroy(&'static self, owner: Owner) {
        owner.counters.destroyed.add(1);
        owner
            .counters
            .stack_bytes
            .subtract(self.stack().len() as u64);
        self.signal.close();
        let (place, stack) = (NonNull::from(self).cast(), self.stack());
        // SAFETY: the fibre is new or waits in `job_main` for a use that will not come.
        unsafe {
            platform::forget(&self.fibre);
            platform::deregister_job(self.checker_id.get(), stack, self.memory());
        }
        // For memory that keeps its contents; otherwise it reads as zeros in a moment anyway.
        self.set_state(State::Idle);
        self.owner.store(0, Ordering::Relaxed);
        // SAFETY: both came from there, no frame of the job is live, and the record does not read as live.
        unsafe {
            if self.custom.get() {
                custom_stack::release(place, stack);
            } else {
                stack::release(Slot::of_record(place));
            }
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

    /// The memory that the record itself has.
    fn memory(&self) -> *mut [u8] {
        let low = ptr::from_ref(self).cast::<u8>().cast_mut();
        ptr::slice_from_raw_parts_mut(low, stack::RECORD)
    }

    /// The wait context of this use, or null. From any thread (G11).
    pub fn wait_ctx(&self) -> *mut WaitCtx {
        self.wait_ctx.load(Ordering::Acquire)
    }

    /// Sets the wait context of a new use, which holds it, or at the end none. Owner only.
    ///
    /// # Safety
    ///
    /// The context is null or one that has not been freed.
    pub unsafe fn set_wait_ctx(&self, ctx: *mut WaitCtx) {
        // SAFETY: the caller vouches for it.
        if let Some(ctx) = unsafe { ctx.as_ref() } {
            ctx.hold();
        }
        if let Some(before) = NonNull::new(self.wait_ctx.swap(ctx, Ordering::AcqRel)) {
            // SAFETY: the hold that was taken when it was set.
            unsafe { WaitCtx::release(before) };
        }
    }

    /// Where the record stands.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            1 => State::Running,
            2 => State::Paused,
            3 => State::Finished,
            4 => State::Abandoned,
            _ => State::Idle,
        }
    }

    /// Owner only.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u32, Ordering::Relaxed);
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
        for state in [
            State::Running,
            State::Paused,
            State::Finished,
            State::Abandoned,
            State::Idle,
        ] {
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
