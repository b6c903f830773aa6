//! The conformance report: every case of the C programs on several libraries, side by side.

mod cases;
mod expected;
mod explain;
mod html;
mod json;
mod library;
mod outcome;
pub mod process;
mod programs;
mod run;
mod table;

use clap::Args;
use compat_tests::{Linkage, expected_library};
use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

/// What the report is asked for.
#[derive(Args)]
pub struct Options {
    /// One more library to look at, next to this one and the system's libcrypto. May be repeated
    #[arg(long, value_name = "PATH")]
    library: Vec<PathBuf>,
    /// Only the libraries that --library names
    #[arg(long, requires = "library")]
    only: bool,
    /// Only the cases that prove this rule of docs/behaviour.md, D5 for example. May be repeated
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Only this case. May be repeated
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// Print a rule of docs/behaviour.md, and do nothing else
    #[arg(long, value_name = "RULE", conflicts_with_all = ["library", "rule", "case", "json", "html"])]
    explain: Option<String>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Also write the results to a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The processor time that a case may use. By the clock it may take three times as long
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    time_limit: u32,
}

/// Makes the report. True if every result is the expected one.
pub fn run(options: &Options) -> Result<bool, String> {
    if let Some(rule) = &options.explain {
        put_out(&explain::rule(rule)?);
        return Ok(true);
    }
    let selected = cases::selected(&options.rule, &options.case)?;
    let scratch = process::Scratch::new()?;
    let limit = process::Limit::of(options.time_limit);
    let probe = library::Probe::new(&scratch, limit);
    let libcrypto = probe.system_libcrypto()?;
    let mut libraries = vec![];
    if !options.only {
        libraries.push(probe.look_at(&expected_library(Path::new(""), Linkage::Shared))?);
        libraries.extend(libcrypto.clone());
    }
    for path in &options.library {
        libraries.push(probe.look_at(path)?);
    }
    let report = run::all(selected, libraries, libcrypto.as_ref(), &scratch, limit)?;
    if let Some(file) = &options.html {
        fs::write(file, html::page(&report))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    put_out(&match options.json {
        true => json::text(&report) + "\n",
        false => table::text(&report, stdout().is_terminal()),
    });
    Ok(report.differences().is_empty())
}

/// Writes to standard output. Whoever reads it may have seen enough, as `head` has.
fn put_out(text: &str) {
    let _may_be_closed = stdout().write_all(text.as_bytes());
}
