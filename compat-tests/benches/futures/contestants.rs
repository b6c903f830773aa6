//! What is measured, and on which executors.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use criterion::Criterion;
use ossl_async::{Job, JobFuture, Step};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How often each contestant lets other tasks run.
const PAUSES: u32 = 10;

/// The size of a coroutine's stack in bytes, which is that of a job.
const STACK: usize = 128 * 1024;

/// Runs all benchmarks.
pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ten pauses");
    group.bench_function("bare job", |bencher| bencher.iter(bare_job));
    group.finish();

    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    let mut stack = Some(DefaultStack::new(STACK).expect("memory for a stack"));
    let mut group = criterion.benchmark_group("ten pauses, tokio");
    group.bench_function("async fn", |bencher| {
        bencher.iter(|| runtime.block_on(async_fn()));
    });
    group.bench_function("JobFuture", |bencher| {
        bencher.iter(|| runtime.block_on(job_future()));
    });
    group.bench_function("corosensei", |bencher| {
        bencher.iter(|| runtime.block_on(CoroutineFuture::new(&mut stack)));
    });
    group.finish();

    let mut group = criterion.benchmark_group("ten pauses, futures::executor");
    group.bench_function("async fn", |bencher| {
        bencher.iter(|| futures::executor::block_on(async_fn()));
    });
    group.bench_function("JobFuture", |bencher| {
        bencher.iter(|| futures::executor::block_on(job_future()));
    });
    group.bench_function("corosensei", |bencher| {
        bencher.iter(|| futures::executor::block_on(CoroutineFuture::new(&mut stack)));
    });
    group.finish();
}

/// A job that nobody wakes: the thread resumes it at once.
fn bare_job() {
    let pauses = || (0..PAUSES).filter(|_| ossl_async::pause()).count();
    // SAFETY: the contract of `Job::start`: at a pause, no frame relies on nested calls.
    let mut step = unsafe { Job::start(pauses) }.expect("a job");
    let count = loop {
        match step {
            Step::Paused(job) => step = job.resume().expect("it can be resumed"),
            Step::Finished(count) => break count,
        }
    };
    assert_eq!(count, PAUSES as usize);
}

/// A job that a future runs, and that wakes itself.
async fn job_future() {
    let pauses = || {
        let handle = ossl_async::current().expect("in a job");
        let pauses = (0..PAUSES).filter(|_| {
            handle.wake();
            ossl_async::pause()
        });
        pauses.count()
    };
    // SAFETY: the contract of `Job::start`: at a pause, no frame relies on nested calls.
    let count = unsafe { JobFuture::new(pauses) }.await;
    assert_eq!(count, Ok(PAUSES as usize));
}

/// The same without a stack.
async fn async_fn() {
    for _ in 0..PAUSES {
        LetOthersRun(false).await;
    }
}

/// Pending once, after it has woken its task.
struct LetOthersRun(bool);

impl Future for LetOthersRun {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        ctx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A coroutine that a future runs. Its stack goes back to where it came from.
struct CoroutineFuture<'a> {
    coroutine: Option<Coroutine<(), (), u32, DefaultStack>>,
    pool: &'a mut Option<DefaultStack>,
}

impl<'a> CoroutineFuture<'a> {
    fn new(pool: &'a mut Option<DefaultStack>) -> Self {
        let stack = pool.take().expect("one coroutine at a time");
        let coroutine = Coroutine::with_stack(stack, |yielder, ()| {
            for _ in 0..PAUSES {
                yielder.suspend(());
            }
            PAUSES
        });
        CoroutineFuture {
            coroutine: Some(coroutine),
            pool,
        }
    }
}

impl Future for CoroutineFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let coroutine = this.coroutine.as_mut().expect("polled until it is ready");
        match coroutine.resume(()) {
            CoroutineResult::Yield(()) => {
                ctx.waker().wake_by_ref();
                Poll::Pending
            }
            CoroutineResult::Return(count) => {
                assert_eq!(count, PAUSES);
                *this.pool = this.coroutine.take().map(Coroutine::into_stack);
                Poll::Ready(())
            }
        }
    }
}
