//! One stack's place: guard, stack, record. What a slot looks like is here. Where slots come from
//! is in `slabs.rs`.

use super::size::size;
use crate::platform;
use core::ptr::{self, NonNull};

/// The size of the guard below each stack, in bytes, before rounding up to whole pages.
pub const GUARD: usize = 84 * 1024;

/// The size of the place for the record, in bytes.
pub const RECORD: usize = 320;

/// The number of places in a slot's top page where the record can be, and their distance in bytes.
pub const COLOURS: usize = 16;
const COLOUR_STEP: usize = 128;

/// The size of the record and the largest colour together, in bytes of a slot's top page.
pub const TOP: usize = RECORD + (COLOURS - 1) * COLOUR_STEP;

const _: () = assert!(TOP < 4096, "the record is in a slot's last page");

/// How one slot is laid out for a page size and a stack size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The guard.
    pub guard: usize,
    /// The whole slot.
    pub slot: usize,
}

impl Layout {
    /// The layout for a page size and a stack size, in bytes.
    pub fn new(page: usize, usable: usize) -> Layout {
        let mut guard = GUARD.next_multiple_of(page);
        let top = (usable + TOP).next_multiple_of(page);
        if (guard + top) / page % 2 == 0 {
            guard += page;
        }
        Layout {
            guard,
            slot: guard + top,
        }
    }

    /// The size of a slot's last page, which every job touches, and its offset in the slot.
    pub fn first_touched(self) -> (usize, usize) {
        let page = platform::page_size();
        (page, self.slot - page)
    }

    /// The layout of every slot of this process: [`size`] does not change once there is one.
    pub fn of_this_process() -> Layout {
        Layout::new(platform::page_size(), size())
    }
}

/// One stack with its guard and the place of its record: the slot's low end. Copies stand for the
/// same memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub NonNull<u8>);

impl Slot {
    /// The offset of the record in the slot.
    pub fn record_offset(self, layout: Layout) -> usize {
        // Neighbours in a slab have different colours, and a slot's colour never changes.
        let colour = self.0.addr().get() / layout.slot % COLOURS;
        layout.slot - RECORD - colour * COLOUR_STEP
    }

    /// The place of the record: [`RECORD`] bytes.
    pub fn record(self) -> NonNull<u8> {
        // SAFETY: the offset stays inside the slot.
        unsafe { self.0.add(self.record_offset(Layout::of_this_process())) }
    }

    /// The slot whose record is at this address.
    pub fn of_record(record: NonNull<u8>) -> Slot {
        let page = platform::page_size();
        let end = (record.addr().get() + RECORD).next_multiple_of(page);
        let low = end - Layout::of_this_process().slot;
        // SAFETY: a record is in its slot's last page, so this is the slot's low end.
        Slot(unsafe { record.sub(record.addr().get() - low) })
    }

    /// Gives the page that every job touches memory: the record's page.
    pub fn populate_top(self) {
        let (page, top) = Layout::of_this_process().first_touched();
        // SAFETY: it is the last page of the slot, which belongs to the caller.
        unsafe { platform::populate(self.0.add(top), page) };
    }

    /// The memory that the job's frames may use: below the record, and of the same size in every
    /// slot.
    pub fn stack(self) -> *mut [u8] {
        let layout = Layout::of_this_process();
        let size = layout.slot - layout.guard - TOP;
        let low = self.record_offset(layout) - size;
        ptr::slice_from_raw_parts_mut(self.0.as_ptr().wrapping_add(low), size)
    }
}
