//! Runs every case on every library.

use super::cases::Case;
use super::expected::Expected;
use super::library::{Kind, Library};
use super::outcome::{self, Outcome};
use super::process::{self, Ended, Limit, Scratch};
use super::programs::Programs;
use compat_tests::program_source;
use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What a case came to on one library.
pub struct Result {
    pub outcome: Outcome,
    /// What was expected, as the list of expected results has it.
    pub expected: String,
    /// The rule that explains why something else than `ok` is expected.
    pub rule: String,
    pub is_expected: bool,
}

/// All results: for each case one for each library.
pub struct Report {
    pub libraries: Vec<Library>,
    pub cases: Vec<Case>,
    pub results: Vec<Vec<Result>>,
    pub date: String,
}

/// A result that is not the expected one.
pub struct Difference<'a> {
    pub case: &'a Case,
    pub library: &'a Library,
    pub result: &'a Result,
}

impl Report {
    /// The results that are not the expected ones.
    pub fn differences(&self) -> Vec<Difference<'_>> {
        let rows = self.cases.iter().zip(&self.results);
        let results = rows.flat_map(|(case, row)| {
            let row = row.iter().zip(&self.libraries);
            row.map(move |(result, library)| Difference {
                case,
                library,
                result,
            })
        });
        results.filter(|found| !found.result.is_expected).collect()
    }

    /// How many cases came to each kind of result on a library.
    pub fn counts(&self, library: usize) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.results {
            *counts.entry(row[library].outcome.kind()).or_default() += 1;
        }
        counts
    }
}

/// Runs the cases.
///
/// `libcrypto` is the system's. Its transcripts are what others are compared with.
pub fn all(
    cases: Vec<Case>,
    libraries: Vec<Library>,
    libcrypto: Option<&Library>,
    scratch: &Scratch,
    limit: Limit,
) -> std::result::Result<Report, String> {
    let expected = Expected::read()?;
    let programs = Programs::default();
    let progress = Progress::new(cases.len());
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<usize, Vec<Result>>> = Mutex::default();
    let failure: Mutex<Option<String>> = Mutex::default();
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            progress.show(case);
            let number = cases.iter().position(|other| std::ptr::eq(other, case));
            match row(
                case, &libraries, libcrypto, &programs, &expected, scratch, limit,
            ) {
                Ok(row) => {
                    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
                    rows.insert(number.expect("it is one of them"), row);
                }
                Err(why) => {
                    next.store(cases.len(), Ordering::Relaxed);
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for _ in 0..threads.min(cases.len()) {
            scope.spawn(work);
        }
    });
    progress.end();
    if let Some(why) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(why);
    }
    let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Report {
        results: rows.into_values().collect(),
        libraries,
        cases,
        date: today(),
    })
}

/// One case on each library.
fn row(
    case: &Case,
    libraries: &[Library],
    libcrypto: Option<&Library>,
    programs: &Programs,
    expected: &Expected,
    scratch: &Scratch,
    limit: Limit,
) -> std::result::Result<Vec<Result>, String> {
    let program = match programs.of(case) {
        Ok(program) => program,
        Err(why) => {
            let not_run = |library| expected.judge(case, library, Outcome::not_run(&why));
            return Ok(libraries.iter().map(not_run).collect());
        }
    };
    let answer = |library: &Library| -> std::result::Result<Ended, String> {
        // Programs for OpenSSL's headers also want of libcrypto what is not about jobs.
        let wants_more =
            case.is_transcript() && library.kind != Kind::Five && !library.is_libcrypto();
        let mut command = library.command(&program, libcrypto.filter(|_| wants_more));
        process::run(command.args(arguments(case)), scratch, limit)
    };
    let reference = match libcrypto.filter(|_| case.is_transcript()) {
        Some(libcrypto) => Some(answer(libcrypto)?.stdout),
        None => None,
    };
    let reference = match reference {
        Some(said) if said.contains("\nabsent\n") => written_down(case),
        other => other,
    };
    let mut row = vec![];
    for library in libraries {
        let outcome = outcome::read(case, &answer(library)?, reference.as_deref());
        row.push(expected.judge(case, library, outcome));
    }
    Ok(row)
}

/// What a libcrypto says that has the functions: for those that only newer ones have.
fn written_down(case: &Case) -> Option<String> {
    fs::read_to_string(program_source(&case.program).with_extension("expected")).ok()
}

/// What a program is told to do.
fn arguments(case: &Case) -> Vec<String> {
    match case.program.as_str() {
        // Threads, and jobs in each.
        "soak" => vec!["2".to_owned(), "10000".to_owned()],
        _ => vec![case.name.clone()],
    }
}

/// The date, as `date -I` has it.
fn today() -> String {
    let date = std::process::Command::new("date")
        .args(["-u", "-I"])
        .output();
    date.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

/// A line on a terminal that says how far the report is.
struct Progress {
    all: usize,
    begun: AtomicUsize,
    is_shown: bool,
}

impl Progress {
    fn new(all: usize) -> Progress {
        Progress {
            all,
            begun: AtomicUsize::new(0),
            is_shown: stderr().is_terminal(),
        }
    }

    fn show(&self, case: &Case) {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown {
            let name: String = case.key().chars().take(60).collect();
            let _is_for_show = write!(stderr(), "\r\x1b[K{begun} of {}: {name}", self.all);
        }
    }

    fn end(&self) {
        if self.is_shown {
            let _is_for_show = write!(stderr(), "\r\x1b[K");
        }
    }
}
