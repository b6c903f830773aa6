//! The copy of a job's arguments: in the record if they are small, else in a block of the C heap
//! (B23 to B26).

use super::{AtEnd, Record, SMALL_ARGUMENTS};
use crate::platform;
use core::ffi::c_void;
use core::ptr;

/// The largest block for arguments that a record keeps from one use to the next, in bytes.
const KEPT_ARGUMENTS: usize = 16384;

impl Record {
    /// Copies the caller's arguments to where they stay until the job ends. None if there is no
    /// memory for them, or if their size is 0 (B23, B24).
    ///
    /// # Safety
    ///
    /// The bytes can be read. The record is idle and belongs to the calling thread.
    pub unsafe fn copy_arguments(&self, bytes: *const c_void, size: usize) -> Option<*mut c_void> {
        let place = if size <= SMALL_ARGUMENTS {
            if size == 0 {
                return None;
            }
            self.small.get().cast()
        } else {
            self.block_for(size)?
        };
        // SAFETY: the caller guarantees the bytes. The place is as large, and nothing else uses it.
        unsafe { ptr::copy_nonoverlapping(bytes.cast::<u8>(), place.cast(), size) };
        Some(place)
    }

    /// The record's block. It is made larger if it is too small.
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
            self.at_end.set(AtEnd::FREE_BLOCK, size > KEPT_ARGUMENTS);
        }
        Some(self.block.get())
    }

    /// Frees the block, if there is one.
    #[cold]
    pub fn free_block(&self) {
        // SAFETY: it is null or a block from `allocate`, and no job uses it any more.
        unsafe { platform::free(self.block.replace(ptr::null_mut())) };
        self.block_size.set(0);
        self.at_end.set(AtEnd::FREE_BLOCK, false);
    }
}
