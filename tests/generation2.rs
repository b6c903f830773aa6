//! Generation 2 apart from the wait context: threads, the six-argument start, statistics (7.1 to
//! 7.4 of the behaviour reference).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Job, OnDrop, Pool, Step};
use std::ffi::{c_int, c_void};
use std::ptr;

// Rules: G1, G4, G5, G10
#[test]
fn a_threads_pool_has_its_limits_and_no_descriptors() {
    alone(|| {
        let before = descriptors();
        for (max, init) in [(0, 1), (1, 2)] {
            assert_eq!(ASYNC_init_thread(max, init), 0);
            assert_eq!(errors(), [E2_POOL_SIZE]);
        }
        assert_eq!(ASYNC_init_thread(2, 2), 1);
        let mut jobs: Vec<CJob> = (0..3).map(|n| pausing(1, n)).collect();
        pause(&mut jobs[0]);
        pause(&mut jobs[1]);
        assert_eq!(jobs[2].go_with(NO_CTX), ASYNC_NO_JOBS);
        assert_eq!(errors(), []);
        assert_eq!(ASYNC_init_thread(1, 0), 1, "replaces the pool");
        pause(&mut jobs[2]);
        (0..3).for_each(|n| finish(&mut jobs[n as usize], n));
        ASYNC_cleanup_thread();
        ASYNC_cleanup_thread();
        assert_eq!(descriptors(), before);
        assert_eq!(errors(), []);
    });
}

// Rules: G2
#[test]
fn a_number_of_jobs_that_no_list_can_hold_is_refused() {
    alone(|| {
        assert_eq!(ASYNC_init_thread(2, 1), 1);
        // A 32-bit process may have room for the list of the last.
        let sizes = [usize::MAX, isize::MAX as usize, isize::MAX as usize / 16];
        for size in sizes
            .into_iter()
            .take(if usize::BITS == 32 { 2 } else { 3 })
        {
            assert_eq!(ASYNC_init_thread(size, size), 0);
            assert_eq!(errors(), [E3_POOL]);
        }
        let mut jobs = [pausing(1, 0), pausing(1, 0), pausing(1, 0)];
        pause(&mut jobs[0]);
        pause(&mut jobs[1]);
        assert_eq!(
            jobs[2].go_with(NO_CTX),
            ASYNC_NO_JOBS,
            "the old pool is untouched"
        );
    });
}

/// Returns 1 if its argument is NULL, after a pause.
extern "C" fn is_null(argument: *mut c_void) -> c_int {
    ASYNC_pause_job();
    argument.is_null().into()
}

// Rules: B24, B22, B45, D11
#[test]
fn six_arguments_of_size_0_run_the_function_with_null_and_five_are_refused() {
    assert_eq!(ASYNC_init_thread(1, 0), 1);
    let (mut handle, mut ret, mut byte) = (ptr::null_mut(), UNWRITTEN, 7u8);
    let args = ptr::from_mut(&mut byte).cast();
    // The two starts alternate on one record. Nothing of one start is left for the next.
    for _ in 0..2 {
        for (size, null) in [(0, 1), (1, 0), (0, 1)] {
            let mut go = || {
                // SAFETY: there is a byte, and the function does not look at it.
                let result = unsafe {
                    ASYNC_start_job(&mut handle, NO_CTX, &mut ret, Some(is_null), args, size)
                };
                (result, std::mem::replace(&mut ret, UNWRITTEN))
            };
            assert_eq!(go(), (ASYNC_PAUSE, UNWRITTEN));
            let (mut other, mut untouched) = (ptr::null_mut(), UNWRITTEN);
            // SAFETY: as above.
            let full = unsafe {
                ASYNC_start_job(&mut other, NO_CTX, &mut untouched, Some(is_null), args, 0)
            };
            assert_eq!((full, untouched), (ASYNC_NO_JOBS, UNWRITTEN));
            assert_eq!(go(), (ASYNC_FINISH, null));
        }
        // SAFETY: as above.
        let five = unsafe { ASYNC_start_job_2015(&mut handle, &mut ret, Some(is_null), args, 0) };
        assert_eq!((five, ret), (ASYNC_ERR, UNWRITTEN));
        assert_eq!(errors(), [E9_ARGUMENTS]);
    }
    assert_eq!(byte, 7);
}

