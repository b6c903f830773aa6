//! Stack memory: slabs of guarded stacks, each with room on top for its job's record. Who uses a stack, and for what,
//! is not known here.
//!
//! ```text
//! slot, low address                                                               high address
//! |<----- GUARD: 96 KiB ----->|<------------ at least 128 KiB of stack ----------->|<- record ->|
//! | every access faults       | grows down from the record  <----------- first frames | RECORD bytes
//! ```
//!
//! The record shares the top page with the first frames, so that a job that does little touches one page. The guard
//! is larger than the 80 KiB that the documentation promises: a frame of that size also pushes a return address and
//! saved registers.
//!
//! Slots are cut from slabs that are mapped once and never unmapped, and a slot's top is only ever a record: a stale
//! handle can always be read. A slot that is given up reads as zeros, and a record of zeros is not live.

use crate::platform::{self, ForkSafe};
use core::ptr::{self, NonNull};

/// Stack that a job has at least, in bytes: the one line to change.
pub const USABLE: usize = 128 * 1024;

/// Memory below each stack that faults, in bytes, before rounding up to whole pages.
pub const GUARD: usize = 96 * 1024;

/// Room for the record at the top of a slot, in bytes.
pub const RECORD: usize = 256;

// F8: never under what OpenSSL gives.
const _: () = assert!(USABLE >= 32768);

/// Slots in the first slab; each further slab doubles what there is, up to [`MOST_SLOTS`].
const FIRST_SLOTS: usize = 8;
/// Slots in a slab at the most: about 900 MiB of addresses, so that a million stacks are some 250 mappings.
const MOST_SLOTS: usize = 4096;

/// How one slot is laid out for a page size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    guard: usize,
    slot: usize,
}

impl Layout {
    fn for_page(page: usize) -> Layout {
        let guard = GUARD.next_multiple_of(page);
        Layout {
            guard,
            slot: guard + (USABLE + RECORD).next_multiple_of(page),
        }
    }

    fn of_this_system() -> Layout {
        Layout::for_page(platform::page_size())
    }
}

/// One stack with its guard and its record's place: the slot's low end. Copies are names for the same memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(NonNull<u8>);

// SAFETY: a slot is an address; using the memory is unsafe elsewhere.
unsafe impl Send for Slot {}

impl Slot {
    /// Where the record is: the top [`RECORD`] bytes.
    pub fn record(self) -> NonNull<u8> {
        // SAFETY: the offset stays inside the slot.
        unsafe { self.0.add(Layout::of_this_system().slot - RECORD) }
    }

    /// The slot whose record is at this address.
    pub fn of_record(record: NonNull<u8>) -> Slot {
        // SAFETY: a record lies this far above its slot's low end.
        Slot(unsafe { record.sub(Layout::of_this_system().slot - RECORD) })
    }

    /// The memory that the job's frames may use: all between the guard and the record.
    pub fn stack(self) -> *mut [u8] {
        let layout = Layout::of_this_system();
        let low = self.0.as_ptr().wrapping_add(layout.guard);
        ptr::slice_from_raw_parts_mut(low, layout.slot - layout.guard - RECORD)
    }
}

/// Every slab of the process.
struct Slabs {
    /// Slots that were used and given up. Has room for every slot there is, so that a release needs no memory.
    free: Vec<Slot>,
    /// The part of the newest slab that was never used: its guards are still to be made.
    fresh: NonNull<u8>,
    fresh_slots: usize,
    /// Slots in all slabs together.
    total: usize,
}

// SAFETY: the addresses are of memory that belongs to the process, not to a thread.
unsafe impl Send for Slabs {}

static SLABS: ForkSafe<Slabs> = ForkSafe::new(Slabs::none());

/// A guarded stack whose record reads as zeros, or none if memory or a guard cannot be had.
pub fn acquire() -> Option<Slot> {
    SLABS.with(|slabs| {
        slabs
            .free
            .pop()
            .or_else(|| slabs.cut(Layout::of_this_system()))
    })
}

