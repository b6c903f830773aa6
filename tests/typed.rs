//! The Rust face: typed jobs, panics, errors that return what they were given, guards.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Job, JobError, OnDrop, Pool, StartError, Step, stats};
use serial_test::{parallel, serial};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

// Rules: B19, B32
#[test]
#[parallel]
fn a_closure_runs_pauses_and_gives_its_value() {
    let log = Rc::new(RefCell::new(vec![]));
    let inner = log.clone();
    let text = String::from("captured");
    let job = paused(start_job(move || {
        inner.borrow_mut().push("start");
        assert!(ossl_async::pause());
        inner.borrow_mut().push("resumed");
        text + "!"
    }));
    log.borrow_mut().push("between");
    assert_eq!(finished(job.resume()), "captured!");
    assert_eq!(*log.borrow(), ["start", "between", "resumed"]);
    assert_eq!(finished(start_job(|| [7u64; 100])), [7; 100]);
    finished(start_job(|| ()));
}

// Rules: B23
#[test]
#[parallel]
fn captures_and_values_are_dropped_exactly_once() {
    struct Count(Rc<Cell<u32>>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (captures, values) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for pauses in 0..3 {
        let (capture, value) = (Count(captures.clone()), Count(values.clone()));
        let mut step = start_job(move || {
            let _capture = &capture;
            (0..pauses).for_each(|_| assert!(ossl_async::pause()));
            value
        });
        while let Ok(Step::Paused(job)) = step {
            step = Ok(job.resume().unwrap());
        }
        assert_eq!((captures.get(), values.get()), (pauses + 1, pauses));
        drop(step);
        assert_eq!(values.get(), pauses + 1);
    }
}

// Rules: P2, B19
#[test]
#[parallel]
fn a_full_pool_gives_the_closure_back() {
    Pool::init(1, 1).unwrap();
    let job = paused(start_job(ossl_async::pause));
    let captured = String::from("still here");
    let error = start_job(move || captured).unwrap_err();
    assert_eq!(format!("{error:?}"), "Full(..)");
    assert_eq!(error.to_string(), "all jobs of the pool are in use");
    assert_eq!(error.error(), None);
    let closure = error.into_closure();
    assert!(finished(job.resume()));
    assert_eq!(finished(start_job(closure)), "still here");
    assert_eq!(errors(), [], "the Rust face leaves no entries");
}

// Rules: D5
#[test]
#[parallel]
fn a_start_and_a_resume_inside_a_job_are_refused_and_give_back_what_they_got() {
    let other = paused(start_job(|| {
        ossl_async::pause();
        "other"
    }));
    let slot = Rc::new(RefCell::new(Some(other)));
    let inside = slot.clone();
    let text = finished(start_job(move || {
        let refused = start_job(|| "inner").unwrap_err();
        assert!(matches!(refused, StartError::Failed(Error::Nested, _)));
        assert_eq!(format!("{refused:?}"), "Failed(Nested, ..)");
        assert_eq!(refused.to_string(), Error::Nested.to_string());
        assert_eq!(refused.error(), Some(Error::Nested));
        assert_eq!(refused.into_closure()(), "inner");
        let other = inside.take().unwrap();
        let refused = other.resume().unwrap_err();
        assert_eq!(refused.error, Error::Nested);
        assert_eq!(refused.to_string(), Error::Nested.to_string());
        assert!(format!("{refused:?}").contains("Nested"));
        inside.replace(Some(refused.job));
        "outer"
    }));
    assert_eq!(text, "outer");
    assert_eq!(finished(slot.take().unwrap().resume()), "other");
}

/// An error that may be sent anywhere.
type Boxed = Box<dyn std::error::Error + Send + Sync>;

// Rules: P2, B19
#[test]
#[parallel]
fn a_question_mark_boxes_an_error_and_drops_the_closure_or_the_job() {
    /// Starts a job with a capture that belongs to its thread, or resumes one.
    fn begins(captured: Rc<u32>) -> Result<Step<u32>, Boxed> {
        Ok(start_job(move || {
            ossl_async::pause();
            *captured
        })?)
    }
    fn resumes(job: Job<u32>) -> Result<Step<u32>, Boxed> {
        Ok(job.resume()?)
    }
    fn begins_for_this_thread() -> Result<(), Box<dyn std::error::Error>> {
        start_job(|| ())?;
        Ok(())
    }
    fn cancels(job: Job<u32>) -> Result<u32, JobError> {
        Ok(job.cancel()?)
    }
    Pool::init(1, 1).unwrap();
    let captured = Rc::new(5);
    let job = paused(begins(captured.clone()));
    let refused = begins(captured.clone()).unwrap_err();
    assert_eq!(refused.downcast_ref(), Some(&JobError::Full));
    assert_eq!(refused.to_string(), "all jobs of the pool are in use");
    assert_eq!(Rc::strong_count(&captured), 2, "the closure was dropped");
    let refused = begins_for_this_thread().unwrap_err();
    assert_eq!(refused.downcast_ref(), Some(&JobError::Full));
    let job = paused::<_, ()>(Ok(Step::Paused(job)));
    assert_eq!(finished(resumes(job)), 5);

    Pool::init(0, 0).unwrap();
    let (first, second) = (paused(begins(captured.clone())), paused(begins(captured)));
    let inside = finished(start_job(move || {
        let refused = resumes(first).unwrap_err();
        let cancelled = cancels(second).unwrap_err();
        (refused, cancelled, begins(Rc::new(6)).unwrap_err())
    }));
    let nested = JobError::Failed(Error::Nested);
    let (refused, cancelled, begun) = std::thread::spawn(move || inside).join().unwrap();
    assert_eq!(refused.downcast_ref(), Some(&nested));
    assert_eq!(begun.downcast_ref(), Some(&nested));
    assert_eq!(cancelled, nested);
    assert_eq!(cancelled.to_string(), Error::Nested.to_string());
    assert_eq!(JobError::from(Error::Nested), nested);
    drop(begun);
}

// Rules: B8
#[test]
#[parallel]
fn the_pools_errors_are_values() {
    assert_eq!(Pool::init(2, 3), Err(Error::PoolSize));
    assert_eq!(Pool::init(0, 1), Err(Error::PoolSize));
    assert_eq!(Pool::init(2, 2), Ok(()));
    assert_eq!(errors(), []);
    Pool::free();
    let jobs: Vec<_> = (0..3)
        .map(|_| paused(start_job(ossl_async::pause)))
        .collect();
    jobs.into_iter()
        .for_each(|job| assert!(finished(job.resume())));
    finished(start_job(Pool::free)); // inside a job: no effect
    Pool::free();
}

// Rules: B10
#[test]
#[parallel]
fn jobs_made_up_front_by_rust_have_no_pipe_until_c_starts_them() {
    alone(|| {
        let before = descriptors();
        Pool::init(2, 2).unwrap();
        assert_eq!(descriptors(), before);
        let mut job = pausing(1, 1);
        job.pause();
        assert_eq!(descriptors(), before + 2);
        job.finish(1);
    });
}

// Rules: B31, B34, B42
#[test]
#[parallel]
fn pause_says_whether_it_paused() {
    assert!(!ossl_async::in_job());
    assert!(!ossl_async::pause(), "outside a job");
    let job = paused(start_job(|| {
        assert!(ossl_async::in_job());
        let guard = ossl_async::block_pause();
        let inner = ossl_async::block_pause();
        assert!(!ossl_async::pause(), "blocked");
        drop(guard);
        assert!(!ossl_async::pause(), "blocked once more");
        drop(inner);
        ossl_async::pause()
    }));
    assert!(finished(job.resume()));
}

struct PauseOnDrop(Rc<Cell<Option<bool>>>);
impl Drop for PauseOnDrop {
    fn drop(&mut self) {
        self.0.set(Some(ossl_async::pause()));
    }
}

// Rules: F11
#[test]
#[parallel]
fn a_panic_reappears_where_the_job_is_resumed_and_the_thread_goes_on() {
    for pauses in [0, 1] {
        Pool::init(1, 0).unwrap();
        let paused_in_drop = Rc::new(Cell::new(None));
        let drops = paused_in_drop.clone();
        let start = AssertUnwindSafe(move || {
            let mut step = start_job(move || {
                let _pauses = PauseOnDrop(drops);
                (0..pauses).for_each(|_| assert!(ossl_async::pause()));
                panic!("from the job {pauses}");
            });
            while let Ok(Step::<()>::Paused(job)) = step {
                step = Ok(job.resume().unwrap());
            }
        });
        let payload = catch_unwind(start).unwrap_err();
        assert_eq!(
            payload.downcast_ref::<String>().unwrap(),
            &format!("from the job {pauses}")
        );
        assert_eq!(
            paused_in_drop.get(),
            Some(false),
            "no pause while a panic unwinds"
        );
        assert!(!ossl_async::in_job());
        assert_eq!(
            finished(start_job(|| 5)),
            5,
            "the one job of the pool is back"
        );
    }
}

// Rules: K1, K5, B40
#[test]
#[parallel]
fn a_guard_blocks_until_it_is_dropped_wherever_that_is() {
    let outside = ossl_async::block_pause(); // outside a job there is nothing to block
    let job = paused(start_job(|| {
        ossl_async::pause();
        ossl_async::block_pause()
    }));
    drop(outside);
    let guard = finished(job.resume());
    assert!(
        !finished(start_job(ossl_async::pause)),
        "the guard came out of the job and still blocks"
    );
    drop(guard);
    let job = paused(start_job(ossl_async::pause));
    assert!(finished(job.resume()));
    // A guard made outside takes no block back inside.
    let outside = ossl_async::block_pause();
    finished(start_job(move || {
        let _inside = ossl_async::block_pause();
        drop(outside);
        assert!(!ossl_async::pause());
    }));
    // One more drop than there are blocks leaves the counter at 0.
    let guard = finished(start_job(ossl_async::block_pause));
    Pool::free(); // forgets the block
    drop(guard);
    let job = paused(start_job(ossl_async::pause));
    assert!(finished(job.resume()));
}

// Rules: K1, B14
#[test]
#[parallel]
fn a_guard_whose_block_was_reset_takes_no_other_block_back() {
    let stale = finished(start_job(ossl_async::block_pause));
    Pool::free(); // forgets the block
    finished(start_job(move || {
        let _guard = ossl_async::block_pause();
        drop(stale);
        assert!(!ossl_async::pause(), "this one still blocks");
    }));
}

// Rules: D15
#[test]
#[serial]
fn an_abandoned_job_is_counted_and_counts_as_in_use() {
    let before = stats::process().abandoned;
    std::thread::spawn(|| {
        Pool::init(2, 0).unwrap();
        let dropped = Rc::new(());
        let held = dropped.clone();
        let work = move || {
            ossl_async::pause();
            drop(held);
        };
        // SAFETY: the contract of `start`, as in `start_job`.
        let job = paused(unsafe { Job::start_with(OnDrop::Abandon, work) });
        let wake = job.wake_handle();
        drop(job);
        wake.wake(); // has no effect
        assert_eq!(
            Rc::strong_count(&dropped),
            2,
            "nothing on its stack is dropped"
        );
        let other = paused(start_job(ossl_async::pause));
        assert!(matches!(start_job(|| ()), Err(StartError::Full(_))));
        assert!(finished(other.resume()));
    })
    .join()
    .unwrap();
    assert_eq!(
        stats::process().abandoned,
        before + 1,
        "once, not again at the thread's end"
    );
}

// Rules: D15
#[test]
#[serial]
fn jobs_that_are_paused_when_their_thread_ends_are_counted() {
    let before = stats::process().abandoned;
    std::thread::spawn(|| {
        let mut jobs: Vec<CJob> = (0..5).map(|n| pausing(2, n)).collect();
        jobs.iter_mut().for_each(CJob::pause);
        jobs[0].pause(); // a resume does not count it twice
        jobs[1].pause();
        jobs[1].finish(1);
        std::mem::forget(paused(start_job(ossl_async::pause)));
    })
    .join()
    .unwrap();
    assert_eq!(stats::process().abandoned, before + 5);
}

// Rules: D6
#[test]
#[serial]
fn a_job_that_c_code_ended_cannot_be_resumed_and_dropping_it_does_no_harm() {
    let before = stats::process().abandoned;
    let handle = Rc::new(Cell::new(std::ptr::null_mut()));
    let seen = handle.clone();
    let job = paused(start_job(move || {
        seen.set(ASYNC_get_current_job());
        ossl_async::pause();
        String::from("nobody wants it")
    }));
    let (mut raw, mut ret) = (handle.get(), -1);
    // SAFETY: a live handle.
    let result = unsafe { ASYNC_start_job_2015(&mut raw, &mut ret, None, std::ptr::null_mut(), 0) };
    assert_eq!((result, ret), (ASYNC_FINISH, 0));
    let refused = job.resume().unwrap_err();
    assert_eq!(refused.error, Error::NotResumable);
    let has_no_fd = |job: &Job<String>| {
        let error = job.wait_fd().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    };
    has_no_fd(&refused.job);
    // Another job gets the record. The stale `Job` can neither resume nor abandon that one.
    let mut other = pausing(1, 6);
    other.pause();
    assert_eq!(other.handle, handle.get());
    let other_fd = other.wait_fd();
    has_no_fd(&refused.job);
    assert_eq!(other.wait_fd(), other_fd, "no pipe is made for it");
    let refused = refused.job.resume().unwrap_err();
    drop(refused);
    other.finish(6);
    assert_eq!(stats::process().abandoned, before);
}

/// A payload that counts how often it is dropped.
struct Payload(u32, std::sync::Arc<std::sync::atomic::AtomicU32>);
impl Drop for Payload {
    fn drop(&mut self) {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A job of Rust's that pauses `pauses` times and then panics, and its handle.
fn panics(number: u32, pauses: u32, dropped: &Dropped) -> (Job<u32>, *mut ASYNC_JOB) {
    let handle = Rc::new(Cell::new(std::ptr::null_mut()));
    let (seen, payload) = (handle.clone(), Payload(number, dropped.clone()));
    let job = paused(start_job(move || {
        seen.set(ASYNC_get_current_job());
        (0..pauses).for_each(|_| assert!(ossl_async::pause()));
        std::panic::resume_unwind(Box::new(payload))
    }));
    (job, handle.get())
}

type Dropped = std::sync::Arc<std::sync::atomic::AtomicU32>;

fn count(dropped: &Dropped) -> u32 {
    dropped.load(std::sync::atomic::Ordering::Relaxed)
}

/// C resumes a job, which ends.
fn c_ends(mut handle: *mut ASYNC_JOB, by: fn(*mut *mut ASYNC_JOB, &mut i32) -> i32) {
    let mut ret = UNWRITTEN;
    assert_eq!(by(&mut handle, &mut ret), ASYNC_FINISH);
    assert_eq!((handle.is_null(), ret), (true, 0));
}

fn by_2015(handle: *mut *mut ASYNC_JOB, ret: &mut i32) -> i32 {
    // SAFETY: the callers have a live handle.
    unsafe { ASYNC_start_job_2015(handle, ret, None, std::ptr::null_mut(), 0) }
}

fn by_six(handle: *mut *mut ASYNC_JOB, ret: &mut i32) -> i32 {
    // SAFETY: as above.
    unsafe { ASYNC_start_job(handle, NO_CTX, ret, None, std::ptr::null_mut(), 0) }
}

fn by_cancellation(handle: *mut *mut ASYNC_JOB, ret: &mut i32) -> i32 {
    // SAFETY: as above.
    unsafe { OSSL_ASYNC_cancel_job(handle, ret) }
}

/// A panic's payload.
#[track_caller]
fn panic_of<R>(work: impl FnOnce() -> R) -> u32 {
    let Err(payload) = catch_unwind(AssertUnwindSafe(work)) else {
        panic!("it panics")
    };
    payload.downcast_ref::<Payload>().expect("the job's").0
}

// Rules: F11
#[test]
#[parallel]
fn a_panic_that_ended_a_job_under_c_reappears_where_rust_goes_on_with_the_job() {
    let dropped = Dropped::default();
    let mut expected = 0;
    for by in [by_2015, by_six, by_cancellation] {
        for go_on in [(|job| drop(job.resume())) as fn(Job<u32>), |job| {
            drop(job.cancel())
        }] {
            let (job, handle) = panics(expected, 1, &dropped);
            c_ends(handle, by);
            assert!(!ossl_async::in_job());
            assert_eq!(count(&dropped), expected, "it is kept");
            assert!(job.wait_fd().is_err());
            assert_eq!(job.stack_used(), 0);
            assert_eq!(panic_of(|| go_on(job)), expected);
            expected += 1;
            assert_eq!(count(&dropped), expected, "once");
            assert_eq!(finished(start_job(|| 5)), 5);
        }
    }
}

// Rules: F11, B22
#[test]
#[parallel]
fn a_panic_under_c_after_more_pauses_is_not_lost_either() {
    let dropped = Dropped::default();
    let (job, handle) = panics(1, 3, &dropped);
    let (mut same, mut ret) = (handle, UNWRITTEN);
    for by in [by_2015, by_six] {
        assert_eq!(by(&mut same, &mut ret), ASYNC_PAUSE);
        assert_eq!((same, ret), (handle, UNWRITTEN));
    }
    c_ends(handle, by_2015);
    assert_eq!(panic_of(|| job.resume()), 1);
    // Rust and C resume in turns, and Rust gets the panic itself.
    let (job, handle) = panics(2, 2, &dropped);
    let mut same = handle;
    assert_eq!(by_2015(&mut same, &mut ret), ASYNC_PAUSE);
    assert_eq!(panic_of(|| job.resume()), 2);
    assert_eq!(count(&dropped), 2);
}

// Rules: F11
#[test]
#[parallel]
fn dropping_a_job_drops_the_panic_that_it_ended_with_under_c() {
    let dropped = Dropped::default();
    let (job, handle) = panics(1, 1, &dropped);
    c_ends(handle, by_2015);
    assert_eq!(count(&dropped), 0);
    drop(job);
    assert_eq!(count(&dropped), 1);
}

// Rules: F11, D6
#[test]
#[parallel]
fn several_panics_under_c_are_kept_each_for_its_own_job() {
    Pool::init(0, 0).unwrap();
    let dropped = Dropped::default();
    let mut jobs: Vec<_> = (0..6)
        .map(|number| Some(panics(number, 1, &dropped)))
        .collect();
    for number in [3, 0, 5, 1, 4, 2] {
        c_ends(jobs[number].as_ref().expect("still there").1, by_2015);
    }
    // The records have newer jobs by now. They must not get these panics.
    let newer: Vec<_> = (0..6)
        .map(|_| paused(start_job(ossl_async::pause)))
        .collect();
    for number in [5, 2, 0, 4] {
        let (job, _) = jobs[number].take().expect("still there");
        assert_eq!(panic_of(|| job.resume()) as usize, number);
    }
    assert_eq!(count(&dropped), 4);
    drop(jobs);
    assert_eq!(count(&dropped), 6);
    newer
        .into_iter()
        .for_each(|job| assert!(finished(job.resume())));
}

/// Inside a job the error is another one, and the panic is still kept.
// Rules: F11, D5
#[test]
#[parallel]
fn a_panic_under_c_reappears_inside_another_job_too() {
    let dropped = Dropped::default();
    let (job, handle) = panics(7, 1, &dropped);
    c_ends(handle, by_2015);
    assert_eq!(finished(start_job(move || panic_of(|| job.resume()))), 7);
    assert_eq!(count(&dropped), 1);
}

// Rules: F11, D15
#[test]
#[parallel]
fn a_panic_that_no_code_has_received_goes_with_its_thread() {
    struct PanicsWhenDropped(Dropped);
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::panic::resume_unwind(Box::new("nobody hears of it"));
        }
    }
    let dropped = Dropped::default();
    let theirs = dropped.clone();
    std::thread::spawn(move || {
        for number in 0..2 {
            let (job, handle) = panics(number, 1, &theirs);
            c_ends(handle, by_2015);
            std::mem::forget(job);
        }
        let handle = Rc::new(Cell::new(std::ptr::null_mut()));
        let seen = handle.clone();
        let last = theirs.clone();
        let job = paused(start_job::<_, ()>(move || {
            seen.set(ASYNC_get_current_job());
            ossl_async::pause();
            std::panic::resume_unwind(Box::new(PanicsWhenDropped(last)))
        }));
        c_ends(handle.get(), by_2015);
        std::mem::forget(job);
    })
    .join()
    .unwrap();
    assert_eq!(count(&dropped), 3);
}

// Rules: B30, S2
#[test]
#[parallel]
fn rust_and_c_share_the_pool_and_the_current_job() {
    assert_eq!(ASYNC_init_pool(1, 1), 1);
    let job = paused(start_job(|| {
        assert_eq!(ASYNC_in_job(), 1);
        assert_eq!(ASYNC_pause_job(), 1);
        assert!(!ASYNC_get_current_job().is_null());
        3
    }));
    assert_eq!(pausing(0, 1).go(), ASYNC_NO_JOBS);
    assert_eq!(finished(job.resume()), 3);
    pausing(0, 1).finish(1);
}

// Rules: B37
#[test]
#[parallel]
fn handles_and_jobs_can_be_printed() {
    let job = paused(start_job(ossl_async::pause));
    assert!(format!("{job:?}").starts_with("Job {"));
    assert!(format!("{:?}", job.wake_handle()).starts_with("WakeHandle {"));
    assert!(format!("{:?}", ossl_async::block_pause()).starts_with("BlockPause"));
    assert!(finished(job.resume()));
}

// Rules: F19
#[test]
#[parallel]
fn the_system_can_make_jobs_and_says_how_it_switches() {
    assert!(ossl_async::is_capable());
    let asked_for = option_env!("OSSL_ASYNC_SWITCH").filter(|way| !way.is_empty());
    // Where there is assembly for the processor.
    let best = match cfg!(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )) {
        true => "registers",
        false => "setjmp",
    };
    assert_eq!(ossl_async::switch_method(), asked_for.unwrap_or(best));
}
