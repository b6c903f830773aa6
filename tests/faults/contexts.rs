//! Contexts: making one, and entering it.

use super::common::*;
use super::fault::*;
use ossl_async::capi::*;
use ossl_async::{Error, Job};

// Rules: F6, B19, D30
#[test]
fn a_stack_that_cannot_be_entered_is_an_error_and_the_next_start_runs() {
    for fault in [&GETCONTEXT, &SETCONTEXT] {
        if ossl_async::switch_method() == "swapcontext" && std::ptr::eq(fault, &SETCONTEXT) {
            continue; // swapcontext enters by itself
        }
        alone(|| {
            assert_eq!(ASYNC_init_pool(1, 1), 1);
            fault.after(0);
            for _ in 0..2 {
                let mut job = CJob::new(|| panic!("must not run"));
                assert_eq!((job.go(), job.ret), (ASYNC_ERR, UNWRITTEN));
                assert!(job.handle.is_null());
                assert_eq!(errors(), [E11_ENTER]);
                assert_eq!(ASYNC_in_job(), 0);
                let text = String::from("captured");
                let error = Job::start(move || text).unwrap_err();
                assert_eq!(error.error(), Some(Error::Enter));
                assert_eq!(error.into_closure()(), "captured");
            }
            fault.never();
            jobs_to_have(1);
        });
    }
}

// Rules: F2, F3
#[test]
fn contexts_are_made_and_entered_once_in_a_records_life() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(1, 1), 1);
        assert_eq!((GETCONTEXT.calls(), SETCONTEXT.calls()), (0, 0));
        for _ in 0..10 {
            let mut job = pausing(3, 1);
            (0..3).for_each(|_| job.pause());
            job.finish(1);
        }
        let entered = usize::from(ossl_async::switch_method() != "swapcontext");
        assert_eq!((GETCONTEXT.calls(), SETCONTEXT.calls()), (1, entered));
    });
}

// Rules: F19
#[test]
fn a_system_that_cannot_make_contexts_is_not_capable() {
    alone(|| {
        assert!(ossl_async::is_capable());
        GETCONTEXT.after(0);
        assert!(!ossl_async::is_capable());
    });
}
