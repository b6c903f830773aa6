//! A stack of addresses of free memory. It has a mapping of its own, so it can grow while a lock is
//! held. An allocator would take another lock.

use crate::platform;
use core::ptr::{self, NonNull};

/// Addresses, last in, first out.
pub struct FreeList {
    items: NonNull<NonNull<u8>>,
    count: usize,
    room: usize,
}

// SAFETY: the addresses are of memory that belongs to the process, not to a thread.
unsafe impl Send for FreeList {}

impl FreeList {
    /// An empty list without room.
    pub const fn none() -> FreeList {
        FreeList {
            items: NonNull::dangling(),
            count: 0,
            room: 0,
        }
    }

    /// Makes room for `total` addresses. Returns false if there is no memory.
    pub fn reserve(&mut self, total: usize) -> bool {
        if total <= self.room {
            return true;
        }
        let bytes = total
            .saturating_mul(size_of::<NonNull<u8>>())
            .max(2 * self.size())
            .next_multiple_of(platform::page_size());
        let Some(larger) = platform::map_memory(bytes) else {
            return false;
        };
        // SAFETY: both mappings have room for all items, and the old one is not used any more.
        unsafe {
            ptr::copy_nonoverlapping(self.items.as_ptr(), larger.cast().as_ptr(), self.count);
            self.unmap();
        }
        self.items = larger.cast();
        self.room = bytes / size_of::<NonNull<u8>>();
        true
    }

    /// Adds an address. There must be room for it.
    pub fn push(&mut self, item: NonNull<u8>) {
        assert!(self.count < self.room, "room was reserved for all");
        // SAFETY: the place is in the mapping.
        unsafe { self.items.add(self.count).write(item) };
        self.count += 1;
    }

    /// Removes and returns the address that was added last.
    pub fn pop(&mut self) -> Option<NonNull<u8>> {
        self.count = self.count.checked_sub(1)?;
        // SAFETY: `push` has written it.
        Some(unsafe { self.items.add(self.count).read() })
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn size(&self) -> usize {
        self.room * size_of::<NonNull<u8>>()
    }

    /// # Safety
    ///
    /// Nothing uses the mapping any more.
    unsafe fn unmap(&self) {
        if self.room > 0 {
            // SAFETY: it is a whole mapping from `map_memory`.
            unsafe { platform::unmap_memory(self.items.cast(), self.size()) };
        }
    }
}

#[cfg(test)]
impl Drop for FreeList {
    fn drop(&mut self) {
        // SAFETY: the list is dropped.
        unsafe { self.unmap() };
    }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
