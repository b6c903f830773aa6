//! The report as JSON.

use super::run::Report;
use serde_json::{Value, json};

/// The report as text.
pub fn text(report: &Report) -> String {
    serde_json::to_string_pretty(&value(report)).expect("it has nothing that JSON has not")
}

/// The report, case by case. A case has a result for each library, in the order of the libraries.
pub fn value(report: &Report) -> Value {
    let libraries = report.libraries.iter().enumerate();
    let libraries = libraries.map(|(number, library)| {
        json!({
            "title": library.title,
            "key": library.key,
            "version": library.version,
            "path": library.path,
            "counts": report.counts(number),
        })
    });
    let cases = report.cases.iter().zip(&report.results);
    let cases = cases.map(|(case, row)| {
        let results = row.iter().map(|result| {
            json!({
                "result": result.outcome.word,
                "kind": result.outcome.kind(),
                "detail": result.outcome.detail,
                "expected": result.expected,
                "rule": result.rule,
                "is_expected": result.is_expected,
            })
        });
        json!({
            "program": case.program,
            "name": case.name,
            "rules": case.rules,
            "results": results.collect::<Vec<_>>(),
        })
    });
    json!({
        "date": report.date,
        "libraries": libraries.collect::<Vec<_>>(),
        "cases": cases.collect::<Vec<_>>(),
        "differences": report.differences().len(),
    })
}
