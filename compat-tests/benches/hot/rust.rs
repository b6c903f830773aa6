//! The same benchmarks with the Rust API.

use core::hint::black_box;
use criterion::Criterion;
use ossl_async::{Job, StartError, Step};
use std::cell::Cell;
use std::rc::Rc;

/// Starts a job.
#[inline(always)]
fn start<T: 'static, F: FnOnce() -> T + 'static>(closure: F) -> Result<Step<T>, StartError<F>> {
    // SAFETY: the contract of `Job::start`: the closures here pause in no scope and hold nothing.
    unsafe { Job::start(closure) }
}

/// Starts a job that pauses.
fn paused<T: 'static>(closure: impl FnOnce() -> T + 'static) -> Job<T> {
    match start(closure) {
        Ok(Step::Paused(job)) => job,
        _ => panic!("the closure pauses"),
    }
}

/// Resumes a job that ends.
fn finished<T: 'static>(job: Job<T>) -> T {
    match job.resume() {
        Ok(Step::Finished(value)) => value,
        _ => panic!("the closure ends"),
    }
}

/// Runs all benchmarks.
pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("Rust");
    group.bench_function("start + finish", |bencher| {
        bencher.iter(|| assert!(matches!(start(|| 1), Ok(Step::Finished(1)))));
    });
    group.bench_function("start + finish, 64 bytes", |bencher| {
        bencher.iter(|| {
            let bytes = black_box([1_u8; 64]);
            assert!(matches!(
                start(move || black_box(bytes)[63]),
                Ok(Step::Finished(1))
            ));
        });
    });
    group.bench_function("start + pause + resume + finish", |bencher| {
        bencher.iter(|| finished(paused(ossl_async::pause)));
    });
    group.bench_function("pause + resume", |bencher| {
        let over = Rc::new(Cell::new(false));
        let seen = over.clone();
        let mut job = Some(paused(move || {
            while !seen.get() {
                ossl_async::pause();
            }
        }));
        bencher.iter(|| match job.take().map(Job::resume) {
            Some(Ok(Step::Paused(resumed))) => job = Some(resumed),
            _ => panic!("it pauses until it is over"),
        });
        over.set(true);
        finished(job.expect("put back above"));
    });
    group.bench_function("wake + clear", |bencher| {
        let job = paused(ossl_async::pause);
        job.wait_fd().expect("there are descriptors");
        let handle = job.wake_handle();
        bencher.iter(|| {
            handle.wake();
            handle.clear();
        });
        finished(job);
    });
    group.finish();
}
