use super::*;
use std::collections::HashSet;

// Rules: D8, D15
#[test]
fn thread_numbers_begin_with_the_first_job_and_are_never_used_again() {
    let number = || {
        std::thread::spawn(|| {
            assert!(this().is_none());
            let (thread, owner) = attach().expect("a key");
            assert_eq!(thread.owner().map(|owner| owner.number), Some(owner.number));
            owner.number
        })
    };
    let numbers: HashSet<u64> = (0..20).map(|_| number().join().unwrap()).collect();
    assert_eq!(numbers.len(), 20);
    assert!(!numbers.contains(&0));
}
