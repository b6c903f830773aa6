//! Runs the C programs that have cases (`programs/cases.h`) or write transcripts
//! (`programs/gen2/transcript.h`), and finds out whether each case passed.

use crate::harness::{Ended, ended, ignore};
use crate::{
    Linkage, command, compile, expected_library, fake_libcryptos, program_source, programs_in,
    report, run,
};
use regex::Regex;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::Path;
use std::process::Command;
use std::sync::{Condvar, Mutex, PoisonError};

/// Why programs are ignored with the null implementation.
pub const NO_JOBS: &str = "this build of the library has no jobs";

/// The result of each case of a program: nothing, or why it failed.
pub type Results = BTreeMap<String, Result<(), String>>;

type Work = dyn Fn(&[String]) -> Results + Send + Sync;

/// A C program that runs once, and whose cases are tests.
pub struct Program {
    name: String,
    title: String,
    /// The cases that its source file defines.
    cases: Vec<String>,
    arguments: Vec<String>,
    /// Cases that do not run, with the reason.
    without: Vec<(&'static str, &'static str)>,
    /// Runs the program with these arguments. May end in a panic or in [`ignore`].
    work: Box<Work>,
    results: Mutex<Option<Result<Results, Ended>>>,
    have_results: Condvar,
}

impl Program {
    /// The program of this name in `programs/`, run by `work`. The title is the first part of the
    /// names of its tests.
    pub fn new(
        name: &str,
        title: impl Into<String>,
        work: impl Fn(&[String]) -> Results + Send + Sync + 'static,
    ) -> Program {
        Program {
            name: name.to_owned(),
            title: title.into(),
            cases: cases_in_source(name),
            arguments: vec![],
            without: vec![],
            work: Box::new(work),
            results: Mutex::default(),
            have_results: Condvar::new(),
        }
    }

    /// Changes the title.
    pub fn titled(mut self, title: &str) -> Program {
        title.clone_into(&mut self.title);
        self
    }

