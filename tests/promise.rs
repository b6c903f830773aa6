//! Who may pause a job: safe Rust code only where a Rust start has promised that it may. And what
//! safe code can try against the Rust face.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{BlockPause, Error, Job, Pool, Step, WakeHandle, stats};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

/// Pauses, whoever has started the job.
fn pause_any_job() -> bool {
    // SAFETY: the contract of `start`: the closures here pause in no scope and hold nothing of a
    // thread-local's.
    unsafe { ossl_async::pause_any_job() }
}

fn paused<T, E>(step: Result<Step<T>, E>) -> Job<T> {
    match step {
        Ok(Step::Paused(job)) => job,
        _ => panic!("it pauses"),
    }
}

fn finished<T, E>(step: Result<Step<T>, E>) -> T {
    match step {
        Ok(Step::Finished(value)) => value,
        _ => panic!("it ends"),
    }
}

/// Resumes a job until it ends.
fn to_the_end<T: 'static, E>(mut step: Result<Step<T>, E>) -> T {
    while let Ok(Step::Paused(job)) = step {
        step = match job.resume() {
            Ok(step) => Ok(step),
            Err(_) => panic!("a paused job"),
        };
    }
    finished(step)
}

/// A job of C's that calls the safe `pause` and ends with what that returned.
fn asks_safely() -> CJob {
    CJob::new(|| ossl_async::pause().into())
}

// Rules: B31
#[test]
fn in_a_job_that_c_started_the_safe_pause_refuses_and_the_unsafe_one_pauses() {
    asks_safely().finish(0);
    let mut six = asks_safely();
    assert_eq!((six.go_with(ptr::null_mut()), six.ret), (ASYNC_FINISH, 0));
    let mut job = CJob::new(|| {
        let answers = [ossl_async::pause(), pause_any_job(), ossl_async::pause()];
        assert_eq!(answers, [false, true, false]);
        i32::from(pause_any_job()) + 6
    });
    job.pause();
    job.pause();
    job.finish(7);
    assert_eq!(errors(), [], "a pause that is refused is no error");
}

// Rules: B31, B34
#[test]
fn the_unsafe_pause_too_returns_false_where_nothing_can_be_paused() {
    assert!(!pause_any_job(), "outside a job");
    let job = paused(start_job(|| {
        let blocked = {
            let _guard = ossl_async::block_pause();
            pause_any_job()
        };
        [blocked, pause_any_job(), pause_any_job()]
    }));
    assert_eq!(job.cancel().unwrap(), [false, true, false]);
}

/// The promise is one for one use of the record, however that use ended.
// Rules: B31, P4
#[test]
fn c_gets_no_promise_with_a_record_that_a_rust_job_has_used() {
    Pool::init(1, 1).unwrap();
    asks_safely().finish(0);
    assert!(finished(paused(start_job(ossl_async::pause)).resume()));
    asks_safely().finish(0);
    let panics = || finished(start_job(|| std::panic::resume_unwind(Box::new(1))));
    catch_unwind(AssertUnwindSafe::<fn()>(panics)).unwrap_err();
    asks_safely().finish(0);
    let (job, mut handle) = seen_by_c(ossl_async::pause);
    assert_eq!(c_resumes(&mut handle), ASYNC_FINISH);
    assert!(job.resume().is_err());
    asks_safely().finish(0);
    assert_eq!(stats::thread().created, 1);
}

/// A Rust job that has paused, and C's handle of it.
fn seen_by_c<T: 'static>(work: impl FnOnce() -> T + 'static) -> (Job<T>, *mut ASYNC_JOB) {
    let handle = Rc::new(Cell::new(ptr::null_mut()));
    let seen = handle.clone();
    let job = paused(start_job(move || {
        seen.set(ASYNC_get_current_job());
        work()
    }));
    (job, handle.get())
}

fn c_resumes(handle: &mut *mut ASYNC_JOB) -> i32 {
    // SAFETY: the callers have a live handle.
    unsafe { ASYNC_start_job_2015(handle, ptr::null_mut(), None, ptr::null_mut(), 0) }
}

