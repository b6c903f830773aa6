//! One thread's queue, and what a fork leaves behind. The model checker has the rest:
//! `compat-tests/model`.

use super::super::parts::{Channel, Newest, Node};
use super::super::plain::Plain;
use super::super::protocol::Signal;
use super::Woken;
use std::cell::{Cell, RefCell};

thread_local! {
    /// The number of this process.
    static PROCESS: Cell<u64> = const { Cell::new(1) };
    /// What was done with the pipe.
    static DONE: RefCell<String> = const { RefCell::new(String::new()) };
    /// Each job's place for the one before it.
    static BEFORE: RefCell<[Option<Job>; 3]> = const { RefCell::new([None; 3]) };
}

fn note(what: char) {
    DONE.with_borrow_mut(|done| done.push(what));
}

/// What was done with the pipe since this was asked last.
fn done() -> String {
    DONE.take()
}

/// A pipe that notes what is done with it.
struct Noting;

impl Channel for Noting {
    fn open(&self) -> Result<(), errno::Errno> {
        note('o');
        Ok(())
    }

    fn put(&self) -> bool {
        note('+');
        true
    }

    fn take(&self) {
        note('-');
    }

    fn close(&self) {
        note('c');
    }

    fn renew(&self) -> Result<(), errno::Errno> {
        note('r');
        Ok(())
    }

    type Ends = ();

    fn detach(&self) {}

    fn attach(&self, (): ()) {}

    fn process(&self) -> u64 {
        PROCESS.get()
    }
}

/// A job, by its number among those of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Job(usize);

impl Node for Job {
    fn set_before(self, before: Option<Job>) {
        BEFORE.with_borrow_mut(|places| places[self.0] = before);
    }

    fn take_before(self) -> Option<Job> {
        BEFORE.with_borrow_mut(|places| places[self.0].take())
    }
}

struct Last(Cell<Option<Job>>);

impl Newest for Last {
    type Node = Job;

    fn load(&self) -> Option<Job> {
        self.0.get()
    }

    fn compare_exchange(&self, _: Option<Job>, new: Job) -> Result<(), Option<Job>> {
        self.0.set(Some(new));
        Ok(())
    }

    fn take(&self) -> Option<Job> {
        self.0.take()
    }

    fn process(&self) -> u64 {
        PROCESS.get()
    }
}

fn queue() -> Woken<Plain, Noting, Last> {
    let word = || Plain(Cell::new(0));
    PROCESS.set(1);
    let queue = Woken::new(
        Last(Cell::new(None)),
        Signal::new(word(), word(), Noting),
        word(),
    );
    assert!(queue.open() == Ok(true) && queue.open() == Ok(false));
    assert_eq!(done(), "o");
    queue
}

/// The jobs that are taken, in order.
fn taken(queue: &Woken<Plain, Noting, Last>) -> Vec<Job> {
    let mut next = queue.take();
    let mut taken = vec![];
    while let Some(job) = next {
        taken.push(job);
        next = job.take_before();
    }
    taken
}

// Rules: B37, W5
#[test]
fn all_jobs_are_taken_at_once_and_the_first_of_them_makes_the_descriptor_readable() {
    let queue = queue();
    let all = [Job(0), Job(1), Job(2)];
    assert!(queue.may_sleep());
    all.iter().for_each(|job| queue.put(*job));
    assert_eq!(done(), "+", "one byte for all");
    assert!(!queue.may_sleep());
    assert_eq!(done(), "-");
    assert!(queue.newest().load().is_some());
    assert!(taken(&queue).into_iter().rev().eq(all));
    assert!(queue.may_sleep() && taken(&queue).is_empty());
    queue.put(all[1]);
    assert_eq!(done(), "+");
    assert_eq!(taken(&queue), [all[1]]);
    queue.close();
    assert_eq!(done(), "-c");
}

// Rules: D16
#[test]
fn a_child_moves_no_byte_of_its_parents_pipe() {
    for woken_before in [false, true] {
        let queue = queue();
        let [first, second] = [Job(0), Job(1)];
        if woken_before {
            queue.put(first);
            assert_eq!(done(), "+");
        }
        PROCESS.set(2);
        queue.put(second);
        assert_eq!(done(), "", "it is the parent's still");
        assert!(queue.open() == Ok(true) && queue.open() == Ok(false));
        assert_eq!(done(), "r");
        assert_eq!(taken(&queue).len(), 1 + usize::from(woken_before));
        assert!(queue.may_sleep());
        assert_eq!(done(), "");
        queue.put(first);
        assert_eq!(done(), "+");
        // A child of the child, which does not use it.
        PROCESS.set(3);
        queue.close();
        assert_eq!(done(), "c");
    }
}
