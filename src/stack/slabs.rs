//! Slabs: memory that is mapped once, never unmapped, and cut into slots. A slot's guard is made
//! shortly before its first use.

use super::free_list::FreeList;
use super::size::{LEAST, MOST, SIZE, size_from_environment};
use super::slot::{Layout, Slot};
use crate::error::Error;
use crate::platform::{self, ForkSafe};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

/// Slots in the first slab; each further slab doubles what there is, up to [`MOST_SLOTS`] or [`MOST_SLAB`].
const FIRST_SLOTS: usize = 8;
/// Slots in a slab at the most: with stacks of the default size about 900 MiB of addresses, so that a million stacks are
/// some 250 mappings.
const MOST_SLOTS: usize = 4096;
/// Slots that are made ready together at the most: as long as there are few, one in eight of those that are in use.
const MOST_READY: usize = 32;
/// So many stacks of the process, the first, have guards that are mappings of their own: `gcore` of gdb copies a mapping up to the
/// first page that cannot be read, so it would lose every paused job to a lightweight guard. Each takes two mappings of the
/// 65,530 that a process may have, and 2 us more, once.
const IN_MAPPINGS: usize = 256;
/// Addresses in a slab at the most, in bytes, unless one slot has more.
const MOST_SLAB: usize = 1 << 30;

/// Sets the stack size of the jobs to come, in bytes, before the process's first stack is made; after that it is refused,
/// as is a size below [`LEAST`] or above [`MOST`].
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

/// Whether the environment's settings have been taken: those of the process's first stack.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Every slab of the process.
struct Slabs {
    /// Slots that were used and given up. Has room for every slot there is, so that a release needs no memory.
    free: FreeList,
    /// The part of the newest slab that was never used.
    fresh: NonNull<u8>,
    fresh_slots: usize,
    /// How many slots at its beginning are ready: guarded, and with the page that every job touches. The others' guards
    /// are still to be made.
    ready: usize,
    /// Whether the kernel makes several ready at once, as far as is known.
    several: bool,
    /// Slots in all slabs together.
    total: usize,
}

// SAFETY: the addresses are of memory that belongs to the process, not to a thread.
unsafe impl Send for Slabs {}

static SLABS: ForkSafe<Slabs> = ForkSafe::new(Slabs::none());

/// A guarded stack whose record reads as zeros, or none if memory or a guard cannot be had.
pub fn acquire() -> Option<Slot> {
    // Looked up before the lock is taken. Several threads may do so at once, with one result.
    let from_environment = if SETTLED.load(Ordering::Acquire) {
        None
    } else {
        platform::read_guard_setting();
        let is_wanted = SIZE.load(Ordering::Relaxed) == 0;
        is_wanted.then(size_from_environment).flatten()
    };
    SLABS.with(|slabs| {
        if !SETTLED.swap(true, Ordering::AcqRel) && SIZE.load(Ordering::Relaxed) == 0 {
            SIZE.store(from_environment.unwrap_or(0), Ordering::Relaxed);
        }
        let Some(slot) = slabs.free.pop().map(Slot) else {
            return slabs.take_fresh(Layout::of_this_process());
        };
        slot.populate_top();
        Some(slot)
    })
}

/// Gives the memory of a slot back to the system, its record's included; the slot stays the caller's.
///
/// # Safety
///
/// The slot came from [`acquire`], nothing runs on it, and its record reads as not live already: memory that is
/// locked keeps its contents.
pub unsafe fn release_memory(slot: Slot) {
    let Layout { guard, slot: size } = Layout::of_this_process();
    // SAFETY: the range is the slot's without its guard, and the caller does not need its contents.
    unsafe { platform::release_memory(slot.0.add(guard), size - guard) };
}

/// Gives a slot up.
///
/// # Safety
///
/// The slot came from [`acquire`], was [`release_memory`]d after its last use, and is not the caller's from now on.
pub unsafe fn release(slot: Slot) {
    SLABS.with(|slabs| slabs.free.push(slot.0));
}

/// How much of a stack has been used since its memory was last given back, in bytes: from its high end down to the start
/// of the lowest page that is in memory, rounded up to whole pages, since stacks end at different places in theirs.
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
            several: true,
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

    /// Makes the next slots ready: several in one system call where there are many already. One by
    /// one, 10,000 new jobs take half as long again (2.94 to 4.29 us each).
    fn make_ready(&mut self, layout: Layout) -> Option<()> {
        let used = self.total - self.fresh_slots;
        let mapping = used < IN_MAPPINGS;
        let several = (used / 8).clamp(1, MOST_READY).min(self.fresh_slots);
        // SAFETY: this part of the slab was never handed out.
        self.ready = unsafe {
            if several > 1 && !mapping && self.several {
                self.several =
                    platform::install_guards(self.fresh, layout.guard, layout.slot, several);
            }
            if several > 1 && !mapping && self.several {
                let (page, top) = layout.first_touched();
                platform::populate_each(self.fresh.add(top), page, layout.slot, several);
                several
            } else if platform::install_guard(self.fresh, layout.guard, mapping) {
                Slot(self.fresh).populate_top();
                1
            } else {
                return None;
            }
        };
        Some(())
    }

    /// Maps another slab, now that no slot is left: as many slots as there are already, or half of that, and so on
    /// down to one.
    fn grow(&mut self, layout: Layout) -> Option<()> {
        let most = MOST_SLOTS.min((MOST_SLAB / layout.slot).max(1));
        let mut slots = self.total.max(FIRST_SLOTS).min(most);
        if platform::locks_new_memory() {
            // All of a new mapping takes memory at once, so it is to have nothing that nobody uses.
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
