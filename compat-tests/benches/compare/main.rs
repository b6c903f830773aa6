//! Compares the library with libcrypto's own jobs, and with bare switches, in one run of under two minutes:
//!
//! ```sh
//! cargo bench -p compat-tests --bench compare
//! ```
//!
//! Options go after `--`: `--rounds N` (20), `--only NAME` (one measurement, may be given again),
//! `--before FILE` (another build of the library, to see what a change does), `--quick`
//! (everything once, in counts too small for figures), `--help`.
//!
//! The result is a Markdown table. Each figure is the median over all rounds, with the quartiles
//! in brackets. A ratio is the median of the rounds' ratios.
//!
//! In each round every contestant takes every measurement. The order rotates from round to round.
//! Each measurement is a process of its own that first proves which library it calls. It is
//! divided into short slices, and their median counts. So if the machine is busy or changes its
//! speed, all contestants are affected alike. No process is pinned to a processor, and no figure
//! is a failure.

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
            eprintln!("compare: {why}; --help lists the options");
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
