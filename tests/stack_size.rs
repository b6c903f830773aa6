//! The size of stacks, and how much of them is used. Each test has a process of its own, because
//! the size is set for the process.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Step, stats};
use std::ptr;

const KIB: usize = 1024;
const TOO_LATE: u32 = 0x33066042;

/// Whether this many bytes below the running job's record can be used, and those below them cannot.
fn stack_is(size: usize) -> bool {
    let mut job = pausing(1, 0);
    job.pause();
    let top = job.handle.expose_provenance();
    let has = (1..size)
        .step_by(4 * KIB)
        .chain([size])
        .all(|below| accessible(top - below));
    let end = end_of_guard(job.handle, accessible);
    let ends = end.is_some_and(|end| top - end <= size + page_size() + 4 * KIB)
        && is_guarded(job.handle, accessible);
    job.finish(0);
    has && ends
}

// Rules: F8, D22
#[test]
fn the_size_that_was_set_last_before_the_first_job_counts() {
    for size in [32 * KIB, 1024 * KIB, 100_000] {
        alone(|| {
            assert_eq!(OSSL_ASYNC_get_stack_size(), 128 * KIB);
            assert_eq!(OSSL_ASYNC_set_stack_size(64 * KIB), 1);
            assert_eq!(ossl_async::set_stack_size(size), Ok(()));
            assert_eq!(OSSL_ASYNC_get_stack_size(), size);
            assert!(stack_is(size), "{size}");
            assert_eq!(errors(), []);
        });
    }
}

// Rules: F8
#[test]
fn a_size_that_is_out_of_range_or_too_late_is_refused() {
    alone(|| {
        for size in [0, 1, 32767, (1 << 30) + 1, usize::MAX] {
            assert_eq!(OSSL_ASYNC_set_stack_size(size), 0);
            assert_eq!(errors(), [TOO_LATE]);
        }
        assert_eq!(OSSL_ASYNC_set_stack_size(32768), 1);
        assert_eq!(OSSL_ASYNC_set_stack_size(1 << 30), 1);
        assert_eq!(OSSL_ASYNC_set_stack_size(48 * KIB), 1);
        assert_eq!(ASYNC_init_pool(1, 1), 1);
        assert_eq!(OSSL_ASYNC_set_stack_size(48 * KIB), 0);
        assert_eq!(ossl_async::set_stack_size(64 * KIB), Err(Error::StackSize));
        assert_eq!(errors(), [TOO_LATE]);
        assert_eq!(ossl_async::stack_size(), 48 * KIB);
        ASYNC_free_pool();
        assert_eq!(OSSL_ASYNC_set_stack_size(64 * KIB), 0, "one size a process");
        assert!(stack_is(48 * KIB));
    });
}

// Rules: F8, D22
#[test]
fn the_largest_stack_can_be_made_and_only_what_is_touched_costs() {
    alone(|| {
        assert_eq!(OSSL_ASYNC_set_stack_size(1 << 30), 1);
        let count = if usize::BITS == 32 { 1 } else { 10 }; // as many as there are addresses for
        let mut jobs: Vec<CJob> = (0..count).map(|_| pausing(1, 0)).collect();
        jobs.iter_mut().for_each(CJob::pause);
        assert_eq!(errors(), []);
    });
}

