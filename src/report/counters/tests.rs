use super::*;
use crate::report::Stats;

// Rules: D15
#[test]
fn a_block_is_one_threads_and_then_the_next_ones() {
    let all: Vec<&Counters> = (0..20).map(|_| Counters::take().expect("memory")).collect();
    let mut addresses: Vec<*const Counters> = all
        .iter()
        .map(|block| core::ptr::from_ref(*block))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), all.len());
    let (one, other) = (all[0], all[1]);
    one.starts.add(3);
    one.pauses.add(3);
    assert_eq!(
        (
            Stats::of_thread(one).starts,
            Stats::of_thread(one).paused,
            Stats::of_thread(other).starts
        ),
        (3, 3, 0)
    );
    one.abandoned.add(3);
    one.give_back();
    assert_eq!(Stats::of_thread(one), Stats::default());
    let before = blocks().count();
    for _ in 0..1000 {
        Counters::take().expect("memory").give_back();
    }
    assert!(blocks().count() < before + 100, "blocks are used again");
    all[1..].iter().for_each(|block| block.give_back());
}
