use super::*;
use crate::stack::size::DEFAULT;
use crate::stack::slot::{COLOURS, GUARD, TOP};

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

// Rules: F8
#[test]
#[cfg(not(ossl_async_null))]
fn the_use_of_a_stack_is_counted_down_to_its_lowest_byte_wherever_that_is_in_its_page() {
    let page = platform::page_size();
    let slots: Vec<Slot> = (0..COLOURS).map(|_| acquire().expect("memory")).collect();
    for slot in slots {
        let stack = slot.stack();
        let all = stack.len().next_multiple_of(page);
        assert_eq!(used(stack), page, "the page of the record");
        for bytes in [
            page + 1,
            stack.len() / 2,
            stack.len() - page / 2,
            stack.len(),
        ] {
            let lowest = stack.cast::<u8>().wrapping_add(stack.len() - bytes);
            // SAFETY: it is in the stack, which nothing else uses.
            unsafe { lowest.write_volatile(1) };
            let counted = used(stack);
            assert!(
                (bytes..bytes + 2 * page).contains(&counted),
                "{bytes}: {counted}"
            );
            assert!(counted <= all);
        }
        assert_eq!(used(stack), all);
        // SAFETY: acquired above, and not used any more.
        unsafe {
            release_memory(slot);
            release(slot);
        }
    }
}

// Rules: F1
#[test]
fn neighbours_have_their_records_at_different_places_of_their_pages() {
    let layout = Layout::new(4096, DEFAULT);
    let slab = NonNull::<u8>::dangling().map_addr(|_| 0x7000_0000.try_into().unwrap());
    let places: std::collections::HashSet<usize> = (0..COLOURS)
        .map(|number| {
            let slot = Slot(slab.map_addr(|low| low.checked_add(number * layout.slot).unwrap()));
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
            slabs.take_fresh(Layout::of_this_process()).expect("memory");
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
        slabs
            .take_fresh(Layout::new(4096, usable))
            .expect("addresses");
        assert_eq!(slabs.total, slots, "stacks of {usable} bytes");
    }
}
