//! What one verifies a library with: `cargo run -p compat-tests -- report`, and `-- asynctest PATH`.
//!
//! Exit status: 0, all as expected; 1, something is not; 2, wrong usage, or the report cannot be made.

mod asynctest;
mod report;
mod versions;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks libraries that have OpenSSL's ASYNC_JOB facility.
#[derive(Parser)]
#[command(name = "compat-tests", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every case of the C programs on this library, on the system's libcrypto and on others, and shows them side by side
    Report(report::Options),
    /// Compiles test/asynctest.c of an unpacked OpenSSL as it is, and runs it on this library
    Asynctest(asynctest::Options),
    /// Prints a table of versions of OpenSSL, made of reports in JSON. compat-tests/oracles makes those
    Versions(versions::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Report(options) => report::run(&options),
        Command::Asynctest(options) => asynctest::run(&options),
        Command::Versions(options) => versions::run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("compat-tests: {why}");
            ExitCode::from(2)
        }
    }
}