/// Gives a stack up. Its memory, the record's included, goes back to the system.
///
/// # Safety
///
/// The slot came from [`acquire`], nothing runs on it, and its record reads as not live already: memory that is
/// locked keeps its contents.
pub unsafe fn release(slot: Slot) {
    let Layout { guard, slot: size } = Layout::of_this_system();
    // SAFETY: the range is the slot's without its guard, and the caller gives it up.
    unsafe { platform::give_back(slot.0.add(guard), size - guard) };
    SLABS.with(|slabs| slabs.free.push(slot));
}

impl Slabs {
    const fn none() -> Slabs {
        Slabs {
            free: Vec::new(),
            fresh: NonNull::dangling(),
            fresh_slots: 0,
            total: 0,
        }
    }

    /// Cuts the next slot from the newest slab and makes its guard.
    fn cut(&mut self, layout: Layout) -> Option<Slot> {
        if self.fresh_slots == 0 {
            self.grow(layout)?;
        }
        let low = self.fresh;
        // SAFETY: this part of the slab was never handed out.
        if !unsafe { platform::guard(low, layout.guard) } {
            return None;
        }
        self.fresh_slots -= 1;
        // SAFETY: at most one past the end of the slab.
        self.fresh = unsafe { low.add(layout.slot) };
        Some(Slot(low))
    }

    /// Maps another slab, now that no slot is left: as many slots as there are already, or half of that, and so on
    /// down to one.
    fn grow(&mut self, layout: Layout) -> Option<()> {
        let mut slots = self.total.clamp(FIRST_SLOTS, MOST_SLOTS);
        while slots > 0 {
            if self.free.try_reserve_exact(self.total + slots).is_ok() {
                if let Some(slab) = platform::map(slots * layout.slot) {
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
mod tests {
    use super::*;

    // Rules: F1, F8, D22
    #[test]
    fn a_slot_holds_guard_stack_and_record_in_whole_pages_of_any_size() {
        for page in [4096, 16384, 65536] {
            let layout = Layout::for_page(page);
            assert_eq!((layout.guard % page, layout.slot % page), (0, 0));
            assert!(layout.guard >= GUARD && layout.guard - GUARD < page);
            let rest = layout.slot - layout.guard - USABLE - RECORD;
            assert!(rest < page, "{rest} bytes too many");
        }
        assert_eq!(
            Layout::for_page(4096),
            Layout {
                guard: 96 * 1024,
                slot: (96 + 128 + 4) * 1024
            }
        );
    }

    // Rules: F1, D6
    #[test]
    #[cfg(not(ossl_async_null))]
    fn a_slot_is_found_from_its_record_and_its_stack_ends_at_the_record() {
        let slot = acquire().expect("memory");
        assert_eq!(Slot::of_record(slot.record()), slot);
        let stack = slot.stack();
        let low = stack.cast::<u8>();
        assert_eq!(
            low.addr(),
            slot.0.addr().get() + Layout::of_this_system().guard
        );
        assert_eq!(low.wrapping_add(stack.len()), slot.record().as_ptr());
        assert!(stack.len() >= USABLE);
        // SAFETY: acquired above and never used.
        unsafe { release(slot) };
    }

    // Rules: F8, D22
    #[test]
    #[cfg(not(ossl_async_null))]
    fn slots_never_overlap_over_many_slabs() {
        let slots: Vec<Slot> = (0..300).map(|_| acquire().expect("memory")).collect();
        let mut lows: Vec<usize> = slots.iter().map(|slot| slot.0.addr().get()).collect();
        lows.sort_unstable();
        assert!(
            lows.windows(2)
                .all(|pair| pair[1] - pair[0] >= Layout::of_this_system().slot)
        );
        for slot in slots {
            // SAFETY: acquired above and never used.
            unsafe { release(slot) };
        }
    }

    // Rules: D20, P10
    #[test]
    #[cfg(not(ossl_async_null))]
    fn each_slab_doubles_what_there_is_and_giving_a_slot_up_needs_no_memory() {
        let mut slabs = Slabs::none();
        for (cut, total) in [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (33, 64)] {
            while slabs.total - slabs.fresh_slots < cut {
                slabs.cut(Layout::of_this_system()).expect("memory");
            }
            assert_eq!(slabs.total, total, "after {cut}");
            assert!(slabs.free.capacity() >= total);
        }
    }
}
