//! Contexts: making one, and entering it.

use super::common::*;
use super::fault::*;
use crate::common::capi::*;
use ossl_async::Error;

/// The call of a first entry that can fail. swapcontext enters by itself, and registers are loaded
/// without a call.
fn calls_of_an_entry() -> Vec<&'static Fault> {
    match ossl_async::switch_method() {
        "registers" => vec![],
        "swapcontext" => vec![&GETCONTEXT],
        _ => vec![&GETCONTEXT, &SETCONTEXT],
    }
}

/// Whether `getcontext` tells that a system can make contexts. On riscv64 the library makes the
/// first frame of a stack itself, and asks nobody.
pub fn asks_for_a_context() -> bool {
    !(cfg!(target_arch = "riscv64") && ossl_async::switch_method() == "registers")
}

fn is_called(fault: &Fault) -> bool {
    calls_of_an_entry()
        .iter()
        .any(|one| std::ptr::eq(*one, fault))
}

// Rules: F6, B19, D30
#[test]
fn a_stack_that_cannot_be_entered_is_an_error_and_the_next_start_runs() {
    for fault in calls_of_an_entry() {
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
                let error = start_job(move || text).unwrap_err();
                assert_eq!(error.error(), Some(Error::Enter));
                assert_eq!(error.into_closure()(), "captured");
            }
            fault.never();
            jobs_to_have(1);
        });
    }
}

// Rules: F6
#[test]
fn what_an_entry_does_not_call_cannot_make_it_fail() {
    alone(|| {
        for fault in [&GETCONTEXT, &SETCONTEXT] {
            if !is_called(fault) {
                fault.after(0);
            }
        }
        let mut job = pausing(1, 3);
        job.pause();
        job.finish(3);
    });
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
        for fault in [&GETCONTEXT, &SETCONTEXT] {
            assert_eq!(fault.calls(), usize::from(is_called(fault)));
        }
    });
}

// Rules: F19
#[test]
fn a_system_that_cannot_make_contexts_is_not_capable() {
    alone(|| {
        assert!(ossl_async::is_capable());
        GETCONTEXT.after(0);
        assert_eq!(ossl_async::is_capable(), !asks_for_a_context());
    });
}
