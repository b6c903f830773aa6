//! Random walks: sequences of operations that two implementations of the second generation carry
//! out side by side in one process. Both must give the same results, and the results that the
//! fuzzer's model gives. `operation` says what a walk consists of and what is left out. `side`
//! carries it out. `event` defines what is compared, `tally` which results must have occurred.

mod defects;
mod event;
mod operation;
mod side;
mod table;
mod tally;

pub use defects::planted;
pub use table::{Libcrypto, Table, assert_separate};
pub use tally::Tally;

use event::{Entry, Failure};
use operation::{CONTEXTS, Call, JOBS, Operation, Target};
use proptest::strategy::Strategy;
use proptest::test_runner::{
    Config, Reason, RngAlgorithm, TestCaseError, TestCaseResult, TestError, TestRng, TestRunner,
};
use side::{Libctxs, Side};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::thread;

/// How many entries of the two logs a trace shows before the one that differs.
const TRACE: usize = 60;

/// Takes walks until both implementations have made this many calls, all with the same results. If
/// they differ, the error has the shortest walk found. The caller must have called
/// `assert_separate`.
pub fn random_walks(
    libcrypto: &Libcrypto,
    ours: &Table,
    seed: u64,
    operations: u64,
) -> Result<Tally, Difference> {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 50_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &spread(seed));
    let mut runner = TestRunner::new_with_rng(config, rng);
    let libctxs = libcrypto.libctx.map(Libctxs::new);
    let tally = RefCell::new(Tally::default());
    let strategy = operation::walk();
    while tally.borrow().operations() < operations {
        let tree = strategy
            .new_tree(&mut runner)
            .expect("the generator rejects nothing");
        let take = |walk: Vec<Operation>| {
            let tables = [libcrypto.table, *ours];
            let log = take(tables, libctxs, libcrypto, &walk)?;
            tally.borrow_mut().add(&log);
            Ok(())
        };
        match runner.run_one(tree, take) {
            Ok(_) => {}
            Err(TestError::Fail(why, walk)) => return Err(shorten(walk, why, take)),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    Ok(tally.into_inner())
}

/// A generator's state from a small number. The state of such a generator must not begin with many
/// zeros.
fn spread(seed: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (low, high) = bytes.split_at_mut(8);
    low.copy_from_slice(&(seed ^ 0x9e37_79b9_7f4a_7c15).to_le_bytes());
    high.copy_from_slice(&seed.wrapping_mul(0xd134_2543_de82_ef95).to_le_bytes());
    bytes
}

/// Shortens a walk that differs until every operation and every call of its scripts is needed.
/// proptest has simplified it before, but tries only once to leave out each of them.
fn shorten(
    mut walk: Vec<Operation>,
    mut why: Reason,
    take: impl Fn(Vec<Operation>) -> TestCaseResult,
) -> Difference {
    loop {
        let shorter = operation::shorter(&walk).find_map(|shorter| match take(shorter.clone()) {
            Err(TestCaseError::Fail(why)) => Some((shorter, why)),
            _ => None,
        });
        let Some(shorter) = shorter else { break };
        (walk, why) = shorter;
    }
    Difference {
        length: walk.len(),
        text: format!("the shortest walk found that differs:\n{walk:#?}\n{why}"),
    }
}

/// Where two implementations differ.
pub struct Difference {
    /// Operations of the shortest walk found.
    pub length: usize,
    /// The walk, and what both did.
    pub text: String,
}

/// Takes one walk on both sides, on a thread of its own, and ends all jobs of both whatever
/// happens. Returns what the first side did; the other did the same.
fn take(
    tables: [Table; 2],
    libctxs: Option<Libctxs>,
    libcrypto: &Libcrypto,
    walk: &[Operation],
) -> Result<Vec<Entry>, TestCaseError> {
    let on_this_thread = || {
        let sides = tables.map(|table| Side::new(table, libctxs, libcrypto));
        let result = steps(walk, &sides);
        if result.is_err() {
            sides.iter().for_each(Side::finish_all_jobs);
        }
        result.map(|()| sides[0].log.take())
    };
    thread::scope(|threads| {
        let walker = threads.spawn(on_this_thread);
        walker.join().unwrap_or_else(|why| resume_unwind(why))
    })
}

fn steps(walk: &[Operation], sides: &[Side; 2]) -> TestCaseResult {
    for operation in walk {
        step(operation, sides)?;
    }
    // Paused jobs have to end before the pool is freed (D3), and contexts are freed after them
    // (D26).
    for _ in 0..JOBS * 16 {
        if sides.iter().any(Side::has_jobs) {
            step(&Operation::Resume(0), sides)?;
        }
    }
    for place in 0..CONTEXTS {
        let place = Target::Place(u8::try_from(place).expect("a small number"));
        step(&Operation::Call(Call::Free(place)), sides)?;
    }
    step(&Operation::Call(Call::CleanupThread), sides)
}

/// Carries out one operation on both sides and compares what they did.
fn step(operation: &Operation, sides: &[Side; 2]) -> TestCaseResult {
    let [libcrypto, ours] = sides;
    let begin = sides.each_ref().map(|side| side.log.borrow().len());
    let clear = || sides.iter().for_each(|side| side.table.queue.clear());

    clear();
    libcrypto.operate(operation);
    let stray: Vec<Failure> = ours.table.queue.take().collect();
    clear();
    ours.operate(operation);
    // If ossl-async finds libcrypto, it also puts its errors on libcrypto's queue, packed as
    // libcrypto would have packed them.
    let forwarded: Vec<Failure> = libcrypto.table.queue.take().collect();
    clear();

    let logs = sides.each_ref().map(|side| side.log.borrow());
    let raised = libcrypto.failures.borrow();
    let why = if !stray.is_empty() {
        format!("libcrypto left {stray:?} in ossl-async's queue")
    } else if forwarded != *raised {
        format!(
            "ossl-async left {forwarded:?} in libcrypto's queue, but libcrypto leaves {raised:?}"
        )
    } else if logs[0][begin[0]..] != logs[1][begin[1]..] {
        "different".into()
    } else if let Some(want) = logs[0][begin[0]..].iter().find_map(Entry::model_says) {
        format!("both did the same, but the model says {want}")
    } else {
        return Ok(());
    };
    let mut trace = format!("{why}\nat {operation:?}\n");
    for (side, log) in sides.iter().zip(&logs) {
        describe(&mut trace, side.table.name, log);
    }
    Err(TestCaseError::fail(trace))
}

/// Writes the latest entries of a side's log.
fn describe(trace: &mut String, name: &str, log: &[Entry]) {
    for (number, entry) in log.iter().enumerate().skip(log.len().saturating_sub(TRACE)) {
        let Entry {
            running,
            event,
            errors,
        } = entry;
        let place = running.map_or(String::new(), |job| format!(" (in job {job})"));
        write!(trace, "{name:>10} {number:>3}{place} {event:?}").expect("memory is there");
        if !errors.is_empty() {
            write!(trace, " queue {errors:?}").expect("memory is there");
        }
        trace.push('\n');
    }
}
