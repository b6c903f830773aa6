//! A table of versions of OpenSSL, made of reports that were written as JSON: what is in `docs/openssl.md`.

use clap::Args;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Args)]
pub struct Options {
    /// Reports, each of `report --json` on a system with another libcrypto
    #[arg(required = true)]
    report: Vec<PathBuf>,
}

/// What a report says of a libcrypto.
struct Version {
    title: String,
    date: String,
    /// Each case with its result, and the rule behind that.
    results: Vec<(String, String, String)>,
    /// How many cases this library passes there, and of how many.
    ours: (usize, usize),
}

/// Prints the table. True if every result in it is the expected one.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut versions = vec![];
    let mut is_expected = true;
    for file in &options.report {
        let (version, expected) = read(file)?;
        versions.push(version);
        is_expected &= expected;
    }
    print!("{}", table(&versions));
    Ok(is_expected)
}

fn read(file: &Path) -> Result<(Version, bool), String> {
    let failed = |why: String| format!("{}: {why}", file.display());
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let none = vec![];
    let libraries = report["libraries"].as_array().unwrap_or(&none);
    let number_of = |key: &str| {
        let is_it = |library: &Value| {
            library["key"]
                .as_str()
                .is_some_and(|of| of.starts_with(key))
        };
        libraries.iter().position(is_it)
    };
    let (Some(ours), Some(theirs)) = (number_of("ours"), number_of("libcrypto-")) else {
        return Err(failed(
            "no report on this library and a libcrypto".to_owned(),
        ));
    };
    let cases = report["cases"].as_array().unwrap_or(&none);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let well = cases
        .iter()
        .filter(|case| case["results"][ours]["result"] == "ok");
    let results = cases.iter().map(|case| {
        let result = &case["results"][theirs];
        let name = format!("{}::{}", word(&case["program"]), word(&case["name"]));
        (name, word(&result["result"]), word(&result["rule"]))
    });
    let version = Version {
        title: word(&libraries[theirs]["title"]).replace("libcrypto ", ""),
        date: word(&report["date"]),
        ours: (well.count(), cases.len()),
        results: results.collect(),
    };
    Ok((version, report["differences"] == 0))
}

/// How many cases came to what on each version; and the cases that did not come to the same on all.
fn table(versions: &[Version]) -> String {
    let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |\n", cells.join(" | "));
    let each = |cell: &dyn Fn(&Version) -> String| versions.iter().map(cell).collect::<Vec<_>>();
    let mut text = row("", each(&|version| version.title.clone()));
    text += &row("---", each(&|_| "---".to_owned())).replace(' ', "");
    text += &row("date", each(&|version| version.date.clone()));
    text += &row(
        "this library in front of it: ok",
        each(&|version| format!("{} of {}", version.ours.0, version.ours.1)),
    );
    let kind = |word: &str| match word {
        "ok" => "ok",
        word if word.starts_with("absent:") => "absent",
        "too-old" => "left out",
        word if word.starts_with("SIG") => "a crash",
        _ => "another result",
    };
    for wanted in ["ok", "another result", "a crash", "absent", "left out"] {
        let count = |version: &Version| {
            let results = version.results.iter();
            results
                .filter(|(_, word, _)| kind(word) == wanted)
                .count()
                .to_string()
        };
        text += &row(&format!("libcrypto: {wanted}"), each(&count));
    }
    let names: BTreeSet<&String> = versions
        .iter()
        .flat_map(|version| version.results.iter().map(|(name, ..)| name))
        .collect();
    let of = |version: &Version, name: &str| {
        let found = version.results.iter().find(|(of, ..)| of == name);
        found.map_or(
            ("not there".to_owned(), String::new()),
            |(_, word, rule)| (word.clone(), rule.clone()),
        )
    };
    for name in names {
        let kinds: BTreeSet<String> = versions
            .iter()
            .map(|version| kind(&of(version, name).0).to_owned())
            .collect();
        // What a version does not have yet is in the counts.
        let of_those_that_have_it = kinds
            .iter()
            .filter(|kind| !["absent", "left out"].contains(&kind.as_str()));
        if of_those_that_have_it.count() > 1 {
            let cell = |version: &Version| {
                let (word, rule) = of(version, name);
                let rule = if word == "ok" {
                    String::new()
                } else {
                    format!(" {rule}")
                };
                format!("{}{rule}", kind(&word))
            };
            text += &row(&format!("`{name}`"), each(&cell));
        }
    }
    text
}
