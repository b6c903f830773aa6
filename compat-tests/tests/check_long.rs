//! Tests that take long: a million calls in each random walk, and ten million jobs in each of
//! several threads.
//!
//! `OSSL_ASYNC_WALK_SEED` chooses the walks (1 by default).

use compat_tests::LINKAGES;
use compat_tests::cases::linked;
use std::process::ExitCode;

#[path = "random_walk/walks.rs"]
mod walks;

/// How many calls are compared.
const CALLS: u64 = 1_000_000;

/// How many jobs each thread runs.
const JOBS: u64 = 10_000_000;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![];
    walks::add_to(&mut tests, CALLS);
    for linkage in LINKAGES {
        for threads in [2, 4] {
            let title = format!("soak::{threads}_threads::{}", linkage.name());
            tests.add_program(
                linked("soak", linkage, &[])
                    .titled(&title)
                    .with(&[threads, JOBS]),
            );
        }
    }
    tests.run()
}
