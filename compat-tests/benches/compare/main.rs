//! Compares the library with libcrypto's own jobs, and with bare switches, in one run of under two minutes:
//!
//! ```sh
//! cargo bench -p compat-tests --bench compare
//! ```
//!
//! Options go behind `--`: `--rounds N` (20), `--only NAME` (one measurement; may be given again), `--before FILE` (another build
//! of the library, to see what a change does), `--quick` (everything once, in counts that mean nothing), `--help`.
//!
//! The result is a Markdown table. Each figure is the median over all rounds, with the quartiles in brackets; a ratio is the
//! median of the rounds' ratios. In each round
//! every contestant takes every measurement, in an order that moves on from round to round, as a process of its own that first
//! proves which library answers; there it is cut into short slices, of which it takes the median. So a machine that does
//! something else meanwhile, or changes its speed, hits all of them alike. Nothing is pinned, and nothing fails because of a
//! figure.

mod contestants;
mod coroutines;
mod measurements;
mod options;
mod report;
mod rounds;

use options::Options;
use std::env;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let options = match Options::parse(env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("compare: {why}; --help says what there is");
            return ExitCode::from(2);
        }
    };
    if !ossl_async::is_capable() {
        println!("This build of the library has no jobs: there is nothing to compare.");
        return ExitCode::SUCCESS;
    }
    let begin = Instant::now();
    let results = rounds::run(&options);
    print!("{}", report::markdown(&results));
    eprintln!("{:.0} seconds", begin.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
