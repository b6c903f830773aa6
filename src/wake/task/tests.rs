//! What a fork leaves behind. The model checker has the rest: `compat-tests/model`.

use super::super::parts::{Place, Word};
use super::super::plain::Plain;
use super::super::protocol::Use;
use super::{LOCKED, Task, WAITING, WOKEN};
use core::cell::Cell;

/// A place in process 2: of a waker, or of a queue if the number is [`QUEUE`]. And how often the job
/// was put into that queue.
struct Here(Cell<Option<u32>>, Cell<u32>);

const QUEUE: u32 = 100;

impl Place for Here {
    type Waker = u32;

    fn put(&self, waker: u32) {
        assert_eq!(self.0.replace(Some(waker)), None);
    }

    fn take(&self) -> Option<u32> {
        self.0.take()
    }

    fn wake(&self) -> Option<u32> {
        if self.0.get() == Some(QUEUE) {
            self.1.set(self.1.get() + 1);
            return None;
        }
        self.take()
    }

    fn process(&self) -> u64 {
        2
    }
}

fn task(word: u64, process: u64, waker: Option<u32>) -> Task<Plain, Here> {
    let here = Here(Cell::new(waker), Cell::new(0));
    Task::new(Plain(Cell::new(word)), Plain(Cell::new(process)), here)
}

// Rules: D16
#[test]
fn a_lock_of_another_process_is_taken_over() {
    // Before its holder has taken the waker out, and after that.
    for waker in [Some(5), None] {
        let word = (7 << super::USE_SHIFT) | LOCKED | WOKEN;
        let inherited = task(word, 1, waker);
        assert!(!inherited.register(Use(7), || 6), "it was woken");
        assert!(inherited.take_wake(Use(7)));
        assert!(inherited.register(Use(7), || 6));
        assert_eq!(inherited.wake(None), Some(6));
        assert_eq!(inherited.end(), None);
        assert_eq!(inherited.word.load(), 0);

        let inherited = task(word, 1, waker);
        assert_eq!(inherited.end(), waker);
        assert_eq!(inherited.word.load(), 0);
    }
}

// Rules: D16
#[test]
fn a_wake_that_was_cut_off_is_found_in_the_child_and_its_lock_is_free() {
    for (bits, woken) in [(LOCKED | WOKEN, true), (WOKEN, true), (WAITING, false)] {
        let inherited = task((7 << super::USE_SHIFT) | bits, 1, Some(QUEUE));
        inherited.wake(None); // finds it woken, and puts it in otherwise
        assert_eq!(inherited.place.1.get(), u32::from(!woken));
        assert!(inherited.is_woken_after_fork());
        inherited.take_from_queue();
        assert!(!inherited.is_woken_after_fork());
        inherited.wake(None);
        assert_eq!(inherited.place.1.get(), 1 + u32::from(!woken));
        assert_eq!(inherited.end(), Some(QUEUE));
    }
}

// Rules: B37
#[test]
fn a_queue_stays_and_each_wake_puts_the_job_in_once() {
    let queue = task(0, 0, None);
    queue.begin(Use(3));
    queue.join(QUEUE);
    assert_eq!(queue.place.1.get(), 0);
    for times in 1..4 {
        assert_eq!((queue.wake(None), queue.wake(Some(Use(3)))), (None, None));
        assert_eq!(queue.place.1.get(), times);
        queue.take_from_queue();
        assert!(!queue.take_wake(Use(3)));
    }
    assert_eq!(queue.end(), Some(QUEUE));
    // Woken before.
    queue.begin(Use(4));
    assert_eq!(queue.wake(None), None);
    queue.join(QUEUE);
    assert_eq!((queue.place.1.get(), queue.wake(None)), (4, None));
    assert_eq!(queue.place.1.get(), 4);
    assert!(queue.take_wake(Use(4)));
}

// Rules: D24
#[test]
fn without_a_task_a_wake_has_no_effect() {
    let none = task(0, 0, None);
    assert_eq!(none.wake(None), None);
    assert_eq!(none.word.load(), 0);
    none.begin(Use(3));
    assert!(none.is_in_use(Use(3)) && !none.is_in_use(Use(2)));
    assert!(none.register(Use(3), || 9));
    assert_eq!(none.wake(Some(Use(2))), None);
    assert!(!none.register(Use(2), || 8), "another use's");
    assert!(none.take_wake(Use(2)) && !none.take_wake(Use(3)));
    assert_eq!(none.forget_waker(Use(2)), None);
    assert_eq!(none.wake(Some(Use(3))), Some(9));
    assert_eq!(none.wake(Some(Use(3))), None, "woken already");
    assert!(!none.register(Use(3), || 7));
    assert!(none.take_wake(Use(3)) && !none.take_wake(Use(3)));
    assert!(none.register(Use(3), || 7));
    assert_eq!(none.forget_waker(Use(3)), Some(7));
    assert_eq!(none.wake(None), None);
    assert!(none.take_wake(Use(3)));
    assert!(none.register(Use(3), || 4) && none.register(Use(3), || 5));
    assert_eq!(none.end(), Some(5), "the newest waker");
}
