//! No call takes longer because there are many jobs, or many entries in a wait context. Calls of
//! libc are counted, and instructions where they can be counted. `OSSL_ASYNC_MANY_JOBS` sets the
//! number of jobs.
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
use ossl_async::Pool;
use std::env;
use std::ffi::{c_int, c_void};
use std::ptr;

const FEW: usize = 10;

/// The number of new jobs in a row: at most so many are made ready together.
const IN_A_ROW: usize = 32;

fn many() -> usize {
    env::var("OSSL_ASYNC_MANY_JOBS").map_or(2_000, |number| number.parse().expect("a number"))
}

unsafe extern "C" fn pauses_once(_: *mut c_void) -> c_int {
    ASYNC_pause_job()
}

/// A job of the second generation that allocates nothing itself.
struct Plain(*mut ASYNC_JOB, *mut ASYNC_WAIT_CTX);

impl Plain {
    fn go(&mut self) -> c_int {
        let mut ret = 0;
        let function = Some(pauses_once as unsafe extern "C" fn(*mut c_void) -> c_int);
        // SAFETY: handle and result are ours, the context is alive, and the function wants no
        // argument.
        unsafe { ASYNC_start_job(&mut self.0, self.1, &mut ret, function, ptr::null_mut(), 0) }
    }
}

/// Makes this many paused jobs.
fn paused(count: usize) -> Vec<Plain> {
    let mut jobs: Vec<Plain> = (0..count).map(|_| Plain(ptr::null_mut(), NO_CTX)).collect();
    for job in &mut jobs {
        assert_eq!(job.go(), ASYNC_PAUSE);
    }
    jobs
}

/// A job's start, pause, resume and finish.
fn round() {
    let mut job = Plain(ptr::null_mut(), NO_CTX);
    assert_eq!(job.go(), ASYNC_PAUSE);
    assert_eq!(job.go(), ASYNC_FINISH);
}

#[cfg(target_arch = "x86_64")]
mod instructions {
    use super::*;
    use crate::steps::{Steps, steps};
    use ossl_async::{Job, Step, WakeQueue};
    use std::sync::{Arc, Barrier};

    fn rust_round() {
        let Ok(Step::Paused(job)) = start_job(ossl_async::pause) else {
            panic!("the job pauses")
        };
        assert!(matches!(job.resume(), Ok(Step::Finished(true))));
    }

    /// A round with this many other jobs paused and idle, after a few rounds to warm up.
    fn beside(paused_jobs: usize, idle_jobs: usize, round: fn()) -> Steps {
        steps(
            || {
                let others = paused(paused_jobs + idle_jobs);
                let (_stay, end) = others.split_at(paused_jobs);
                for job in end {
                    assert_eq!(Plain(job.0, NO_CTX).go(), ASYNC_FINISH);
                }
                (0..5).for_each(|_| round());
            },
            |()| round(),
            |()| (),
        )
    }

    // Rules: B19, P4
    #[test]
    fn a_round_takes_the_same_instructions_beside_few_and_many_other_jobs() {
        for round in [round, rust_round] {
            let few = beside(FEW, FEW, round);
            assert!(few.all > 100);
            assert_eq!(few, beside(many(), FEW, round), "many are paused");
            assert_eq!(few, beside(FEW, many(), round), "many are idle");
        }
    }

