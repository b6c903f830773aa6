//! Random walks on the system's libcrypto and on this library, in one process. Every result,
//! output, descriptor list, handle and error must be the same, and must be what the fuzzer's model
//! says.
//!
//! `OSSL_ASYNC_WALK_SEED` chooses the walks (1 by default).

use compat_tests::walk::{planted, random_walks};
use compat_tests::{ignore, report};
use std::process::ExitCode;
use walks::{implementations, seed};

mod walks;

/// How many calls are compared.
const CALLS: u64 = 100_000;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        a_walk_finds_every_planted_defect_and_is_shortened,
        arguments_of_size_0_are_among_the_calls,
    ];
    walks::add_to(&mut tests, CALLS);
    tests.run()
}

/// The most operations that a shortened walk to a planted defect may have.
const SHORT: usize = 6;

fn a_walk_finds_every_planted_defect_and_is_shortened() {
    let (libcrypto, ours) = implementations();
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

// Rules: D11
fn arguments_of_size_0_are_among_the_calls() {
    let (libcrypto, _) = implementations();
    if !libcrypto.runs_with_no_bytes() {
        ignore(format!(
            "libcrypto {:#x} is not known to run the function for arguments of size 0",
            libcrypto.version
        ));
    }
}
