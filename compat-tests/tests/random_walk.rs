//! Random walks on the system's libcrypto and on the library, in one process: every result, output,
//! descriptor list, handle and error must be the same, and what the fuzzer's model says.
//!
//! `OSSL_ASYNC_WALK_OPERATIONS` says how many calls to compare (100000), `OSSL_ASYNC_WALK_SEED` which walks to take (1).

use compat_tests::walk::{Libcrypto, Table, assert_separate, planted, random_walks};
use compat_tests::{Linkage, expected_library, left_out, left_out_for_want, report};
use std::env;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Every class of results must be met once in so many calls.
const CALLS_A_CLASS: u64 = 10_000;

/// Threads that walk at the same time.
const THREADS: usize = 4;

/// Operations that the walk to a planted defect may have once it was shortened.
const SHORT: usize = 6;

/// Both implementations; none, and a word about it, where one of them cannot be compared with.
fn implementations(what: &str) -> Option<(Libcrypto, Table)> {
    if !ossl_async::is_capable() {
        left_out(what, "this build of the library has no jobs");
        return None;
    }
    let libcrypto = match Libcrypto::of_the_system() {
        Ok(libcrypto) => libcrypto,
        Err(why) => {
            left_out_for_want(what, &why);
            return None;
        }
    };
    if !libcrypto.table.is_capable() {
        left_out(what, "this libcrypto has no jobs");
        return None;
    }
    // For a shared library the program does not matter.
    let library = expected_library(Path::new(""), Linkage::Shared);
    let ours = Table::ossl_async(&library);
    assert_separate(&libcrypto.table, &ours);
    if !libcrypto.runs_with_no_bytes() {
        let what = format!("{what}, arguments of size 0");
        let why = format!(
            "libcrypto {:#x} is not known to run the function then (D11)",
            libcrypto.version
        );
        left_out(&what, &why);
    }
    Some((libcrypto, ours))
}

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value}: expected a number")),
        Err(_) => default,
    }
}

fn seed() -> u64 {
    number("OSSL_ASYNC_WALK_SEED", 1)
}

// Rules: B19, B20, B22, B23, B24, B25, B27, B30, B44, B45, K1-K3, K4-K6, P2-P4, D11
// Rules: G2, G9, G11, G17-G19, G20-G22, G23-G25, G28-G30, G31-G33, G34, G35, G37, G45, G46
#[test]
fn both_libraries_give_the_same_results_on_random_walks() {
    let Some((libcrypto, ours)) = implementations("random walks") else {
        return;
    };
    let operations = number("OSSL_ASYNC_WALK_OPERATIONS", 100_000);
    let begin = Instant::now();
    let tally = random_walks(&libcrypto, &ours, seed(), operations)
        .unwrap_or_else(|difference| panic!("seed {}: {}", seed(), difference.text));
    report(&format!(
        "\nrandom walks with seed {}, on libcrypto {:#x} and ossl-async: {} calls of each, no difference, {:.1?}\n{}",
        seed(),
        libcrypto.version,
        tally.operations(),
        begin.elapsed(),
        tally.table()
    ));
    let faults = tally.faults(operations / CALLS_A_CLASS, &libcrypto);
    assert!(faults.is_empty(), "{faults:#?}");
}

// Rules: P1, P4, K1, B5, B35, G9, G11, G37, G45
#[test]
fn walks_on_several_threads_at_once_do_not_disturb_one_another() {
    let Some((libcrypto, ours)) = implementations("random walks on several threads") else {
        return;
    };
    let operations = number("OSSL_ASYNC_WALK_OPERATIONS", 100_000) / 10;
    let begin = Instant::now();
    let together = Barrier::new(THREADS);
    let walk = |seed| {
        together.wait();
        let tally = random_walks(&libcrypto, &ours, seed, operations)
            .unwrap_or_else(|difference| panic!("seed {seed}: {}", difference.text));
        let faults = tally.faults(0, &libcrypto);
        assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
        tally.operations()
    };
    let made: u64 = thread::scope(|threads| {
        let walk = &walk;
        let walkers = (1..=THREADS as u64).map(|n| threads.spawn(move || walk(seed() + n)));
        let walkers: Vec<_> = walkers.collect();
        let made = walkers.into_iter().map(|walker| walker.join());
        made.map(|made| made.unwrap_or_else(|why| resume_unwind(why)))
            .sum()
    });
    report(&format!(
        "\nrandom walks on {THREADS} threads at once: {made} calls of each library, no difference, {:.1?}\n",
        begin.elapsed()
    ));
}

#[test]
fn a_walk_finds_every_planted_defect_and_is_shortened() {
    let Some((libcrypto, ours)) = implementations("planted defects") else {
        return;
    };
    let mut text =
        String::from("\nplanted defects, and the operations of the walk that shows each\n");
    let defects = planted(&libcrypto, &ours);
    for (what, table) in defects {
        let difference = random_walks(&libcrypto, &table, seed(), 100_000)
            .err()
            .unwrap_or_else(|| panic!("{what}: no walk found it"));
        text += &format!("  {:>2} {what}\n", difference.length);
        assert!(difference.length <= SHORT, "{what}: {}", difference.text);
    }
    report(&text);
}
