//! Generation 1's signal: a pipe that is readable from a wake until the next clear (section 5 of the behaviour reference), and the
//! protocol that lets any thread wake and clear at any time, also while the job ends, its record is reused or freed.
//!
//! One atomic word a record holds everything:
//!
//! | Bits | Name | Meaning |
//! |---|---|---|
//! | 0 | WANT | the last of wake and clear was a wake |
//! | 1 | HAVE | a byte is in the pipe |
//! | 2 | BUSY | somebody is at the pipe, to make HAVE what WANT says |
//! | 3 | LIVE | a job is using the record |
//! | 4 | PIPE | there is a pipe |
//! | 5 | SHOWN | the pipe is this use's wait fd: jobs of generation 2 have none, whatever their record has |
//! | 6 and up | | the number of this use of the record; never the same twice in a process |
//!
//! To wake or to clear is to change WANT. Whoever finds HAVE different and nobody BUSY becomes BUSY, moves the byte, and
//! does not leave before the two agree; everybody else returns at once. So nobody waits for a lock, a signal handler
//! can wake, the pipe never holds two bytes, and no wake is lost: the last change of WANT is what the pipe comes to.
//! Only the thread that owns the record sets and clears LIVE and PIPE, and only when nobody is BUSY does it close.
//!
//! A fork may catch somebody BUSY whom the child does not have. So whoever wants to be BUSY first notes which process
//! this is; a BUSY of another process is nobody's, and the next who comes by takes it over (D16). Whoever comes by may have
//! seen a BUSY of this process that has long left, with the record, whose memory was given back: so no process is number 0,
//! which is what is noted in such memory, and only a number that is another process's is taken over from.
//!
//! A word of zeros is a record that is not live.

use crate::platform;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

pub const WANT: u64 = 1;
pub const HAVE: u64 = 1 << 1;
pub const BUSY: u64 = 1 << 2;
pub const LIVE: u64 = 1 << 3;
pub const PIPE: u64 = 1 << 4;
pub const SHOWN: u64 = 1 << 5;
pub const USE_SHIFT: u32 = 6;

/// The number of one use of a record, from start to finish. Never 0, never the same twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use(pub u64);

/// The atomic word, so that a model checker can bring its own.
pub trait Word {
    /// Reads, seeing what was written before the value was stored.
    fn load(&self) -> u64;
    /// Stores, showing what was written before.
    fn store(&self, value: u64);
    /// Stores `new` if the value is `current`, else answers what it is.
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64>;
    /// Flips bits; answers the value before.
    fn fetch_xor(&self, bits: u64) -> u64;
    /// Lets somebody else run, while waiting for them.
    fn relax();
    /// Lets somebody else run, without waiting for them.
    fn give_way() {
        Self::relax();
    }
}

/// The pipe, so that a model checker can bring its own.
pub trait Channel {
    /// Makes the pipe.
    fn open(&self) -> Result<(), errno::Errno>;
    /// Puts one byte in. False if the system refuses it.
    fn put(&self) -> bool;
    /// Takes one byte out, if there is one.
    fn take(&self);
    /// Closes the pipe.
    fn close(&self);
    /// What is kept of a pipe while no channel has it.
    type Ends;
    /// Lets go of the pipe, which stays open.
    fn detach(&self) -> Self::Ends;
    /// Has a pipe again that was let go of.
    fn attach(&self, ends: Self::Ends);
    /// The number of this process among those that have forked from each other. Never 0.
    fn process(&self) -> u64;
}

/// One record's signal.
///
/// All zeros is a signal without a pipe whose record is not live.
pub struct Signal<W, C> {
    word: W,
    /// The process of whoever was BUSY last; 0 if nobody was.
    process: W,
    channel: C,
}

impl<W: Word, C: Channel> Signal<W, C> {
    /// A signal without a pipe, not live.
    #[cfg(test)]
    pub const fn new(word: W, process: W, channel: C) -> Self {
        Signal {
            word,
            process,
            channel,
        }
    }

    /// Where it stands.
    #[cfg(test)]
    pub fn word(&self) -> u64 {
        self.word.load()
    }

    /// The memory of the record, which is free, was given back to the system.
    #[cfg(test)]
    pub fn give_back(&self) {
        self.word.store(0);
        self.process.store(0);
    }

    /// A new use of the record begins, unsignalled (D19); `shown` if the record's pipe, which it has, is its wait fd. Owner
    /// only.
    pub fn begin(&self, this: Use, shown: bool) {
        let idle = self.quiet();
        let shown = if shown { SHOWN } else { 0 };
        // Fields that do not overlap.
        self.word
            .store((idle & PIPE) + LIVE + shown + (this.0 << USE_SHIFT));
    }

