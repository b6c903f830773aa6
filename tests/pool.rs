//! The pool: limits, counts, reuse, replacement (1.2, 1.3 and section 3 of the behaviour
//! reference).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use std::ffi::{c_int, c_void};
use std::ptr;

// Rules: B7, B8, P6
#[test]
fn more_jobs_up_front_than_allowed_are_refused_and_zero_is_zero_there() {
    for (max, init) in [(0, 1), (1, 2), (5, usize::MAX), (0, usize::MAX)] {
        assert_eq!(ASYNC_init_pool(max, init), 0, "({max}, {init})");
        assert_eq!(errors(), [E2_POOL_SIZE]);
    }
    for (max, init) in [(0, 0), (1, 0), (1, 1), (7, 3)] {
        assert_eq!(ASYNC_init_pool(max, init), 1, "({max}, {init})");
        assert_eq!(errors(), []);
    }
}

// Rules: B8, B9, B11
#[test]
fn a_failing_init_leaves_the_old_pool_alone() {
    assert_eq!(ASYNC_init_pool(1, 1), 1);
    let (mut a, mut b) = (pausing(1, 7), pausing(1, 8));
    a.pause();
    assert_eq!(ASYNC_init_pool(2, 3), 0);
    assert_eq!(errors(), [E2_POOL_SIZE]);
    assert_eq!(b.go(), ASYNC_NO_JOBS, "the old limit still holds");
    a.finish(7);
    b.pause();
    b.finish(8);
}

// Rules: P1, P2, P3, B19
#[test]
fn the_limit_counts_idle_and_used_jobs_together() {
    assert_eq!(ASYNC_init_pool(3, 1), 1);
    let mut jobs: Vec<CJob> = (0..3).map(|n| pausing(1, n)).collect();
    jobs.iter_mut().for_each(CJob::pause);
    let mut late = pausing(0, 9);
    assert_eq!(late.go(), ASYNC_NO_JOBS);
    assert!(late.handle.is_null());
    assert_eq!(
        (late.ret, errors()),
        (UNWRITTEN, vec![]),
        "a full pool is no error"
    );
    jobs[1].finish(1);
    late.finish(9);
    jobs[0].finish(0);
    jobs[2].finish(2);
}

// Rules: P1, P2
#[test]
fn jobs_that_have_ended_are_used_again_and_do_not_count_twice() {
    assert_eq!(ASYNC_init_pool(1, 0), 1);
    for n in 0..100 {
        let mut job = pausing(1, n);
        job.pause();
        job.finish(n);
    }
}

// Rules: P4, B36
#[test]
fn the_job_released_last_is_taken_next() {
    let (mut a, mut b) = (pausing(1, 0), pausing(1, 0));
    a.pause();
    b.pause();
    let (first, second) = ((a.handle, a.wait_fd()), (b.handle, b.wait_fd()));
    assert_ne!(first, second);
    b.finish(0);
    a.finish(0);
    let (mut c, mut d) = (pausing(1, 0), pausing(1, 0));
    c.pause();
    d.pause();
    assert_eq!((c.handle, c.wait_fd()), first);
    assert_eq!((d.handle, d.wait_fd()), second);
    c.finish(0);
    d.finish(0);
}

// Rules: B10, P4, P7
#[test]
fn jobs_made_up_front_have_their_descriptors_and_the_last_one_made_goes_first() {
    alone(|| {
        let before = descriptors();
        assert_eq!(ASYNC_init_pool(8, 3), 1);
        assert_eq!(descriptors(), before + 6);
        let mut jobs: Vec<CJob> = (0..4).map(|n| pausing(1, n)).collect();
        jobs.iter_mut().for_each(CJob::pause);
        assert_eq!(descriptors(), before + 8, "only the fourth had to be made");
        let fds: Vec<_> = jobs.iter().map(CJob::wait_fd).collect();
        assert!(
            fds[0] > fds[1] && fds[1] > fds[2],
            "descriptors are given out lowest first: {fds:?}"
        );
    });
}

