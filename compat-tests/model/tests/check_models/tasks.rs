//! The waker of a task (`src/wake/task.rs`): polls, registrations, ends and reuse of the record,
//! beside wakes from other threads. The place of the waker is a cell in which the checker finds two
//! threads at once.

use crate::parts::Place;
use crate::protocol::Use;
use crate::signal::{Atomic, Exchanged, check, check_bounded};
use crate::task;
use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

type Task = task::Task<Exchanged, Cell>;

/// The place of a waker.
struct Cell(UnsafeCell<Option<Waker>>);

// SAFETY: the checker runs one thread at a time, and finds two that are here at once.
unsafe impl Send for Cell {}
// SAFETY: the same.
unsafe impl Sync for Cell {}

impl Place for Cell {
    type Waker = Waker;

    fn put(&self, waker: Waker) {
        // SAFETY: the checker would have stopped if anybody else could be here.
        self.0.with_mut(|place| unsafe { *place = Some(waker) });
    }

    fn take(&self) -> Option<Waker> {
        // SAFETY: the same.
        self.0.with_mut(|place| unsafe { (*place).take() })
    }

    fn wake(&self) -> Option<Waker> {
        self.take()
    }

    fn process(&self) -> u64 {
        1
    }
}

/// Wakes a task that sleeps, and says which one.
#[derive(Clone)]
struct Waker(Arc<Notify>, u32);

fn waker(number: u32) -> Waker {
    Waker(Arc::new(Notify::new()), number)
}

/// A record in its first use, by a job with a task.
fn begun() -> Arc<Task> {
    let place = Cell(UnsafeCell::new(None));
    let task = Task::new(Exchanged::new(0), Exchanged::new(0), place);
    task.begin(Use(1));
    Arc::new(task)
}

/// Another thread, which wakes the job. Returns the number of the waker that it called.
fn waking(task: &Arc<Task>, only: Option<Use>) -> loom::thread::JoinHandle<Option<u32>> {
    let task = Arc::clone(task);
    loom::thread::spawn(move || {
        task.wake(only).map(|Waker(sleeper, number)| {
            sleeper.notify();
            number
        })
    })
}

/// What an executor and `JobFuture::poll` do until the job was woken: it sleeps only if a waker is
/// registered. A wake that is lost lets it sleep for ever, which the checker reports.
fn wait_for_a_wake(task: &Task, waker: &Waker) {
    loop {
        if task.take_wake(Use(1)) {
            drop(task.forget_waker(Use(1)));
            return;
        }
        if !task.register(Use(1), || waker.clone()) {
            waker.0.notify();
        }
        waker.0.wait();
    }
}

// Rules: B37, D9
#[test]
fn no_wake_is_lost_between_the_poll_and_the_pause() {
    check(|| {
        let task = begun();
        let other = waking(&task, Some(Use(1)));
        wait_for_a_wake(&task, &waker(1));
        other.join().unwrap();
        assert!(task.end().is_none(), "its waker was taken out");
    });
}

// Rules: B37, D9
#[test]
fn no_wake_is_lost_that_comes_after_the_first_was_taken() {
    check_bounded(3, || {
        let task = begun();
        let first = waking(&task, None);
        wait_for_a_wake(&task, &waker(1));
        // The job runs, and pauses again. The next wake may come at any time.
        let second = waking(&task, None);
        wait_for_a_wake(&task, &waker(2));
        first.join().unwrap();
        second.join().unwrap();
        assert!(task.end().is_none());
    });
}

// Rules: B37, D9
#[test]
fn two_wakes_call_one_waker_and_do_not_meet_at_its_place() {
    check(|| {
        let task = begun();
        let mine = waker(1);
        assert!(task.register(Use(1), || mine.clone()));
        let others = [waking(&task, None), waking(&task, Some(Use(1)))];
        let called: usize = others
            .map(|other| other.join().unwrap().is_some().into())
            .iter()
            .sum::<usize>();
        assert_eq!(called, 1);
        assert!(task.take_wake(Use(1)) && !task.take_wake(Use(1)));
    });
}

// Rules: B37
#[test]
fn a_wake_beside_a_new_registration_calls_the_old_or_the_new_waker() {
    check(|| {
        let task = begun();
        assert!(task.register(Use(1), || waker(1)));
        let other = waking(&task, Some(Use(1)));
        let registered = task.register(Use(1), || waker(2));
        let called = other.join().unwrap();
        assert!(called.is_some() || !registered, "one of them");
        assert!(task.take_wake(Use(1)));
    });
}

// Rules: B37, D9
#[test]
fn each_wake_brings_what_came_before_it() {
    check_bounded(2, || {
        let task = begun();
        let came: Arc<[AtomicBool; 2]> = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let others = [0, 1].map(|mine| {
            let (task, came) = (Arc::clone(&task), Arc::clone(&came));
            loom::thread::spawn(move || {
                came[mine].store(true, Ordering::Relaxed);
                if let Some(Waker(sleeper, _)) = task.wake(None) {
                    sleeper.notify();
                }
            })
        });
        // The job goes on when it sees both. A wake that does not bring what came before it lets it
        // sleep for ever.
        while !came.iter().all(|came| came.load(Ordering::Relaxed)) {
            wait_for_a_wake(&task, &waker(1));
        }
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

// Rules: D24
#[test]
fn a_wake_beside_the_end_and_a_new_use_of_the_record_wakes_the_old_use_or_nothing() {
    check(|| {
        let task = begun();
        assert!(task.register(Use(1), || waker(1)));
        let other = waking(&task, Some(Use(1)));
        let left = task.end();
        task.begin(Use(2));
        assert!(task.register(Use(2), || waker(2)));
        let called = other.join().unwrap();
        assert_ne!(called, Some(2));
        assert_eq!(
            called.is_some(),
            left.is_none(),
            "the waker is in one place"
        );
        assert!(!task.take_wake(Use(2)));
    });
}

// Rules: D24
#[test]
fn c_wakes_whatever_job_has_the_record() {
    check(|| {
        let task = begun();
        let other = waking(&task, None);
        drop(task.end());
        task.begin(Use(2));
        let registered = task.register(Use(2), || waker(2));
        let called = other.join().unwrap();
        let woken = task.take_wake(Use(2));
        assert_eq!(woken, called.is_some() || !registered);
    });
}