    /// The use ends: no wake has an effect from here on (D24), and what is in the pipe is taken out. Owner only.
    pub fn end(&self) {
        let word = self.word.load();
        if word & PIPE == 0 {
            // Nobody is at a pipe or can get there, since only the owner makes one: what a wake changes at this moment ends
            // with the use anyway, and an exchange would cost more than all else that a finish does.
            self.word.store(word & !LIVE & !WANT);
        } else {
            self.change(|word| Some(word & !LIVE & !WANT));
        }
    }

    /// Makes the fd readable, if the record is live and, where a use is named, in that use (B37, W3).
    pub fn wake(&self, only: Option<Use>) {
        self.change(|word| in_use(word, only).then_some(word | WANT));
    }

    /// Makes the fd unreadable, under the same conditions (W4). Never blocks.
    pub fn clear(&self, only: Option<Use>) {
        self.change(|word| in_use(word, only).then_some(word & !WANT));
        if self.word.load() & BUSY != 0 {
            // Somebody is at the pipe, and as long as they do not get on the fd may stay readable: an event loop would come
            // back at once, and again, and keep the processor from them.
            W::give_way();
        }
    }

    /// Makes the pipe if there is none, and this use's wait fd of it; it is readable at once if the job was woken before.
    /// Owner only.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "the Rust face has wait fds on Unix")
    )]
    pub fn open(&self) -> Result<(), errno::Errno> {
        self.provide()?;
        self.change(|word| Some(word | PIPE | SHOWN));
        Ok(())
    }

    /// Makes the pipe if there is none. Owner only.
    pub fn provide(&self) -> Result<(), errno::Errno> {
        if self.word.load() & PIPE == 0 {
            self.channel.open()?;
            self.change(|word| Some(word | PIPE));
        }
        Ok(())
    }

    /// Closes the pipe if there is one. Owner only, on a record that is not live.
    pub fn close(&self) {
        if self.quiet() & PIPE != 0 {
            self.channel.close();
        }
        self.word.store(0);
    }

    /// Takes the pipe, if there is one, out of a record that is not live. Owner only.
    pub fn detach(&self) -> Option<C::Ends> {
        let piped = self.quiet() & PIPE != 0;
        self.word.store(0);
        piped.then(|| self.channel.detach())
    }

    /// Gives a record that has none, and is not live, a pipe that was taken out of it. Owner only.
    pub fn attach(&self, ends: Option<C::Ends>) {
        if let Some(ends) = ends {
            self.channel.attach(ends);
            self.word.store(PIPE);
        }
    }

    /// What `look` finds at the channel, if the record is live and that is its wait fd; before and after, since a record may
    /// end meanwhile, and its memory then reads as zeros.
    pub fn channel<R>(&self, look: impl FnOnce(&C) -> R) -> Option<R> {
        let word = self.word.load();
        if word & LIVE == 0 || word & SHOWN == 0 {
            return None;
        }
        let found = look(&self.channel);
        in_use(self.word.load(), Some(Use(word >> USE_SHIFT))).then_some(found)
    }

    /// Whether the record is in the given use.
    pub fn is_in_use(&self, this: Use) -> bool {
        in_use(self.word.load(), Some(this))
    }

    /// The word of a record that is not live, once the last one at its pipe has left.
    fn quiet(&self) -> u64 {
        loop {
            let word = self.word.load();
            if word & BUSY == 0 {
                return word;
            } else if self.inherit() {
                self.settle(word);
            } else {
                W::relax();
            }
        }
    }

    /// Changes the word as `edit` says, unless it says not to, and moves the byte if that has become our business.
    fn change(&self, edit: impl Fn(u64) -> Option<u64>) {
        let mut word = self.word.load();
        if word & BUSY != 0 && self.inherit() {
            self.settle(word);
            word = self.word.load();
        }
        while let Some(edited) = edit(word) {
            let mine = edited & BUSY == 0 && edited & PIPE != 0 && !agrees(edited);
            let new = if mine { edited + BUSY } else { edited };
            if mine {
                self.process.store(self.channel.process());
            }
            match self.word.compare_exchange(word, new) {
                Ok(_) if mine => return self.settle(new),
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// Whether whoever is BUSY was left behind in another process, and BUSY is ours now.
    fn inherit(&self) -> bool {
        let (theirs, ours) = (self.process.load(), self.channel.process());
        theirs != 0 && theirs != ours && self.process.compare_exchange(theirs, ours).is_ok()
    }

    /// Moves the byte until HAVE is what WANT says, then stops being BUSY. `word` is the word as we left it.
    fn settle(&self, mut word: u64) {
        loop {
            let left = if agrees(word) {
                word & !BUSY
            } else if self.move_byte(word & WANT != 0) {
                word = self.word.fetch_xor(HAVE) ^ HAVE;
                continue;
            } else {
                // As if there had been no wake, so that the next one tries again and is not taken for a second (W9).
                word & !BUSY & !WANT
            };
            match self.word.compare_exchange(word, left) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// Puts the byte in, or takes it out. False if the system refuses it.
    fn move_byte(&self, wanted: bool) -> bool {
        if wanted {
            return self.channel.put();
        }
        self.channel.take();
        true
    }
}

fn agrees(word: u64) -> bool {
    (word & WANT != 0) == (word & HAVE != 0)
}

fn in_use(word: u64, only: Option<Use>) -> bool {
    word & LIVE != 0 && only.is_none_or(|this| word >> USE_SHIFT == this.0)
}

/// Makes an atomic type a word: the standard library's here, a model checker's where these orderings are checked.
macro_rules! word {
    ($atomic:ty, $relax:path) => {
        impl $crate::wake::Word for $atomic {
            fn load(&self) -> u64 {
                self.load(core::sync::atomic::Ordering::Acquire)
            }

            fn store(&self, value: u64) {
                self.store(value, core::sync::atomic::Ordering::Release);
            }

            fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
                use core::sync::atomic::Ordering::{AcqRel, Acquire};
                self.compare_exchange(current, new, AcqRel, Acquire)
            }

            fn fetch_xor(&self, bits: u64) -> u64 {
                self.fetch_xor(bits, core::sync::atomic::Ordering::AcqRel)
            }

            fn relax() {
                $relax();
            }
        }
    };
}

word!(AtomicU64, std::thread::yield_now);

/// The two ends of a pipe that no signal uses now.
pub struct Ends {
    read: c_int,
    write: c_int,
}

impl Ends {
    /// A new pipe.
    pub fn open() -> Result<Ends, errno::Errno> {
        let [read, write] = platform::pipe()?;
        Ok(Ends { read, write })
    }

    /// Closes the pipe.
    pub fn close(self) {
        platform::close(self.read);
        platform::close(self.write);
    }
}

/// The two ends of a pipe (W1). Meaningful only while the signal's PIPE bit is set.
pub struct Pipe {
    read: AtomicI32,
    write: AtomicI32,
}

impl Pipe {
    /// The end to wait on. Whoever finds a later one than they asked for also finds that the use has ended.
    pub fn wait_fd(&self) -> c_int {
        self.read.load(Ordering::Acquire)
    }
}

impl Channel for Pipe {
    fn open(&self) -> Result<(), errno::Errno> {
        self.attach(Ends::open()?);
        Ok(())
    }

    fn put(&self) -> bool {
        platform::put_byte(self.write.load(Ordering::Relaxed))
    }

    fn take(&self) {
        platform::take_byte(self.read.load(Ordering::Relaxed));
    }

    fn close(&self) {
        self.detach().close();
    }

    type Ends = Ends;

    fn detach(&self) -> Ends {
        Ends {
            read: self.read.load(Ordering::Relaxed),
            write: self.write.load(Ordering::Relaxed),
        }
    }

    fn attach(&self, Ends { read, write }: Ends) {
        self.read.store(read, Ordering::Release);
        self.write.store(write, Ordering::Relaxed);
    }

    fn process(&self) -> u64 {
        platform::forks() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// What happens, once, in the middle of somebody's work, as if another thread had done it.
    type Meanwhile = Cell<Option<fn()>>;

    thread_local! {
        static SIGNAL: Signal<TestWord, TestPipe> = const { Signal::new(TestWord(Cell::new(0)), TestWord(Cell::new(0)), TestPipe::new()) };
        /// Before the next exchange of the word.
        static BEFORE_EXCHANGE: Meanwhile = const { Cell::new(None) };
        static GAVE_WAY: Cell<usize> = const { Cell::new(0) };
        /// While somebody waits for the one who is BUSY.
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
        fn relax() {
            assert!(run(&WHILE_WAITING), "waits for somebody who is not there");
        }
        fn give_way() {
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
        with(|signal| signal.wake(None));
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
        // One that comes while another is being refused is refused with it.
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
    fn a_clear_lets_whoever_is_at_the_pipe_get_on_and_nobody_else() {
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
        with(|signal| signal.wake(Some(Use(2))));
        assert_eq!(moves(), "", "not in a later use either");
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
    fn a_use_begins_and_the_pipe_closes_only_when_nobody_is_at_the_pipe() {
        fn somebody_stays() {
            with(|signal| signal.word.0.set(signal.word.0.get() | BUSY));
        }
        fn and_leaves() {
            with(|signal| signal.word.0.set(signal.word.0.get() & !BUSY));
        }
        live();
        end();
        somebody_stays();
        WHILE_WAITING.set(Some(and_leaves));
        begin(2);
        assert!(WHILE_WAITING.take().is_none(), "it waited");
        with(|signal| assert!(signal.is_in_use(Use(2))));
        end();
        somebody_stays();
        WHILE_WAITING.set(Some(and_leaves));
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
        wake(); // changes nothing, but takes over
        assert!(readable() && nobody_is_busy());
        fork_while_busy();
        clear();
        assert!(!readable() && nobody_is_busy());
        assert_eq!(moves(), "+-");
        fork_while_busy();
        end();
        assert!(nobody_is_busy());
        fork_while_busy();
        begin(2); // waits for nobody
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
        // And whoever is BUSY now is of this process.
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
}
