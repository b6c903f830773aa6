//! Reads the command line.

use super::measurements::{self, MEASUREMENTS};
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// The number of rounds without the option.
const ROUNDS: usize = 20;

/// The most rounds that are accepted.
const MOST_ROUNDS: usize = 1000;

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// How often each contestant takes each measurement.
    pub rounds: usize,
    /// Whether to run everything with counts too small for figures, to see that it works.
    pub quick: bool,
    /// Names of the measurements to take. If empty, all are taken.
    pub only: Vec<String>,
    /// Another build of the library, `libossl_async.so`, which is compared with this one.
    pub before: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name. None if they ask for help.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<Options>, lexopt::Error> {
        let mut parser = Parser::from_args(arguments);
        let (mut rounds, mut quick, mut only, mut before) = (None, false, Vec::new(), None);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("rounds") => rounds = Some(parser.value()?.parse_with(number_of_rounds)?),
                Arg::Long("quick") => quick = true,
                Arg::Long("only") => only.push(parser.value()?.parse_with(measurement)?),
                Arg::Long("before") => before = Some(parser.value()?.parse_with(library)?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                // `cargo bench` adds this.
                Arg::Long("bench") => {}
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(Options {
            rounds: rounds.unwrap_or(if quick { 1 } else { ROUNDS }),
            quick,
            only,
            before,
        }))
    }

    /// Whether this measurement is to be taken.
    pub fn includes(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn number_of_rounds(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))
        .ok_or_else(|| format!("expected a number from 1 to {MOST_ROUNDS}"))
}

/// A built library. Programs find it by its name, in its directory.
fn library(text: &str) -> Result<PathBuf, String> {
    let path = fs::canonicalize(text).map_err(|error| error.to_string())?;
    if path.file_name() != Some(OsStr::new("libossl_async.so")) {
        return Err("expected a file named libossl_async.so".to_owned());
    }
    Ok(path)
}

fn measurement(text: &str) -> Result<String, String> {
    if measurements::named(text).is_some() {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = MEASUREMENTS.iter().map(|known| known.name).collect();
    Err(format!("expected one of {}", names.join(", ")))
}

/// What `--help` prints.
pub fn help() -> String {
    let mut text = format!(
        "usage: cargo bench -p compat-tests --bench compare [-- OPTION...]\n\n\
         \x20 --rounds N   how often everything is measured, 1 to {MOST_ROUNDS}; {ROUNDS} if not given\n\
         \x20 --only NAME  only this measurement; may be given again\n\
         \x20 --before FILE  another libossl_async.so, which takes turns with this one\n\
         \x20 --quick      everything once, in counts that mean nothing: to see that it runs\n\nMeasurements:\n"
    );
    for known in &MEASUREMENTS {
        writeln!(text, "  {:<13}{}", known.name, known.about).expect("a string takes it");
    }
    text
}
