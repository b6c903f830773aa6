//! Cancelling a paused job, which OpenSSL does not have: the job ends by its own error path and
//! cannot pause again. Refusals are those of a resume.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Step, stats};
use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

fn cancel(job: &mut CJob) -> i32 {
    // SAFETY: the handle and the result are the job's.
    unsafe { OSSL_ASYNC_cancel_job(&mut job.handle, &mut job.ret) }
}

// Rules: S3, B20, B34
#[test]
fn a_cancelled_job_sees_its_pauses_refused_and_ends() {
    let seen = Rc::new(Cell::new([-1; 3]));
    let mut job = CJob::new({
        let seen = seen.clone();
        move || {
            seen.set([ASYNC_pause_job(), ASYNC_pause_job(), ASYNC_pause_job()]);
            -1
        }
    });
    job.pause();
    let (before, created) = (stats::thread(), stats::thread().created);
    assert_eq!((cancel(&mut job), job.ret), (ASYNC_FINISH, -1));
    assert!(job.handle.is_null());
    assert_eq!(seen.get(), [1, 0, 0], "the pause it was in went on");
    let after = stats::thread();
    assert_eq!(
        (after.paused + 1, after.finishes, after.pauses),
        (before.paused, before.finishes + 1, before.pauses)
    );
    assert_eq!(errors(), []);
    // The next job on the record can pause.
    let mut next = pausing(3, 5);
    (0..3).for_each(|_| next.pause());
    next.finish(5);
    assert_eq!(stats::thread().created, created);
}

// Rules: K4, B31
#[test]
fn a_pause_is_refused_also_while_it_is_blocked() {
    let seen = Rc::new(Cell::new(-1));
    let mut job = CJob::new({
        let seen = seen.clone();
        move || {
            ASYNC_pause_job();
            ASYNC_block_pause();
            seen.set(ASYNC_pause_job());
            ASYNC_unblock_pause();
            3
        }
    });
    job.pause();
    assert_eq!((cancel(&mut job), job.ret), (ASYNC_FINISH, 3));
    assert_eq!(seen.get(), 0);
}

// Rules: D5, D6, D8, D10
#[test]
fn what_is_not_a_paused_job_of_this_thread_cannot_be_cancelled() {
    let mut ret = UNWRITTEN;
    let mut none: *mut ASYNC_JOB = ptr::null_mut();
    // SAFETY: NULL is allowed.
    unsafe {
        assert_eq!(OSSL_ASYNC_cancel_job(ptr::null_mut(), &mut ret), ASYNC_ERR);
        assert_eq!(OSSL_ASYNC_cancel_job(&mut none, &mut ret), ASYNC_ERR);
    }
    assert_eq!(errors(), [0x33069043, 0x33069043]);

    let mut ended = pausing(1, 1);
    ended.pause();
    let mut stale = ended.handle;
    ended.finish(1);
    // SAFETY: the library issued the handle.
    let result = unsafe { OSSL_ASYNC_cancel_job(&mut stale, &mut ret) };
    assert_eq!(result, ASYNC_ERR);
    assert_eq!(errors(), [0x33069042]);
    assert!(!stale.is_null());

    let mut paused = pausing(2, 4);
    paused.pause();
    let address = paused.handle.expose_provenance();
    let elsewhere = std::thread::spawn(move || {
        let mut handle = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the library issued the handle.
        let result = unsafe { OSSL_ASYNC_cancel_job(&mut handle, ptr::null_mut()) };
        (result, errors())
    });
    assert_eq!(elsewhere.join().unwrap(), (ASYNC_ERR, vec![0x33069042]));

    let mut inside = CJob::new(move || {
        let (mut handle, mut ret) = (ptr::with_exposed_provenance_mut(address), UNWRITTEN);
        // SAFETY: the library issued the handle.
        let result = unsafe { OSSL_ASYNC_cancel_job(&mut handle, &mut ret) };
        assert_eq!((result, ret), (ASYNC_ERR, UNWRITTEN));
        6
    });
    inside.finish(6);
    assert_eq!(errors(), [0x33069044]);
    assert_eq!(ret, UNWRITTEN);
    // None of these calls has changed the job.
    paused.pause();
    paused.finish(4);
}

// Rules: B19, D10
#[test]
fn the_result_need_not_be_wanted() {
    let mut job = pausing(1, 9);
    job.pause();
    // SAFETY: the handle is the job's.
    let result = unsafe { OSSL_ASYNC_cancel_job(&mut job.handle, ptr::null_mut()) };
    assert_eq!((result, job.ret), (ASYNC_FINISH, UNWRITTEN));
}

// Rules: S3
#[test]
fn a_rust_job_is_cancelled_to_its_value_and_drops_what_it_holds() {
    let held = Rc::new(());
    let Ok(Step::Paused(job)) = start_job({
        let held = held.clone();
        move || {
            let _held = held;
            if !ossl_async::pause() || !ossl_async::pause() {
                return Err("cancelled");
            }
            Ok("done")
        }
    }) else {
        panic!("it pauses")
    };
    assert_eq!(Rc::strong_count(&held), 2);
    assert_eq!(job.cancel().unwrap(), Err("cancelled"));
    assert_eq!(Rc::strong_count(&held), 1);

    let Ok(Step::Paused(job)) = start_job(ossl_async::pause) else {
        panic!("it pauses")
    };
    let inside = start_job(move || job.cancel());
    let Ok(Step::Finished(Err(refused))) = inside else {
        panic!("a cancel inside a job is refused")
    };
    assert_eq!(refused.error, Error::Nested);
    assert!(matches!(refused.job.resume(), Ok(Step::Finished(true))));
}

// Rules: S3
#[test]
fn a_panic_of_a_cancelled_job_reaches_the_call_that_cancelled_it() {
    let Ok(Step::Paused(job)) = start_job(|| {
        ossl_async::pause();
        assert!(ossl_async::pause(), "no way to go on");
    }) else {
        panic!("it pauses")
    };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.cancel()));
    let payload = caught.expect_err("the panic");
    assert_eq!(payload.downcast_ref(), Some(&"no way to go on"));
}
