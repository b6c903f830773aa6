//! Stack memory: slabs of guarded stacks, each with room on top for its job's record. Who uses a stack, and for what,
//! is not known here.
//!
//! ```text
//! slot, low address                                                                  high address
//! |<-- GUARD: 84 KiB at least -->|<-------------- the stack ---------------->|<- record ->|<-colour->|
//! | every access faults          | grows down from the record  <- first frames | RECORD bytes | unused |
//! ```
//!
//! The record shares the top page with the first frames, so that a job that does little touches one page. The guard
//! is larger than the 80 KiB that the documentation promises: a frame of that size also pushes a return address and
//! saved registers.
//!
//! A cache puts equal offsets of all pages into a few of its sets. So slots are an odd number of pages, and what is used
//! of a slot's top page begins at one of [`COLOURS`] places: a thousand jobs do not crowd each other out.
//!
//! Slots are cut from slabs that are mapped once and never unmapped, and a slot's record stays in its place: a stale
//! handle can always be read. A slot that is given up reads as zeros, and a record of zeros is not live.

use crate::error::Error;
use crate::platform::{self, ForkSafe};
use crate::spare::Spare;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Stack that a job has if nobody asks for more or less, in bytes: the one line to change.
pub const DEFAULT: usize = 128 * 1024;

/// The least that can be asked for, in bytes: what OpenSSL gives (F8).
pub const LEAST: usize = 32768;

/// The most that can be asked for, in bytes.
pub const MOST: usize = 1 << 30;

/// Memory below each stack that faults, in bytes, before rounding up to whole pages.
pub const GUARD: usize = 84 * 1024;

/// Room for the record, in bytes.
pub const RECORD: usize = 256;

/// At how many places in a slot's top page the record can be, and how far apart they are, in bytes.
const COLOURS: usize = 16;
const COLOUR_STEP: usize = 128;

/// What the record and its colour take of a slot's top page, in bytes.
const TOP: usize = RECORD + (COLOURS - 1) * COLOUR_STEP;

const _: () = assert!(TOP < 4096, "the record is in a slot's last page");
const _: () = assert!(LEAST <= DEFAULT && DEFAULT <= MOST);

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

/// How one slot is laid out for a page size and a stack size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    guard: usize,
    slot: usize,
}

impl Layout {
    fn new(page: usize, usable: usize) -> Layout {
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

    /// The size of a slot's last page, which every job touches, and where in the slot it begins.
    fn first_touched(self) -> (usize, usize) {
        let page = platform::page_size();
        (page, self.slot - page)
    }

    /// The layout of every slot of this process: [`SIZE`] does not change once there is one.
    fn of_this_process() -> Layout {
        Layout::new(platform::page_size(), size())
    }
}

/// What was asked for, in bytes; 0 is nothing yet. Changed only with the slabs locked, and only while there is no slot.
static SIZE: AtomicUsize = AtomicUsize::new(0);

/// The stack that a job has at least, in bytes.
pub fn size() -> usize {
    match SIZE.load(Ordering::Relaxed) {
        0 => DEFAULT,
        size => size,
    }
}

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

/// What the environment's `OSSL_ASYNC_STACK_SIZE` says, bytes in decimal digits. A value that is none, or out of range, is
/// reported on standard error, once, and otherwise ignored.
fn size_from_environment() -> Option<usize> {
    static REPORTED: AtomicBool = AtomicBool::new(false);

    let mut buffer = [0; 24];
    let room = buffer.len();
    let text = platform::environment(c"OSSL_ASYNC_STACK_SIZE", &mut buffer)?;
    // What fills the buffer may have been cut off, and `parse` takes a sign.
    let is_number = text.len() < room && text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = text.parse().ok().filter(|_| is_number);
    let allowed = bytes.filter(|bytes| (LEAST..=MOST).contains(bytes));
    if allowed.is_none() && !REPORTED.swap(true, Ordering::Relaxed) {
        platform::print_formatted(format_args!(
            "ossl-async: OSSL_ASYNC_STACK_SIZE={text}: expected bytes from {LEAST} to {MOST}; stacks have {DEFAULT}\n"
        ));
    }
    allowed
}

/// One stack with its guard and its record's place: the slot's low end. Copies are names for the same memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(NonNull<u8>);

impl Slot {
    /// Where the record is, RECORD bytes, by the layout of a slot.
    fn record_offset(self, layout: Layout) -> usize {
        // Neighbours in a slab differ, and a slot's colour never changes.
        let colour = self.0.addr().get() / layout.slot % COLOURS;
        layout.slot - RECORD - colour * COLOUR_STEP
    }

