//! What a thread can still do with jobs while it ends: in the destructors of Rust's thread-locals
//! and of other thread-specific keys. These run before and after the library ends the thread's jobs
//! (D15). `compat-tests/programs/key_destructors.c` has the same for C.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Job, Pool, Step, WakeQueue, stats};
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of rounds of destructors that the system makes.
const EVERY_ROUND: u32 = u32::MAX;

thread_local! {
    static ROUNDS: Cell<u32> = const { Cell::new(0) };
}

static ACT: AtomicAction = AtomicAction(std::sync::OnceLock::new());
static CALLS: AtomicU32 = AtomicU32::new(0);

struct AtomicAction(std::sync::OnceLock<(fn(), libc::pthread_key_t)>);

extern "C" fn destructor(value: *mut c_void) {
    let (act, key) = ACT.0.get().expect("set before");
    // No panic may leave this function.
    if catch_unwind(act).is_err() {
        std::process::abort();
    }
    CALLS.fetch_add(1, Ordering::Relaxed);
    let left = ROUNDS.get();
    ROUNDS.set(left.saturating_sub(1));
    if left > 1 {
        // SAFETY: the key stays.
        unsafe { libc::pthread_setspecific(*key, value) };
    }
}

/// In a child: threads do this in the destructor of a key, in so many rounds. The key's turn is
/// before or after the library's. Nothing of the threads is left.
#[track_caller]
fn while_threads_end(act: fn()) {
    for (first, rounds) in [
        (true, 1),
        (true, EVERY_ROUND),
        (false, 1),
        (false, EVERY_ROUND),
    ] {
        alone(|| {
            let mut key = 0;
            // Destructors run in the order in which the keys were made.
            if !first {
                pausing(0, 1).finish(1);
                Pool::free();
            }
            // SAFETY: the key is ours, and so is the destructor.
            unsafe { assert_eq!(libc::pthread_key_create(&mut key, Some(destructor)), 0) };
            assert!(ACT.0.set((act, key)).is_ok());
            for has_jobs in [true, false] {
                for _ in 0..10 {
                    let thread = std::thread::spawn(move || {
                        if has_jobs {
                            pausing(1, 1).pause();
                        }
                        ROUNDS.set(rounds);
                        // SAFETY: the key stays; the value is not used.
                        unsafe { libc::pthread_setspecific(key, ptr::dangling::<u8>().cast()) };
                    });
                    thread.join().unwrap();
                }
            }
            let expected = if rounds == 1 { 20 } else { 40 };
            assert!(CALLS.load(Ordering::Relaxed) >= expected);
            let stats = stats::process();
            assert_eq!((stats.idle, stats.running, stats.paused), (0, 0, 0));
            assert_eq!(stats.abandoned, 10, "those paused before, and no others");
        });
    }
}

fn finished<T>(step: Result<Step<T>, impl std::fmt::Debug>) -> T {
    match step {
        Ok(Step::Finished(value)) => value,
        Ok(Step::Paused(_)) => panic!("paused"),
        Err(error) => panic!("{error:?}"),
    }
}

fn paused<T>(step: Result<Step<T>, impl std::fmt::Debug>) -> Job<T> {
    match step {
        Ok(Step::Paused(job)) => job,
        Ok(Step::Finished(_)) => panic!("finished"),
        Err(error) => panic!("{error:?}"),
    }
}

// Rules: D15, B19
#[test]
fn jobs_that_are_started_and_resumed_while_a_thread_ends_leave_nothing() {
    while_threads_end(|| {
        let text = String::from("captured");
        let first = paused(start_job(move || {
            assert!(ossl_async::pause());
            text.len()
        }));
        let second = paused(start_job(ossl_async::pause));
        assert_eq!(finished(first.resume()), 8);
        assert!(finished(start_job(|| true)));
        let fd = second.wait_fd().map(|fd| fd.try_clone_to_owned().is_ok());
        assert!(fd.is_ok_and(|cloned| cloned));
        second.wake_handle().wake();
        assert!(second.cancel().unwrap());
    });
}

