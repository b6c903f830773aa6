//! Waiting for a future inside a job that a future runs.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{
    Error, JobError, JobFuture, OnDrop, Step, WaitError, WakeHandle, in_job, stats, wait_for,
};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A future of a test's.
fn future<T: 'static, F: FnOnce() -> T + 'static>(closure: F) -> JobFuture<T, F> {
    // SAFETY: the contract of `Job::start`: as for `start_job`.
    unsafe { JobFuture::new(closure) }
}

struct Unparks(std::thread::Thread);
impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unparks(std::thread::current())))
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = waker();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Is pending so often, and then ready with its number of polls. Each poll is counted, and sees no
/// job around it.
fn polled(times: u32, seen: &Rc<Cell<u32>>) -> impl Future<Output = u32> + use<> {
    let (seen, mut polls) = (seen.clone(), 0);
    poll_fn(move |ctx| {
        assert!(
            !in_job() && !ossl_async::pause(),
            "on the thread's own stack"
        );
        seen.set(seen.get() + 1);
        polls += 1;
        if polls > times {
            return Poll::Ready(polls);
        }
        ctx.waker().wake_by_ref();
        Poll::Pending
    })
}

// Rules: B32
#[test]
fn the_output_comes_back_as_if_the_call_had_blocked() {
    let seen = Rc::new(Cell::new(0));
    let theirs = seen.clone();
    let job = future(move || {
        let local = String::from("borrowed from the job's stack");
        let length = wait_for(async { local.len() }).unwrap();
        let outputs = [0, 3, 1].map(|times| wait_for(polled(times, &theirs)).unwrap());
        assert_eq!(length, local.len());
        outputs
    });
    assert_eq!(block_on(job), Ok([1, 4, 2]));
    assert_eq!(seen.get(), 7);
}

// Rules: B32, B37
#[test]
fn each_poll_of_the_job_polls_its_future_once_and_only_its_end_resumes_the_job() {
    let gate = Rc::new(Cell::new(false));
    let (theirs, polls) = (gate.clone(), Rc::new(Cell::new(0)));
    let counted = polls.clone();
    let slot = Rc::new(RefCell::new(None::<WakeHandle>));
    let handle = slot.clone();
    let mut job = future(move || {
        handle.replace(ossl_async::current());
        let opens = poll_fn(|_| {
            counted.set(counted.get() + 1);
            if theirs.get() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        wait_for(opens).unwrap();
        // The wake that came meanwhile is not lost.
        ossl_async::pause()
    });
    let waker = waker();
    for round in 1..=3 {
        assert!(poll(&mut job, &waker).is_pending());
        assert_eq!((polls.get(), stats::thread().resumes), (round, 0));
        slot.borrow().as_ref().unwrap().wake();
    }
    gate.set(true);
    assert!(poll(&mut job, &waker).is_pending());
    assert_eq!((polls.get(), stats::thread().resumes), (4, 1));
    assert_eq!(poll(&mut job, &waker), Poll::Ready(Ok(true)));
}

// Rules: D5, B32
#[test]
fn the_future_may_run_a_job_that_waits_for_a_future() {
    let innermost = || future(|| wait_for(async { 7 }).unwrap() + 1);
    let inner = move || {
        future(move || {
            let value = wait_for(innermost()).unwrap().unwrap();
            ossl_async::current().unwrap().wake();
            assert!(ossl_async::pause());
            value + 1
        })
    };
    let outer = future(move || wait_for(inner()).unwrap().unwrap() + 1);
    assert_eq!(block_on(outer), Ok(10));
    assert_eq!(stats::thread().created, 3);
    assert_eq!(stats::thread().refusals, 0);
}

// Rules: D5, D15
#[test]
fn a_job_that_the_future_runs_is_abandoned_when_the_outer_one_is_dropped() {
    let inner = || future(|| wait_for(std::future::pending::<()>()));
    let mut outer = future(move || wait_for(inner()));
    assert!(poll(&mut outer, &waker()).is_pending());
    drop(outer);
    let counts = ossl_async::stats::thread();
    assert_eq!((counts.finishes, counts.abandoned), (1, 1));
}

// Rules: F11
#[test]
fn a_panic_of_the_future_comes_out_of_the_wait() {
    let job = future(|| {
        let panics = async { std::panic::resume_unwind(Box::new(5_u32)) };
        let caught = catch_unwind(AssertUnwindSafe(|| wait_for::<_>(panics).map(|(): ()| ())));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&5_u32));
        wait_for(ready(6))
    });
    assert_eq!(block_on(job), Ok(Ok(6)));
}

