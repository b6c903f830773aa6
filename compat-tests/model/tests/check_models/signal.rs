//! A signal made of the checker's atomics and of a pipe that detects misuse. Also the functions
//! that run a model.

use crate::parts::{Channel, Word};
use crate::protocol::{self, BUSY, HAVE, Use, WANT};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use std::cell::Cell;
use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

word!(AtomicU64, loom::thread::yield_now);

/// The signal of one record.
pub type Signal<W = AtomicU64> = protocol::Signal<W, Pipe>;

/// An atomic word of the checker.
pub trait Atomic: Word + 'static {
    /// A word with this value.
    fn new(value: u64) -> Self;
}

impl Atomic for AtomicU64 {
    fn new(value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }
}

/// The same, but a store is done by an exchange, which acquires nothing. It is for models in which
/// one thread stores while another exchanges. There loom 0.7 also tries executions in which the
/// store comes between the two halves of the exchange (tokio-rs/loom issue 254). An atomic
/// exchange rules that out.
pub struct Exchanged(AtomicU64);

impl Atomic for Exchanged {
    fn new(value: u64) -> Exchanged {
        Exchanged(AtomicU64::new(value))
    }
}

impl Word for Exchanged {
    fn load(&self) -> u64 {
        Word::load(&self.0)
    }

    fn store(&self, value: u64) {
        self.0.swap(value, Ordering::Release);
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        Word::compare_exchange(&self.0, current, new)
    }

    fn fetch_xor(&self, bits: u64) -> u64 {
        Word::fetch_xor(&self.0, bits)
    }

    fn wait_a_moment() {
        AtomicU64::wait_a_moment();
    }
}

/// A pipe in which every access changes a cell. The checker fails if an access is not ordered
/// after all others. So the thread at the pipe must hold BUSY, and must see what the last holder
/// of BUSY did, and the thread that made the pipe.
pub struct Pipe {
    /// How many bytes are in it, while it is open.
    bytes: UnsafeCell<Option<u32>>,
    /// Its number, which is never 0, because the memory of a freed record reads as 0.
    fd: AtomicU64,
    process: u64,
    /// How many bytes will be refused. An ordinary atomic, not the checker's: only the thread at
    /// the pipe reads it.
    refusals: AtomicUsize,
}

// SAFETY: the checker runs one thread at a time, and the cell is accessed only through the
// checker.
unsafe impl Sync for Pipe {}

impl Pipe {
    /// As in the real pipe.
    pub fn wait_fd(&self) -> u64 {
        self.fd.load(Ordering::Acquire)
    }

    fn access<R>(&self, f: impl FnOnce(&mut Option<u32>) -> R) -> R {
        // SAFETY: the checker would have failed if another thread could be here.
        self.bytes.with_mut(|bytes| f(unsafe { &mut *bytes }))
    }

    fn change(&self, from: u32, to: u32) {
        self.access(|bytes| {
            assert_eq!(
                *bytes,
                Some(from),
                "the pipe is open, has room for one byte, and is not empty at a take"
            );
            *bytes = Some(to);
        });
    }
}

impl Channel for Pipe {
    fn open(&self) -> Result<(), errno::Errno> {
        self.access(|bytes| assert_eq!(bytes.replace(0), None, "one pipe"));
        self.fd.store(1, Ordering::Release);
        Ok(())
    }

    fn put(&self) -> bool {
        if self.refusals.load(Ordering::Relaxed) > 0 {
            self.refusals.fetch_sub(1, Ordering::Relaxed);
            self.change(0, 0);
            return false;
        }
        self.change(0, 1);
        true
    }

    fn take(&self) {
        self.change(1, 0);
    }

    fn close(&self) {
        self.access(|bytes| assert_eq!(bytes.take(), Some(0), "the pipe is open and empty"));
        self.fd.store(0, Ordering::Release);
    }

    fn renew(&self) -> Result<(), errno::Errno> {
        unreachable!("no model forks a queue")
    }

    type Ends = ();

    fn detach(&self) {
        self.close();
    }

    fn attach(&self, (): ()) {
        self.open().expect("a pipe of ours");
    }

    fn process(&self) -> u64 {
        self.process
    }
}