    // Rules: P1
    #[test]
    #[cfg_attr(
        debug_assertions,
        ignore = "without optimisation it steps through a million instructions: cargo test --release"
    )]
    fn making_jobs_takes_no_more_instructions_after_many_than_after_few() {
        let cost = |before: usize| {
            let more = |_: &mut ()| drop(paused(IN_A_ROW));
            steps(|| drop(paused(before)), more, |()| ()).all
        };
        let (few, more) = (cost(FEW), cost(many()));
        assert!(more <= few + few / 10, "{few}, {more}");
    }

    // Rules: B14
    #[test]
    fn freeing_a_pool_takes_about_the_same_instructions_for_each_job() {
        let [one, two, three] = [4, 8, 12].map(|jobs| {
            let pool = || Pool::init(jobs, jobs).expect("memory");
            steps(pool, |()| Pool::free(), |()| ()).all
        });
        assert!(one > 4 * 10);
        assert!(
            (three - two).abs_diff(two - one) * 10 < two - one,
            "{one}, {two}, {three}"
        );
    }

    /// A resume with a wait context of this many entries, none of which has changed.
    fn resume(entries: usize) -> Steps {
        unsafe extern "C" fn pauses_on(_: *mut c_void) -> c_int {
            loop {
                ASYNC_pause_job();
            }
        }
        steps(
            || {
                let ctx = context_of(entries);
                let mut job = ptr::null_mut();
                let mut start = move || {
                    let mut ret = 0;
                    // SAFETY: as in `Plain::go`.
                    unsafe {
                        ASYNC_start_job(
                            &mut job,
                            ctx,
                            &mut ret,
                            Some(pauses_on),
                            ptr::null_mut(),
                            0,
                        )
                    }
                };
                (0..3).for_each(|_| assert_eq!(start(), ASYNC_PAUSE));
                start
            },
            |start| assert_eq!(start(), ASYNC_PAUSE),
            drop,
        )
    }

    /// A wait context of this many entries. Their keys are the numbers from 1 on.
    fn context_of(entries: usize) -> *mut ASYNC_WAIT_CTX {
        let ctx = ASYNC_WAIT_CTX_new();
        (1..=entries).for_each(|key| set(ctx, key));
        ctx
    }

    /// The instructions of some work with such a context.
    fn with_entries(entries: usize, work: impl FnOnce(*mut ASYNC_WAIT_CTX)) -> usize {
        steps(|| context_of(entries), |ctx| work(*ctx), |_| ()).all
    }

    fn set(ctx: *mut ASYNC_WAIT_CTX, key: usize) {
        let key = ptr::without_provenance(key);
        // SAFETY: the context is alive, and nothing is called.
        let result = unsafe { ASYNC_WAIT_CTX_set_wait_fd(ctx, key, 0, ptr::null_mut(), None) };
        assert_eq!(result, 1);
    }

    fn get(ctx: *mut ASYNC_WAIT_CTX, key: usize) {
        let (mut fd, mut data) = (-1, ptr::null_mut());
        // SAFETY: the context is alive, and the outputs are ours.
        let result =
            unsafe { ASYNC_WAIT_CTX_get_fd(ctx, ptr::without_provenance(key), &mut fd, &mut data) };
        assert_eq!(std::hint::black_box((result, fd)), (1, 0));
    }

    fn clear(ctx: *mut ASYNC_WAIT_CTX, key: usize) {
        // SAFETY: the context is alive.
        let result = unsafe { ASYNC_WAIT_CTX_clear_fd(ctx, ptr::without_provenance(key)) };
        assert_eq!(result, 1);
    }

    // Rules: G19, G20, G23
    #[test]
    fn the_newest_entries_are_set_found_and_cleared_by_the_same_instructions_among_few_and_many() {
        // Two powers of two, and a few more, so that the list does not grow again.
        let [few, many] = [20, 1044].map(|entries| {
            [
                with_entries(entries, |ctx| set(ctx, entries + 1)),
                with_entries(entries, |ctx| get(ctx, entries)),
                with_entries(entries, |ctx| clear(ctx, entries)),
            ]
        });
        assert!(few.iter().all(|steps| *steps > 10), "{few:?}");
        assert_eq!(few, many);
    }

    // Rules: G20, G21
    #[test]
    fn older_entries_take_at_the_most_as_much_longer_as_there_are_newer_ones() {
        // A clear finds its entry as a get does. It closes the gap by one memmove, whose steps
        // depend on the processor.
        let works: [fn(*mut ASYNC_WAIT_CTX); 2] = [
            |ctx| get(ctx, 1),
            |ctx| {
                let (mut fds, mut count) = ([0; 150], 0);
                // SAFETY: the context is alive, and there is room for all that it has.
                let result =
                    unsafe { ASYNC_WAIT_CTX_get_all_fds(ctx, fds.as_mut_ptr(), &mut count) };
                // The compiler sees into the function, and would remove what is not used.
                std::hint::black_box((fds, count));
                assert_eq!(result, 1);
            },
        ];
        for work in works {
            let [few, many] = [50, 150].map(|entries| with_entries(entries, work));
            assert!(few > 50 && many <= 3 * few, "{few}, {many}");
        }
    }

    /// The instructions of a thread's first job, while this many threads with jobs are alive and as
    /// many have ended.
    fn first_job(alive: usize, ended: usize) -> Steps {
        /// Threads that have each had a job, and then wait or end.
        fn threads(count: usize, end: bool) {
            let all_have_had_one = Arc::new(Barrier::new(count + 1));
            let threads = (0..count).map(|_| {
                let barrier = all_have_had_one.clone();
                let work = move || {
                    round();
                    barrier.wait();
                    if !end {
                        loop {
                            std::thread::park();
                        }
                    }
                };
                let small = std::thread::Builder::new().stack_size(64 * 1024);
                small.spawn(work).expect("memory for a thread")
            });
            let threads: Vec<_> = threads.collect();
            all_have_had_one.wait();
            if end {
                threads
                    .into_iter()
                    .for_each(|thread| thread.join().unwrap());
            }
        }
        steps(
            || {
                threads(ended, true);
                threads(alive, false);
                // Leaves a stack that is ready for use, so that no slab has to be mapped.
                threads(1, true);
            },
            |()| round(),
            |()| (),
        )
    }

    // Rules: P1, D15
    #[test]
    fn the_first_job_of_a_thread_takes_no_more_instructions_beside_many_threads_than_beside_few() {
        let few = first_job(100, 100).all;
        for (alive, ended) in [(600, 100), (100, 600)] {
            // malloc's own instructions depend on contention of the threads before. So a number
            // that is too large is counted again. An instruction more for each thread would be
            // there each time.
            let mut counted = (0..5).map(|_| first_job(alive, ended).all);
            let found = counted.find(|many| *many < few + 500 / 2);
            assert!(
                found.is_some(),
                "more than {few} with {alive} alive and {ended} that have ended, five times"
            );
        }
    }

    /// A queue and its jobs, by their keys.
    type InQueue = (WakeQueue, Vec<Job<bool>>);

    /// A queue of so many jobs, which are paused. Every second one is woken.
    fn queue_of(jobs: usize) -> InQueue {
        let queue = WakeQueue::new().expect("a pipe");
        let jobs: Vec<_> = (0..jobs)
            .map(|_| common::paused(start_job(ossl_async::pause)))
            .collect();
        for (key, job) in (0..).zip(&jobs) {
            queue.add(job, key).expect("it is paused");
        }
        for job in jobs.iter().step_by(2) {
            job.wake_handle().wake();
        }
        assert_eq!(queue.wait(None).expect("a pipe"), Some(0));
        (queue, jobs)
    }

    // Rules: B37
    #[test]
    fn a_wake_a_wait_and_leaving_take_the_same_instructions_in_a_queue_of_few_and_of_many() {
        let works: [fn(&mut InQueue); 3] = [
            |(_, jobs)| jobs[jobs.len() / 2 + 1].wake_handle().wake(),
            |(queue, _)| assert_eq!(queue.wait(None).ok(), Some(Some(2))),
            |(_, jobs)| WakeQueue::remove(&jobs[jobs.len() / 2]),
        ];
        for work in works {
            let [few, many] =
                [FEW * 2, many()].map(|jobs| steps(|| queue_of(jobs), work, std::mem::forget));
            assert!(few.all > 20, "{few:?}");
            assert_eq!(few, many);
        }
    }

    // Rules: G30
    #[test]
    fn a_resume_takes_the_same_instructions_with_no_and_with_many_unchanged_entries() {
        assert_eq!(resume(0), resume(1000));
    }
}