// Rules: B31, B32
#[test]
fn a_rust_job_that_c_resumes_can_still_pause() {
    let (job, mut handle) = seen_by_c(|| [(); 3].map(|()| ossl_async::pause()));
    assert_eq!(c_resumes(&mut handle), ASYNC_PAUSE);
    assert_eq!(c_resumes(&mut handle), ASYNC_PAUSE);
    assert_eq!(finished(job.resume()), [true; 3]);
}

/// `panicking` is the thread's: this is why the contract names it.
// Rules: F11
#[test]
fn a_job_that_a_destructor_resumes_believes_that_it_unwinds() {
    struct Resumes(Option<Job<[bool; 3]>>, Rc<Cell<[bool; 3]>>);
    impl Drop for Resumes {
        fn drop(&mut self) {
            let job = self.0.take().expect("dropped once");
            self.1.set(finished(job.resume()));
        }
    }
    let job = paused(start_job(|| {
        let before = std::thread::panicking();
        ossl_async::pause();
        [before, std::thread::panicking(), ossl_async::pause()]
    }));
    let seen = Rc::new(Cell::new([true; 3]));
    let resumes = AssertUnwindSafe(Resumes(Some(job), seen.clone()));
    let unwound = catch_unwind(move || {
        let _resumes = resumes;
        std::panic::resume_unwind(Box::new(5));
    });
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&5));
    assert_eq!(seen.get(), [false, true, false]);
}

/// A value that pauses the job when it is dropped.
#[derive(Debug)]
struct PausesInDrop;
impl Drop for PausesInDrop {
    fn drop(&mut self) {
        ossl_async::pause();
    }
}

// Rules: D6, F11
#[test]
fn a_value_that_pauses_while_it_is_dropped_under_c_is_lost_and_nothing_else() {
    let (job, mut handle) = seen_by_c(|| {
        ossl_async::pause();
        PausesInDrop
    });
    assert_eq!(c_resumes(&mut handle), ASYNC_PAUSE, "C takes no value");
    let refused = job.resume().unwrap_err();
    assert_eq!(refused.error, Error::NotResumable, "it has ended meanwhile");
    assert_eq!(refused.job.resume().unwrap_err().error, Error::NotResumable);
}

/// A value that panics when it is dropped.
#[derive(Debug)]
struct PanicsInDrop;
impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("from a destructor"));
    }
}

// Rules: F11
#[test]
fn a_panic_of_a_value_that_is_dropped_under_c_is_kept_as_the_jobs_own() {
    let (job, mut handle) = seen_by_c(|| {
        ossl_async::pause();
        PanicsInDrop
    });
    assert_eq!(c_resumes(&mut handle), ASYNC_FINISH);
    let payload = catch_unwind(AssertUnwindSafe(|| job.resume())).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"from a destructor"));
}

// Rules: D5
#[test]
fn a_job_that_owns_itself_can_neither_resume_nor_drop_itself_in_use() {
    let own = Rc::new(RefCell::new(None::<Job<bool>>));
    let theirs = own.clone();
    let (job, mut handle) = seen_by_c(move || {
        ossl_async::pause();
        let myself = theirs.take().expect("put there below");
        let refused = myself.resume().unwrap_err();
        assert_eq!(refused.error, Error::Nested);
        drop(refused);
        ossl_async::pause()
    });
    own.replace(Some(job));
    let before = stats::thread().abandoned;
    assert_eq!(c_resumes(&mut handle), ASYNC_PAUSE);
    assert_eq!(c_resumes(&mut handle), ASYNC_FINISH);
    assert_eq!(stats::thread().abandoned, before);
}

