//! Compares libssl's handshakes on libcrypto's own jobs with the same program on this library:
//!
//! ```sh
//! cargo bench -p compat-tests --bench tls
//! ```
//!
//! The program is `programs/tls/handshakes.c`: a server and its clients in one process, whose
//! private-key operations are done by two worker threads while their jobs are paused. The two
//! contestants take turns. `-- --help` shows the options.

mod handshakes;
mod report;

use handshakes::{Contestant, Programs};
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::process::ExitCode;

/// Connections that are open at once.
const AT_ONCE: [usize; 3] = [8, 200, 2000];

/// The number of rounds without the option.
const ROUNDS: usize = 9;

/// What to measure.
struct Options {
    rounds: usize,
    /// Whether to make few handshakes, to see that it works.
    quick: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => match measure(&options) {
            Ok(table) => println!("{table}"),
            Err(why) => eprintln!("tls: left out: {why}"),
        },
        Ok(None) => println!(
            "usage: cargo bench -p compat-tests --bench tls [-- OPTION...]\n\n  \
             --rounds N   how often each contestant runs; {ROUNDS} if not given\n  \
             --quick      one round with few handshakes: to see that it runs"
        ),
        Err(error) => {
            eprintln!("tls: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Reads the arguments. None if they ask for help.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, lexopt::Error> {
    let mut parser = Parser::from_args(arguments);
    let (mut rounds, mut quick) = (None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("rounds") => rounds = Some(parser.value()?.parse_with(number_of_rounds)?),
            Arg::Long("quick") => quick = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            // `cargo bench` adds this.
            Arg::Long("bench") => {}
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Options {
        rounds: rounds.unwrap_or(if quick { 1 } else { ROUNDS }),
        quick,
    }))
}

fn number_of_rounds(text: &str) -> Result<usize, &'static str> {
    let rounds = text
        .parse()
        .ok()
        .filter(|rounds| (1..=1000).contains(rounds));
    rounds.ok_or("expected a number from 1 to 1000")
}

/// Runs both contestants in turn. Returns the table, or why nothing can be measured.
fn measure(options: &Options) -> Result<String, String> {
    let programs = Programs::new()?;
    let mut rows = vec![];
    for at_once in AT_ONCE {
        let count = if options.quick {
            20
        } else {
            (2 * at_once).max(1000)
        };
        let mut rounds = vec![];
        for round in 0..options.rounds {
            eprintln!(
                "{at_once} at once, round {} of {}",
                round + 1,
                options.rounds
            );
            let mut order = [Contestant::Libcrypto, Contestant::Preloaded];
            if round % 2 == 1 {
                order.reverse();
            }
            let mut pair =
                order.map(|contestant| (contestant, programs.run(contestant, count, at_once)));
            pair.sort_by_key(|(contestant, _)| *contestant);
            rounds.push(pair.map(|(_, run)| run));
        }
        rows.push((at_once, rounds));
    }
    Ok(report::markdown(&rows))
}