/// How often libc is called.
fn total(calls: &[(&'static str, usize)]) -> usize {
    calls.iter().map(|(_, calls)| calls).sum()
}

// Rules: B19, P4
#[test]
fn a_round_beside_many_other_jobs_calls_nothing_more() {
    alone(|| {
        let few = paused(FEW);
        (0..5).for_each(|_| round());
        let beside_few = counts::calls(round);
        let many = paused(many());
        (0..5).for_each(|_| round());
        assert_eq!(beside_few, counts::calls(round));
        drop((few, many));
    });
}

// Rules: P1, F9
#[test]
fn making_jobs_takes_no_more_calls_after_many_than_after_few() {
    alone(|| {
        let more = || total(&counts::calls(|| drop(paused(IN_A_ROW))));
        // The guards of the first 256 jobs are made in another way.
        drop(paused(FEW + 256));
        let few = more();
        let made = many();
        let calls = counts::calls(|| drop(paused(made)));
        let mapped = calls.iter().find(|(name, _)| *name == "mmap");
        // Slabs double up to 4096 stacks; later slabs have so many. Before each slab the library
        // tests whether memory is locked. The list of free stacks doubles. The vector of jobs is a
        // block, too.
        let most = 2 * (10 + 1 + made / 4096) + made.ilog2() as usize + 1;
        assert!(mapped.is_some_and(|(_, calls)| *calls <= most), "{calls:?}");
        assert!(
            total(&calls) <= made * few / IN_A_ROW,
            "{few} for {IN_A_ROW}, {calls:?}"
        );
        // One of the starts may map a slab.
        assert!(more() <= few + 4);
    });
}

/// The calls for making and freeing a pool of this many jobs, and those for freeing alone.
fn freeing(jobs: usize) -> usize {
    Pool::init(jobs, jobs).expect("memory");
    total(&counts::calls(Pool::free))
}

// Rules: B14, D1
#[test]
fn freeing_a_pool_takes_a_constant_number_of_calls_for_each_job() {
    alone(|| {
        let _reserved_once = freeing(3000);
        let [one, two, three] = [1000, 2000, 3000].map(freeing);
        assert!(one > 0 && one <= 1000 * 20, "{one}");
        assert_eq!(two - one, three - two);
    });
}

/// The calls of a thread that makes this many idle jobs and ends.
fn thread_with(jobs: usize) -> usize {
    total(&counts::calls(|| {
        std::thread::spawn(move || Pool::init(jobs, jobs).expect("memory"))
            .join()
            .unwrap();
    }))
}

// Rules: D15, G6
#[test]
fn a_thread_that_ends_takes_a_constant_number_of_calls_for_each_job() {
    alone(|| {
        let _reserved_once = [3000; 3].map(thread_with);
        let [one, two, three] = [1000, 2000, 3000].map(thread_with);
        assert!(one > 1000 && one <= 1000 * 40, "{one}");
        assert_eq!(two - one, three - two);
    });
}
