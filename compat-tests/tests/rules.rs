//! The behaviour reference, `docs/behaviour.md`, and the citations of its rules. Each rule has a
//! test, and each cited number is a rule's.
//!
//! A citation is a comment `Rules: B19, P4` at most eight lines above its test: a Rust function, a
//! C function or a `CASE`. Some rules need no citation: information about systems on which the
//! library does not run, and rules that another one supersedes (`→ D5`).

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A rule's letter and number.
type Rule = (char, u32);

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

fn rule(letter: &str, number: &str) -> Rule {
    let letter = letter.chars().next().expect("a letter");
    (letter, number.parse().expect("digits"))
}

/// The rules of the reference. True for rules that need a test.
fn rules() -> BTreeMap<Rule, bool> {
    let text =
        fs::read_to_string(Path::new(ROOT).join("docs/behaviour.md")).expect("the reference");
    let opening = regex(r"^(?:- )?\*\*([BSPFWKGDT])(\d+)\b");
    let in_heading = regex(r"\b([DT])(\d+)\b");
    let heading = regex(r"\*\*([^*]+)\*\*");
    let row_of_errors = regex(r"^\| (E)(\d+) \|");
    let mut rules = BTreeMap::new();
    let mut is_information = false;
    let mut last: Option<Rule> = None;
    for line in text.lines() {
        if line.starts_with('#') {
            is_information = line.contains("(information only)");
        }
        if let Some(found) = opening.captures(line) {
            last = Some(rule(&found[1], &found[2]));
            rules.insert(rule(&found[1], &found[2]), !is_information);
        }
        // "**D22 Stack overflow, D23 signal mask.**"
        for bold in heading.captures_iter(line) {
            for found in in_heading.captures_iter(&bold[1]) {
                rules.entry(rule(&found[1], &found[2])).or_insert(true);
            }
        }
        // An error is cited if that says more than the rule that raises it.
        if let Some(found) = row_of_errors.captures(line) {
            rules.insert(rule(&found[1], &found[2]), false);
        }
        if line.is_empty() {
            last = None;
        } else if let (Some(last), true) = (last, line.contains("→ D")) {
            rules.insert(last, false);
        }
    }
    rules
}

/// The files that have tests, with their text.
fn tests() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("it can be read").path();
            let kind = path
                .extension()
                .and_then(|kind| kind.to_str())
                .unwrap_or_default();
            if path.is_dir() && !path.ends_with("target") {
                collect(&path, found);
            } else if ["rs", "c", "cc", "cpp", "h"].contains(&kind) {
                let text = fs::read_to_string(&path).expect("a source");
                found.push((path, text));
            }
        }
    }
    let mut found = vec![];
    for folder in ["tests", "compat-tests", "fuzz", "src", "tokio"] {
        collect(&Path::new(ROOT).join(folder), &mut found);
    }
    found
}

/// A citation: its place, its first and its last rule.
struct Citation {
    place: String,
    first: Rule,
    last: Rule,
    has_test: bool,
}

fn citations() -> Vec<Citation> {
    let comment = regex(r"(?:^|[^\w])Rules?: (.+)");
    let cited = regex(r"\b([A-Z])(\d+)(?:\s*(?:-|–|to|\.\.=?)\s*[A-Z]?(\d+))?");
    // The last alternative is an entry of a macro that makes tests.
    let test = regex(
        r"\bfn \$?\w+|^\s*(static\s+)?(int|void|bool)\s+\w+\s*\(|\b(case|CASE|TEST)\w*\s*[!(]|^\s*\w+: [A-Z_]+;",
    );
    let mut all = vec![];
    for (path, text) in tests() {
        // The examples in this file are not citations.
        if path.ends_with("tests/rules.rs") {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some(found) = comment.captures(line) else {
                continue;
            };
            let below = &lines[number..lines.len().min(number + 9)];
            let has_test = below.iter().any(|line| test.is_match(line));
            for found in cited.captures_iter(&found[1]) {
                let first = rule(&found[1], &found[2]);
                let last = found
                    .get(3)
                    .map_or(first, |last| rule(&found[1], last.as_str()));
                let place = format!("{}:{}", path.display(), number + 1);
                all.push(Citation {
                    place,
                    first,
                    last,
                    has_test,
                });
            }
        }
    }
    all
}

fn name((letter, number): &Rule) -> String {
    format!("{letter}{number}")
}

#[test]
fn every_rule_is_cited_by_a_test_and_by_itself() {
    let rules = rules();
    let needed: BTreeSet<Rule> = rules
        .iter()
        .filter(|(_, needed)| **needed)
        .map(|(rule, _)| *rule)
        .collect();
    assert!(needed.len() > 150, "only {} rules were found", needed.len());
    let by_itself: BTreeSet<Rule> = citations()
        .into_iter()
        .filter(|citation| citation.has_test && citation.first == citation.last)
        .map(|citation| citation.first)
        .collect();
    let uncited: Vec<String> = needed.difference(&by_itself).map(name).collect();
    assert!(
        uncited.is_empty(),
        "no test cites {uncited:?}, or only in a range"
    );
}

#[test]
fn every_citation_is_of_a_rule_and_stands_above_a_test() {
    let rules = rules();
    let citations = citations();
    assert!(
        citations.len() > 500,
        "only {} citations were found",
        citations.len()
    );
    for Citation {
        place,
        first,
        last,
        has_test,
    } in citations
    {
        assert!(has_test, "{place}: no test begins in the eight lines below");
        assert!(
            first <= last && last.1 - first.1 <= 2,
            "{place}: too wide a range to be a citation"
        );
        for number in first.1..=last.1 {
            let cited = (first.0, number);
            assert!(
                rules.contains_key(&cited),
                "{place}: there is no rule {}",
                name(&cited)
            );
        }
    }
}

/// Comments of the sources and the documents also name rules.
#[test]
fn every_rule_that_the_library_or_a_document_names_is_one() {
    let rules = rules();
    let named = regex(r"\b([BSPFWKGDTE])(\d{1,2})\b");
    let mut files = tests();
    files.retain(|(path, _)| path.starts_with(Path::new(ROOT).join("src")));
    for name in [
        "README.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "docs/c.md",
        "docs/openssl.md",
        "docs/platforms.md",
        "docs/system.md",
        "docs/testing.md",
        "csrc/include/openssl/async.h",
        "csrc/fibre.c",
    ] {
        let path = Path::new(ROOT).join(name);
        files.push((path.clone(), fs::read_to_string(path).expect(name)));
    }
    let mut count = 0;
    for (path, text) in files {
        // In a program's text only the comments count.
        let is_program = path.extension().is_some_and(|kind| kind != "md");
        for (number, line) in text.lines().enumerate() {
            let comment = match line
                .find("//")
                .or_else(|| line.find("/*"))
                .or_else(|| line.find(" * "))
            {
                Some(begin) => &line[begin..],
                None if is_program => continue,
                None => line,
            };
            for found in named.captures_iter(comment) {
                let found = rule(&found[1], &found[2]);
                count += 1;
                assert!(
                    rules.contains_key(&found),
                    "{}:{}: there is no rule {}",
                    path.display(),
                    number + 1,
                    name(&found)
                );
            }
        }
    }
    assert!(count > 300, "only {count} were found");
}