    /// Where the record is: [`RECORD`] bytes.
    pub fn record(self) -> NonNull<u8> {
        // SAFETY: the offset stays inside the slot.
        unsafe { self.0.add(self.record_offset(Layout::of_this_process())) }
    }

    /// The slot whose record is at this address.
    pub fn of_record(record: NonNull<u8>) -> Slot {
        let page = platform::page_size();
        let end = (record.addr().get() + RECORD).next_multiple_of(page);
        let low = end - Layout::of_this_process().slot;
        // SAFETY: a record lies in its slot's last page, so this is the slot's low end.
        Slot(unsafe { record.sub(record.addr().get() - low) })
    }

    /// Makes the page that every job touches: the record's.
    pub fn prepare(self) {
        let (page, top) = Layout::of_this_process().first_touched();
        // SAFETY: the last page of the slot, which is the caller's.
        unsafe { platform::populate(self.0.add(top), page) };
    }

    /// The memory that the job's frames may use: what lies below the record, as much in every slot.
    pub fn stack(self) -> *mut [u8] {
        let layout = Layout::of_this_process();
        let size = layout.slot - layout.guard - TOP;
        let low = self.record_offset(layout) - size;
        ptr::slice_from_raw_parts_mut(self.0.as_ptr().wrapping_add(low), size)
    }
}

/// Every slab of the process.
struct Slabs {
    /// Slots that were used and given up. Has room for every slot there is, so that a release needs no memory.
    free: Spare,
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
        platform::guards_from_environment();
        let is_wanted = SIZE.load(Ordering::Relaxed) == 0;
        is_wanted.then(size_from_environment).flatten()
    };
    SLABS.with(|slabs| {
        if !SETTLED.swap(true, Ordering::AcqRel) && SIZE.load(Ordering::Relaxed) == 0 {
            SIZE.store(from_environment.unwrap_or(0), Ordering::Relaxed);
        }
        let Some(slot) = slabs.free.pop().map(Slot) else {
            return slabs.cut(Layout::of_this_process());
        };
        slot.prepare();
        Some(slot)
    })
}

/// Gives the memory of a slot back to the system, its record's included; the slot stays the caller's.
///
/// # Safety
///
/// The slot came from [`acquire`], nothing runs on it, and its record reads as not live already: memory that is
/// locked keeps its contents.
pub unsafe fn empty(slot: Slot) {
    let Layout { guard, slot: size } = Layout::of_this_process();
    // SAFETY: the range is the slot's without its guard, and the caller does not need its contents.
    unsafe { platform::give_back(slot.0.add(guard), size - guard) };
}

/// Gives a slot up.
///
/// # Safety
///
/// The slot came from [`acquire`], was [`empty`]d after its last use, and is not the caller's from now on.
pub unsafe fn release(slot: Slot) {
    SLABS.with(|slabs| slabs.free.push(slot.0));
}

/// How much of a stack has been used since its memory was last given back, in bytes: from its high end down to the start
/// of the lowest page that is in memory, rounded up to whole pages, since stacks end at different places in theirs.
pub fn used(stack: *mut [u8]) -> usize {
    (stack.len() - platform::untouched(stack)).next_multiple_of(platform::page_size())
}

impl Slabs {
    const fn none() -> Slabs {
        Slabs {
            free: Spare::none(),
            fresh: NonNull::dangling(),
            fresh_slots: 0,
            ready: 0,
            several: true,
            total: 0,
        }
    }

