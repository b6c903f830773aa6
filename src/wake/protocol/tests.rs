use super::*;
use std::cell::{Cell, RefCell};

/// What happens once, in the middle of a thread's work, as if another thread had done it.
type Meanwhile = Cell<Option<fn()>>;

thread_local! {
    static SIGNAL: Signal<TestWord, TestPipe> = const { Signal::new(TestWord(Cell::new(0)), TestWord(Cell::new(0)), TestPipe::new()) };
    /// Before the next exchange of the word.
    static BEFORE_EXCHANGE: Meanwhile = const { Cell::new(None) };
    static GAVE_WAY: Cell<usize> = const { Cell::new(0) };
    /// While a thread waits for the holder of BUSY.
    static WHILE_WAITING: Meanwhile = const { Cell::new(None) };
}

fn run(meanwhile: &'static std::thread::LocalKey<Meanwhile>) -> bool {
    meanwhile.take().map(|action| action()).is_some()
}

struct TestWord(Cell<u64>);

impl Word for TestWord {
    fn load(&self) -> u64 {
        self.0.get()
    }
    fn store(&self, value: u64) {
        self.0.set(value);
    }
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        run(&BEFORE_EXCHANGE);
        match self.0.get() {
            value if value == current => Ok(self.0.replace(new)),
            value => Err(value),
        }
    }
    fn fetch_xor(&self, bits: u64) -> u64 {
        self.0.replace(self.0.get() ^ bits)
    }
    fn wait_a_moment() {
        assert!(run(&WHILE_WAITING), "waits for a holder that is not there");
    }
    fn yield_now() {
        GAVE_WAY.set(GAVE_WAY.get() + 1);
    }
}

struct TestPipe {
    bytes: Cell<i32>,
    open: Cell<bool>,
    fails: Cell<bool>,
    refuses: Cell<bool>,
    process: Cell<u64>,
    /// While a byte is being moved.
    meanwhile: Meanwhile,
    log: RefCell<String>,
}

impl TestPipe {
    const fn new() -> TestPipe {
        TestPipe {
            bytes: Cell::new(0),
            open: Cell::new(false),
            fails: Cell::new(false),
            refuses: Cell::new(false),
            process: Cell::new(1),
            meanwhile: Cell::new(None),
            log: RefCell::new(String::new()),
        }
    }

    fn move_byte(&self, step: i32, name: char) {
        assert!(self.open.get(), "nobody is at a pipe that is not there");
        if let Some(action) = self.meanwhile.take() {
            action();
        }
        assert!(self.open.get(), "and it is not closed under him");
        self.bytes.set(self.bytes.get() + step);
        assert!(
            (0..=1).contains(&self.bytes.get()),
            "the pipe holds one byte at most"
        );
        self.log.borrow_mut().push(name);
    }
}

impl Channel for TestPipe {
    fn open(&self) -> Result<(), errno::Errno> {
        if self.fails.get() {
            return Err(errno::Errno(24));
        }
        assert!(!self.open.replace(true));
        Ok(())
    }
    fn put(&self) -> bool {
        if self.refuses.get() {
            self.move_byte(0, '!');
            return false;
        }
        self.move_byte(1, '+');
        true
    }
    fn take(&self) {
        self.move_byte(-1, '-');
    }
    fn close(&self) {
        assert!(self.open.replace(false));
    }
    fn renew(&self) -> Result<(), errno::Errno> {
        unreachable!("for queues")
    }
    type Ends = ();
    fn detach(&self) {
        self.close();
    }
    fn attach(&self, (): ()) {
        assert!(!self.open.replace(true));
    }
    fn process(&self) -> u64 {
        self.process.get()
    }
}

fn with<R>(f: impl FnOnce(&Signal<TestWord, TestPipe>) -> R) -> R {
    SIGNAL.with(f)
}

fn wake() {
    with(|signal| {
        signal.wake(None);
    });
}

fn clear() {
    with(|signal| signal.clear(None));
}

fn end() {
    with(Signal::end);
}

fn begin(number: u64) {
    with(|signal| signal.begin(Use(number), false));
}

fn meanwhile(action: fn()) {
    with(|signal| signal.channel.meanwhile.set(Some(action)));
}

/// A live record in use 1, with a pipe.
fn live() {
    with(Signal::open).unwrap();
    begin(1);
}

// Rules: B36
#[test]
fn a_pipe_is_the_wait_fd_only_of_uses_that_want_it() {
    live();
    with(|signal| {
        assert!(
            signal.channel(|_| ()).is_none(),
            "the record has one, this use has not"
        );
        signal.end();
        signal.begin(Use(2), true);
        assert!(signal.channel(|_| ()).is_some());
        signal.end();
        assert!(signal.channel(|_| ()).is_none());
        signal.begin(Use(3), false);
        assert!(signal.channel(|_| ()).is_none());
        signal.open().unwrap();
        assert!(signal.channel(|_| ()).is_some(), "asked for after all");
    });
}

