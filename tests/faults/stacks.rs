//! Memory for stacks, and their guards.

use super::common::*;
use super::fault::*;
use crate::common::capi::*;
use ossl_async::{Error, Pool, StartError};

/// Whether a paused job has its guard.
fn has_guard(job: &CJob) -> bool {
    is_guarded(job.handle, accessible)
}

// Rules: D17, F9, E5, P8, B19, D18, G3, G10
#[test]
fn without_memory_for_a_stack_there_is_no_job_and_later_there_is() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(2, 0), 1);
        MMAP.after(0);
        no_job(E5_JOB);
        no_job(E5_JOB);
        assert!(matches!(
            start_job(|| ()),
            Err(StartError::Failed(Error::Job, _))
        ));
        MMAP.never();
        jobs_to_have(2);
    });
}

// Rules: B10, P7, D17
#[test]
fn a_pool_that_cannot_be_filled_is_smaller_and_grows_later() {
    alone(|| {
        MMAP.after(0);
        assert_eq!(ASYNC_init_pool(5, 3), 1);
        assert_eq!(errors(), [E5_JOB]);
        assert_eq!(Pool::init(5, 3), Ok(()));
        assert_eq!(errors(), []);
        MMAP.never();
        jobs_to_have(5);
    });
}

// Rules: D17, F8
#[test]
fn where_lightweight_guards_are_refused_pages_are_protected() {
    alone(|| {
        LIGHT_GUARD.after(0);
        MPROTECT.calls();
        let mut job = pausing(1, 0);
        job.pause();
        assert_eq!(MPROTECT.calls(), 1);
        assert!(has_guard(&job));
        job.finish(0);
        LIGHT_GUARD.never();
        // A stack that is used again already has its guard.
        job.pause();
        assert_eq!(MPROTECT.calls(), 0);
        job.finish(0);
    });
}

/// The number of stacks of a process whose guards are mappings.
const MAPPED_GUARDS: usize = 256;

// Rules: F8, D17
#[test]
fn the_first_guards_are_mappings_and_later_ones_are_lightweight_unless_the_build_forbids_it() {
    alone(|| {
        let mut jobs: Vec<CJob> = (0..300).map(|n| pausing(1, n)).collect();
        MPROTECT.calls();
        let (first, later) = jobs.split_at_mut(MAPPED_GUARDS);
        first.iter_mut().for_each(CJob::pause);
        assert_eq!((LIGHT_GUARD.calls(), MPROTECT.calls()), (0, MAPPED_GUARDS));
        later.iter_mut().for_each(CJob::pause);
        assert_eq!(LIGHT_GUARD.calls() > 0, !cfg!(ossl_async_mprotect));
        assert!(jobs.iter().all(has_guard));
        (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
    });
}

// Rules: F8, D17
#[test]
fn where_there_may_be_no_more_mappings_the_first_guards_are_lightweight_too() {
    alone(|| {
        let has_light_guards = has_light_guards();
        MPROTECT.after(0);
        let mut job = pausing(1, 0);
        if !has_light_guards {
            return no_job(E5_JOB);
        }
        job.pause();
        assert!(has_guard(&job));
        job.finish(0);
        MPROTECT.never();
    });
}

// Rules: F8, D17, F9
#[test]
fn a_stack_that_can_have_no_guard_is_not_used() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(1, 0), 1);
        LIGHT_GUARD.after(0);
        MPROTECT.after(0);
        no_job(E5_JOB);
        no_job(E5_JOB);
        LIGHT_GUARD.never();
        MPROTECT.never();
        let mut job = pausing(1, 1);
        job.pause();
        assert!(
            has_guard(&job),
            "the stack that was refused before has one now"
        );
        job.finish(1);
        jobs_to_have(1);
    });
}
