//! The wait context of a job that Rust has started, and the descriptors that code in the job puts
//! into it.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{ChangedFds, Job, JobFuture, OnDrop, Step, WakeHandle, stats};
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The context of the job that this is called in.
fn context() -> *mut ASYNC_WAIT_CTX {
    // SAFETY: NULL, or the running job's handle.
    unsafe { ASYNC_get_wait_ctx(ASYNC_get_current_job()) }
}

/// Adds a descriptor under itself as the key. Its cleanup, if there is to be one, adds to a number.
fn add(fd: c_int, cleaned: Option<&'static AtomicU32>) {
    let cleanup: Option<CleanupFn> = cleaned.map(|_| count as CleanupFn);
    let data = cleaned.map_or(ptr::null_mut(), |cleaned| ptr::from_ref(cleaned).cast_mut());
    // SAFETY: the job's context; the data is a static number.
    let added = unsafe { ASYNC_WAIT_CTX_set_wait_fd(context(), key(fd), fd, data.cast(), cleanup) };
    assert_eq!(added, 1);
}

fn clear(fd: c_int) {
    // SAFETY: the job's context.
    assert_eq!(unsafe { ASYNC_WAIT_CTX_clear_fd(context(), key(fd)) }, 1);
}

fn key(fd: c_int) -> *const c_void {
    ptr::without_provenance(fd as usize)
}

type CleanupFn = unsafe extern "C" fn(*mut ASYNC_WAIT_CTX, *const c_void, c_int, *mut c_void);

unsafe extern "C" fn count(_: *mut ASYNC_WAIT_CTX, _: *const c_void, fd: c_int, data: *mut c_void) {
    // SAFETY: `add` passes such a number.
    unsafe { &*data.cast::<AtomicU32>() }.fetch_add(fd as u32, Ordering::Relaxed);
}

fn future<T: 'static, F: FnOnce() -> T + 'static>(closure: F) -> JobFuture<T, F> {
    // SAFETY: the contract of `Job::start`: as for `start_job`.
    unsafe { JobFuture::new(closure) }
}

/// Counts its calls.
struct Counts(AtomicU32);
impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn changed(added: &[c_int], deleted: &[c_int]) -> ChangedFds {
    let mut changed = ChangedFds::default();
    changed.added.extend(added);
    changed.deleted.extend(deleted);
    changed
}

// Rules: G19, G21, G22, G24, G25, G29, G30, G31, G46
#[test]
fn a_paused_job_tells_its_descriptors_and_what_has_changed_since_the_last_resume() {
    let mut job = paused(start_job(|| {
        ossl_async::pause();
        add(10, None);
        add(11, None);
        add(12, None);
        clear(12); // no trace
        ossl_async::pause();
        ossl_async::pause();
        clear(10);
        add(13, None);
        clear(11);
        add(11, None); // the same again
        ossl_async::pause();
        clear(11);
        clear(13);
        ossl_async::pause();
    }));
    let expected: [(&[c_int], ChangedFds); 5] = [
        (&[], changed(&[], &[])),
        (&[11, 10], changed(&[11, 10], &[])),
        (&[11, 10], changed(&[], &[])),
        (&[11, 13], changed(&[11, 13], &[11, 10])),
        (&[], changed(&[], &[11, 13])),
    ];
    for (pause, (all, changed)) in expected.iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(job.wait_fds(), *all, "pause {pause}");
            assert_eq!(job.changed_wait_fds(), *changed, "pause {pause}");
        }
        match job.resume().unwrap() {
            Step::Paused(again) => job = again,
            Step::Finished(()) => return assert_eq!(pause, expected.len() - 1),
        }
    }
    panic!("it ends");
}

// Rules: G11, G33, G34, G35
#[test]
fn a_job_of_rusts_has_a_context_from_the_first_time_that_code_in_it_asks() {
    let seen = Rc::new(Cell::new((ptr::null_mut(), ptr::null_mut())));
    let theirs = seen.clone();
    let step = start_job(move || {
        let job = ASYNC_get_current_job();
        theirs.set((job, ptr::null_mut()));
        ossl_async::pause();
        // Another thread asks, and does not make one.
        let address = job.expose_provenance();
        let asks = move || {
            let job = ptr::with_exposed_provenance_mut(address);
            // SAFETY: the handle of a job.
            unsafe { ASYNC_get_wait_ctx(job) }.is_null()
        };
        assert!(std::thread::spawn(asks).join().unwrap());
        let ctx = context();
        assert!(!ctx.is_null() && ctx == context());
        theirs.set((job, ctx));
        // SAFETY: the job's context.
        assert_eq!(unsafe { ASYNC_WAIT_CTX_get_status(ctx) }, 0);
        ossl_async::pause();
        assert_eq!(ctx, context());
        5
    });
    let get = |job| {
        // SAFETY: the handle of a job.
        unsafe { ASYNC_get_wait_ctx(job) }
    };
    let job = paused(step);
    assert!(get(seen.get().0).is_null(), "asked outside the job");
    assert!(job.wait_fds().is_empty());
    let job = paused(job.resume());
    let (handle, ctx) = seen.get();
    assert!(!ctx.is_null());
    assert_eq!(get(handle), ctx);
    assert_eq!(finished(job.resume()), 5);
    assert!(get(handle).is_null());
    // The record's next use is a job of C's, and has none.
    let mut next = CJob::new(move || {
        assert_eq!(ASYNC_get_current_job(), handle);
        context().is_null().into()
    });
    next.finish(1);
    assert_eq!(errors(), []);
}