// Rules: B31, S3
#[test]
fn where_it_cannot_wait_it_says_so_at_once() {
    let never = || wait_for(pending::<()>());
    assert_eq!(never(), Err(WaitError::NoTask), "outside a job");
    let step = start_job(never);
    assert!(matches!(step, Ok(Step::Finished(Err(WaitError::NoTask)))));
    let mut c = CJob::new(move || (never() == Err(WaitError::NoTask)).into());
    c.finish(1);
    let job = future(move || {
        let _guard = ossl_async::block_pause();
        never()
    });
    assert_eq!(block_on(job), Ok(Err(WaitError::Blocked)));
    // In an ordinary job on the record of one that a future ran.
    let step = start_job(never);
    assert!(matches!(step, Ok(Step::Finished(Err(WaitError::NoTask)))));
    // While the job unwinds.
    struct Waits(Rc<Cell<Option<Result<(), WaitError>>>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.set(Some(wait_for(pending())));
        }
    }
    let seen = Rc::new(Cell::new(None));
    let theirs = seen.clone();
    let mut job = future(move || {
        let _waits = Waits(theirs);
        never().unwrap();
    });
    assert!(poll(&mut job, &waker()).is_pending());
    drop(job);
    assert_eq!(seen.get(), Some(Err(WaitError::Cancelled)));
    assert_eq!(stats::thread().abandoned, 0);
    for error in [WaitError::NoTask, WaitError::Blocked, WaitError::Cancelled] {
        assert!(!error.to_string().is_empty());
    }
}

// Rules: S3, F11
#[test]
fn a_wait_ends_when_its_job_is_cancelled_and_its_future_is_dropped_when_it_unwinds() {
    for (on_drop, ended) in [(OnDrop::Cancel, true), (OnDrop::Unwind, false)] {
        let (held, seen) = (Rc::new(()), Rc::new(Cell::new(false)));
        let (theirs, answers) = (held.clone(), seen.clone());
        let waits = move || {
            let never = async move {
                pending::<()>().await;
                drop(theirs);
            };
            assert_eq!(wait_for(never), Err(WaitError::Cancelled));
            assert_eq!(wait_for(ready(1)), Err(WaitError::Cancelled), "for good");
            answers.set(true);
        };
        // SAFETY: the contract of `Job::start`: as for `start_job`.
        let mut job = unsafe { JobFuture::new_with(on_drop, waits) };
        assert!(poll(&mut job, &waker()).is_pending());
        assert_eq!(Rc::strong_count(&held), 2);
        drop(job);
        assert_eq!((Rc::strong_count(&held), seen.get()), (1, ended));
    }
    assert_eq!(stats::thread().abandoned, 0);
}

// Rules: D5
#[test]
fn inside_another_job_the_future_is_not_polled() {
    let polls = Rc::new(Cell::new(0));
    let theirs = polls.clone();
    let mut job = future(move || wait_for(polled(1, &theirs)));
    let waker = waker();
    assert!(poll(&mut job, &waker).is_pending());
    let shared = Rc::new(RefCell::new(job));
    let (theirs, context) = (shared.clone(), waker.clone());
    let step = start_job(move || poll(&mut *theirs.borrow_mut(), &context));
    let Ok(Step::Finished(polled)) = step else {
        panic!("it ends")
    };
    assert_eq!(polled, Poll::Ready(Err(JobError::Failed(Error::Nested))));
    assert_eq!(polls.get(), 1);
    let again = poll(&mut *shared.borrow_mut(), &waker);
    assert_eq!((again, polls.get()), (Poll::Ready(Ok(Ok(2))), 2));
}

// Rules: B22
#[test]
fn a_wait_goes_on_after_c_has_resumed_its_job() {
    let handle = Rc::new(Cell::new(std::ptr::null_mut()));
    let (seen, polls) = (handle.clone(), Rc::new(Cell::new(0)));
    let theirs = polls.clone();
    let mut job = future(move || {
        seen.set(ASYNC_get_current_job());
        wait_for(polled(1, &theirs))
    });
    let waker = waker();
    assert!(poll(&mut job, &waker).is_pending());
    let (mut raw, null) = (handle.get(), std::ptr::null_mut());
    // SAFETY: a live handle.
    let got = unsafe { ASYNC_start_job_2015(&mut raw, std::ptr::null_mut(), None, null, 0) };
    assert_eq!(got, ASYNC_PAUSE);
    assert_eq!(poll(&mut job, &waker), Poll::Ready(Ok(Ok(2))));
}

/// A future's poll may take much stack: it has the thread's.
// Rules: G41
#[test]
fn the_polls_take_none_of_the_jobs_stack() {
    let job = future(|| {
        wait_for(poll_fn(|_| {
            let large = std::hint::black_box([1_u8; 300 * 1024]);
            Poll::Ready(large.iter().map(|byte| u32::from(*byte)).sum::<u32>())
        }))
    });
    assert!(ossl_async::stack_size() < 300 * 1024);
    assert_eq!(block_on(job), Ok(Ok(300 * 1024)));
}
