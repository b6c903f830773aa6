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

/// An idle record whose memory was given back. Its place reads as zeros. This says where it was,
/// and what must be the same when it is restored.
pub struct Unbacked {
    slot: Slot,
    pipe: Option<Ends>,
    /// The pool that counts it. Without this number the next finish would destroy the record (P1,
    /// D2).
    pool: u64,
}

impl Record {
    /// Makes an idle record with its stack, owned by a thread.
    pub fn create(owner: Owner) -> Result<&'static Record, Error> {
        let functions = custom::functions_to_use();
        let (place, stack) = match functions {
            Some(functions) => custom::acquire(functions)?,
            None => stack::acquire()
                .map(|slot| (slot.record(), slot.stack()))
                .ok_or(Error::Job)?,
        };
        // SAFETY: the place is for a record, and nothing else uses it.
        let record = unsafe { Record::begin(place, stack, functions.is_some(), owner) };
        owner.counters.created.add(1);
        owner.counters.stack_bytes.add(stack.len() as u64);
        Ok(record)
    }

    /// Makes an idle record of one that is zeroed.
    ///
    /// # Safety
    ///
    /// - The place has [`stack::RECORD`] bytes, aligned to 64. It stays mapped for ever, and is
    ///   never anything but a record.
    /// - It belongs to the caller. It is zeroed, or [`end`](Record::end) was called for it.
    unsafe fn begin(
        place: NonNull<u8>,
        stack: *mut [u8],
        custom: bool,
        owner: Owner,
    ) -> &'static Record {
        // SAFETY: the caller guarantees the place. Zeros are a valid record: null, zero, None.
        // Other threads may hold a stale handle to it, but they use only its atomics.
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

    /// Ends an idle record, except for its pipe. From here on its place reads as not live.
    fn end(&self) {
        // SAFETY: the fibre is new, or waits in `platform::serve_jobs` for a use that will not
        // come.
        unsafe {
            platform::forget_fibre(&self.work.fibre);
            platform::deregister_job(self.checker_id.get(), self.stack(), self.memory());
        }
        self.free_block();
        self.exceptions.set(Exceptions::NONE);
        self.keeps_exceptions.set(false);
        // This is for memory that keeps its contents. Other memory reads as zeros soon anyway.
        self.set_state(State::Idle);
        self.owner.store(0, Ordering::Relaxed);
    }

    /// Frees an idle record with its stack and pipe. Nothing can resume or wake it any more.
    pub fn destroy(&'static self, owner: Owner) {
        let stack = self.stack();
        owner.counters.destroyed.add(1);
        owner.counters.stack_bytes.subtract(stack.len() as u64);
        self.signal.close();
        self.end();
        // SAFETY: place and stack came from the same source. No frame of the job is live, and the
        // record does not read as live.
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

    /// Gives the memory of an idle record back to the system. The stack must not be the [program's
    /// own](Record::has_custom_stack).
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
    /// Restores the record: the same handle and the same wait fd, idle, with a new fibre (P4).
    pub fn restore(self, owner: Owner) -> &'static Record {
        self.slot.populate_top();
        // SAFETY: the slot is still this record's, and `release_memory` left it ended.
        let record = unsafe { Record::begin(self.slot.record(), self.slot.stack(), false, owner) };
        record.signal.attach(self.pipe);
        record.pool.set(self.pool);
        record
    }

    /// Frees the slot and the pipe. The record is never restored.
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
