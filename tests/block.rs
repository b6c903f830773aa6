//! Blocking of pauses (1.8 and section 6 of the behaviour reference).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;

fn block(times: u32) {
    (0..times).for_each(|_| ASYNC_block_pause());
}

fn unblock(times: u32) {
    (0..times).for_each(|_| ASYNC_unblock_pause());
}

// Rules: B31, B34, B41, K4
#[test]
fn a_blocked_job_does_not_pause_and_pause_still_succeeds() {
    let mut job = CJob::new(|| {
        block(1);
        assert_eq!(ASYNC_pause_job(), 1);
        assert_eq!(ASYNC_pause_job(), 1);
        unblock(1);
        assert_eq!(ASYNC_pause_job(), 1);
        4
    });
    job.pause(); // its third pause
    job.finish(4);
}

// Rules: K3, B41
#[test]
fn blocks_nest_and_an_unblock_too_many_is_forgotten() {
    let mut job = CJob::new(|| {
        block(3);
        unblock(2);
        ASYNC_pause_job(); // blocked
        unblock(1);
        ASYNC_pause_job(); // first
        unblock(5);
        ASYNC_pause_job(); // second: the counter did not go below zero
        block(1);
        ASYNC_pause_job(); // blocked
        unblock(1);
        1
    });
    job.pause();
    job.pause();
    job.finish(1);
}

// Rules: B40, K2
#[test]
fn outside_a_job_blocks_and_unblocks_do_not_count() {
    block(3);
    let mut job = pausing(1, 1);
    job.pause();
    block(2);
    job.finish(1);
    CJob::new(|| {
        block(1);
        1
    })
    .finish(1);
    unblock(7);
    pausing(5, 2).finish(2); // still blocked by the job before
    assert_eq!(errors(), []);
}

// Rules: K1, K5, K6, K7, D14
#[test]
fn a_block_that_a_job_leaves_behind_is_the_threads_until_some_job_takes_it_back() {
    let mut earlier = pausing(3, 3);
    earlier.pause();
    CJob::new(|| {
        block(1);
        1
    })
    .finish(1);
    earlier.finish(3); // its further pauses are skipped
    CJob::new(|| {
        ASYNC_pause_job();
        unblock(1);
        2
    })
    .finish(2);
    let mut later = pausing(1, 4);
    later.pause();
    later.finish(4);
}

// Rules: K1, K6
#[test]
fn a_block_is_one_threads_only_and_survives_errors() {
    CJob::new(|| {
        block(1);
        1
    })
    .finish(1);
    assert_eq!(ASYNC_init_pool(1, 2), 0);
    assert_eq!(errors(), [E2_POOL_SIZE]);
    assert_eq!(ASYNC_init_pool(2, 1), 1);
    pausing(1, 2).finish(2);
    std::thread::spawn(|| {
        let mut job = pausing(1, 1);
        job.pause();
        job.finish(1);
    })
    .join()
    .unwrap();
    pausing(1, 2).finish(2);
}
