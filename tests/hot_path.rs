//! When a pool is warm, a start, pause, resume or finish makes no system call, takes no lock and
//! allocates nothing. This holds in both generations and from Rust. Where `swapcontext` switches,
//! it is called once for each switch, and nothing else is called.
#![cfg(all(not(ossl_async_null), target_os = "linux", target_env = "gnu"))]
// A sanitizer replaces the same functions, and makes calls of its own.
#![cfg(not(ossl_async_sanitizer))]

mod common;
#[path = "common/counts.rs"]
mod counts;
#[cfg(target_arch = "x86_64")]
#[path = "common/steps.rs"]
mod steps;

use common::capi::*;
use common::*;
use ossl_async::{Job, Step};
use std::ffi::{c_int, c_void};
use std::ptr;

const ROUNDS: usize = 10_000;

/// All that this many switches may call.
fn switches(count: usize) -> Vec<(&'static str, usize)> {
    match ossl_async::switch_method() {
        "swapcontext" => vec![("swapcontext", count)],
        _ => vec![],
    }
}

/// Returns at once.
unsafe extern "C" fn at_once(_: *mut c_void) -> c_int {
    7
}

/// Pauses as many times as its argument's first byte says.
unsafe extern "C" fn pauses(argument: *mut c_void) -> c_int {
    // SAFETY: every start below passes at least one byte.
    for _ in 0..unsafe { argument.cast::<u8>().read() } {
        assert_eq!(ASYNC_pause_job(), 1);
    }
    7
}

/// How a job is started and resumed.
#[derive(Clone, Copy)]
enum Face {
    First,
    Second(*mut ASYNC_WAIT_CTX),
}

impl Face {
    fn all() -> [Face; 3] {
        let ctx = ASYNC_WAIT_CTX_new();
        assert!(!ctx.is_null());
        [
            Face::First,
            Face::Second(ptr::null_mut()),
            Face::Second(ctx),
        ]
    }

    fn go(self, job: &mut *mut ASYNC_JOB, function: CFunction, arguments: &mut [u8]) -> c_int {
        let mut ret = UNWRITTEN;
        let (at, size) = match arguments.len() {
            0 => (ptr::null_mut(), 0),
            size => (arguments.as_mut_ptr().cast(), size),
        };
        // SAFETY: handle, result and arguments are ours; the context is alive; the functions want
        // such arguments.
        let came_to = unsafe {
            match self {
                Face::First => ASYNC_start_job_2015(job, &mut ret, Some(function), at, size),
                Face::Second(ctx) => ASYNC_start_job(job, ctx, &mut ret, Some(function), at, size),
            }
        };
        assert_eq!(
            ret,
            if came_to == ASYNC_FINISH {
                7
            } else {
                UNWRITTEN
            }
        );
        came_to
    }

    /// Runs a job from start to finish, with this many pauses.
    fn run(self, function: CFunction, arguments: &mut [u8], pauses: usize) {
        let mut job = ptr::null_mut();
        for _ in 0..pauses {
            assert_eq!(self.go(&mut job, function, arguments), ASYNC_PAUSE);
        }
        assert_eq!(self.go(&mut job, function, arguments), ASYNC_FINISH);
    }
}

type CFunction = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Does something repeatedly, after some rounds in which the pool and the process warm up.
#[track_caller]
fn calls_nothing_but(expected: usize, mut round: impl FnMut()) {
    (0..100).for_each(|_| round());
    let calls = counts::calls(|| (0..ROUNDS).for_each(|_| round()));
    assert_eq!(calls, switches(ROUNDS * expected));
}

// Rules: B19, B23, P4, F4, G9
#[test]
fn a_start_and_a_finish_call_nothing_with_no_few_or_many_arguments() {
    alone(|| {
        for face in Face::all() {
            for size in [0, 1, 64, 65, 4096, 16384] {
                let mut arguments = vec![0; size];
                calls_nothing_but(2, || face.run(at_once, &mut arguments, 0));
            }
        }
    });
}

// Rules: B23
#[test]
fn a_block_for_arguments_of_more_than_16_kib_goes_with_its_job_and_a_smaller_one_stays() {
    alone(|| {
        for (size, blocks) in [(100_000, 10), (16384, 0), (16385, 10), (65, 0)] {
            let mut arguments = vec![0; size];
            Face::First.run(at_once, &mut arguments, 0);
            let calls = counts::calls(|| {
                (0..10).for_each(|_| Face::First.run(at_once, &mut arguments, 0));
            });
            let made = calls.iter().find(|(name, _)| *name == "malloc");
            assert_eq!(made.map_or(0, |(_, count)| *count), blocks, "{size} bytes");
            // A later job without arguments allocates nothing.
            calls_nothing_but(2, || Face::First.run(at_once, &mut [], 0));
        }
    });
}

// Rules: B19, B31, F4, G9, G30
#[test]
fn a_start_a_pause_a_resume_and_a_finish_call_nothing() {
    alone(|| {
        for face in Face::all() {
            for size in [1, 64, 4096] {
                let mut arguments = vec![0; size];
                arguments[0] = 1;
                calls_nothing_but(4, || face.run(pauses, &mut arguments, 1));
            }
        }
    });
}