// Rules: G33, G34, G36, B37
#[test]
fn the_callback_of_that_context_wakes_the_job() {
    let call = || {
        let (mut callback, mut argument) = (None, ptr::null_mut());
        // SAFETY: the job's context, and places that can be written.
        let got = unsafe { ASYNC_WAIT_CTX_get_callback(context(), &mut callback, &mut argument) };
        assert_eq!(got, 1);
        let argument = argument.expose_provenance();
        ossl_async::pause();
        let call = move || {
            // SAFETY: the context's own argument.
            unsafe { callback.unwrap()(ptr::with_exposed_provenance_mut(argument)) }
        };
        assert_eq!(std::thread::spawn(call).join().unwrap(), 1);
        ossl_async::pause();
    };
    let job = paused(start_job(call));
    let fd = job.wait_fd().unwrap().as_raw_fd();
    assert!(!readable(fd));
    let job = paused(job.resume());
    assert!(readable(fd));
    finished(job.resume());
}

// Rules: G17, G18, G24
#[test]
fn the_cleanups_run_once_when_the_job_ends_however_it_ends() {
    type Work = fn(&'static AtomicU32);
    let body = |cleaned: &'static AtomicU32| {
        add(1, Some(cleaned));
        add(2, Some(cleaned));
        add(4, Some(cleaned));
        clear(2);
    };
    let ends: [(&str, Work, OnDrop); 5] = [
        ("returns", |_| assert!(ossl_async::pause()), OnDrop::Unwind),
        (
            "panics",
            |_| std::panic::resume_unwind(Box::new(1)),
            OnDrop::Unwind,
        ),
        ("unwinds", |_| assert!(ossl_async::pause()), OnDrop::Unwind),
        (
            "is cancelled",
            |_| while ossl_async::pause() {},
            OnDrop::Cancel,
        ),
        (
            "has freed it",
            |cleaned| {
                // SAFETY: the job's context, which C code should not free.
                unsafe { ASYNC_WAIT_CTX_free(context()) };
                assert_eq!(cleaned.load(Ordering::Relaxed), 5);
            },
            OnDrop::Unwind,
        ),
    ];
    static CLEANED: [AtomicU32; 5] = [const { AtomicU32::new(0) }; 5];
    for ((end, then, on_drop), cleaned) in ends.into_iter().zip(&CLEANED) {
        let work = move || {
            body(cleaned);
            then(cleaned);
        };
        // SAFETY: the contract of `start`: as for `start_job`.
        let started = catch_unwind(AssertUnwindSafe(|| unsafe {
            Job::start_with(on_drop, work)
        }));
        match started {
            Ok(Ok(Step::Paused(job))) if end == "returns" => finished(job.resume()),
            Ok(Ok(Step::Paused(job))) => {
                assert_eq!(cleaned.load(Ordering::Relaxed), 0);
                drop(job);
            }
            Ok(Ok(Step::Finished(()))) | Err(_) => (),
            Ok(Err(_)) => panic!("it starts"),
        }
        assert_eq!(cleaned.load(Ordering::Relaxed), 5, "a job that {end}");
    }
    assert_eq!((stats::thread().paused, stats::thread().abandoned), (0, 0));
}

unsafe extern "C" fn pauses(_: *mut ASYNC_WAIT_CTX, _: *const c_void, _: c_int, _: *mut c_void) {
    assert_eq!(ASYNC_pause_job(), 1);
}

// Rules: G17, G18, B32
#[test]
fn a_cleanup_may_pause_and_the_jobs_value_is_kept() {
    let job = paused(start_job(|| {
        // SAFETY: the job's context.
        let added = unsafe {
            ASYNC_WAIT_CTX_set_wait_fd(context(), ptr::null(), 1, ptr::null_mut(), Some(pauses))
        };
        assert_eq!(added, 1);
        String::from("its value")
    }));
    assert!(job.wait_fds().is_empty(), "it is freed");
    assert_eq!(finished(job.resume()), "its value");
}

