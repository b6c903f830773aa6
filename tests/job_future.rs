//! A job as a future: started at its first poll, pending while it is paused, and woken by the wakes
//! of the job.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Job, JobError, JobFuture, OnDrop, Pool, Step, WakeHandle, stats};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future of a test's.
fn future<T: 'static, F: FnOnce() -> T + 'static>(closure: F) -> JobFuture<T, F> {
    // SAFETY: the contract of `Job::start`: as for `start_job`.
    unsafe { JobFuture::new(closure) }
}

/// Counts wakes, and unparks a thread.
struct Counts(AtomicU32, std::thread::Thread);
impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.unpark();
    }
}

/// A waker, and how often it was called.
fn waker() -> (Waker, Arc<Counts>) {
    let counts = Arc::new(Counts(AtomicU32::new(0), std::thread::current()));
    (Waker::from(counts.clone()), counts)
}

impl Counts {
    fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn block_on<F: Future>(future: F) -> F::Output {
    let (waker, _) = waker();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A slot for the handle of a job.
type Slot = Rc<RefCell<Option<WakeHandle>>>;

/// Pauses so often, and notes its handle and each resume.
fn pauses(times: u32, slot: &Slot, resumed: &Rc<Cell<u32>>) -> impl FnOnce() -> u32 + 'static {
    let (slot, resumed) = (slot.clone(), resumed.clone());
    move || {
        slot.replace(ossl_async::current());
        for _ in 0..times {
            assert!(ossl_async::pause());
            resumed.set(resumed.get() + 1);
        }
        times
    }
}

// Rules: B37, B32
#[test]
fn each_wake_wakes_the_task_once_and_each_poll_after_a_wake_resumes_the_job_once() {
    alone(|| {
        let (slot, resumed) = (Slot::default(), Rc::default());
        let before = descriptors();
        let mut job = future(pauses(3, &slot, &resumed));
        let (first, counts) = waker();
        assert!(poll(&mut job, &first).is_pending());
        for round in 0..3 {
            assert_eq!(resumed.get(), round);
            // Polls that no wake is behind do not resume it.
            assert!(poll(&mut job, &first).is_pending());
            assert_eq!((resumed.get(), counts.take()), (round, 0));
            let handle = slot.borrow().clone().expect("it runs");
            handle.wake();
            handle.wake();
            handle.clear(); // concerns the descriptor, which it has not
            assert_eq!((resumed.get(), counts.take()), (round, 1));
            let polled = poll(&mut job, &first);
            assert_eq!((polled.is_ready(), counts.take()), (round == 2, 0));
        }
        assert_eq!(descriptors(), before);
        slot.take().unwrap().wake(); // it has ended
        assert_eq!(counts.take(), 0);
        assert_eq!(Arc::strong_count(&counts), 2, "the waker was given back");
        let again = catch_unwind(AssertUnwindSafe(|| poll(&mut job, &first)));
        assert!(again.is_err());
    });
}

// Rules: B37
#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_called() {
    let (slot, resumed) = (Slot::default(), Rc::default());
    let mut job = future(pauses(2, &slot, &resumed));
    let ((first, firsts), (second, seconds)) = (waker(), waker());
    assert!(poll(&mut job, &first).is_pending());
    assert!(poll(&mut job, &second).is_pending());
    assert_eq!(Arc::strong_count(&firsts), 2);
    slot.borrow().as_ref().unwrap().wake();
    assert_eq!((firsts.take(), seconds.take()), (0, 1));
    assert!(poll(&mut job, &first).is_pending());
    slot.borrow().as_ref().unwrap().wake();
    assert_eq!((firsts.take(), seconds.take()), (1, 0));
    assert_eq!(poll(&mut job, &second), Poll::Ready(Ok(2)));
    assert_eq!(Arc::strong_count(&seconds), 2);
}

// Rules: B37
#[test]
fn a_job_that_wakes_itself_and_pauses_lets_others_run() {
    let mut job = future(|| {
        for _ in 0..2 {
            ossl_async::current().unwrap().wake();
            ossl_async::pause();
        }
    });
    let (waker, counts) = waker();
    assert!(poll(&mut job, &waker).is_pending());
    assert_eq!(counts.take(), 1);
    assert!(poll(&mut job, &waker).is_pending());
    assert_eq!(counts.take(), 1);
    assert_eq!(poll(&mut job, &waker), Poll::Ready(Ok(())));
}

