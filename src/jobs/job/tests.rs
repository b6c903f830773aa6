use super::*;
use crate::report::Owner;

// Rules: S2, D6
#[test]
fn a_record_can_be_resumed_only_while_it_is_paused_and_only_by_its_owner() {
    let owner = Owner {
        number: 7,
        counters: crate::report::Counters::take().expect("memory"),
    };
    let record = Record::create(owner).expect("memory");
    assert_eq!(record.state(), State::Idle);
    for state in [State::Running, State::Paused, State::Abandoned, State::Idle] {
        record.set_state(state);
        assert_eq!(record.state(), state);
        assert_eq!(record.is_resumable_by(7), state == State::Paused);
        assert!(!record.is_resumable_by(8) && !record.is_resumable_by(0));
    }
    record.set_state(State::Paused);
    record.destroy(owner);
    owner.counters.give_back();
    assert!(!record.is_resumable_by(7) && !record.is_resumable_by(0));
}