// Rules: D15, B14
#[test]
fn pools_that_are_made_while_a_thread_ends_leave_nothing() {
    while_threads_end(|| {
        Pool::init(3, 2).unwrap();
        assert_eq!(Pool::init(2, 3), Err(Error::PoolSize));
        assert!(finished(start_job(|| true)));
        Pool::free();
        Pool::init(1, 1).unwrap();
    });
}

// Rules: D15, F11
#[test]
fn a_job_that_panics_while_a_thread_ends_leaves_nothing() {
    while_threads_end(|| {
        let job = paused(start_job::<_, ()>(|| {
            ossl_async::pause();
            std::panic::resume_unwind(Box::new(7))
        }));
        let payload = catch_unwind(AssertUnwindSafe(|| job.resume().map(|_| ()))).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&7));
    });
}

/// A job of Rust's that ends with a panic when C resumes it.
fn panics_under_c(payload: impl Send + 'static) -> Job<()> {
    let handle = Rc::new(Cell::new(ptr::null_mut()));
    let seen = handle.clone();
    let job = paused(start_job::<_, ()>(move || {
        seen.set(ASYNC_get_current_job());
        ossl_async::pause();
        std::panic::resume_unwind(Box::new(payload))
    }));
    let (mut handle, mut ret) = (handle.get(), UNWRITTEN);
    // SAFETY: a live handle.
    let result = unsafe { ASYNC_start_job_2015(&mut handle, &mut ret, None, ptr::null_mut(), 0) };
    assert_eq!((result, ret), (ASYNC_FINISH, 0));
    job
}

// Rules: D15, F11
#[test]
fn a_panic_under_c_while_a_thread_ends_is_not_lost_and_leaves_nothing() {
    while_threads_end(|| {
        let (first, second) = (panics_under_c(7), panics_under_c(8));
        let inside = panics_under_c(9);
        drop(second);
        let payload = catch_unwind(AssertUnwindSafe(|| first.resume().map(|_| ()))).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&7));
        let payload = finished(start_job(move || {
            catch_unwind(AssertUnwindSafe(|| inside.cancel())).unwrap_err()
        }));
        assert_eq!(payload.downcast_ref(), Some(&9));
    });
}

