//! The cases of the C programs: which there are, and which are asked for.

use compat_tests::{program_source, programs_in};
use regex::Regex;
use std::fs;

/// One case of a C program.
pub struct Case {
    /// The program's name, with its folder.
    pub program: String,
    /// The name of its function.
    pub name: String,
    /// The rules that it proves.
    pub rules: Vec<String>,
}

impl Case {
    /// The name as a sentence.
    pub fn sentence(&self) -> String {
        self.name.replace('_', " ")
    }

    /// Whether the case says what it sees, and libcrypto's words are what is expected.
    pub fn is_transcript(&self) -> bool {
        self.program.starts_with("gen2/")
    }

    /// What a list of expected results calls it.
    pub fn key(&self) -> String {
        format!("{}::{}", self.program, self.name)
    }
}

/// Programs whose cases are not in the report, each for a reason.
const LEFT_OUT: &[&str] = &[
    // For a build of the library without jobs.
    "null",
    "gen2_ours/second_null",
    // It is run with libraries that only stand for a libcrypto.
    "gen2_ours/fake_libcrypto",
];

/// All cases, in the order of the programs' names and of the cases in their files.
pub fn all() -> Vec<Case> {
    let pattern = Regex::new(r#"(?m)^CASE\((\w+), "([^"]*)"\)"#).expect("a pattern");
    let mut cases = vec![];
    for folder in ["", "gen2/", "gen2_ours/"] {
        for name in programs_in(folder) {
            let program = format!("{folder}{name}");
            if LEFT_OUT.contains(&program.as_str()) {
                continue;
            }
            let source = fs::read_to_string(program_source(&program)).expect("a program's source");
            for found in pattern.captures_iter(&source) {
                let rules = found[2]
                    .split_once("Rules: ")
                    .map_or("", |(_, rules)| rules);
                cases.push(Case {
                    program: program.clone(),
                    name: found[1].to_owned(),
                    rules: rules
                        .split(", ")
                        .filter(|rule| !rule.is_empty())
                        .map(str::to_owned)
                        .collect(),
                });
            }
        }
    }
    cases
}

/// The cases that prove one of these rules or have one of these names; all if nothing is asked for. A name may also be
/// written as the sentence that tables show, or with its program: `states::NAME`.
pub fn selected(rules: &[String], names: &[String]) -> Result<Vec<Case>, String> {
    let cases = all();
    let is_named = |case: &Case, name: &str| {
        name == case.name || name == case.sentence() || name == case.key()
    };
    for name in names {
        if !cases.iter().any(|case| is_named(case, name)) {
            return Err(format!("there is no case {name}"));
        }
    }
    for rule in rules {
        if !cases.iter().any(|case| case.rules.contains(rule)) {
            super::explain::rule(rule)?;
            return Err(format!("no case proves rule {rule}"));
        }
    }
    if rules.is_empty() && names.is_empty() {
        return Ok(cases);
    }
    let is_wanted = |case: &Case| {
        rules.iter().any(|rule| case.rules.contains(rule))
            || names.iter().any(|name| is_named(case, name))
    };
    Ok(cases.into_iter().filter(is_wanted).collect())
}