// Rules: G21, G22
#[test]
fn a_job_that_c_code_has_ended_has_no_descriptors() {
    let job = paused(start_job(|| {
        add(10, None);
        ossl_async::pause();
    }));
    let handle = Rc::new(Cell::new(ptr::null_mut()));
    let theirs = handle.clone();
    let other = paused(start_job(move || {
        theirs.set(ASYNC_get_current_job());
        add(11, None);
        ossl_async::pause();
    }));
    assert_eq!((job.wait_fds(), other.wait_fds()), (vec![10], vec![11]));
    let (mut handle, mut ret) = (handle.get(), 0);
    // SAFETY: the handle of a paused job.
    let ended = unsafe { ASYNC_start_job(&mut handle, NO_CTX, &mut ret, None, ptr::null_mut(), 0) };
    assert_eq!(ended, ASYNC_FINISH);
    assert!(other.wait_fds().is_empty());
    assert_eq!(other.changed_wait_fds(), ChangedFds::default());
    assert_eq!(job.wait_fds(), [10]);
    drop(job);
}

// Rules: G21, G22, B32
#[test]
fn a_future_tells_descriptors_while_they_can_end_a_pause_and_calls_before_each_resume() {
    let slot = Rc::new(RefCell::new(None::<WakeHandle>));
    let (theirs, gate) = (slot.clone(), Rc::new(Cell::new(false)));
    let opens = gate.clone();
    let mut job = future(move || {
        theirs.replace(ossl_async::current());
        add(10, None);
        ossl_async::pause();
        add(11, None);
        let opened = std::future::poll_fn(move |_| {
            if opens.get() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        ossl_async::wait_for(opened).unwrap();
        ossl_async::pause();
    });
    let counts = Arc::new(Counts(AtomicU32::new(0)));
    let waker = Waker::from(counts.clone());
    let called = Cell::new(0);
    let poll = |job: &mut JobFuture<(), _>| {
        let mut ctx = Context::from_waker(&waker);
        let resumes = stats::thread().resumes;
        let before_resume = || {
            called.set(called.get() + 1);
            assert_eq!(stats::thread().resumes, resumes);
        };
        Pin::new(job).poll_with(&mut ctx, before_resume)
    };
    job.wake(); // there is no job
    assert_eq!(
        (job.wait_fds(), job.changed_wait_fds()),
        (vec![], changed(&[], &[]))
    );

    assert!(poll(&mut job).is_pending() && poll(&mut job).is_pending());
    assert_eq!(
        called.get(),
        0,
        "a start and a poll without a wake resume nothing"
    );
    assert_eq!(
        (job.wait_fds(), job.changed_wait_fds()),
        (vec![10], changed(&[10], &[]))
    );

    job.wake();
    assert_eq!(counts.0.load(Ordering::Relaxed), 0, "the task is not woken");
    assert!(poll(&mut job).is_pending());
    assert_eq!(called.get(), 1);
    assert_eq!(
        (job.wait_fds(), job.changed_wait_fds()),
        (vec![], changed(&[11], &[]))
    );

    gate.set(true); // and the job goes on
    assert!(poll(&mut job).is_pending());
    assert_eq!(called.get(), 2);
    assert_eq!(
        (job.wait_fds(), job.changed_wait_fds()),
        (vec![11, 10], changed(&[], &[]))
    );

    slot.borrow().as_ref().unwrap().wake();
    assert_eq!(counts.0.load(Ordering::Relaxed), 1);
    assert!(poll(&mut job).is_ready());
    assert_eq!(called.get(), 3);
    assert_eq!(
        (job.wait_fds(), job.changed_wait_fds()),
        (vec![], changed(&[], &[]))
    );
    job.wake(); // it has ended
}

// Rules: G17, B32
#[test]
fn a_hook_that_panics_drops_the_job() {
    static CLEANED: AtomicU32 = AtomicU32::new(0);
    let mut job = future(move || {
        add(3, Some(&CLEANED));
        ossl_async::pause();
    });
    let mut ctx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut job).poll(&mut ctx).is_pending());
    job.wake();
    let panics = AssertUnwindSafe(|| {
        Pin::new(&mut job).poll_with(&mut ctx, || std::panic::resume_unwind(Box::new(6)))
    });
    let payload = catch_unwind(panics).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&6));
    assert!(job.wait_fds().is_empty());
    assert_eq!(CLEANED.load(Ordering::Relaxed), 3, "it was unwound");
    assert_eq!((stats::thread().paused, stats::thread().abandoned), (0, 0));
}
