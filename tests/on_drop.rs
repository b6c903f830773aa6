//! What becomes of a paused job that is dropped: it unwinds, is cancelled, or is abandoned.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Job, OnDrop, Pool, Step, stats};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::rc::Rc;

/// Starts a job that pauses.
fn start<T: 'static>(on_drop: OnDrop, closure: impl FnOnce() -> T + 'static) -> Job<T> {
    // SAFETY: the contract of `start`: as for `start_job`. Jobs that are unwound have no frame of
    // C at a pause.
    paused(unsafe { Job::start_with(on_drop, closure) })
}

/// The thread's jobs: paused, abandoned, finished, and calls refused.
fn counts() -> [u64; 4] {
    let stats = stats::thread();
    [
        stats.paused,
        stats.abandoned,
        stats.finishes,
        stats.refusals,
    ]
}

type Log = Rc<RefCell<Vec<String>>>;

/// Notes where and how it is dropped.
struct Notes(&'static str, Log);
impl Drop for Notes {
    fn drop(&mut self) {
        let (in_job, pauses) = (ossl_async::in_job(), ossl_async::pause());
        let panicking = std::thread::panicking();
        let note = format!("{} {in_job} {pauses} {panicking}", self.0);
        self.1.borrow_mut().push(note);
    }
}

// Rules: F11, P4, D24
#[test]
fn a_dropped_job_unwinds_where_it_paused_and_its_pool_has_it_back() {
    alone(|| {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        Pool::init(1, 1).unwrap();
        let log = Log::default();
        let (outer, inner, capture) = (log.clone(), log.clone(), Notes("capture", log.clone()));
        fn deep(level: u32, log: &Log) {
            if level == 0 {
                ossl_async::pause();
            } else {
                deep(level - 1, log);
            }
            log.borrow_mut().push("went on".into());
        }
        let job = start(OnDrop::default(), move || {
            let _capture = &capture;
            let _outer = Notes("outer", outer);
            let _guard = Notes("inner", inner.clone());
            deep(20, &inner);
        });
        let wake = job.wake_handle();
        assert_eq!(*log.borrow(), [""; 0]);
        drop(job);
        let noted = ["inner", "outer", "capture"].map(|name| format!("{name} true false true"));
        assert_eq!(*log.borrow(), noted);
        assert_eq!(counts(), [0, 0, 1, 0]);
        assert!(!ossl_async::in_job() && !std::thread::panicking());
        wake.wake(); // it has ended
        // The one job of the pool, as good as new: it pauses, is resumed, and can panic.
        for _ in 0..3 {
            assert!(finished(start(OnDrop::Unwind, ossl_async::pause).resume()));
        }
        assert_eq!(stats::thread().created, 1);
    });
}

// Rules: F11
#[test]
fn steps_errors_and_boxed_errors_drop_what_they_hold() {
    let shared = Rc::new(());
    let job = |shared: &Rc<()>| {
        let held = shared.clone();
        start(OnDrop::Unwind, move || {
            ossl_async::pause();
            drop(held);
        })
    };
    let mut pausing_twice = Some(start(OnDrop::Unwind, {
        let held = shared.clone();
        move || {
            ossl_async::pause();
            ossl_async::pause();
            drop(held);
        }
    }));
    drop(Step::Paused(job(&shared)));
    drop(pausing_twice.take().map(Job::resume));
    drop(vec![job(&shared), job(&shared)]);
    // A closure that was not run is dropped, and so is the job that it has.
    let closure = job(&shared);
    Pool::init(1, 0).unwrap();
    let other = start(OnDrop::Unwind, ossl_async::pause);
    let refused: Result<_, Box<dyn std::error::Error>> =
        start_job(move || drop(closure)).map_err(Into::into);
    assert!(refused.is_err());
    drop(other);
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(counts()[..2], [0, 0]);
}

/// Pauses, and catches what comes out.
fn caught() -> Result<bool, Box<dyn Any + Send>> {
    catch_unwind(ossl_async::pause)
}

// Rules: F11, D15
#[test]
fn a_job_that_catches_the_unwinding_cannot_live_on() {
    Pool::init(0, 0).unwrap();
    let log = Log::default();
    // It ends by itself: its value is dropped.
    let notes = log.clone();
    drop(start(OnDrop::Unwind, move || {
        caught().unwrap_err();
        assert!(!std::thread::panicking());
        Notes("value", notes)
    }));
    assert_eq!(log.take(), ["value false false false"]);
    assert_eq!(counts(), [0, 0, 1, 0]);
    // It pauses again, and stays there.
    let (notes, seen) = (log.clone(), Rc::new(Cell::new(0)));
    let theirs = seen.clone();
    drop(start(OnDrop::Unwind, move || {
        let _never = Notes("never", notes);
        while theirs.get() < 10 {
            caught().unwrap_err();
            theirs.set(theirs.get() + 1);
        }
    }));
    assert_eq!((seen.get(), log.borrow().len()), (1, 0));
    assert_eq!(counts(), [0, 1, 1, 0]);
    // It is one of C's functions that pauses it again.
    drop(start(OnDrop::Unwind, || {
        caught().unwrap_err();
        ASYNC_pause_job();
        unreachable!("it is abandoned");
    }));
    assert_eq!(counts(), [0, 2, 1, 0]);
    // While pausing is blocked it cannot pause, and ends.
    drop(start(OnDrop::Unwind, || {
        caught().unwrap_err();
        let _guard = ossl_async::block_pause();
        assert!(!ossl_async::pause());
    }));
    assert_eq!(counts(), [0, 2, 2, 0]);
}

// Rules: F11
#[test]
fn a_panic_that_takes_the_place_of_the_unwinding_goes_no_further_than_the_drop() {
    struct Payload(Rc<Cell<u32>>);
    // SAFETY: it never leaves the thread.
    unsafe impl Send for Payload {}
    impl Drop for Payload {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    for on_drop in [OnDrop::Unwind, OnDrop::Cancel] {
        let payload = Payload(dropped.clone());
        drop(start(on_drop, move || {
            let _ = caught();
            resume_unwind(Box::new(payload));
        }));
    }
    assert_eq!(dropped.get(), 2);
    assert_eq!(counts(), [0, 0, 2, 0]);
}

// Rules: F11
#[test]
fn what_is_thrown_is_an_ordinary_panic_in_any_other_job() {
    let kept = Rc::new(RefCell::new(None));
    let theirs = kept.clone();
    drop(start(OnDrop::Unwind, move || {
        *theirs.borrow_mut() = caught().err();
    }));
    let payload = kept.take().expect("it was caught");
    let panics = AssertUnwindSafe(|| start_job(move || resume_unwind(payload)).map(drop));
    let payload = catch_unwind(panics).expect_err("it reappears here");
    assert!(!payload.is::<&str>() && !payload.is::<String>());
    assert_eq!(counts(), [0, 0, 2, 0]);
}

// Rules: S3
#[test]
fn a_job_of_the_other_kind_is_cancelled_to_its_end() {
    let log = Log::default();
    let notes = log.clone();
    drop(start(OnDrop::Cancel, move || {
        let pauses = [(); 3].map(|()| ossl_async::pause());
        assert_eq!(pauses, [true, false, false]);
        Notes("value", notes)
    }));
    assert_eq!(log.take(), ["value false false false"]);
    assert_eq!(counts(), [0, 0, 1, 0]);
}

/// Below a frame of C, which cannot be unwound.
// Rules: S3, B34
#[test]
fn a_job_with_frames_of_c_is_cancelled_through_them() {
    extern "C" fn compare(_: *const libc::c_void, _: *const libc::c_void) -> i32 {
        ossl_async::pause();
        ASYNC_pause_job();
        0
    }
    let job = start(OnDrop::Cancel, || {
        let mut items = [2_u8, 1];
        // SAFETY: two items of one byte each.
        unsafe { libc::qsort(items.as_mut_ptr().cast(), 2, 1, Some(compare)) };
        items
    });
    drop(job);
    assert_eq!(counts(), [0, 0, 1, 0]);
}

// Rules: B32, D15
#[test]
fn a_job_that_is_dropped_in_a_pause_of_c_goes_on_to_its_next_pause() {
    let answers = Rc::new(RefCell::new(vec![]));
    let theirs = answers.clone();
    drop(start(OnDrop::Unwind, move || {
        loop {
            let answer = ASYNC_pause_job();
            theirs.borrow_mut().push(answer);
        }
    }));
    assert_eq!(*answers.borrow(), [1]);
    assert_eq!(counts(), [0, 1, 0, 0]);
}

// Rules: D15, D5
#[test]
fn inside_another_job_a_dropped_job_is_abandoned_and_that_is_no_refused_call() {
    for (abandoned, on_drop) in (1..).zip([OnDrop::Unwind, OnDrop::Cancel, OnDrop::Abandon]) {
        let shared = Rc::new(());
        let held = shared.clone();
        let job = start(on_drop, move || {
            ossl_async::pause();
            drop(held);
        });
        finished(start_job(move || drop(job)));
        assert_eq!(Rc::strong_count(&shared), 2, "it is still on that stack");
        assert_eq!(counts(), [0, abandoned, abandoned, 0]);
    }
}

// Rules: D15
#[test]
fn while_the_thread_ends_a_thread_locals_destructor_can_still_end_a_job() {
    thread_local! {
        static KEPT: RefCell<Vec<Job<()>>> = const { RefCell::new(Vec::new()) };
    }
    alone(|| {
        let before = stats::process();
        let shared = std::sync::Arc::new(());
        let theirs = shared.clone();
        std::thread::spawn(move || {
            KEPT.with_borrow(|kept| assert!(kept.is_empty()));
            for on_drop in [OnDrop::Unwind, OnDrop::Cancel] {
                let held = theirs.clone();
                let job = start(on_drop, move || {
                    ossl_async::pause();
                    drop(held);
                });
                KEPT.with_borrow_mut(|kept| kept.push(job));
            }
        })
        .join()
        .unwrap();
        assert_eq!(std::sync::Arc::strong_count(&shared), 1);
        let after = stats::process();
        assert_eq!(after.abandoned, before.abandoned);
        assert_eq!(after.finishes, before.finishes + 2);
    });
}

// Rules: F11
#[test]
fn a_job_that_is_dropped_while_its_thread_unwinds_unwinds_too() {
    let log = Log::default();
    let notes = log.clone();
    let job = AssertUnwindSafe(start(OnDrop::Unwind, move || {
        let _notes = Notes("job", notes);
        let inner = caught().unwrap_err();
        assert!(!ossl_async::pause(), "the thread unwinds");
        resume_unwind(inner);
    }));
    let unwound = catch_unwind(move || {
        let _job = job;
        resume_unwind(Box::new("the thread's own"));
    });
    let payload = unwound.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the thread's own"));
    assert_eq!(*log.borrow(), ["job true false true"]);
    assert!(!std::thread::panicking());
    assert_eq!(counts(), [0, 0, 1, 0]);
    assert!(finished(start(OnDrop::Unwind, ossl_async::pause).resume()));
}

// Rules: F11
#[test]
fn a_scope_of_threads_in_a_dropped_job_waits_for_its_threads() {
    use std::sync::atomic::{AtomicBool, Ordering};
    /// Lets the thread go on.
    struct Go<'a>(&'a AtomicBool);
    impl Drop for Go<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (send, receive) = std::sync::mpsc::channel::<u32>();
    let job = start(OnDrop::Unwind, move || {
        let (data, go) = (vec![5_u32; 10], AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _go = Go(&go);
            scope.spawn(|| {
                while !go.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                send.send(data.iter().sum()).unwrap();
            });
            ossl_async::pause();
        });
    });
    assert!(receive.try_recv().is_err(), "it waits for the unwinding");
    drop(job);
    assert_eq!(receive.try_recv(), Ok(50), "it has ended before the drop");
}

