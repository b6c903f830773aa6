//! The fuzzer's inputs without a fuzzer: the committed corpus, and random bytes, compared with the
//! same model.
//!
//! `OSSL_ASYNC_FUZZ_INPUTS` sets how many random inputs to take (2000 by default),
//! `OSSL_ASYNC_FUZZ_SEED` which ones (1). To replay a crash that the fuzzer has found, copy its
//! file into `fuzz/corpus/operations`.

use compat_tests::{need_jobs, report, root};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

fn main() -> ExitCode {
    compat_tests::tests![
        the_library_does_what_the_model_says_on_the_committed_corpus,
        the_library_does_what_the_model_says_on_random_bytes,
    ]
    .run()
}

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

/// The most bytes of a random input.
const LONGEST: u64 = 300;

/// If this variable is set, each input is printed before it runs, so that one that ends the
/// process is known.
const SAY: &str = "OSSL_ASYNC_FUZZ_SAY";

/// Serializes the tests: an input counts descriptors and the whole process's jobs, so nothing else
/// may run.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value}: expected a number")),
        Err(_) => default,
    }
}

/// How many calls were refused with an error so far.
fn refusals() -> u64 {
    ossl_async::stats::process().refusals
}

fn check(name: &str, input: &[u8]) {
    if env::var_os(SAY).is_some() {
        report(&format!("{name}: {}\n", input.escape_ascii()));
    }
    if let Err(difference) = fuzz::check(input) {
        panic!("{name}: {}\n{difference}", input.escape_ascii());
    }
}

// Rules: B8, B11, B14, B19, B20, B24, B31, B35, B37, B41, B42, P2, P4, P6, W3, W4, W7, K1, K3, K5, G9, G11, G17, G19, G20, G21,
// G22, G23, G24, G30, D2, D3, D4, D5, D6, D10, D11, D12, D15, D19, D24, D26, D28
fn the_library_does_what_the_model_says_on_the_committed_corpus() {
    need_jobs();
    let _alone = alone();
    let (begin, refused) = (Instant::now(), refusals());
    let corpus = root().join("fuzz/corpus/operations");
    let mut files: Vec<PathBuf> = fs::read_dir(&corpus)
        .expect("the corpus is committed")
        .map(|file| file.expect("the directory can be read").path())
        .collect();
    files.sort();
    assert!(files.len() > 100, "{} files only", files.len());
    for file in &files {
        let input = fs::read(file).expect("the file can be read");
        check(
            &file.file_name().unwrap_or_default().to_string_lossy(),
            &input,
        );
    }
    report(&format!(
        "\nfuzz corpus: {} inputs as the model says, {} misuses refused, {:.1?}\n",
        files.len(),
        refusals() - refused,
        begin.elapsed()
    ));
}

// Rules: B19, P2, P4, K1, K3, G17, G19, G24, G30, D2, D3, D5, D6
fn the_library_does_what_the_model_says_on_random_bytes() {
    need_jobs();
    let _alone = alone();
    let (begin, refused) = (Instant::now(), refusals());
    let inputs = number("OSSL_ASYNC_FUZZ_INPUTS", 2000);
    let seed = number("OSSL_ASYNC_FUZZ_SEED", 1);
    let mut random = Random(seed);
    for n in 0..inputs {
        let length = random.next() % (LONGEST + 1);
        let input: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        check(&format!("input {n} of seed {seed}"), &input);
    }
    report(&format!(
        "\nrandom bytes: {inputs} inputs as the model says, {} misuses refused, {:.1?}\n",
        refusals() - refused,
        begin.elapsed()
    ));
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Small numbers more often than others, because they are the operations and operands that
    /// matter.
    fn byte(&mut self) -> u8 {
        let [byte, small, ..] = self.next().to_le_bytes();
        if small % 2 == 0 { byte % 8 } else { byte }
    }
}