// Rules: B37, G33, G34
#[test]
fn cs_wake_and_the_callback_of_the_wait_context_wake_the_task() {
    let mut job = future(|| {
        let handle = ASYNC_get_current_job();
        // SAFETY: the running job's handle.
        let ctx = unsafe { ASYNC_get_wait_ctx(handle) };
        let (mut callback, mut argument) = (None, std::ptr::null_mut());
        // SAFETY: the job's context, and places that can be written.
        let got = unsafe { ASYNC_WAIT_CTX_get_callback(ctx, &mut callback, &mut argument) };
        assert_eq!(got, 1);
        let (handle, argument) = (handle.expose_provenance(), argument.expose_provenance());
        let wake_by_c = move || {
            // SAFETY: the library issued the handle.
            unsafe { ASYNC_wake(std::ptr::with_exposed_provenance_mut(handle)) };
        };
        std::thread::spawn(wake_by_c);
        assert!(ossl_async::pause());
        let call_back = move || {
            let argument = std::ptr::with_exposed_provenance_mut(argument);
            // SAFETY: the context's own argument.
            assert_eq!(unsafe { callback.expect("it is set")(argument) }, 1);
        };
        std::thread::spawn(call_back);
        assert!(ossl_async::pause());
        // A cleanup of the context runs when the job ends.
        unsafe extern "C" fn clean(
            _: *mut ASYNC_WAIT_CTX,
            _: *const libc::c_void,
            _: i32,
            data: *mut libc::c_void,
        ) {
            // SAFETY: `set_wait_fd` below passes it.
            unsafe { *data.cast::<u32>() += 1 };
        }
        let cleaned: &'static mut u32 = Box::leak(Box::new(0));
        let data = std::ptr::from_mut(cleaned);
        // SAFETY: the job's context; the data stays.
        let set = unsafe {
            ASYNC_WAIT_CTX_set_wait_fd(ctx, std::ptr::null(), 7, data.cast(), Some(clean))
        };
        assert_eq!(set, 1);
        data
    });
    let cleaned = block_on(&mut job).unwrap();
    // SAFETY: it was leaked.
    let cleaned = unsafe { Box::from_raw(cleaned) };
    assert_eq!(*cleaned, 1);
}

// Rules: F11
#[test]
fn a_panic_comes_out_of_the_poll_and_the_pool_has_its_job_back() {
    Pool::init(1, 1).unwrap();
    for pauses in [0, 1] {
        let mut job = future(move || {
            (0..pauses).for_each(|_| {
                ossl_async::current().unwrap().wake();
                ossl_async::pause();
            });
            std::panic::resume_unwind(Box::new(7_u32));
        });
        let panics = AssertUnwindSafe(|| block_on::<&mut JobFuture<(), _>>(&mut job));
        let payload = catch_unwind(panics).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&7_u32));
    }
    assert_eq!(block_on(future(|| 5)), Ok(5));
    assert_eq!(stats::thread().created, 1);
}

// Rules: P2, D5
#[test]
fn a_future_that_could_not_start_or_resume_says_so_and_can_be_polled_again() {
    Pool::init(2, 0).unwrap();
    let (waker, counts) = waker();
    let (slot, resumed) = (Slot::default(), Rc::default());
    let mut paused = future(pauses(1, &slot, &resumed));
    let mut other = future(ossl_async::pause);
    assert!(poll(&mut paused, &waker).is_pending());
    assert!(poll(&mut other, &waker).is_pending());
    let held = Rc::new(5);
    let theirs = held.clone();
    let mut third = future(move || *theirs);
    assert_eq!(poll(&mut third, &waker), Poll::Ready(Err(JobError::Full)));
    assert_eq!(Rc::strong_count(&held), 2, "it still has its closure");
    drop(other);
    // Inside a job.
    let shared = Rc::new(RefCell::new((paused, third)));
    let (theirs, context) = (shared.clone(), waker.clone());
    let job = start_job(move || {
        let (paused, third) = &mut *theirs.borrow_mut();
        slot.borrow().as_ref().unwrap().wake();
        (poll(paused, &context), poll(third, &context))
    });
    let Ok(Step::Finished((first, second))) = job else {
        panic!("it ends")
    };
    let nested = JobError::Failed(Error::Nested);
    assert_eq!(first, Poll::Ready(Err(nested)));
    assert_eq!(second, Poll::Ready(Err(nested)));
    let (paused, third) = &mut *shared.borrow_mut();
    assert_eq!(poll(third, &waker), Poll::Ready(Ok(5)));
    assert_eq!(poll(paused, &waker), Poll::Ready(Ok(1)));
    counts.take();
}