fn readable() -> bool {
    with(|signal| signal.channel.bytes.get() == 1)
}

/// The moves so far.
fn moves() -> String {
    with(|signal| signal.channel.log.take())
}

// Rules: W2, W3, W4
#[test]
fn a_byte_is_moved_only_when_something_changes() {
    live();
    clear();
    assert_eq!(moves(), "");
    wake();
    wake();
    assert_eq!((moves().as_str(), readable()), ("+", true));
    clear();
    clear();
    assert_eq!((moves().as_str(), readable()), ("-", false));
}

// Rules: W9, D9
#[test]
fn a_wake_that_the_system_refuses_has_no_effect_and_the_next_tries_again() {
    fn refuse(refuses: bool) {
        with(|signal| signal.channel.refuses.set(refuses));
    }
    live();
    let before = with(Signal::word);
    refuse(true);
    wake();
    wake();
    assert_eq!((moves().as_str(), readable()), ("!!", false));
    clear();
    assert_eq!((moves().as_str(), with(Signal::word)), ("", before));
    refuse(false);
    wake();
    assert_eq!((moves().as_str(), readable()), ("+", true));
    clear();
    // A wake that comes while another one is being refused is refused with it.
    refuse(true);
    meanwhile(wake);
    wake();
    assert_eq!((moves().as_str(), with(Signal::word)), ("-!", before));
    meanwhile(|| {
        clear();
        wake();
    });
    wake();
    assert_eq!((moves().as_str(), with(Signal::word)), ("!", before));
    refuse(false);
    wake();
    assert!(readable());
}

// Rules: D9, W8
#[test]
fn a_wake_during_a_wake_returns_at_once_and_makes_no_second_byte() {
    live();
    meanwhile(|| {
        wake();
        assert!(!readable(), "not done yet, and not waited for");
    });
    wake();
    assert_eq!((moves().as_str(), readable()), ("+", true));
}

// Rules: D9, W8
#[test]
fn a_clear_during_a_wake_is_carried_out_by_the_waker() {
    live();
    meanwhile(clear);
    wake();
    assert_eq!((moves().as_str(), readable()), ("+-", false));
    wake();
    assert!(readable());
}

// Rules: D9, W8
#[test]
fn a_clear_yields_to_a_thread_at_the_pipe_and_otherwise_not() {
    live();
    wake();
    clear();
    assert_eq!(GAVE_WAY.get(), 0);
    meanwhile(clear);
    wake();
    assert_eq!(GAVE_WAY.take(), 1);
}

// Rules: D9, W8
#[test]
fn a_wake_during_a_clear_is_not_lost() {
    live();
    wake();
    meanwhile(wake);
    clear();
    assert_eq!((moves().as_str(), readable()), ("+-+", true));
    clear();
    assert!(!readable());
}

// Rules: D9, W8
#[test]
fn a_change_just_before_the_last_look_is_seen() {
    live();
    meanwhile(|| BEFORE_EXCHANGE.set(Some(clear)));
    wake();
    assert_eq!((moves().as_str(), readable()), ("+-", false));
}

// Rules: D9
#[test]
fn a_change_that_another_one_overtook_is_tried_again() {
    live();
    BEFORE_EXCHANGE.set(Some(wake));
    wake();
    assert_eq!((moves().as_str(), readable()), ("+", true));
    BEFORE_EXCHANGE.set(Some(|| {
        clear();
        wake();
    }));
    clear();
    assert_eq!((moves().as_str(), readable()), ("-+-", false));
}

// Rules: D24, D19
#[test]
fn the_end_takes_the_byte_out_and_nobody_can_wake_until_the_next_use() {
    live();
    wake();
    end();
    assert_eq!((moves().as_str(), readable()), ("+-", false));
    wake();
    clear();
    assert!(!readable());
    begin(2);
    assert!(!readable());
    wake();
    assert!(readable());
}

// Rules: D9, D24
#[test]
fn an_end_during_a_wake_leaves_nothing_in_the_pipe() {
    live();
    meanwhile(end);
    wake();
    assert_eq!((moves().as_str(), readable()), ("+-", false));
}

// Rules: D24
#[test]
fn a_wake_that_the_end_overtook_has_no_effect() {
    live();
    BEFORE_EXCHANGE.set(Some(end));
    wake();
    assert_eq!(moves(), "");
    begin(2);
    BEFORE_EXCHANGE.set(Some(|| {
        end();
        begin(3);
    }));
    with(|signal| {
        signal.wake(Some(Use(2)));
    });
    assert_eq!(moves(), "", "not in a later use either");
}

// Rules: B37, D19
#[test]
fn a_wake_says_whether_a_task_waits_in_this_use() {
    live();
    with(|signal| {
        assert!(!signal.wake(None));
        signal.mark_task();
        assert!(signal.wake(None) && readable(), "nothing else changes");
        assert!(signal.is_in_use(Use(1)));
    });
    end();
    begin(2);
    with(|signal| assert!(!signal.wake(Some(Use(2)))));
}

