//! What needs a process in which nothing has used the library yet: stacks that the program
//! allocates itself (7.8 of the behaviour reference), and the counts of the whole process. Every
//! test runs in a child, and nothing else here touches the library.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::stats;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);
static TOLD: AtomicUsize = AtomicUsize::new(0);
/// What the allocator does: it fails if this is negative. Otherwise this is the size it returns.
static SIZE: AtomicIsize = AtomicIsize::new(65536);

unsafe extern "C" fn allocate(size: *mut usize) -> *mut c_void {
    ALLOCATED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the library passes a number.
    unsafe {
        TOLD.store(*size, Ordering::Relaxed);
        match SIZE.load(Ordering::Relaxed) {
            -1 => ptr::null_mut(),
            given => {
                *size = given as usize;
                libc::memalign(16, (given as usize).max(16))
            }
        }
    }
}

unsafe extern "C" fn free(block: *mut c_void) {
    FREED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: a block of `allocate`'s.
    unsafe { libc::free(block) };
}

fn install() -> c_int {
    // SAFETY: both do what is wanted.
    unsafe { ASYNC_set_mem_functions(Some(allocate), Some(free)) }
}

type Allocate = unsafe extern "C" fn(*mut usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

fn installed() -> (Allocate, Free) {
    let (mut alloc_fn, mut free_fn): (Option<Allocate>, Option<Free>) = (None, None);
    // SAFETY: the outputs are ours, or NULL.
    unsafe {
        ASYNC_get_mem_functions(ptr::null_mut(), ptr::null_mut());
        ASYNC_get_mem_functions(&mut alloc_fn, ptr::null_mut());
        ASYNC_get_mem_functions(ptr::null_mut(), &mut free_fn);
    }
    (alloc_fn.unwrap(), free_fn.unwrap())
}

// Rules: G40, G41, G42, G43, T14, D31
#[test]
fn stacks_come_from_the_programs_functions_until_the_first_one_was_made() {
    alone(|| {
        let (default_allocate, default_free) = installed();
        let mut size = 100;
        // SAFETY: the defaults are the C heap.
        unsafe {
            let block = default_allocate(&mut size);
            assert!(!block.is_null());
            block.cast::<u8>().add(99).write(1);
            default_free(block);
        }
        assert_eq!(install(), 1);
        assert!(
            ptr::fn_addr_eq(installed().0, allocate as Allocate)
                && ptr::fn_addr_eq(installed().1, free as Free)
        );
        // SAFETY: NULL keeps what is there.
        assert_eq!(unsafe { ASYNC_set_mem_functions(None, None) }, 1);
        assert!(
            ptr::fn_addr_eq(installed().0, allocate as Allocate)
                && ptr::fn_addr_eq(installed().1, free as Free)
        );
        assert_eq!(ALLOCATED.load(Ordering::Relaxed), 0);
        assert_eq!(ASYNC_init_thread(400, 1), 1);
        assert_eq!(
            (
                ALLOCATED.load(Ordering::Relaxed),
                TOLD.load(Ordering::Relaxed)
            ),
            (1, 32768)
        );
        assert_eq!(install(), 0, "too late");
        assert_eq!(stats::process().stack_bytes, 65536);
        let mut jobs: Vec<CJob> = (0..400).map(|n| pausing(2, n)).collect();
        jobs.iter_mut().for_each(pause);
        jobs.iter_mut().for_each(pause);
        let stale = jobs[7].handle;
        (0..).zip(&mut jobs).for_each(|(n, job)| finish(job, n));
        assert_eq!(ALLOCATED.load(Ordering::Relaxed), 400);
        ASYNC_cleanup_thread();
        assert_eq!(FREED.load(Ordering::Relaxed), 400);
        assert_eq!(stats::process().stack_bytes, 0);
        assert_eq!(install(), 0, "for good");
        // The record is still there when its stack is freed.
        let (mut handle, mut ret) = (stale, 0);
        // SAFETY: the library issued the handle.
        let result =
            unsafe { ASYNC_start_job(&mut handle, NO_CTX, &mut ret, None, ptr::null_mut(), 0) };
        assert_eq!((result, errors()), (ASYNC_ERR, vec![NOT_RESUMABLE]));
        // Records are used again, by another thread too.
        let again = || {
            let mut jobs: Vec<CJob> = (0..300).map(|n| pausing(1, n)).collect();
            jobs.iter_mut().for_each(CJob::pause);
            (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
        };
        std::thread::spawn(again).join().unwrap();
        assert_eq!(
            (
                ALLOCATED.load(Ordering::Relaxed),
                FREED.load(Ordering::Relaxed)
            ),
            (700, 700)
        );
    });
}

// Rules: G40, G43
#[test]
fn one_function_can_be_replaced_alone() {
    for (alloc_fn, free_fn) in [
        (Some(allocate as Allocate), None),
        (None, Some(free as Free)),
    ] {
        alone(|| {
            // SAFETY: the other one is the C heap's, as ours are.
            assert_eq!(unsafe { ASYNC_set_mem_functions(alloc_fn, free_fn) }, 1);
            let mut job = pausing(1, 1);
            pause(&mut job);
            finish(&mut job, 1);
            ASYNC_cleanup_thread();
            assert_eq!(
                ALLOCATED.load(Ordering::Relaxed),
                usize::from(alloc_fn.is_some())
            );
            assert_eq!(
                FREED.load(Ordering::Relaxed),
                usize::from(free_fn.is_some())
            );
        });
    }
}

// Rules: G3, G10, G42
#[test]
fn an_allocator_that_gives_nothing_or_too_little_means_no_job() {
    alone(|| {
        assert_eq!(install(), 1);
        SIZE.store(-1, Ordering::Relaxed);
        assert_eq!(pausing(1, 0).go_with(NO_CTX), ASYNC_NO_JOBS);
        assert_eq!(errors(), [E5_JOB]);
        assert_eq!(install(), 0, "the attempt counts");
        for size in [0, 100, 8191] {
            SIZE.store(size, Ordering::Relaxed);
            FREED.store(0, Ordering::Relaxed);
            assert_eq!(pausing(1, 0).go_with(NO_CTX), ASYNC_NO_JOBS);
            assert_eq!(errors(), [E5_JOB]);
            assert_eq!(FREED.load(Ordering::Relaxed), 1, "the block is given back");
        }
        SIZE.store(8192, Ordering::Relaxed);
        assert_eq!(stats::process().created, 0);
        CJob::new(|| 3).finish(3);
        assert_eq!(stats::process().created, 1);
    });
}

// Rules: F8, G43
#[test]
fn restoring_the_librarys_own_functions_brings_its_guarded_stacks_back() {
    alone(|| {
        let (alloc_fn, free_fn) = installed();
        assert_eq!(install(), 1);
        // SAFETY: the library's own.
        let result = unsafe { ASYNC_set_mem_functions(Some(alloc_fn), Some(free_fn)) };
        assert_eq!(result, 1);
        CJob::new(|| 1).finish(1);
        assert_eq!(ALLOCATED.load(Ordering::Relaxed), 0);
        assert!(stats::process().stack_bytes >= 128 * 1024);
    });
}

/// Calls the library while the library makes or frees a stack.
unsafe extern "C" fn allocate_and_run(size: *mut usize) -> *mut c_void {
    // SAFETY: as `allocate`.
    let block = unsafe { allocate(size) };
    if ALLOCATED.load(Ordering::Relaxed) == 1 {
        assert_eq!(
            pausing(0, 5).go_with(NO_CTX),
            ASYNC_NO_JOBS,
            "the one that is being made counts"
        );
    }
    block
}

unsafe extern "C" fn free_and_begin_anew(block: *mut c_void) {
    // SAFETY: as `free`.
    unsafe { free(block) };
    if FREED.load(Ordering::Relaxed) == 1 {
        assert_eq!(ASYNC_init_thread(1, 1), 1);
    }
}

// Rules: P1, P2, P3, D2
#[test]
fn functions_that_use_the_library_themselves_do_not_upset_the_pool() {
    alone(|| {
        let (alloc_fn, free_fn) = (
            Some(allocate_and_run as Allocate),
            Some(free_and_begin_anew as Free),
        );
        // SAFETY: both do what is wanted.
        let result = unsafe { ASYNC_set_mem_functions(alloc_fn, free_fn) };
        assert_eq!(result, 1);
        assert_eq!(ASYNC_init_thread(1, 0), 1);
        let (mut a, mut b) = (pausing(1, 1), pausing(1, 2));
        pause(&mut a);
        assert_eq!(b.go_with(NO_CTX), ASYNC_NO_JOBS);
        finish(&mut a, 1);
        assert_eq!(ASYNC_init_thread(3, 3), 1); // the free function makes a pool of one
        let mut jobs: Vec<CJob> = (0..4).map(|n| pausing(1, n)).collect();
        jobs[..3].iter_mut().for_each(pause);
        assert_eq!(jobs[3].go_with(NO_CTX), ASYNC_NO_JOBS);
        (0..3).for_each(|n| finish(&mut jobs[n as usize], n));
        FREED.store(0, Ordering::Relaxed);
        ASYNC_cleanup_thread(); // the same again
        pause(&mut a);
        assert_eq!(
            b.go_with(NO_CTX),
            ASYNC_NO_JOBS,
            "the pool that was made meanwhile holds"
        );
        finish(&mut a, 1);
        errors();
    });
}

unsafe extern "C" fn begin_anew_and_fail(_: *mut usize) -> *mut c_void {
    assert_eq!(ASYNC_init_thread(1, 0), 1);
    ptr::null_mut()
}

// Rules: P8, D2
#[test]
fn a_job_that_could_not_be_made_for_a_pool_that_is_gone_does_not_count_for_the_new_one() {
    alone(|| {
        let alloc_fn = Some(begin_anew_and_fail as Allocate);
        // SAFETY: it does what is wanted.
        assert_eq!(unsafe { ASYNC_set_mem_functions(alloc_fn, None) }, 1);
        for _ in 0..3 {
            assert_eq!(pausing(1, 0).go_with(NO_CTX), ASYNC_NO_JOBS);
            assert_eq!(errors(), [E5_JOB]);
        }
    });
}

// Rules: G42
#[test]
fn the_librarys_own_stacks_lock_the_functions_out_too() {
    alone(|| {
        assert_eq!(ASYNC_init_thread(1, 0), 1);
        assert_eq!(install(), 1, "no stack yet");
        // SAFETY: the defaults again.
        let (alloc_fn, free_fn) = installed();
        assert!(
            ptr::fn_addr_eq(alloc_fn, allocate as Allocate)
                && ptr::fn_addr_eq(free_fn, free as Free)
        );
    });
    alone(|| {
        CJob::new(|| 1).finish(1);
        assert_eq!(install(), 0);
        ASYNC_cleanup_thread();
        assert_eq!(install(), 0);
    });
}

// Rules: D15, P1
#[test]
fn the_processs_counts_keep_those_of_threads_that_have_ended() {
    alone(|| {
        for round in 1..=5 {
            let work = || {
                let mut jobs: Vec<CJob> = (0..3).map(|n| pausing(1, n)).collect();
                jobs.iter_mut().for_each(pause);
                finish(&mut jobs[0], 0);
                let mut ret = 0;
                // SAFETY: NULL is what is being tried.
                unsafe {
                    ASYNC_start_job(ptr::null_mut(), NO_CTX, &mut ret, None, ptr::null_mut(), 0)
                };
            };
            std::thread::spawn(work).join().unwrap();
            let all = stats::process();
            assert_eq!(
                (all.created, all.starts, all.pauses),
                (3 * round, 3 * round, 3 * round)
            );
            assert_eq!(
                (all.finishes, all.refusals, all.abandoned),
                (round, round, 2 * round)
            );
            assert_eq!((all.idle, all.running, all.paused), (0, 0, 0));
        }
        assert_eq!(stats::thread().starts, 0);
        let mut job = pausing(1, 0);
        pause(&mut job);
        let mut counts = OSSL_ASYNC_STATS::default();
        let size = size_of::<OSSL_ASYNC_STATS>();
        // SAFETY: the output is ours.
        let result = unsafe { OSSL_ASYNC_process_stats(&mut counts, size) };
        assert_eq!(result, 1);
        assert_eq!(
            (counts.starts, counts.jobs_paused, counts.jobs_abandoned),
            (16, 1, 10)
        );
        assert_eq!(
            stats::thread().starts,
            1,
            "not what the thread before left in its place"
        );
    });
}

#[test]
fn a_child_that_never_ends_is_ended() {
    alone(|| {
        assert_eq!(limit(libc::RLIMIT_CPU, 1), PROCESSOR_SECONDS);
        // SAFETY: only this child's time.
        let left = unsafe { libc::alarm(0) };
        assert!((1..=CLOCK_SECONDS).contains(&left), "{left} seconds");
    });
    let computes = in_child(|| {
        limit(libc::RLIMIT_CPU, 1);
        loop {
            std::hint::spin_loop();
        }
    });
    assert_eq!(computes, Ending::Signal(libc::SIGXCPU));
    let waits = in_child(|| {
        limit_life(1);
        loop {
            // SAFETY: has no conditions.
            unsafe { libc::pause() };
        }
    });
    assert_eq!(waits, Ending::Signal(libc::SIGALRM));
}