// Rules: D4, D3
#[test]
fn cleanup_inside_a_job_is_refused_and_with_paused_jobs_it_is_safe() {
    let mut job = CJob::new(|| {
        ASYNC_cleanup_thread();
        assert_eq!(errors(), [FREE_INSIDE_JOB]);
        ASYNC_pause_job();
        5
    });
    pause(&mut job);
    ASYNC_cleanup_thread();
    finish(&mut job, 5);
    assert_eq!(errors(), []);
}

// Rules: G9, B22, G14, D29
#[test]
fn both_starts_share_one_pool_and_either_resumes_the_others_jobs() {
    assert_eq!(ASYNC_pause_job(), 1, "before anything else is called");
    assert_eq!(ASYNC_init_thread(2, 0), 1);
    let (mut a, mut b) = (pausing(2, 1), pausing(2, 2));
    pause(&mut a);
    b.pause();
    assert_eq!(
        (a.wait_fd(), b.wait_fd() >= 0),
        (-1, true),
        "only generation 1 has pipes"
    );
    a.pause();
    pause(&mut b);
    assert_eq!(pausing(0, 0).go_with(NO_CTX), ASYNC_NO_JOBS);
    a.finish(1);
    finish(&mut b, 2);
    // The record that was released last has a pipe by now. A job of generation 2 has none even so.
    pause(&mut b);
    assert_eq!(b.wait_fd(), -1);
    pause(&mut b);
    finish(&mut b, 2);
    a = pausing(1, 3);
    a.wake(); // a NULL handle: no effect
    pause(&mut a);
    finish(&mut a, 3);
}

// Rules: D5, D6, D10, D30
#[test]
fn misuse_of_the_six_argument_start_is_refused_too() {
    let mut ret = UNWRITTEN;
    // SAFETY: NULL is what is being tried.
    unsafe {
        assert_eq!(
            ASYNC_start_job(ptr::null_mut(), NO_CTX, &mut ret, None, ptr::null_mut(), 0),
            ASYNC_ERR
        );
        assert_eq!(errors(), [NULL_ARGUMENT]);
        let mut handle = ptr::null_mut();
        assert_eq!(
            ASYNC_start_job(&mut handle, NO_CTX, &mut ret, None, ptr::null_mut(), 0),
            ASYNC_ERR
        );
        assert_eq!((errors(), ret), (vec![NULL_ARGUMENT], UNWRITTEN));
    }
    let mut job = CJob::new(|| {
        assert_eq!(pausing(0, 1).go_with(NO_CTX), ASYNC_ERR);
        assert_eq!(errors(), [NESTED]);
        ASYNC_pause_job();
        1
    });
    pause(&mut job);
    let mut stale = job.handle;
    finish(&mut job, 1);
    // SAFETY: the library issued the handle.
    let result = unsafe { ASYNC_start_job(&mut stale, NO_CTX, &mut ret, None, ptr::null_mut(), 0) };
    assert_eq!((result, errors()), (ASYNC_ERR, vec![NOT_RESUMABLE]));
}

// Rules: F19
#[test]
fn the_system_is_capable() {
    assert_eq!(ASYNC_is_capable(), 1);
}

fn counts() -> OSSL_ASYNC_STATS {
    let mut counts = OSSL_ASYNC_STATS::default();
    // SAFETY: the output is ours.
    let result = unsafe { OSSL_ASYNC_thread_stats(&mut counts, size_of::<OSSL_ASYNC_STATS>()) };
    assert_eq!(result, 1);
    counts
}

