//! The same measurements on corosensei: stackful coroutines whose switch the compiler inlines. It
//! has no pool, so stacks are kept here, as its documentation advises. A coroutine lacks other
//! parts of a job: a handle that may be stale, a wait context, statistics, a C interface.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::hint::black_box;
use std::time::Instant;

/// The size of each coroutine's stack in bytes, which is that of a job.
const STACK: usize = 128 * 1024;

/// A coroutine that pauses with nothing and ends with an `int`.
type Job = Coroutine<(), (), i32, DefaultStack>;

/// Takes a measurement and returns its values by name. `Contestants::of` says which measurements
/// there are.
pub fn measure(name: &str, slices: usize, count: usize) -> Vec<(String, f64)> {
    let values = match name {
        "start_finish" => vec![("start_finish", start_finish(slices, count))],
        "pause_resume" => vec![
            (
                "start_pause_resume_finish",
                start_pause_resume_finish(slices, count),
            ),
            ("pause_resume", pause_resume(slices, count)),
        ],
        "warm" => vec![("start_pause_warm", warm(slices, count))],
        "cold" => {
            let (created, finished) = cold(slices, count);
            vec![("create_cold", created), ("finish_scattered", finished)]
        }
        _ => panic!("{name}: not for coroutines"),
    };
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The pool.
#[derive(Default)]
struct Stacks(Vec<DefaultStack>);

impl Stacks {
    fn take(&mut self) -> DefaultStack {
        self.0
            .pop()
            .unwrap_or_else(|| DefaultStack::new(STACK).expect("memory for a stack"))
    }

    fn start(&mut self, function: fn(&Yielder<(), ()>) -> i32) -> Job {
        let function = black_box(function);
        Coroutine::with_stack(self.take(), move |yielder, ()| function(yielder))
    }

    fn finish(&mut self, mut job: Job) {
        assert!(matches!(job.resume(()), CoroutineResult::Return(1)));
        self.0.push(job.into_stack());
    }

    fn start_all(&mut self, jobs: &mut Vec<Job>, count: usize) {
        for _ in 0..count {
            let mut job = self.start(pause_once);
            pause(&mut job);
            jobs.push(job);
        }
    }
}

fn finish(_: &Yielder<(), ()>) -> i32 {
    1
}

fn pause_once(yielder: &Yielder<(), ()>) -> i32 {
    yielder.suspend(());
    1
}

/// Lets a coroutine run until it pauses.
fn pause(job: &mut Job) {
    assert!(matches!(job.resume(()), CoroutineResult::Yield(())));
}

/// The median over all slices of the nanoseconds that one of `count` operations takes.
fn median_of(slices: usize, count: usize, mut slice: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..slices)
        .map(|_| {
            let begin = Instant::now();
            slice();
            each(begin, count)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    f64::midpoint(times[(slices - 1) / 2], times[slices / 2])
}

/// Nanoseconds since `begin`, divided by `count`.
fn each(begin: Instant, count: usize) -> f64 {
    begin.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn start_finish(slices: usize, count: usize) -> f64 {
    let mut stacks = Stacks::default();
    median_of(slices, count, || {
        for _ in 0..count {
            let job = stacks.start(finish);
            stacks.finish(job);
        }
    })
}

fn start_pause_resume_finish(slices: usize, count: usize) -> f64 {
    let mut stacks = Stacks::default();
    median_of(slices, count, || {
        for _ in 0..count {
            let mut job = stacks.start(pause_once);
            pause(&mut job);
            stacks.finish(job);
        }
    })
}

fn pause_resume(slices: usize, count: usize) -> f64 {
    let mut job: Coroutine<bool, (), i32> = Coroutine::new(|yielder, mut over: bool| {
        while !over {
            over = yielder.suspend(());
        }
        1
    });
    let time = median_of(slices, count, || {
        for _ in 0..count {
            assert!(matches!(job.resume(false), CoroutineResult::Yield(())));
        }
    });
    assert!(matches!(job.resume(true), CoroutineResult::Return(1)));
    time
}

fn warm(slices: usize, count: usize) -> f64 {
    let mut stacks = Stacks::default();
    let mut jobs = Vec::with_capacity(count);
    let mut times = Vec::new();
    // The first slice makes the stacks.
    for _ in 0..=slices {
        let begin = Instant::now();
        stacks.start_all(&mut jobs, count);
        times.push(each(begin, count));
        for job in jobs.drain(..) {
            stacks.finish(job);
        }
    }
    let mut times = times.split_off(1);
    times.sort_by(f64::total_cmp);
    f64::midpoint(times[(slices - 1) / 2], times[slices / 2])
}

fn cold(slices: usize, count: usize) -> (f64, f64) {
    let all = slices * count;
    let mut stacks = Stacks(Vec::with_capacity(all));
    let mut jobs = Vec::with_capacity(all);
    let created = median_of(slices, count, || stacks.start_all(&mut jobs, count));
    shuffle(&mut jobs);
    let mut jobs = jobs.into_iter();
    let finished = median_of(slices, count, || {
        jobs.by_ref().take(count).for_each(|job| stacks.finish(job));
    });
    (created, finished)
}

/// The order in which the C program ends its jobs.
fn shuffle(jobs: &mut [Job]) {
    let mut state: u64 = 1;
    for i in (1..jobs.len()).rev() {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        jobs.swap(i, ((state >> 33) % (i as u64 + 1)) as usize);
    }
}