// Rules: D19, D24
#[test]
fn a_named_use_is_the_only_one_affected() {
    live();
    with(|signal| {
        assert!(signal.is_in_use(Use(1)) && !signal.is_in_use(Use(2)));
        signal.wake(Some(Use(2)));
        assert!(!readable());
        signal.wake(Some(Use(1)));
        assert!(readable());
        signal.clear(Some(Use(2)));
        assert!(readable());
        signal.clear(Some(Use(1)));
        assert!(!readable());
        signal.end();
        assert!(!signal.is_in_use(Use(1)));
    });
}

// Rules: D19, D1
#[test]
fn a_use_begins_and_the_pipe_closes_only_when_no_thread_is_at_the_pipe() {
    fn holder_stays() {
        with(|signal| signal.word.0.set(signal.word.0.get() | BUSY));
    }
    fn holder_leaves() {
        with(|signal| signal.word.0.set(signal.word.0.get() & !BUSY));
    }
    live();
    end();
    holder_stays();
    WHILE_WAITING.set(Some(holder_leaves));
    begin(2);
    assert!(WHILE_WAITING.take().is_none(), "it waited");
    with(|signal| assert!(signal.is_in_use(Use(2))));
    end();
    holder_stays();
    WHILE_WAITING.set(Some(holder_leaves));
    with(Signal::close);
    assert!(WHILE_WAITING.take().is_none(), "it waited");
    with(|signal| assert!(!signal.channel.open.get() && signal.word.0.get() == 0));
    with(Signal::close); // again, and without a pipe: nothing
}

/// Sets BUSY as a thread that the fork did not copy.
fn fork_while_busy() {
    with(|signal| {
        signal.word.0.set(signal.word.0.get() | BUSY);
        signal.process.0.set(signal.channel.process.get());
        signal.channel.process.set(signal.channel.process.get() + 1);
    });
}

fn nobody_is_busy() -> bool {
    with(|signal| signal.word() & BUSY == 0)
}

// Rules: D16
#[test]
fn a_forked_child_takes_over_from_a_thread_that_it_does_not_have() {
    live();
    fork_while_busy();
    wake();
    assert!(readable() && nobody_is_busy());
    fork_while_busy();
    wake(); // does not change the word, but takes over
    assert!(readable() && nobody_is_busy());
    fork_while_busy();
    clear();
    assert!(!readable() && nobody_is_busy());
    assert_eq!(moves(), "+-");
    fork_while_busy();
    end();
    assert!(nobody_is_busy());
    fork_while_busy();
    begin(2); // does not wait
    assert!(nobody_is_busy());
    end();
    fork_while_busy();
    with(Signal::close);
}

// Rules: D16, D24
#[test]
fn what_was_seen_of_a_record_whose_memory_was_given_back_is_not_taken_over() {
    with(|signal| signal.channel.process.set(2));
    live();
    end();
    with(|signal| {
        signal.close();
        signal.give_back();
        // As if read before.
        signal
            .word
            .0
            .set(BUSY + LIVE + PIPE + WANT + (1 << USE_SHIFT));
    });
    wake();
    assert_eq!(moves(), "");
}

// Rules: D16
#[test]
fn a_fork_while_nobody_is_busy_moves_nothing() {
    begin(1);
    wake(); // without a pipe there is nothing to move yet
    with(|signal| signal.channel.process.set(2));
    wake();
    assert_eq!(moves(), "");
    with(Signal::open).unwrap();
    assert_eq!((moves().as_str(), readable()), ("+", true));
}

// Rules: D16
#[test]
fn a_byte_that_was_to_be_moved_at_the_fork_is_moved_by_the_child() {
    live();
    with(|signal| signal.word.0.set(signal.word.0.get() | WANT));
    fork_while_busy();
    wake();
    assert_eq!((moves().as_str(), readable()), ("+", true));
    // The holder of BUSY is of this process now.
    meanwhile(wake);
    clear();
    assert_eq!((moves().as_str(), readable()), ("-+", true));
}

// Rules: B36, B37
#[test]
fn a_pipe_made_late_is_readable_at_once_if_the_job_was_woken() {
    begin(1);
    wake();
    assert_eq!(moves(), "");
    with(|signal| assert!(signal.channel(|_| ()).is_none()));
    with(|signal| signal.channel.fails.set(true));
    assert!(with(Signal::open).is_err());
    with(|signal| assert!(signal.channel(|_| ()).is_none()));
    with(|signal| signal.channel.fails.set(false));
    with(Signal::open).unwrap();
    with(Signal::open).unwrap();
    assert_eq!((moves().as_str(), readable()), ("+", true));
    with(|signal| assert!(signal.channel(|_| ()).is_some()));
    end();
    assert_eq!(moves(), "-", "the pipe is still known");
    with(|signal| assert!(signal.channel(|_| ()).is_none(), "an ended job has none"));
}