// Rules: F11, D5, B14
#[test]
fn destructors_and_payloads_may_call_anything() {
    /// Calls all there is, wherever it is dropped.
    struct Meddles(Option<Job<()>>, Option<WakeHandle>, Option<BlockPause>);
    impl Drop for Meddles {
        fn drop(&mut self) {
            drop(self.0.take().map(Job::resume));
            self.1.iter().for_each(|handle| {
                handle.wake();
                handle.clear();
            });
            ossl_async::pause();
            let step = start_job(|| {
                ossl_async::pause();
            });
            drop(step.map(|step| match step {
                Step::Paused(job) => drop(job.resume()),
                Step::Finished(()) => (),
            }));
            let _ = Pool::init(3, 1);
            Pool::free();
            ossl_async::set_stack_size(1 << 16).unwrap_err();
            drop(self.2.take());
        }
    }
    /// What is sent through a panic must be `Send`.
    struct Sends(#[expect(dead_code, reason = "it is only dropped")] Meddles);
    // SAFETY: it never leaves the thread.
    unsafe impl Send for Sends {}
    let meddler = || {
        let job = paused(start_job(|| {
            ossl_async::pause();
        }));
        let handle = job.wake_handle();
        Meddles(Some(job), Some(handle), Some(ossl_async::block_pause()))
    };
    // As a capture, as a local, as a value, and as a panic's payload.
    let capture = meddler();
    to_the_end(start_job(move || drop(capture)));
    let local = meddler();
    let job = paused(start_job(move || {
        let _local = local;
        ossl_async::pause();
        ossl_async::block_pause()
    }));
    drop(to_the_end::<_, ()>(Ok(Step::Paused(job))));
    let value = meddler();
    drop(to_the_end(start_job(move || value)));
    let payload = Sends(meddler());
    let panics = move || {
        finished(start_job(move || {
            std::panic::resume_unwind(Box::new(payload))
        }))
    };
    let panics: Box<dyn FnOnce()> = Box::new(panics);
    drop(catch_unwind(AssertUnwindSafe(panics)).unwrap_err());
    // Dropped with the closure, which a full pool gave back.
    let closure = meddler();
    Pool::init(1, 0).unwrap();
    let other = paused(start_job(ossl_async::pause));
    drop(start_job(move || drop(closure)));
    drop(other.resume());
    // All is as before.
    Pool::init(1, 1).unwrap();
    assert!(finished(paused(start_job(ossl_async::pause)).resume()));
}

// Rules: D15, D24
#[test]
fn handles_outlive_the_job_and_its_thread() {
    use std::sync::atomic::{AtomicPtr, Ordering};
    /// So that it does not count as leaked.
    static KEPT: AtomicPtr<Job<bool>> = AtomicPtr::new(ptr::null_mut());
    let (handles, fd) = std::thread::spawn(|| {
        use std::os::fd::AsRawFd;
        let ended = paused(start_job(ossl_async::pause));
        let handles = [
            ended.wake_handle(),
            paused(start_job(ossl_async::pause)).wake_handle(),
        ];
        finished(ended.resume());
        // A borrow for ever of the descriptor of a job that nobody can end.
        let leaked = Box::leak(Box::new(paused(start_job(ossl_async::pause))));
        KEPT.store(leaked, Ordering::Relaxed);
        let fd: std::os::fd::BorrowedFd<'static> = leaked.wait_fd().unwrap();
        assert!(fd.as_raw_fd() >= 0);
        (handles, fd)
    })
    .join()
    .unwrap();
    for handle in &handles {
        handle.wake();
        handle.clear();
    }
    assert!(fd.try_clone_to_owned().is_ok(), "it is still open");
}

// Rules: F11
#[test]
fn a_pause_in_a_panic_hook_is_refused() {
    alone(|| {
        thread_local!(static SEEN: Cell<[bool; 3]> = const { Cell::new([true; 3]) });
        std::panic::set_hook(Box::new(|_| {
            let nested = start_job(|| ()).is_ok();
            SEEN.set([ossl_async::pause(), pause_any_job(), nested]);
        }));
        let panics = || finished(start_job(|| panic!("seen by the hook")));
        catch_unwind(AssertUnwindSafe::<fn()>(panics)).unwrap_err();
        assert_eq!(SEEN.get(), [false; 3]);
    });
}
