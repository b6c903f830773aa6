//! Slabs: memory that is mapped once, never unmapped, and cut into slots. A slot's guard is made
//! shortly before its first use.

use super::free_list::FreeList;
use super::size::{LEAST, MOST, SIZE, size_from_environment};
use super::slot::{Layout, Slot};
use crate::error::Error;
use crate::platform::{self, ForkSafe};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

/// Slots in the first slab. Each further slab doubles the number of slots, up to [`MOST_SLOTS`] or
/// [`MOST_SLAB`].
const FIRST_SLOTS: usize = 8;
/// The most slots in a slab. With stacks of the default size such a slab has about 900 MiB of
/// addresses. A million stacks are then some 250 mappings.
const MOST_SLOTS: usize = 4096;
/// The most slots that are made ready together. While few are in use, it is one in eight of those.
const MOST_READY: usize = 32;
/// The number of stacks, the first of the process, whose guards are mappings of their own.
///
/// `gcore` of gdb copies a mapping up to the first page that cannot be read. A lightweight guard
/// would make it lose every paused job. Each such guard takes two mappings of the 65,530 that a
/// process may have, and 2 us more, once.
const MAPPED_GUARDS: usize = 256;
/// The most addresses in a slab, in bytes, unless one slot has more.
const MOST_SLAB: usize = 1 << 30;

/// Sets the size of the stacks to come, in bytes. It is refused after the process's first stack was
/// made, and if the size is below [`LEAST`] or above [`MOST`].
pub fn set_size(bytes: usize) -> Result<(), Error> {
    if !platform::AVAILABLE || !(LEAST..=MOST).contains(&bytes) {
        return Err(Error::StackSize);
    }
    SLABS.with(|slabs| {
        if slabs.total > 0 {
            return Err(Error::StackSize);
        }
        SIZE.store(bytes, Ordering::Relaxed);
        Ok(())
    })
}

/// Whether the settings of the environment have been read, for the process's first stack.
static ENVIRONMENT_READ: AtomicBool = AtomicBool::new(false);

/// Every slab of the process.
struct Slabs {
    /// Slots that were used and released. The list has room for all slots, so a release needs no
    /// memory.
    free: FreeList,
    /// The part of the newest slab that was never used.
    fresh: NonNull<u8>,
    fresh_slots: usize,
    /// How many slots at the beginning of that part are ready: they are guarded, and the page that
    /// every job touches has memory.
    ready: usize,
    /// Whether the kernel can make several slots ready at once, as far as is known.
    batches_work: bool,
    /// Slots in all slabs together.
    total: usize,
}

// SAFETY: the addresses are of memory that belongs to the process, not to a thread.
unsafe impl Send for Slabs {}

static SLABS: ForkSafe<Slabs> = ForkSafe::new(Slabs::none());

/// Returns a guarded stack whose record reads as zeros. None if memory or a guard is not available.
pub fn acquire() -> Option<Slot> {
    // The environment is read before the lock is taken. Several threads may do so at once, with the
    // same result.
    let from_environment = if ENVIRONMENT_READ.load(Ordering::Acquire) {
        None
    } else {
        platform::read_guard_setting();
        let is_wanted = SIZE.load(Ordering::Relaxed) == 0;
        is_wanted.then(size_from_environment).flatten()
    };
    SLABS.with(|slabs| {
        if !ENVIRONMENT_READ.swap(true, Ordering::AcqRel) && SIZE.load(Ordering::Relaxed) == 0 {
            SIZE.store(from_environment.unwrap_or(0), Ordering::Relaxed);
        }
        let Some(slot) = slabs.free.pop().map(Slot) else {
            return slabs.take_fresh(Layout::of_this_process());
        };
        slot.populate_top();
        Some(slot)
    })
}

/// Gives the memory of a slot back to the system, its record included. The caller keeps the slot.
///
/// # Safety
///
/// The slot came from [`acquire`], and nothing runs on it. Its record already reads as not live,
/// because locked memory keeps its contents.
pub unsafe fn release_memory(slot: Slot) {
    let Layout { guard, slot: size } = Layout::of_this_process();
    // SAFETY: the range is the slot's without its guard, and the caller does not need its contents.
    unsafe { platform::release_memory(slot.0.add(guard), size - guard) };
}

/// Releases a slot.
///
/// # Safety
///
/// The slot came from [`acquire`]. [`release_memory`] was called for it after its last use. The
/// caller does not use it any more.
pub unsafe fn release(slot: Slot) {
    SLABS.with(|slabs| slabs.free.push(slot.0));
}

/// How much of a stack has been used since its memory was last given back, in bytes.
///
/// It counts from the stack's high end to the start of the lowest page that is in memory. It rounds
/// up to whole pages, because stacks end at different places in their pages.
pub fn used(stack: *mut [u8]) -> usize {
    (stack.len() - platform::untouched_bytes(stack)).next_multiple_of(platform::page_size())
}

impl Slabs {
    const fn none() -> Slabs {
        Slabs {
            free: FreeList::none(),
            fresh: NonNull::dangling(),
            fresh_slots: 0,
            ready: 0,
            batches_work: true,
            total: 0,
        }
    }

    /// Cuts the next slot from the newest slab, with its guard.
    fn take_fresh(&mut self, layout: Layout) -> Option<Slot> {
        if self.fresh_slots == 0 {
            self.grow(layout)?;
        }
        if self.ready == 0 {
            self.make_ready(layout)?;
        }
        let low = self.fresh;
        self.ready -= 1;
        self.fresh_slots -= 1;
        // SAFETY: at most one past the end of the slab.
        self.fresh = unsafe { low.add(layout.slot) };
        Some(Slot(low))
    }

    /// Makes the next slots ready. If many are in use, it makes several ready in one system call.
    /// One by one, 10,000 new jobs take half as long again (2.94 to 4.29 us each).
    fn make_ready(&mut self, layout: Layout) -> Option<()> {
        let used = self.total - self.fresh_slots;
        let mapping = used < MAPPED_GUARDS;
        let batch = (used / 8).clamp(1, MOST_READY).min(self.fresh_slots);
        // SAFETY: this part of the slab was never handed out.
        self.ready = unsafe {
            if batch > 1 && !mapping && self.batches_work {
                self.batches_work =
                    platform::install_guards(self.fresh, layout.guard, layout.slot, batch);
            }
            if batch > 1 && !mapping && self.batches_work {
                let (page, top) = layout.first_touched();
                platform::populate_each(self.fresh.add(top), page, layout.slot, batch);
                batch
            } else if platform::install_guard(self.fresh, layout.guard, mapping) {
                Slot(self.fresh).populate_top();
                1
            } else {
                return None;
            }
        };
        Some(())
    }

    /// Maps another slab when no slot is left. It has as many slots as exist already, or half of
    /// that, and so on down to one.
    fn grow(&mut self, layout: Layout) -> Option<()> {
        let most = MOST_SLOTS.min((MOST_SLAB / layout.slot).max(1));
        let mut slots = self.total.max(FIRST_SLOTS).min(most);
        if platform::locks_new_memory() {
            // All of a new mapping takes memory at once. So a slab has only the slot that is needed
            // now.
            slots = 1;
        }
        while slots > 0 {
            if self.free.reserve(self.total + slots) {
                if let Some(slab) = platform::map_memory(slots * layout.slot) {
                    (self.fresh, self.fresh_slots) = (slab, slots);
                    self.total += slots;
                    return Some(());
                }
            }
            slots /= 2;
        }
        None
    }
}

#[cfg(test)]
mod tests;
