//! A job as a member of a queue.

use super::Job;
use crate::error::Error;
use crate::jobs::members::{self, Members};
use core::ptr::NonNull;

impl<T> Job<T> {
    /// Makes it a member of the queue.
    ///
    /// # Safety
    ///
    /// The queue belongs to the calling thread, and stays where it is until it is closed.
    pub(in crate::rust_api) unsafe fn join(
        &self,
        queue: NonNull<Members>,
        key: u64,
    ) -> Result<(), Error> {
        if !self.is_live() {
            return Err(Error::NotResumable);
        }
        // SAFETY: the caller guarantees the queue. A job is its thread's, and this one is in its
        // use. One that a future runs is in that future, and nobody else has it.
        unsafe { members::join(queue, self.record(), self.this_use, key) };
        Ok(())
    }

    /// Makes it leave its queue, if it is in one.
    pub(in crate::rust_api) fn leave_queue(&self) {
        if self.is_live() {
            members::leave(self.record());
        }
    }
}