/// No `Job` has taken the panic when the thread ends. Its payload starts a job when it is dropped
/// then.
// Rules: D15, F11
#[test]
fn a_panic_that_no_code_has_received_may_start_jobs_where_it_is_dropped() {
    struct Starts;
    impl Drop for Starts {
        fn drop(&mut self) {
            assert!(finished(start_job(|| true)));
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    alone(|| {
        for _ in 0..10 {
            let thread = std::thread::spawn(|| {
                std::mem::forget(panics_under_c(Starts));
                std::mem::forget(panics_under_c(Starts));
            });
            thread.join().unwrap();
        }
        assert_eq!(DROPPED.load(Ordering::Relaxed), 20);
        let stats = stats::process();
        assert_eq!((stats.idle, stats.running, stats.paused), (0, 0, 0));
    });
}

// Rules: D15, B5
#[test]
fn errors_that_are_made_while_a_thread_ends_can_be_read_and_leave_nothing() {
    while_threads_end(|| {
        errors();
        assert_eq!(ASYNC_init_pool(2, 3), 0);
        assert_eq!(errors(), [E2_POOL_SIZE]);
        assert_eq!(ASYNC_init_pool(2, 3), 0);
    });
}

/// A `Job` in a thread-local. The destructor runs before the library ends the thread's jobs, so the
/// job can still be resumed. A job that is dropped there ends too.
// Rules: D15
#[test]
fn a_job_in_a_thread_local_is_resumed_or_unwound_by_its_destructor() {
    struct Holds(Cell<Option<Job<bool>>>, bool);
    impl Drop for Holds {
        fn drop(&mut self) {
            let job = self.0.take().expect("it was put there");
            if self.1 {
                assert!(finished(job.resume()));
                DONE.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    static DONE: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static HOLDS: Cell<Option<Holds>> = const { Cell::new(None) };
    }
    alone(|| {
        for resumes in [true, false] {
            let thread = std::thread::spawn(move || {
                let job = paused(start_job(ossl_async::pause));
                HOLDS.set(Some(Holds(Cell::new(Some(job)), resumes)));
            });
            thread.join().unwrap();
        }
        assert_eq!(DONE.load(Ordering::Relaxed), 1);
        let stats = stats::process();
        assert_eq!((stats.idle, stats.running, stats.paused), (0, 0, 0));
        assert_eq!((stats.abandoned, stats.finishes), (0, 2));
    });
}

/// Runs `act` twice at the end of a thread, in the destructor of a thread-specific key: the second
/// time after the library has ended the thread's jobs. Once in a process.
fn in_two_rounds_of_a_destructor(act: fn()) {
    let mut key = 0;
    // SAFETY: the key is ours, and so is the destructor.
    unsafe { assert_eq!(libc::pthread_key_create(&mut key, Some(destructor)), 0) };
    assert!(ACT.0.set((act, key)).is_ok());
    std::thread::spawn(move || {
        ROUNDS.set(2);
        // SAFETY: the key stays; the value is not used.
        unsafe { libc::pthread_setspecific(key, ptr::dangling::<u8>().cast()) };
    })
    .join()
    .unwrap();
}

/// An older job is refused after its thread's jobs have ended, and dropping it does no harm.
// Rules: D15, D8
#[test]
fn a_job_from_before_the_threads_jobs_have_ended_is_refused_afterwards() {
    thread_local! {
        static KEPT: Cell<*mut Job<bool>> = const { Cell::new(ptr::null_mut()) };
    }
    fn act() {
        let kept = KEPT.replace(ptr::null_mut());
        if kept.is_null() {
            let job = paused(start_job(ossl_async::pause));
            KEPT.set(Box::into_raw(Box::new(job)));
        } else {
            // SAFETY: it came from a box, on this thread.
            let job = *unsafe { Box::from_raw(kept) };
            // The library's destructor has run in between, or will never run.
            match job.resume() {
                Ok(step) => assert!(matches!(step, Step::Finished(true))),
                Err(refused) => {
                    assert_eq!(refused.error, Error::NotResumable);
                    REFUSED.fetch_add(1, Ordering::Relaxed);
                    drop(refused.job);
                }
            }
        }
    }
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    alone(|| {
        in_two_rounds_of_a_destructor(act);
        assert_eq!(REFUSED.load(Ordering::Relaxed), 1);
        assert_eq!(stats::process().abandoned, 1);
    });
}

/// Such a job leaves its queue when it is dropped, as any job does. Otherwise a wait would return
/// its key, or never end.
// Rules: D15, B37
#[test]
fn a_job_that_is_dropped_after_the_threads_jobs_have_ended_leaves_its_queue() {
    type Kept = (WakeQueue, [Option<Job<bool>>; 2]);
    thread_local! {
        static KEPT: Cell<*mut Kept> = const { Cell::new(ptr::null_mut()) };
    }
    fn act() {
        let kept = KEPT.replace(ptr::null_mut());
        if kept.is_null() {
            let queue = WakeQueue::new().expect("a pipe");
            let jobs = [(); 2].map(|()| Some(paused(start_job(ossl_async::pause))));
            for job in jobs.iter().flatten() {
                queue.add(job, 7).expect("it has not ended");
            }
            KEPT.set(Box::into_raw(Box::new((queue, jobs))));
        } else {
            // SAFETY: it came from a box, on this thread.
            let (queue, mut jobs) = *unsafe { Box::from_raw(kept) };
            let handle = jobs[0].as_ref().map(Job::wake_handle).expect("a job");
            handle.wake();
            jobs[0] = None;
            handle.wake();
            jobs[1] = None;
            assert!(queue.is_empty());
            assert_eq!(queue.wait(None).expect("a pipe"), None);
            LEFT.fetch_add(1, Ordering::Relaxed);
        }
    }
    static LEFT: AtomicU32 = AtomicU32::new(0);
    alone(|| {
        in_two_rounds_of_a_destructor(act);
        assert_eq!(LEFT.load(Ordering::Relaxed), 1);
        assert_eq!(stats::process().abandoned, 2);
    });
}
