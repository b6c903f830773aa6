//! Walks with a given number of calls, for `random_walk` and for `check_long`.

use compat_tests::harness::Tests;
use compat_tests::walk::{Libcrypto, Table, assert_separate, random_walks};
use compat_tests::{Linkage, expected_library, ignore, ignore_for_want, need_jobs, report};
use std::env;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Every class of results must occur at least once in this many calls.
const CALLS_A_CLASS: u64 = 10_000;

/// How many threads walk at the same time.
const THREADS: usize = 4;

/// Adds both kinds of walks, with this many calls to compare.
pub fn add_to(tests: &mut Tests, calls: u64) {
    tests.add(
        "both_libraries_give_the_same_results_on_random_walks",
        move || both_libraries_give_the_same_results_on_random_walks(calls),
    );
    tests.add(
        "walks_on_several_threads_at_once_do_not_disturb_one_another",
        move || walks_on_several_threads_at_once_do_not_disturb_one_another(calls / 10),
    );
}

/// Both implementations.
pub fn implementations() -> (Libcrypto, Table) {
    need_jobs();
    let libcrypto = Libcrypto::of_the_system().unwrap_or_else(|why| ignore_for_want(why));
    if !libcrypto.table.is_capable() {
        ignore("this libcrypto has no jobs");
    }
    // For a shared library it does not matter which program is given.
    let library = expected_library(Path::new(""), Linkage::Shared);
    let mut ours = Table::ossl_async(&library);
    if libcrypto.table.functions3.is_none() {
        // What both have is compared.
        ours.functions3 = None;
    }
    assert_separate(&libcrypto.table, &ours);
    (libcrypto, ours)
}

/// `OSSL_ASYNC_WALK_SEED`, which chooses the walks.
pub fn seed() -> u64 {
    match env::var("OSSL_ASYNC_WALK_SEED") {
        Ok(seed) => seed
            .parse()
            .unwrap_or_else(|_| panic!("OSSL_ASYNC_WALK_SEED={seed}: expected a number")),
        Err(_) => 1,
    }
}

// Rules: B19, B20, B22, B23, B24, B25, B27, B30, B44, B45, K1-K3, K4-K6, P2-P4, D11
// Rules: G2, G9, G11, G17-G19, G20-G22, G23-G25, G28-G30, G31-G33, G34, G35, G37, G45, G46
fn both_libraries_give_the_same_results_on_random_walks(operations: u64) {
    let (libcrypto, ours) = implementations();
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
fn walks_on_several_threads_at_once_do_not_disturb_one_another(operations: u64) {
    let (libcrypto, ours) = implementations();
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
