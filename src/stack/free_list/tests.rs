use super::*;

// Rules: D20
#[test]
fn what_was_put_in_last_comes_out_first_however_often_it_had_to_grow() {
    let address = |number| NonNull::new(ptr::without_provenance_mut(number)).expect("not 0");
    let mut list = FreeList::none();
    assert!(list.pop().is_none());
    for number in 1..=10_000_usize {
        assert!(list.reserve(number));
        list.push(address(number));
    }
    for number in (1..=10_000).rev() {
        assert_eq!(list.pop(), Some(address(number)));
    }
    assert!(list.pop().is_none());
    // All addresses but a megabyte: a process on s390x can have half of them.
    let most = (usize::MAX - (1 << 20)) / size_of::<NonNull<u8>>();
    assert!(!list.reserve(most), "no such memory");
    assert!(list.reserve(10_000), "what there was stays");
}