/// A record that has not been used.
pub fn fresh<W: Atomic>() -> Arc<Signal<W>> {
    Arc::new(Signal::new(
        W::new(0),
        W::new(0),
        Pipe {
            bytes: UnsafeCell::new(None),
            fd: AtomicU64::new(0),
            process: 1,
            refusals: AtomicUsize::new(0),
        },
    ))
}

/// A live record in use 1 with a pipe.
pub fn live() -> Arc<Signal> {
    let signal = fresh();
    signal.open().expect("a pipe of ours");
    signal.begin(Use(1), true);
    signal
}

/// The same, but its pipe refuses the first byte.
pub fn refusing() -> Arc<Signal> {
    let signal = live();
    signal
        .channel(|pipe| pipe.refusals.store(1, Ordering::Relaxed))
        .expect("the wait fd of a live job");
    signal
}

/// A live record in use 1 with a pipe, as a forked child finds it. `word` has the flags WANT, HAVE
/// and BUSY.
pub fn inherited(word: u64) -> Arc<Signal> {
    let use_1 = live().word();
    Arc::new(Signal::new(
        AtomicU64::new(use_1 + word),
        AtomicU64::new(1),
        Pipe {
            bytes: UnsafeCell::new(Some(u32::from(word & HAVE != 0))),
            fd: AtomicU64::new(1),
            process: 2,
            refusals: AtomicUsize::new(0),
        },
    ))
}

/// Whether the fd is readable. The caller knows that no thread is at the pipe.
pub fn readable<W: Atomic>(signal: &Signal<W>) -> bool {
    signal
        .channel(|pipe| pipe.access(|bytes| *bytes))
        .expect("the wait fd of a live job")
        == Some(1)
}

/// Whether the fd is readable after all other threads have finished. It must be as the last change
/// of WANT made it.
pub fn settled<W: Atomic>(signal: &Signal<W>) -> bool {
    let (word, readable) = (signal.word(), readable(signal));
    assert_eq!(word & BUSY, 0, "no thread is at the pipe any more");
    assert_eq!(word & WANT != 0, readable, "the last one wins");
    assert_eq!(
        word & HAVE != 0,
        readable,
        "HAVE says whether the pipe has a byte"
    );
    readable
}

/// Starts a thread that does something with the signal.
pub fn thread<W: Atomic>(
    signal: &Arc<Signal<W>>,
    work: impl FnOnce(&Signal<W>) + 'static,
) -> loom::thread::JoinHandle<()> {
    let signal = Arc::clone(signal);
    loom::thread::spawn(move || work(&signal))
}

/// Waits for threads to end.
pub fn join<const N: usize>(threads: [loom::thread::JoinHandle<()>; N]) {
    for thread in threads {
        thread.join().expect("the checker reports panics");
    }
}

/// Runs a model in every interleaving.
#[track_caller]
pub fn check(model: impl Fn() + Sync + Send + 'static) {
    alone(|| run(None, model));
}

/// Runs a model in every interleaving with at most this many interruptions of threads, if all
/// interleavings would be too many.
#[track_caller]
pub fn check_bounded(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    alone(|| run(Some(interruptions), model));
}

/// Does a test's work in a process of its own. The checker makes and frees a stack for each thread
/// of each execution, and the threads of one process do that one after the other.
///
/// The process runs this test again, from its beginning to its end. So nothing is left to do here
/// for the test's other models.
#[track_caller]
pub fn alone(work: impl FnOnce()) {
    const VARIABLE: &str = "OSSL_ASYNC_MODEL_ALONE";
    thread_local! {
        /// A thread runs one test, unless it is the process's first, which has no test's name.
        static HAS_RUN: Cell<bool> = const { Cell::new(false) };
    }
    let thread = std::thread::current();
    let name = match thread.name() {
        Some(name) if name != "main" && env::var_os(VARIABLE).is_none() => name,
        _ => return work(),
    };
    if HAS_RUN.replace(true) {
        return;
    }
    let output = Command::new(env::current_exe().expect("this program has a file"))
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, "1")
        .output()
        .expect("this program can run again");
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        output.status.success() && stdout.contains(" 1 passed"),
        "{}\n{stdout}{stderr}",
        output.status
    );
    println!("{stdout}");
}

/// Runs a model in every interleaving, or in those with at most this many interruptions of
/// threads.
#[track_caller]
pub fn run(interruptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = interruptions;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{executions} executions");
    assert!(executions > 1, "nothing was interleaved");
}