// Rules: D15, F11
#[test]
fn a_future_can_be_dropped_at_any_time() {
    Pool::init(2, 0).unwrap();
    let held = Rc::new(());
    let closure = |held: &Rc<()>| {
        let held = held.clone();
        move || {
            ossl_async::pause();
            drop(held);
        }
    };
    let (waker, counts) = waker();
    drop(future(closure(&held))); // before its first poll
    assert_eq!((Rc::strong_count(&held), stats::thread().starts), (1, 0));
    let mut job = future(closure(&held));
    assert!(poll(&mut job, &waker).is_pending());
    drop(job);
    assert_eq!((Rc::strong_count(&held), stats::thread().finishes), (1, 1));
    assert_eq!(Arc::strong_count(&counts), 2);
    // SAFETY: the contract of `Job::start`, as in `future`.
    let mut job = unsafe { JobFuture::new_with(OnDrop::Cancel, closure(&held)) };
    assert!(poll(&mut job, &waker).is_pending());
    drop(job);
    assert_eq!((Rc::strong_count(&held), stats::thread().finishes), (1, 2));
    // Inside a job.
    let mut job = future(closure(&held));
    assert!(poll(&mut job, &waker).is_pending());
    drop(start_job(move || drop(job)).ok());
    assert_eq!((Rc::strong_count(&held), stats::thread().abandoned), (2, 1));
    assert_eq!(Arc::strong_count(&counts), 2);
}

// Rules: D15
#[test]
fn while_the_thread_ends_a_future_can_be_polled_and_dropped() {
    /// Is polled once more, and then dropped, by a thread-local's destructor.
    struct Last(Pin<Box<dyn Future<Output = Result<(), JobError>>>>, Waker);
    impl Drop for Last {
        fn drop(&mut self) {
            let mut ctx = Context::from_waker(&self.1);
            assert!(self.0.as_mut().poll(&mut ctx).is_pending());
        }
    }
    thread_local! {
        static KEPT: RefCell<Vec<Last>> = const { RefCell::new(Vec::new()) };
    }
    let held = Arc::new(());
    let theirs = held.clone();
    std::thread::spawn(move || {
        KEPT.with_borrow(|kept| assert!(kept.is_empty()));
        for polls in 0..2 {
            let (held, (waker, _)) = (theirs.clone(), waker());
            let mut job = Box::pin(future(move || {
                ossl_async::pause();
                drop(held);
            }));
            (0..polls).for_each(|_| assert!(poll(&mut job, &waker).is_pending()));
            KEPT.with_borrow_mut(|kept| kept.push(Last(job, waker)));
        }
        drop(theirs);
    })
    .join()
    .unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

// Rules: D6
#[test]
fn a_job_that_c_has_ended_is_an_error_at_the_next_poll() {
    let handle = Rc::new(Cell::new(std::ptr::null_mut()));
    let seen = handle.clone();
    let mut job = future(move || {
        seen.set(ASYNC_get_current_job());
        ossl_async::pause();
    });
    let (waker, counts) = waker();
    assert!(poll(&mut job, &waker).is_pending());
    let (mut raw, mut ret) = (handle.get(), UNWRITTEN);
    let null = std::ptr::null_mut();
    // SAFETY: a live handle.
    let got = unsafe { ASYNC_start_job_2015(&mut raw, &mut ret, None, null, 0) };
    assert_eq!(got, ASYNC_FINISH);
    let refused = JobError::Failed(Error::NotResumable);
    assert_eq!(poll(&mut job, &waker), Poll::Ready(Err(refused)));
    drop(job);
    assert_eq!(Arc::strong_count(&counts), 2, "no waker is left behind");
}

// Rules: D9, W8
#[test]
fn wakes_from_other_threads_are_not_lost() {
    let rounds = if cfg!(ossl_async_sanitizer) {
        300
    } else {
        5000
    };
    let job = future(move || {
        let (send, receive) = std::sync::mpsc::channel::<(WakeHandle, Arc<AtomicU32>)>();
        let waking = std::thread::spawn(move || {
            for (handle, turn) in receive {
                turn.store(1, Ordering::Release);
                handle.wake();
            }
        });
        for _ in 0..rounds {
            let turn = Arc::new(AtomicU32::new(0));
            let handle = ossl_async::current().unwrap();
            send.send((handle, turn.clone())).unwrap();
            while turn.load(Ordering::Acquire) == 0 {
                assert!(ossl_async::pause());
            }
        }
        drop(send);
        waking.join().unwrap();
    });
    assert_eq!(block_on(job), Ok(()));
}

// Rules: B37
#[test]
fn an_ordinary_job_has_no_task() {
    let Ok(Step::Paused(job)): Result<Step<bool>, _> = start_job(ossl_async::pause) else {
        panic!("it pauses")
    };
    job.wake_handle().wake();
    let Ok(Step::Finished(true)) = Job::resume(job) else {
        panic!("it ends")
    };
    assert!(format!("{:?}", future(|| ())).contains("not started"));
}
