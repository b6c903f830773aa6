//! Calls on which OpenSSL crashes or corrupts memory. Each is refused with one entry. Nothing is
//! written, nothing changes, and everything still works (section 8 of the behaviour reference,
//! "clean refusal").
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::rc::Rc;

unsafe extern "C" fn must_not_run(_: *mut c_void) -> c_int {
    panic!("this function must not run")
}

/// Checks a call that must be refused: it queues this code and writes neither handle nor result.
#[track_caller]
fn refused(handle: *mut ASYNC_JOB, code: u32) {
    let (mut written, mut ret) = (handle, UNWRITTEN);
    // SAFETY: every handle here was issued by the library.
    let result = unsafe {
        ASYNC_start_job_2015(
            &mut written,
            &mut ret,
            Some(must_not_run),
            ptr::null_mut(),
            0,
        )
    };
    assert_eq!((result, written, ret), (ASYNC_ERR, handle, UNWRITTEN));
    assert_eq!(errors(), [code], "exactly one entry");
}

/// A paused job K, and a job that tries to start and resume others from inside, in each of its
/// states.
fn nest(max: usize) {
    assert_eq!(ASYNC_init_pool(max, 0), 1);
    let mut k = pausing(1, 77);
    k.pause();
    let k_handle = k.handle;
    for _ in 0..2 {
        // The second round reuses the record of the first.
        let mut outer = CJob::new(move || {
            for _ in 0..3 {
                let this = ASYNC_get_current_job();
                refused(ptr::null_mut(), NESTED);
                refused(k_handle, NESTED);
                refused(this, NESTED);
                assert_eq!(ASYNC_get_current_job(), this);
                ASYNC_pause_job();
            }
            5
        });
        (0..3).for_each(|_| outer.pause());
        outer.finish(5);
    }
    k.finish(77);
}

// Rules: D5, B28, G15
#[test]
fn a_start_inside_a_job_is_refused_and_harms_neither_job() {
    nest(0);
}

// Rules: D5, D7
#[test]
fn a_start_inside_a_job_is_refused_also_when_the_pool_is_full() {
    nest(2);
}

// Rules: D5, D10
#[test]
fn inside_a_job_every_wrong_call_is_the_nested_one() {
    CJob::new(|| {
        let mut ret = UNWRITTEN;
        // SAFETY: NULL is what is being tried.
        unsafe {
            assert_eq!(
                ASYNC_start_job_2015(ptr::null_mut(), &mut ret, None, ptr::null_mut(), 0),
                ASYNC_ERR
            );
            assert_eq!(errors(), [NESTED]);
            let mut handle = ptr::null_mut();
            assert_eq!(
                ASYNC_start_job_2015(&mut handle, &mut ret, None, ptr::null_mut(), 0),
                ASYNC_ERR
            );
        }
        assert_eq!(errors(), [NESTED]);
        1
    })
    .finish(1);
}

// Rules: D6, S5
#[test]
fn a_handle_of_a_job_that_has_ended_is_refused() {
    let mut job = pausing(1, 1);
    job.pause();
    let stale = job.handle;
    job.finish(1);
    refused(stale, NOT_RESUMABLE);
    // The record was not pushed on the pool twice: two starts get two jobs.
    let (mut a, mut b) = (pausing(1, 2), pausing(1, 3));
    a.pause();
    b.pause();
    assert_ne!(a.handle, b.handle);
    a.finish(2);
    b.finish(3);
}

// Rules: D6, B15, D2
#[test]
fn a_handle_whose_pool_is_gone_is_refused() {
    let mut jobs: Vec<CJob> = (0..50).map(|n| pausing(1, n)).collect();
    jobs.iter_mut().for_each(CJob::pause);
    let stale: Vec<_> = jobs.iter().map(|job| job.handle).collect();
    (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
    ASYNC_free_pool();
    for handle in &stale {
        refused(*handle, NOT_RESUMABLE);
    }
    assert_eq!(ASYNC_init_pool(0, 0), 1);
    for handle in stale {
        refused(handle, NOT_RESUMABLE);
    }
}

// Rules: B29, D8
#[test]
fn another_threads_job_is_refused_and_can_go_on_at_home() {
    let mut job = pausing(2, 6);
    job.pause();
    let address = job.handle.expose_provenance();
    let elsewhere = move |with_pool: bool| {
        if with_pool {
            assert_eq!(ASYNC_init_pool(1, 1), 1);
        }
        refused(ptr::with_exposed_provenance_mut(address), NOT_RESUMABLE);
        pausing(0, 1).finish(1);
    };
    for with_pool in [false, true] {
        std::thread::spawn(move || elsewhere(with_pool))
            .join()
            .unwrap();
        assert!([ASYNC_PAUSE, ASYNC_FINISH].contains(&job.go()));
    }
    assert_eq!(job.ret, 6);
    // The handle of a job that has ended, too.
    std::thread::spawn(move || elsewhere(false)).join().unwrap();
}

// Rules: D15, D8
#[test]
fn the_paused_job_of_a_thread_that_has_ended_is_refused_but_can_be_woken() {
    let (address, fd) = std::thread::spawn(|| {
        let mut job = pausing(1, 0);
        job.pause();
        (job.handle.expose_provenance(), job.wait_fd())
    })
    .join()
    .unwrap();
    let handle = ptr::with_exposed_provenance_mut(address);
    refused(handle, NOT_RESUMABLE);
    // SAFETY: the library issued the handle.
    unsafe {
        assert_eq!(ASYNC_get_wait_fd(handle), fd);
        ASYNC_wake(handle);
        assert!(readable(fd));
        ASYNC_clear_wake(handle);
        assert!(!readable(fd));
    }
}

// Rules: B6, D10
#[test]
fn null_is_refused_where_something_is_needed() {
    let mut ret = UNWRITTEN;
    // SAFETY: NULL is what is being tried.
    unsafe {
        let result = ASYNC_start_job_2015(
            ptr::null_mut(),
            &mut ret,
            Some(must_not_run),
            ptr::null_mut(),
            0,
        );
        assert_eq!(
            (result, ret, errors()),
            (ASYNC_ERR, UNWRITTEN, vec![NULL_ARGUMENT])
        );
        let mut handle = ptr::null_mut();
        let result = ASYNC_start_job_2015(&mut handle, &mut ret, None, ptr::null_mut(), 0);
        assert_eq!(
            (result, ret, handle),
            (ASYNC_ERR, UNWRITTEN, ptr::null_mut())
        );
        assert_eq!(errors(), [NULL_ARGUMENT]);
    }
    pausing(0, 1).finish(1);
}

// Rules: D10, B39
#[test]
fn null_handles_have_no_wait_fd_and_no_signal() {
    // SAFETY: NULL is what is being tried.
    unsafe {
        assert_eq!(ASYNC_get_wait_fd(ptr::null_mut()), -1);
        ASYNC_wake(ptr::null_mut());
        ASYNC_clear_wake(ptr::null_mut());
    }
    assert_eq!(errors(), []);
}

// Rules: D4, B14
#[test]
fn freeing_the_pool_inside_a_job_changes_nothing_for_it() {
    let blocked = Rc::new(Cell::new(0));
    let counter = blocked.clone();
    let mut job = CJob::new(move || {
        ASYNC_block_pause();
        ASYNC_free_pool();
        ASYNC_pause_job(); // still blocked
        counter.set(counter.get() + 1);
        ASYNC_unblock_pause();
        ASYNC_pause_job();
        8
    });
    job.pause();
    assert_eq!(blocked.get(), 1);
    assert_eq!(errors(), [FREE_INSIDE_JOB]);
    job.finish(8);
}