// Rules: D6, B22
#[test]
fn a_job_that_c_has_resumed_meanwhile_unwinds_as_well() {
    let handle = Rc::new(Cell::new(ptr::null_mut()));
    let (seen, shared) = (handle.clone(), Rc::new(()));
    let held = shared.clone();
    let job = start(OnDrop::Unwind, move || {
        seen.set(ASYNC_get_current_job());
        ossl_async::pause();
        ossl_async::pause();
        drop(held);
    });
    let (mut raw, mut ret) = (handle.get(), UNWRITTEN);
    // SAFETY: a live handle.
    let mut resume =
        || unsafe { ASYNC_start_job_2015(&mut raw, &mut ret, None, ptr::null_mut(), 0) };
    assert_eq!(resume(), ASYNC_PAUSE);
    drop(job);
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(resume(), ASYNC_ERR, "it has ended");
    assert_eq!(errors(), [0x33069042]);
}

// Rules: D15, P4
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer keeps freed blocks in memory"
)]
fn a_hundred_thousand_dropped_jobs_leave_memory_as_it_was() {
    alone(|| {
        Pool::init(1, 0).unwrap();
        let drop_one = || {
            drop(start(OnDrop::Unwind, || {
                let _held = vec![1_u8; 1000];
                ossl_async::pause();
            }))
        };
        (0..100).for_each(|_| drop_one());
        let before = resident_memory() / 1024;
        (0..100_000).for_each(|_| drop_one());
        let after = resident_memory() / 1024;
        println!("{before} KiB, then {after} KiB");
        assert!(after < before + 1024, "{before} KiB, then {after} KiB");
        assert_eq!(stats::thread().created, 1);
    });
}