    /// Adds arguments.
    pub fn with(mut self, arguments: &[impl ToString]) -> Program {
        self.arguments
            .extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Leaves a case out: its test is ignored, for this reason. The program is told to leave it
    /// out, if it has such a case.
    pub fn without(mut self, case: &'static str, why: &'static str) -> Program {
        self.without.push((case, why));
        self
    }

    /// The first part of the names of its tests.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The cases that its source file defines.
    pub fn cases(&self) -> &[String] {
        &self.cases
    }

    /// Runs the program.
    pub(crate) fn run(&self) {
        let results = ended(|| {
            let mut arguments = needed_arguments(&self.name);
            arguments.extend_from_slice(&self.arguments);
            arguments.extend(self.without.iter().map(|(case, _)| format!("-{case}")));
            let results = (self.work)(&arguments);
            let unknown: Vec<_> = results
                .keys()
                .filter(|case| !self.cases.contains(case))
                .collect();
            assert!(
                unknown.is_empty(),
                "cases that its source does not have: {unknown:?}"
            );
            results
        });
        *self.results.lock().unwrap_or_else(PoisonError::into_inner) = Some(results);
        self.have_results.notify_all();
    }

    /// Waits until the program has run, then passes, fails or is ignored as this case of it did.
    pub(crate) fn result_of(&self, case: &str) {
        if let Some((_, why)) = self.without.iter().find(|(name, _)| *name == case) {
            ignore(*why);
        }
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        while results.is_none() {
            results = self
                .have_results
                .wait(results)
                .unwrap_or_else(PoisonError::into_inner);
        }
        match results.as_ref().expect("waited for") {
            Ok(results) => match results.get(case) {
                Some(Ok(())) => {}
                Some(Err(why)) => panic!("{why}"),
                None => panic!("the case did not run"),
            },
            Err(Ended::Ignored(why)) => ignore(why),
            Err(Ended::Failed(payload)) => panic!("{}: {}", self.title, text_of(&**payload)),
        }
    }
}

/// The cases that the source file of a program defines.
fn cases_in_source(name: &str) -> Vec<String> {
    let source = fs::read_to_string(program_source(name)).expect("the program is there");
    let case = Regex::new(r#"(?m)^CASE\((\w+), ""#).expect("a pattern");
    let names = case.captures_iter(&source).map(|found| found[1].to_owned());
    let names: Vec<String> = names.collect();
    assert!(!names.is_empty(), "{name} has no cases");
    names
}

/// The arguments without which a program cannot run. They may have to be compiled.
fn needed_arguments(name: &str) -> Vec<String> {
    match name {
        "gen2_ours/fake_libcrypto" => fake_libcryptos().into(),
        _ => vec![],
    }
}

/// The text of a panic.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic")
}

/// Ignores a program that is not for this build of the library, which has jobs or has none.
pub fn ignore_in_other_builds(name: &str) {
    match (ossl_async::is_capable(), name.ends_with("null")) {
        (true, true) => ignore("this build of the library has jobs"),
        (false, false) => ignore(NO_JOBS),
        _ => {}
    }
}

/// Runs one of the programs with cases, and fails unless it ran on the library `expected`. Lines
/// that begin with `#` are remarks.
pub fn run_cases(command: &mut Command, expected: &Path) -> Results {
    let ran = run(command);
    let all = || format!("{}\n{}{}", ran.status, ran.stdout, ran.stderr);
    let (library, lines) = ran.stdout.split_once('\n').unwrap_or_default();
    let library = library
        .strip_prefix("library ")
        .unwrap_or_else(|| panic!("{}", all()));
    if Path::new(library) != expected {
        assert_eq!(
            fs::canonicalize(library).expect("the library that was called is a file"),
            fs::canonicalize(expected).expect("the library was built"),
            "the wrong library was called"
        );
    }
    let mut results = Results::new();
    for line in lines.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or_default();
        let name = rest.split(' ').next().unwrap_or_default().to_owned();
        match word {
            "ok" => results.insert(name, Ok(())),
            "FAILED" => {
                let why = format!("{line}\nby itself: {command:?} {name}\n{}", ran.stderr);
                results.insert(name, Err(why))
            }
            "#" => {
                report(&format!("{line}\n"));
                None
            }
            _ => panic!("{line:?} is not a result: {}", all()),
        };
    }
    let well = results.values().all(Result::is_ok);
    assert!(
        ran.status.success() || !well,
        "all cases passed, but the process failed: {}",
        all()
    );
    results
}

/// The cases of a transcript: what each case printed. A case that did not end is an error.
pub fn transcript(text: &str) -> BTreeMap<String, Result<String, String>> {
    let mut cases = BTreeMap::new();
    for case in text
        .split("\n== ")
        .map(|case| case.strip_prefix("== ").unwrap_or(case))
    {
        let name = case
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        let said: String = case
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let came_to_its_end = said.lines().filter(|line| *line == "end").count() == 1;
        let ended_well = !said.lines().any(|line| line.starts_with("ended "));
        cases.insert(
            name,
            if came_to_its_end && ended_well {
                Ok(said)
            } else {
                Err(said)
            },
        );
    }
    cases
}

/// Compares the cases of two transcripts.
pub fn compare(expected: &str, seen: &str) -> Results {
    let (expected, mut seen) = (transcript(expected), transcript(seen));
    let mut results = Results::new();
    for (case, expected) in expected {
        let seen = seen
            .remove(&case)
            .unwrap_or_else(|| Err("it did not run".to_owned()));
        let result = match (&expected, &seen) {
            (Ok(expected), Ok(seen)) if expected == seen => Ok(()),
            (Ok(expected), Ok(seen)) => Err(first_difference(expected, seen)),
            (_, _) => Err(format!("it did not end: {expected:?}, {seen:?}")),
        };
        results.insert(case, result);
    }
    let more = seen
        .into_keys()
        .map(|case| (case, Err("it was not expected".to_owned())));
    results.extend(more);
    results
}

fn first_difference(expected: &str, seen: &str) -> String {
    let lines = expected
        .lines()
        .zip(seen.lines().chain(iter::repeat("(nothing more)")));
    let found = lines
        .enumerate()
        .find(|(_, (expected, seen))| expected != seen);
    match found {
        Some((number, (expected, seen))) => {
            format!(
                "line {}\nexpected: {expected}\n    seen: {seen}",
                number + 1
            )
        }
        None => format!("more than was expected: {seen}"),
    }
}