// Rules: B19, B31, F4, G30
#[test]
fn a_pause_and_a_resume_call_nothing() {
    unsafe extern "C" fn for_ever(_: *mut c_void) -> c_int {
        loop {
            ASYNC_pause_job();
        }
    }
    alone(|| {
        for face in Face::all() {
            let mut job = ptr::null_mut();
            calls_nothing_but(2, || {
                assert_eq!(face.go(&mut job, for_ever, &mut []), ASYNC_PAUSE);
            });
        }
    });
}

// Rules: P4, B19
#[test]
fn many_jobs_at_once_call_nothing_either() {
    alone(|| {
        for face in Face::all() {
            let mut jobs = vec![ptr::null_mut(); 500];
            let mut argument = [1];
            calls_nothing_but_in(20, 500 * 4, || {
                for came_to in [ASYNC_PAUSE, ASYNC_FINISH] {
                    for job in &mut jobs {
                        assert_eq!(face.go(job, pauses, &mut argument), came_to);
                    }
                }
                jobs.fill(ptr::null_mut());
            });
        }
    });
}

#[track_caller]
fn calls_nothing_but_in(rounds: usize, expected: usize, mut round: impl FnMut()) {
    (0..3).for_each(|_| round());
    let calls = counts::calls(|| (0..rounds).for_each(|_| round()));
    assert_eq!(calls, switches(rounds * expected));
}

// Rules: B19, P4
#[test]
fn jobs_of_the_rust_face_call_nothing() {
    alone(|| {
        calls_nothing_but(2, || {
            let Ok(Step::Finished(sum)) = start_job(|| 3 + 4) else {
                panic!("the job ends")
            };
            assert_eq!(sum, 7);
        });
        // A closure with many captures, a result of many bytes, and a pause between them.
        let captured = [1u8; 4096];
        calls_nothing_but(4, move || {
            let started = start_job(move || {
                assert!(ossl_async::pause());
                captured
            });
            let Ok(Step::Paused(job)) = started else {
                panic!("the job pauses")
            };
            let Ok(Step::Finished(bytes)) = job.resume() else {
                panic!("the job ends")
            };
            assert_eq!(bytes.len(), 4096);
        });
        let mut job = None;
        calls_nothing_but(2, || {
            let step = match job.take() {
                None => start_job(|| {
                    while ossl_async::pause() {
                        std::hint::black_box(());
                    }
                })
                .map_err(drop),
                Some(job) => Job::resume(job).map_err(drop),
            };
            match step {
                Ok(Step::Paused(paused)) => job = Some(paused),
                _ => panic!("the job pauses"),
            }
        });
        std::mem::forget(job);
    });
}

// Rules: P10, D20
#[test]
fn what_is_counted_is_seen() {
    alone(|| {
        let calls = counts::calls(|| {
            drop(std::hint::black_box(vec![1u8; 100]));
            pausing(1, 0).pause();
        });
        let names: Vec<&str> = calls.iter().map(|(name, _)| *name).collect();
        for name in [
            "malloc",
            "free",
            "mmap",
            "madvise",
            "pthread_mutex_lock",
            "pipe2",
        ] {
            assert!(names.contains(&name), "{name} in {calls:?}");
        }
    });
}

/// What is not seen in calls of libc: instructions that lock memory, and direct system calls.
#[cfg(target_arch = "x86_64")]
mod instructions {
    use super::*;
    use crate::steps::{Steps, steps};

    /// Counts the instructions of one round, after many rounds.
    fn round(face: Face, size: usize, times: u8) -> Steps {
        steps(
            || {
                let mut arguments = vec![0; size];
                arguments[0] = times;
                for _ in 0..100 {
                    face.run(pauses, &mut arguments, times.into());
                }
                arguments
            },
            |arguments| face.run(pauses, arguments, times.into()),
            drop,
        )
    }

    /// The locking instructions of one use of a job, for any number of pauses, by face. A job with
    /// a pipe ends by a compare-and-exchange, because another thread may be at the pipe. A wait
    /// context counts a job twice, at its start and its end.
    const LOCKS: [usize; 3] = [1, 0, 2];

    // Rules: B19, D9, G9, F4
    #[test]
    fn a_round_makes_no_system_call_and_locks_memory_only_for_a_pipe_or_a_context() {
        for (face, locks) in Face::all().into_iter().zip(LOCKS) {
            for (size, times) in [(1, 0), (64, 0), (4096, 0), (1, 1), (1, 3)] {
                let round = round(face, size, times);
                // Each swapcontext is one system call, and is counted as one lock here (`counts`).
                let swaps = match ossl_async::switch_method() {
                    "swapcontext" => 2 + 2 * usize::from(times),
                    _ => 0,
                };
                assert_eq!(
                    (round.system_calls, round.locked),
                    (swaps, swaps + locks),
                    "{round:?}"
                );
            }
        }
    }
}