    /// Cuts the next slot from the newest slab, with its guard.
    fn cut(&mut self, layout: Layout) -> Option<Slot> {
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

    /// Makes the next slots ready: several in one system call where there are many already, which costs a fifth less.
    fn make_ready(&mut self, layout: Layout) -> Option<()> {
        let used = self.total - self.fresh_slots;
        let mapping = used < IN_MAPPINGS;
        let several = (used / 8).clamp(1, MOST_READY).min(self.fresh_slots);
        // SAFETY: this part of the slab was never handed out.
        self.ready = unsafe {
            if several > 1 && !mapping && self.several {
                self.several = platform::guard_each(self.fresh, layout.guard, layout.slot, several);
            }
            if several > 1 && !mapping && self.several {
                let (page, top) = layout.first_touched();
                platform::populate_each(self.fresh.add(top), page, layout.slot, several);
                several
            } else if platform::guard(self.fresh, layout.guard, mapping) {
                Slot(self.fresh).prepare();
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
            for usable in [LEAST, DEFAULT, DEFAULT + 1, 1 << 20, MOST] {
                let layout = Layout::new(page, usable);
                assert_eq!((layout.guard % page, layout.slot % page), (0, 0));
                assert!(layout.guard >= GUARD && layout.guard - GUARD < 2 * page);
                assert_eq!(layout.slot / page % 2, 1, "pages of a slot");
                let rest = layout.slot - layout.guard - usable - TOP;
                assert!(rest < page, "{rest} bytes too many");
            }
        }
        assert_eq!(
            Layout::new(4096, DEFAULT),
            Layout {
                guard: 88 * 1024,
                slot: (88 + 128 + 4) * 1024
            }
        );
    }

    // Rules: F1, D6
    #[test]
    #[cfg(not(ossl_async_null))]
    fn a_slot_is_found_from_its_record_and_its_stack_ends_there() {
        let layout = Layout::of_this_process();
        let slots: Vec<Slot> = (0..20).map(|_| acquire().expect("memory")).collect();
        for slot in slots {
            assert_eq!(Slot::of_record(slot.record()), slot);
            let stack = slot.stack();
            let low = stack.cast::<u8>();
            assert!(low.addr() >= slot.0.addr().get() + layout.guard);
            assert_eq!(low.wrapping_add(stack.len()), slot.record().as_ptr());
            assert_eq!(stack.len(), layout.slot - layout.guard - TOP);
            assert!(stack.len() >= DEFAULT);
            // SAFETY: acquired above and never used.
            unsafe { release(slot) };
        }
    }

    // Rules: F1
    #[test]
    fn neighbours_have_their_records_at_different_places_of_their_pages() {
        let layout = Layout::new(4096, DEFAULT);
        let slab = NonNull::<u8>::dangling().map_addr(|_| 0x7000_0000.try_into().unwrap());
        let places: std::collections::HashSet<usize> = (0..COLOURS)
            .map(|number| {
                let slot =
                    Slot(slab.map_addr(|low| low.checked_add(number * layout.slot).unwrap()));
                slot.record_offset(layout) % 4096
            })
            .collect();
        assert_eq!(places.len(), COLOURS);
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
                .all(|pair| pair[1] - pair[0] >= Layout::of_this_process().slot)
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
                slabs.cut(Layout::of_this_process()).expect("memory");
            }
            assert_eq!(slabs.total, total, "after {cut}");
            assert!(slabs.free.reserve(total));
        }
    }

    // Rules: D20
    #[test]
    #[cfg(not(ossl_async_null))]
    fn slabs_of_large_stacks_have_fewer_slots() {
        for (usable, slots) in [(64 << 20, 8), (400 << 20, 2), (MOST, 1)] {
            let mut slabs = Slabs::none();
            slabs.cut(Layout::new(4096, usable)).expect("addresses");
            assert_eq!(slabs.total, slots, "stacks of {usable} bytes");
        }
    }
}
