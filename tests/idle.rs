//! Idle jobs that are not needed for long give their memory back, and no program can notice (P4,
//! P5).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::stats;

/// How many jobs a pool always keeps in memory, and how many finishes make a round, as in
/// src/jobs/idle.rs.
const KEPT: usize = 1024;
const ROUND: usize = 65536;

/// Resident memory of this process, in pages.
fn resident() -> usize {
    resident_memory() / page_size()
}

/// Pauses this many jobs at once, started by the call of either generation.
fn peak(jobs: usize, pipes: bool) -> Vec<CJob> {
    (0..jobs)
        .map(|n| {
            let mut job = pausing(1, n as i32);
            let result = if pipes {
                job.go()
            } else {
                job.go_with(std::ptr::null_mut())
            };
            assert_eq!(result, ASYNC_PAUSE);
            job
        })
        .collect()
}

fn finish_all(jobs: &mut [CJob]) {
    for (n, job) in jobs.iter_mut().enumerate() {
        job.finish(n as i32);
    }
}

/// Starts and finishes one job at a time.
fn little_work(times: usize) {
    let mut job = CJob::new(|| 7);
    for _ in 0..times {
        assert_eq!(job.go(), ASYNC_FINISH);
    }
}

// Rules: P4, P5, B14
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer keeps freed blocks in memory"
)]
fn a_peak_does_not_stay_in_memory_for_ever() {
    alone(|| {
        let jobs = 4 * KEPT;
        let none = resident();
        let mut all = peak(jobs, false);
        finish_all(&mut all);
        let before = resident();
        // A page for each job, or with larger frames two for some.
        let too_many = (before - none) * (jobs - KEPT) / jobs;
        // The round of the peak, a round in which all but one are unused, and one finish for each
        // job whose memory is to be given back.
        little_work(ROUND + 4 * jobs + ROUND + jobs);
        let gone = before - resident();
        assert!(
            gone > too_many * 9 / 10 && gone <= too_many + 100,
            "{gone} pages of {jobs} jobs, not {too_many}"
        );
        assert!(too_many >= jobs - KEPT);
        let counts = stats::process();
        assert_eq!(
            (counts.idle, counts.created),
            (jobs as u64, jobs as u64),
            "a pool does not shrink"
        );
    });
}

// Rules: P1, P2, P4, P5, B36
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer keeps freed blocks in memory"
)]
fn jobs_whose_memory_was_given_back_return_in_their_order_with_their_handles_and_wait_fds() {
    alone(|| {
        limit(libc::RLIMIT_NOFILE, 8000);
        let jobs = KEPT + 200;
        assert_eq!(ASYNC_init_pool(jobs, 0), 1);
        let mut all = peak(jobs, true);
        let seen: Vec<_> = all.iter().map(|job| (job.handle, job.wait_fd())).collect();
        finish_all(&mut all);
        let (descriptors_before, resident_before) = (descriptors(), resident());
        little_work(3 * ROUND);
        assert!(resident() + 150 < resident_before, "200 pages went back");
        assert_eq!(descriptors(), descriptors_before);
        // A stale handle is not a live job, and waking it does nothing.
        for (handle, _) in &seen {
            // SAFETY: the library issued it.
            unsafe {
                ASYNC_wake(*handle);
                assert_eq!(ASYNC_get_wait_fd(*handle), -1);
            }
        }
        // The job that finished last is used first.
        let mut again: Vec<CJob> = peak(jobs, true);
        for (job, before) in again.iter().zip(seen.iter().rev()) {
            assert_eq!((job.handle, job.wait_fd()), *before);
            assert!(!readable(before.1));
            job.wake();
            assert!(readable(before.1));
        }
        assert_eq!(descriptors(), descriptors_before, "no pipe was made");
        finish_all(&mut again);
        let counts = stats::process();
        assert_eq!(
            (counts.created, counts.idle),
            (jobs as u64, jobs as u64),
            "no job was made, and none destroyed"
        );
        // The limit counts jobs whose memory was given back.
        finish_all(&mut peak(jobs, true));
        ASYNC_free_pool();
        assert_eq!(descriptors() + 2 * jobs, descriptors_before);
    });
}

// Rules: B14, D1, P5
#[test]
#[cfg_attr(
    any(ossl_async_sanitizer, target_env = "musl"),
    ignore = "this allocator makes mappings of its own"
)]
fn a_pool_with_jobs_whose_memory_was_given_back_is_freed_like_any_other() {
    alone(|| {
        limit(libc::RLIMIT_NOFILE, 8000);
        let before = descriptors();
        let mut all = peak(KEPT + 200, true);
        finish_all(&mut all);
        little_work(3 * ROUND);
        ASYNC_free_pool();
        assert_eq!(descriptors(), before);
        let counts = stats::process();
        assert_eq!((counts.idle, counts.stack_bytes), (0, 0));
        // Their stacks are used again.
        let (mappings_before, mut all) = (mappings(), peak(KEPT + 200, false));
        assert!(mappings() <= mappings_before);
        finish_all(&mut all);
    });
}

// Rules: P4
#[test]
fn a_program_that_starts_all_its_jobs_and_then_finishes_them_all_keeps_their_memory() {
    alone(|| {
        // So many that rounds end while jobs are being finished.
        let jobs = 3000;
        limit(libc::RLIMIT_NOFILE, 8000); // two for each job
        let mut all = peak(jobs, false);
        finish_all(&mut all);
        let before = resident();
        for _ in 0..3 * ROUND / jobs {
            for job in &mut all {
                job.pause();
            }
            finish_all(&mut all);
            assert!(resident() + 50 > before, "nothing goes back");
        }
    });
}

// Rules: P4
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer keeps freed blocks in memory"
)]
fn jobs_that_are_needed_again_before_their_turn_came_keep_their_memory() {
    alone(|| {
        let jobs = 4 * KEPT;
        limit(libc::RLIMIT_NOFILE, 10_000); // two for each job
        let mut all = peak(jobs, false);
        finish_all(&mut all);
        // The round of the peak, and a round in which all but one are unused. From here on each
        // finish gives the memory of one job back.
        let first = resident();
        little_work(2 * ROUND - jobs + 50);
        let before = resident();
        assert!(before + 30 < first, "it has begun");
        // All but a few are needed again, so they do not count as unused any more.
        let in_use = jobs - KEPT / 2;
        for job in &mut all[..in_use] {
            job.pause();
        }
        finish_all(&mut all[..in_use]);
        let gone = before.saturating_sub(resident());
        assert!(gone <= KEPT, "{gone} pages of jobs that were just needed");
    });
}

// Rules: G41, G40
#[test]
fn stacks_of_the_programs_own_are_never_given_back() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static FREED: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn make(size: *mut usize) -> *mut std::ffi::c_void {
        // SAFETY: the library passes the size it wants.
        unsafe { libc::malloc(*size) }
    }
    unsafe extern "C" fn free(block: *mut std::ffi::c_void) {
        FREED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: made above.
        unsafe { libc::free(block) }
    }
    alone(|| {
        // SAFETY: the two belong together.
        let installed = unsafe { ASYNC_set_mem_functions(Some(make), Some(free)) };
        assert_eq!(installed, 1);
        let jobs = KEPT + 100;
        let mut all = peak(jobs, false);
        finish_all(&mut all);
        little_work(3 * ROUND);
        assert_eq!(FREED.load(Ordering::Relaxed), 0);
        let mut all = peak(jobs, false);
        finish_all(&mut all);
        ASYNC_free_pool();
        assert_eq!(FREED.load(Ordering::Relaxed), jobs);
    });
}
