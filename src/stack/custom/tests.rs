use super::*;

// Rules: D6, G41
#[test]
fn records_never_overlap_and_giving_one_back_needs_no_memory() {
    let mut state = State::new();
    let mut taken: Vec<NonNull<u8>> = vec![];
    for chunks in 1..=3 {
        while taken.len() < chunks * (CHUNK / RECORD) {
            taken.push(state.take_record().expect("memory"));
            assert_eq!(state.total, chunks * (CHUNK / RECORD));
        }
    }
    for record in &taken {
        state.records.push(*record);
    }
    taken.sort_unstable();
    assert!(
        taken
            .windows(2)
            .all(|pair| pair[1].addr().get() - pair[0].addr().get() >= RECORD)
    );
}
