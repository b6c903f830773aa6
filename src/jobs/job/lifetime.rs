//! How a record is made, gives its memory back while it is idle, and is destroyed.

use super::{Record, State};
use crate::error::Error;
use crate::platform;
use crate::platform::types::Exceptions;
use crate::report::Owner;
use crate::stack::{self, Slot, custom};
use crate::wake::Ends;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

/// An idle record whose memory was given back, so that nothing of it is left in its place but zeros: where it was, and
/// what must be the same when it comes back.
pub struct Unbacked {
    slot: Slot,
    pipe: Option<Ends>,
    /// The pool that counts it: without it the next finish would destroy the record (P1, D2).
    pool: u64,
}

impl Record {
    /// A record with its stack, idle, owned by a thread.
    pub fn create(owner: Owner) -> Result<&'static Record, Error> {
        let functions = custom::functions_to_use();
        let (place, stack) = match functions {
            Some(functions) => custom::acquire(functions)?,
            None => stack::acquire()
                .map(|slot| (slot.record(), slot.stack()))
                .ok_or(Error::Job)?,
        };
        // SAFETY: the place is a record's and nobody else's, and not in use.
        let record = unsafe { Record::begin(place, stack, functions.is_some(), owner) };
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
        // SAFETY: the fibre is new, or waits in `platform::serve_jobs` for a use that will not come.
        unsafe {
            platform::forget_fibre(&self.work.fibre);
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
                custom::release(NonNull::from(self).cast(), stack);
            } else {
                let slot = Slot::of_record(NonNull::from(self).cast());
                stack::release_memory(slot);
                stack::release(slot);
            }
        }
    }

    /// Gives the memory of an idle record back to the system. Not if the stack is the
    /// [program's own](Record::has_custom_stack).
    pub fn release_memory(&'static self) -> Unbacked {
        assert!(!self.has_custom_stack());
        let slot = Slot::of_record(NonNull::from(self).cast());
        let pipe = self.signal.detach();
        let pool = self.pool.get();
        self.end();
        // SAFETY: no frame of the job is live, and the record does not read as live.
        unsafe { stack::release_memory(slot) };
        Unbacked { slot, pipe, pool }
    }
}

impl Unbacked {
    /// The record as it was: the same handle and the same wait fd, idle, with a fibre that is new (P4).
    pub fn restore(self, owner: Owner) -> &'static Record {
        self.slot.populate_top();
        // SAFETY: the slot is still this record's, and `release_memory` left it ended.
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
        // SAFETY: `release_memory` emptied it.
        unsafe { stack::release(self.slot) };
    }
}