/// Runs this test program again with a value in its environment, for `environment_child` only.
/// Returns what it prints on standard error.
fn with_environment(value: &str) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment_child", "--nocapture"])
        .env("OSSL_ASYNC_STACK_SIZE", value)
        // Otherwise it would print about a child on standard error.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .output()
        .unwrap();
    assert!(output.status.success(), "{value}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

// Rules: F8
#[test]
fn environment_child() {
    alone(|| {
        if let Ok(value) = std::env::var("OSSL_ASYNC_STACK_SIZE") {
            let expected = value
                .parse()
                .ok()
                .filter(|size| (32768..=1 << 30).contains(size))
                .filter(|_| value.len() < 24 && !value.starts_with('+'));
            assert!(stack_is(expected.unwrap_or(128 * KIB)), "{value}");
            assert_eq!(OSSL_ASYNC_get_stack_size(), expected.unwrap_or(128 * KIB));
        } else {
            assert!(stack_is(128 * KIB));
        }
    });
    alone(|| {
        assert_eq!(OSSL_ASYNC_set_stack_size(80 * KIB), 1);
        assert!(stack_is(80 * KIB), "a call goes before the environment");
    });
}

// Rules: F8
#[test]
fn the_environment_sets_the_size_and_an_invalid_value_is_reported() {
    for value in ["32768", "262144", "1048576"] {
        assert_eq!(with_environment(value), "");
    }
    for value in [
        "",
        "many",
        "-1",
        "128k",
        "32767",
        "99999999999999999999999999",
        "000000000000000000131072999",
        "+65536",
        "1 ",
    ] {
        let printed = with_environment(value);
        assert!(
            printed.starts_with("ossl-async: OSSL_ASYNC_STACK_SIZE=")
                && printed.ends_with(
                    " is ignored: expected a number of bytes from 32768 to 1073741824. \
                     Stacks have 131072 bytes.\n"
                ),
            "{value}: {printed}"
        );
    }
}

/// Uses this much stack, and at most a few kilobytes more.
fn use_stack(bytes: usize) {
    #[inline(never)]
    fn go_down_to(end: usize) {
        let ballast = std::hint::black_box([1u8; 256]);
        if ballast.as_ptr().addr() > end {
            go_down_to(end);
        }
        std::hint::black_box(&ballast);
    }
    let here = 0u8;
    go_down_to(ptr::from_ref(&here).addr() - bytes);
}

fn used(handle: *mut ASYNC_JOB) -> usize {
    // SAFETY: the library issued the handle, or it is NULL.
    unsafe { OSSL_ASYNC_get_stack_used(handle) }
}

// Rules: F8, S3
#[test]
fn the_high_water_mark_of_a_job_is_what_it_has_touched() {
    alone(|| {
        let mut job = CJob::new(|| {
            let shallow = used(ASYNC_get_current_job());
            assert!(
                shallow > 0 && shallow <= 12 * KIB + page_size(),
                "{shallow}"
            );
            ASYNC_pause_job();
            use_stack(60 * KIB);
            ASYNC_pause_job();
            0
        });
        job.pause();
        assert!(used(job.handle) <= 12 * KIB + page_size());
        job.pause();
        let deep = used(job.handle);
        assert!(
            (60 * KIB..124 * KIB + page_size()).contains(&deep),
            "{deep}"
        );
        let address = job.handle.expose_provenance();
        let elsewhere = std::thread::spawn(move || used(ptr::with_exposed_provenance_mut(address)));
        assert_eq!(elsewhere.join().unwrap(), 0, "not a job of that thread");
        let handle = job.handle;
        job.finish(0);
        assert_eq!((used(handle), used(ptr::null_mut())), (0, 0));

        let Ok(Step::Paused(job)) = start_job(|| {
            use_stack(100 * KIB);
            ossl_async::pause();
        }) else {
            panic!("it pauses")
        };
        assert!(job.stack_used() >= 100 * KIB);
        assert!(job.resume().is_ok());
    });
}

// Rules: F8, D15
#[test]
fn the_high_water_mark_of_all_is_measured_when_asked_for() {
    alone(|| {
        let deep = || {
            CJob::new(|| {
                use_stack(40 * KIB);
                0
            })
            .finish(0)
        };
        deep();
        assert_eq!(stats::process().stack_high_water, 0, "not asked for");
        ASYNC_free_pool();
        OSSL_ASYNC_measure_stacks(1);
        CJob::new(|| 0).finish(0);
        let shallow = stats::thread().stack_high_water;
        assert!(
            shallow > 0 && shallow <= (12 * KIB + page_size()) as u64,
            "{shallow}"
        );
        std::thread::spawn(deep).join().unwrap();
        assert_eq!(stats::thread().stack_high_water, shallow);
        let all = stats::process().stack_high_water;
        assert!(
            (40 * KIB as u64..(124 * KIB + page_size()) as u64).contains(&all),
            "{all}"
        );
        OSSL_ASYNC_measure_stacks(0);
        std::thread::spawn(|| {
            CJob::new(|| {
                use_stack(100 * KIB);
                0
            })
            .finish(0)
        })
        .join()
        .unwrap();
        assert_eq!(stats::process().stack_high_water, all);
    });
}
