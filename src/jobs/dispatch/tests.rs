use super::*;
use crate::jobs::current::{self, abandon, current};
use core::ffi::{c_int, c_void};

const PAUSING: Pausing = Pausing {
    skipped: 0,
    refused: 0,
    go: platform::switch,
};

unsafe extern "C" fn look_around(_: *mut c_void) -> c_int {
    let record = current().expect("inside a job");
    for _ in 0..2 {
        assert_eq!(record.state(), State::Running);
        assert_eq!(pause(PAUSING, |_| true), 1);
    }
    8
}

// Rules: S1, S2
#[test]
fn a_job_goes_from_idle_to_running_to_paused_and_so_on_to_idle() {
    // SAFETY: the function wants no argument.
    let started = unsafe {
        start(Start {
            function: Some(look_around),
            argument: Argument::Copied(ptr::null(), 0),
            pipe: false,
            wait_ctx: ptr::null_mut(),
        })
    };
    let Ok(Outcome::Paused(record)) = started else {
        panic!("it pauses")
    };
    assert_eq!(record.state(), State::Paused);
    assert!(matches!(
        resume(record, ptr::null_mut(), Resume::Normal),
        Ok(Outcome::Paused(_))
    ));
    assert_eq!(record.state(), State::Paused);
    assert!(matches!(
        resume(record, ptr::null_mut(), Resume::Normal),
        Ok(Outcome::Finished(8))
    ));
    assert_eq!(record.state(), State::Idle);
}

// Rules: D15
#[test]
fn an_abandoned_job_is_neither_resumable_nor_woken() {
    // SAFETY: as above.
    let started = unsafe {
        start(Start {
            function: Some(look_around),
            argument: Argument::Copied(ptr::null(), 0),
            pipe: true,
            wait_ctx: ptr::null_mut(),
        })
    };
    let Ok(Outcome::Paused(record)) = started else {
        panic!("it pauses")
    };
    let this_use = record.current_use();
    assert!(record.signal.is_in_use(this_use));
    abandon(record);
    assert_eq!(record.state(), State::Abandoned);
    assert!(!record.signal.is_in_use(this_use));
    let before = current::stats().abandoned;
    abandon(record);
    assert_eq!((before, current::stats().abandoned), (1, 1), "once");
    assert!(matches!(
        resume(record, ptr::null_mut(), Resume::Normal),
        Err(Error::NotResumable)
    ));
}