// Rules: P5, D1, B14
#[test]
fn idle_jobs_stay_until_the_pool_is_freed_and_then_their_descriptors_close() {
    alone(|| {
        let before = descriptors();
        let mut jobs: Vec<CJob> = (0..5).map(|n| pausing(1, n)).collect();
        jobs.iter_mut().for_each(CJob::pause);
        (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
        assert_eq!(descriptors(), before + 10);
        ASYNC_free_pool();
        assert_eq!(descriptors(), before);
        ASYNC_free_pool();
        assert_eq!(errors(), []);
    });
}

// Rules: B13, B14, B17, B21, P12, K5, D21
#[test]
fn without_a_pool_a_start_makes_an_unlimited_one_and_free_forgets_everything() {
    ASYNC_free_pool();
    assert_eq!(ASYNC_init_pool(1, 0), 1);
    CJob::new(|| {
        ASYNC_block_pause();
        1
    })
    .finish(1);
    ASYNC_free_pool();
    let mut jobs: Vec<CJob> = (0..40).map(|n| pausing(1, n)).collect();
    jobs.iter_mut().for_each(CJob::pause); // not blocked, not limited
    (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
    ASYNC_free_pool();
    assert_eq!(errors(), []);
}

// Rules: D21, B13, P11
#[test]
fn freeing_forgets_the_block_also_when_there_is_no_pool() {
    let mut job = CJob::new(|| {
        ASYNC_pause_job();
        ASYNC_block_pause();
        1
    });
    job.pause();
    ASYNC_free_pool();
    job.finish(1); // leaves a block, and no pool
    ASYNC_free_pool();
    let mut next = pausing(1, 2);
    next.pause();
    next.finish(2);
}

// Rules: D2, B11, P9
#[test]
fn a_new_pool_replaces_the_old_one_and_its_jobs_count_against_neither() {
    alone(|| {
        let before = descriptors();
        assert_eq!(ASYNC_init_pool(3, 3), 1);
        let mut old = pausing(1, 5);
        old.pause();
        assert_eq!(ASYNC_init_pool(1, 0), 1);
        assert_eq!(
            descriptors(),
            before + 2,
            "the idle jobs of the old pool are freed"
        );
        let (mut a, mut b) = (pausing(1, 6), pausing(1, 7));
        a.pause(); // does not count the old one
        assert_eq!(b.go(), ASYNC_NO_JOBS);
        old.finish(5);
        assert_eq!(
            descriptors(),
            before + 2,
            "the old one is destroyed at its end"
        );
        assert_eq!(b.go(), ASYNC_NO_JOBS, "and does not join the new pool");
        a.finish(6);
        b.pause();
        b.finish(7);
        assert_eq!(errors(), []);
    });
}

// Rules: D2, B12
#[test]
fn a_pool_can_be_replaced_inside_a_job() {
    alone(|| {
        let before = descriptors();
        let mut job = CJob::new(|| {
            assert_eq!(ASYNC_init_pool(1, 1), 1);
            ASYNC_pause_job();
            4
        });
        job.pause();
        assert_eq!(descriptors(), before + 4);
        job.finish(4);
        assert_eq!(
            descriptors(),
            before + 2,
            "the running job belonged to the pool before"
        );
        let (mut a, mut b) = (pausing(1, 1), pausing(1, 2));
        a.pause();
        assert_eq!(b.go(), ASYNC_NO_JOBS);
        a.finish(1);
    });
}

// Rules: B15, D3, P11, B38
#[test]
fn paused_jobs_survive_their_pool_and_are_destroyed_at_their_end() {
    alone(|| {
        let before = descriptors();
        let mut job = CJob::new(|| {
            ASYNC_pause_job();
            ASYNC_pause_job();
            11
        });
        job.pause();
        ASYNC_free_pool();
        job.wake();
        assert!(readable(job.wait_fd()), "a wake needs no pool");
        job.pause();
        job.finish(11);
        assert_eq!(descriptors(), before);
        assert_eq!(errors(), []);
    });
}

// Rules: D3, D20, P10
#[test]
fn a_job_of_a_freed_pool_does_not_join_a_later_one() {
    alone(|| {
        let mut job = pausing(1, 1);
        job.pause();
        ASYNC_free_pool();
        assert_eq!(ASYNC_init_pool(2, 0), 1);
        let before = descriptors();
        job.finish(1);
        assert_eq!(descriptors(), before - 2);
    });
}

// Rules: D4
#[test]
fn the_pool_cannot_be_freed_inside_a_job() {
    assert_eq!(ASYNC_init_pool(2, 2), 1);
    let mut job = CJob::new(|| {
        ASYNC_free_pool();
        assert_eq!(errors(), [FREE_INSIDE_JOB]);
        assert_eq!(ASYNC_in_job(), 1);
        ASYNC_pause_job();
        3
    });
    job.pause();
    job.finish(3);
    let mut jobs: Vec<CJob> = (0..3).map(|n| pausing(1, n)).collect();
    jobs[0].pause();
    jobs[1].pause();
    assert_eq!(jobs[2].go(), ASYNC_NO_JOBS, "the limit is still there");
    jobs[0].finish(0);
    jobs[1].finish(1);
}

// Rules: B14, B16, D1, P5
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer's allocator makes mappings of its own"
)]
fn a_thousand_cycles_leave_no_descriptor_and_no_mapping_behind() {
    alone(|| {
        // Plain functions and arrays: a heap that grows would show as a mapping.
        let cycle = || {
            assert_eq!(ASYNC_init_pool(4, 2), 1);
            let (mut handles, mut ret) = ([ptr::null_mut(); 3], 0);
            for expected in [ASYNC_PAUSE, ASYNC_FINISH] {
                for handle in &mut handles {
                    // SAFETY: the function needs no argument; the rest is ours.
                    let result = unsafe {
                        ASYNC_start_job_2015(handle, &mut ret, Some(pause_once), ptr::null_mut(), 0)
                    };
                    assert_eq!(result, expected);
                }
            }
            ASYNC_free_pool();
        };
        cycle();
        let (fds, maps) = (descriptors(), mappings());
        (0..1000).for_each(|_| cycle());
        assert_eq!(descriptors(), fds);
        assert_eq!(mappings(), maps);
    });
}

unsafe extern "C" fn pause_once(_: *mut c_void) -> c_int {
    ASYNC_pause_job()
}