/// Runs one of the programs that write transcripts under a checker, and fails unless it ran on the
/// library `expected`. Each case must end. A case does not end if the checker has reported
/// something.
pub fn run_transcript(command: &mut Command, expected: &Path) -> Results {
    let ran = run(command);
    let expected = fs::canonicalize(expected).expect("the library was built");
    let mut functions = 0;
    for line in ran.stderr.lines() {
        if let [_, "program" | "process", file] = line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            let file = fs::canonicalize(file).expect("the library that was called is a file");
            assert_eq!(file, expected, "the wrong library was called");
            functions += 1;
        }
    }
    let all = || format!("{}\n{}{}", ran.status, ran.stdout, ran.stderr);
    assert!(ran.status.success() && functions == 6, "{}", all());
    let cases = transcript(&ran.stdout).into_iter();
    let with_errors = |case: Result<String, String>| match case {
        Ok(_) => Ok(()),
        Err(said) => Err(format!("{said}{}", ran.stderr)),
    };
    cases
        .map(|(name, case)| (name, with_errors(case)))
        .collect()
}

/// A program with cases, compiled with these options and linked in one way.
pub fn linked(name: &'static str, linkage: Linkage, options: &'static [&'static str]) -> Program {
    let title = format!("{}::{}", name.replace('/', "::"), linkage.name());
    Program::new(name, title, move |arguments| {
        ignore_in_other_builds(name);
        let program = compile(&program_source(name), linkage, options);
        let expected = expected_library(&program, linkage);
        run_cases(command(&[], &program).args(arguments), &expected)
    })
}

/// How a checker runs a program with cases.
pub struct Checked {
    /// The program's name.
    pub name: &'static str,
    arguments: &'static [&'static str],
    without: &'static [(&'static str, &'static str)],
}

/// All cases of this program.
pub const fn checked(name: &'static str) -> Checked {
    let (arguments, without): (&[&str], &[(&str, &str)]) = (&[], &[]);
    Checked {
        name,
        arguments,
        without,
    }
}

impl Checked {
    /// Adds arguments.
    pub const fn with(mut self, arguments: &'static [&'static str]) -> Checked {
        self.arguments = arguments;
        self
    }

    /// Leaves cases out, each for a reason.
    pub const fn without(mut self, cases: &'static [(&'static str, &'static str)]) -> Checked {
        self.without = cases;
        self
    }

    /// The program, run by `work`. `part` is the first part of the names of its tests, or empty.
    pub fn program(
        &self,
        part: &str,
        work: impl Fn(&[String]) -> Results + Send + Sync + 'static,
    ) -> Program {
        let title = [part, &self.name.replace('/', "::")].join("::");
        let mut program =
            Program::new(self.name, title.trim_start_matches("::"), work).with(self.arguments);
        for (case, why) in self.without {
            program = program.without(case, why);
        }
        program
    }
}

/// The folders of programs with cases, below `programs/`.
const ALL: &[&str] = &["", "gen2/", "gen2_ours/", "stack_use/"];

/// Fails unless each program with cases is tested, and tested once. `directories` lie below
/// `programs/`.
pub fn every_program_is_in(tested: &[&str], directories: &[&str]) {
    let there = directories.iter().flat_map(|directory| {
        let names = programs_in(directory).into_iter();
        names.map(move |name| format!("{directory}{name}"))
    });
    let mut there: BTreeSet<String> = there.collect();
    for name in tested {
        assert!(
            there.remove(*name),
            "{name}: listed twice, or there is no such program"
        );
    }
    assert!(
        there.is_empty(),
        "{there:?}: not tested, and no reason is given"
    );
}

/// Fails unless a checker runs each program with cases, or says why it does not.
pub fn every_program_is_checked<'a>(
    checked: impl IntoIterator<Item = &'a Checked>,
    not_checked: &[(&str, &str)],
) {
    let checked = checked.into_iter().map(|program| program.name);
    let not_checked = not_checked.iter().map(|(name, _)| *name);
    let listed: Vec<&str> = checked.chain(not_checked).collect();
    every_program_is_in(&listed, ALL);
}

#[cfg(test)]
mod tests;