// Rules: P1, P5, D15
#[test]
fn a_threads_counts_follow_its_jobs() {
    std::thread::spawn(|| {
        assert_eq!(counts(), OSSL_ASYNC_STATS::default());
        assert_eq!(ASYNC_init_thread(4, 3), 1);
        let one = counts().stack_bytes / 3;
        assert!(one >= 128 * 1024);
        let mut expected = OSSL_ASYNC_STATS {
            jobs_created: 3,
            jobs_idle: 3,
            stack_bytes: 3 * one,
            ..OSSL_ASYNC_STATS::default()
        };
        assert_eq!(counts(), expected);
        let (mut a, mut b) = (pausing(2, 1), pausing(1, 2));
        pause(&mut a);
        pause(&mut a);
        pause(&mut b);
        expected = OSSL_ASYNC_STATS {
            jobs_idle: 1,
            jobs_paused: 2,
            starts: 2,
            pauses: 3,
            resumes: 1,
            ..expected
        };
        assert_eq!(counts(), expected);
        CJob::new(move || {
            let expected = OSSL_ASYNC_STATS {
                jobs_idle: 0,
                jobs_running: 1,
                starts: 3,
                ..expected
            };
            assert_eq!(counts(), expected);
            ASYNC_cleanup_thread(); // refused
            1
        })
        .finish(1);
        expected = OSSL_ASYNC_STATS {
            starts: 3,
            finishes: 1,
            refusals: 1,
            ..expected
        };
        assert_eq!(counts(), expected);
        finish(&mut a, 1);
        expected = OSSL_ASYNC_STATS {
            jobs_idle: 2,
            jobs_paused: 1,
            resumes: 2,
            finishes: 2,
            ..expected
        };
        assert_eq!(counts(), expected);
        // SAFETY: the contract of `start`: the job pauses in no scope and holds nothing.
        let step = unsafe { Job::start_with(OnDrop::Abandon, ossl_async::pause) };
        drop(step.map(|step| assert!(matches!(step, Step::Paused(_)))));
        expected = OSSL_ASYNC_STATS {
            jobs_idle: 1,
            jobs_abandoned: 1,
            starts: 4,
            pauses: 4,
            ..expected
        };
        assert_eq!(counts(), expected);
        Pool::free();
        expected = OSSL_ASYNC_STATS {
            jobs_idle: 0,
            stack_bytes: 2 * one,
            ..expected
        };
        assert_eq!(counts(), expected);
        errors();
    })
    .join()
    .unwrap();
}

// Rules: D10
#[test]
fn a_program_that_knows_fewer_counts_gets_those() {
    CJob::new(|| 1).finish(1);
    let mut some = [usize::MAX; 3];
    // SAFETY: two numbers fit.
    unsafe {
        assert_eq!(
            OSSL_ASYNC_thread_stats(some.as_mut_ptr().cast(), 2 * size_of::<usize>()),
            1
        );
        assert_eq!(some, [1, 1, usize::MAX]);
        let mut more = [usize::MAX; 20];
        assert_eq!(
            OSSL_ASYNC_thread_stats(more.as_mut_ptr().cast(), size_of_val(&more)),
            1
        );
        assert_eq!(more[12..], [usize::MAX; 8], "nothing is invented");
        assert_eq!(OSSL_ASYNC_thread_stats(ptr::null_mut(), 8), 0);
        assert_eq!(OSSL_ASYNC_process_stats(ptr::null_mut(), 8), 0);
    }
}

// Rules: D15
#[test]
fn the_counts_are_printed_at_the_end_only_if_asked_for() {
    let program = std::env::current_exe().unwrap();
    if std::env::var_os("TEST_WORK").is_some() {
        let mut job = pausing(2, 1);
        pause(&mut job);
        pause(&mut job);
        finish(&mut job, 1);
        return;
    }
    for (value, asked) in [
        (Some("1"), true),
        (Some("0"), false),
        (Some("11"), false),
        (None, false),
    ] {
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", "--test-threads=1", "--quiet"]);
        command.arg("the_counts_are_printed_at_the_end_only_if_asked_for");
        command.env("TEST_WORK", "1").env_remove("OSSL_ASYNC_STATS");
        if let Some(value) = value {
            command.env("OSSL_ASYNC_STATS", value);
        }
        let output = command.output().unwrap();
        assert!(output.status.success());
        let printed = String::from_utf8(output.stderr).unwrap();
        if asked {
            let expected = "ossl-async: created=1 idle=0 running=0 paused=0 abandoned=0 starts=1 pauses=2 resumes=2 \
                            finishes=1 refusals=0 stack_bytes=0 stack_high_water=";
            let high_water = printed.strip_prefix(expected).expect(&printed);
            let bytes: usize = high_water.trim_end().parse().expect(high_water);
            // A job that does little.
            assert!(bytes > 0 && bytes <= 12 * 1024 + page_size() && high_water.ends_with('\n'));
        } else {
            assert_eq!(printed, "");
        }
    }
}
