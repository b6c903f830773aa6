//! Pipes, and writing to and reading from them.

use super::checked::{Generation, Task};
use super::common::*;
use super::fault::*;
use super::interpose::{INTERRUPTIONS, library};
use crate::common::capi::*;
use ossl_async::Pool;
use std::sync::atomic::Ordering;

// Rules: B10, B19, D18, P7, P8
#[test]
fn without_descriptors_there_is_no_job_and_nothing_is_left_behind() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(3, 0), 1);
        let before = descriptors();
        PIPE.after(1);
        let mut job = pausing(1, 1);
        job.pause();
        no_job(E6_PIPE);
        no_job(E6_PIPE);
        assert_eq!(descriptors(), before + 2);
        job.finish(1);
        PIPE.never();
        jobs_to_have(3); // those that failed did not count
        PIPE.after(2);
        assert_eq!(ASYNC_init_pool(4, 4), 1);
        assert_eq!(errors(), [E6_PIPE]);
        assert_eq!(descriptors(), before + 4);
        PIPE.never();
        jobs_to_have(4);
        ASYNC_free_pool();
        assert_eq!(descriptors(), before);
    });
}

// Rules: B10, P8
#[test]
fn a_pooled_job_that_gets_no_pipe_stays_in_the_pool() {
    alone(|| {
        Pool::init(1, 1).unwrap(); // without a pipe
        PIPE.after(0);
        no_job(E6_PIPE);
        let Ok(ossl_async::Step::Paused(job)) = start_job(ossl_async::pause) else {
            panic!("the job is there")
        };
        assert_eq!(
            job.wait_fd().unwrap_err().raw_os_error(),
            Some(libc::EMFILE)
        );
        assert!(matches!(job.resume(), Ok(ossl_async::Step::Finished(true))));
        no_job(E6_PIPE); // the same, with a record that has run before
        PIPE.never();
        jobs_to_have(1);
    });
}

// Rules: W3, W4, D9
#[test]
fn an_interrupted_wake_or_clear_is_tried_again() {
    alone(|| {
        let mut job = pausing(1, 0);
        job.pause();
        INTERRUPTIONS.store(3, Ordering::Relaxed);
        job.wake();
        assert_eq!(INTERRUPTIONS.load(Ordering::Relaxed), 0);
        assert!(readable(job.wait_fd()));
        INTERRUPTIONS.store(3, Ordering::Relaxed);
        job.clear();
        assert_eq!(INTERRUPTIONS.load(Ordering::Relaxed), 0);
        assert!(!readable(job.wait_fd()));
        job.finish(0);
    });
}

// Rules: W9, D9
#[test]
fn a_wake_that_the_system_refuses_has_no_effect_and_the_next_one_wakes() {
    alone(|| {
        let mut job = pausing(1, 0);
        job.pause();
        for _ in 0..3 {
            WRITE.after(0);
            library(|| job.wake());
            library(|| job.wake());
            assert!(!readable(job.wait_fd()));
            WRITE.never();
            job.wake();
            assert!(readable(job.wait_fd()));
            job.clear();
            assert!(!readable(job.wait_fd()));
        }
        WRITE.after(0);
        library(|| job.wake());
        WRITE.never();
        job.finish(0);
        // The next job begins unsignalled, and can be woken.
        job = pausing(1, 0);
        job.pause();
        assert!(!readable(job.wait_fd()));
        job.wake();
        assert!(readable(job.wait_fd()));
        job.finish(0);
    });
}

// Rules: D18, P8, B19
#[test]
fn a_start_that_finds_no_descriptor_costs_one_system_call() {
    let without_a_pool = || {};
    let with_a_job_that_has_no_pipe = || assert_eq!(Pool::init(2, 1), Ok(()));
    let with_nothing_left_idle = || {
        pausing(1, 0).pause();
    };
    let with_stacks_to_use_again = || {
        assert_eq!(ASYNC_init_pool(3, 3), 1);
        ASYNC_free_pool();
    };
    let befores: [fn(); 4] = [
        without_a_pool,
        with_a_job_that_has_no_pipe,
        with_nothing_left_idle,
        with_stacks_to_use_again,
    ];
    for before in befores {
        alone(|| {
            before();
            PIPE.after(0);
            assert!(!Task::new(Generation::One, 64, 1).start());
            let calls = || FAULTS.map(|(name, fault)| (name, fault.total()));
            let before = calls();
            for _ in 0..100 {
                assert!(!Task::new(Generation::One, 4096, 1).start());
            }
            for ((name, before), (_, after)) in before.into_iter().zip(calls()) {
                match name {
                    "pipe2" => assert_eq!(after - before, 100),
                    // dlsym, called for libcrypto's queue, allocates its message that there is
                    // none.
                    "malloc" => {}
                    _ => assert_eq!(after - before, 0, "{name}"),
                }
            }
        });
    }
}
