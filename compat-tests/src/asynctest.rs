//! OpenSSL's own test program, `test/asynctest.c` of any version, compiled as it is and run on this library.

mod builds;
mod verdicts;

use crate::report::process::{self, Limit, Scratch};
use builds::Build;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use verdicts::{Source, Verdict};

/// What is asked for.
#[derive(Args)]
pub struct Options {
    /// A checkout or an unpacked source of OpenSSL, of 2015 or later
    path: PathBuf,
    /// The processor time that the program may use. By the clock it may take three times as long
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    time_limit: u32,
}

/// Runs the program in each build. True if every case ran in each of them, and holds.
pub fn run(options: &Options) -> Result<bool, String> {
    let source = Source::read(&options.path)?;
    let limit = Limit::of(options.time_limit);
    let scratch = Scratch::new()?;
    println!(
        "{}: {}, {} cases, the {} API",
        source.file.display(),
        source.version,
        source.cases.len(),
        if source.has_six_arguments {
            "six-argument"
        } else {
            "five-argument"
        }
    );
    let mut all_well = true;
    for &build in builds::of(&source) {
        println!("\n{}", build.title());
        match results(&source, build, &scratch, limit) {
            Ok((answered, verdicts)) => {
                println!("  answered by {answered}");
                for (case, verdict) in source.cases.iter().zip(verdicts) {
                    println!(
                        "  {:<14} {:<4} {}",
                        verdict.text(),
                        verdicts::rule(&source, case),
                        case
                    );
                    all_well &= verdict == Verdict::Ok;
                }
            }
            Err(Trouble::NotRun(why)) => {
                all_well = false;
                println!("  not run: {why}");
                println!(
                    "  without this build did not run: {}",
                    source.cases.join(", ")
                );
            }
            Err(Trouble::Wrong(why)) => return Err(format!("{}: {why}", source.file.display())),
        }
    }
    println!(
        "\n{}",
        if all_well {
            "Every case ran in every build, and holds."
        } else {
            "Not every case ran and holds."
        }
    );
    Ok(all_well)
}

/// Why there are no results.
pub enum Trouble {
    /// Something that this build needs is not installed.
    NotRun(String),
    /// The program cannot be compiled, or it hangs, or another library answered.
    Wrong(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Wrong(why)
    }
}

/// Compiles and runs the program. Which file answered, and what each case came to.
fn results(
    source: &Source,
    build: Build,
    scratch: &Scratch,
    limit: Limit,
) -> Result<(String, Vec<Verdict>), Trouble> {
    let program = builds::compile(source, build, scratch)?;
    let log = scratch.path().join(format!("bindings-{}", build as u8));
    let mut command = builds::command(&program, build);
    command
        .args(["LD_BIND_NOW=1", "LD_DEBUG=bindings"])
        .arg(format!("LD_DEBUG_OUTPUT={}", log.display()))
        .arg(&program);
    let ended = process::run(&mut command, scratch, limit)?;
    if ended.status.is_none() {
        return Err(Trouble::Wrong(format!(
            "it does not end within {} seconds",
            limit.clock
        )));
    }
    let verdicts = verdicts::read(source, &ended);
    if verdicts
        .iter()
        .all(|verdict| *verdict == Verdict::DidNotRun)
    {
        return Ok(("nobody: it leaves its cases out".to_owned(), verdicts));
    }
    let answered = builds::who_answered(&program, build, &resolved(&log))?;
    Ok((answered, verdicts))
}

/// What the dynamic linker wrote, in a file for each process.
fn resolved(log: &Path) -> String {
    let prefix = format!("{}.", log.file_name().unwrap_or_default().to_string_lossy());
    let folder = log.parent().expect("it lies in a folder");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(&prefix));
    files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .collect()
}
