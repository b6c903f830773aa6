//! The report as a table in a terminal, or as text.

use super::outcome::Outcome;
use super::run::{Report, Result};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::fmt::Write;

/// Characters without width stand for colours while the table is laid out, which counts characters.
const GREEN: char = '\u{200c}';
const RED: char = '\u{200d}';
const YELLOW: char = '\u{2060}';
const BOLD: char = '\u{feff}';
const END: char = '\u{200b}';
const COLOURS: [(char, &str); 5] = [
    (GREEN, "\x1b[32m"),
    (RED, "\x1b[31m"),
    (YELLOW, "\x1b[33m"),
    (BOLD, "\x1b[1m"),
    (END, "\x1b[0m"),
];

/// The width where there is no terminal, and the most that a table takes.
const WIDTH: u16 = 120;

/// What a reader of the table wants to know first.
const LEGEND: [&str; 5] = [
    "absent NAME: the case calls a function that the library does not have, which is no fault.",
    "SIGSEGV and other signals: the process of the case died. out of time: it had to be ended.",
    "no codes: the library has no error queue. extension: only this library has the function.",
    "A letter and a number is a rule of docs/behaviour.md: it says why the result is expected.",
    "cargo run -p compat-tests -- report --explain D5 prints one; docs/verify.md has the rest.",
];

/// What the programs of a folder are about.
fn about(program: &str) -> &'static str {
    match program.split_once('/') {
        Some(("gen2", _)) => {
            ", six arguments: what it prints, compared with the system's libcrypto"
        }
        Some(("gen2_ours", _)) => ", six arguments: where this library differs",
        _ => ", five arguments (on libcrypto by an adapter)",
    }
}

/// The report, in colours for a terminal.
pub fn text(report: &Report, is_terminal: bool) -> String {
    let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0);
    let width = if is_terminal {
        width.clamp(60, 160)
    } else {
        WIDTH
    };
    let mut text = marked_text(report, width);
    for (mark, colour) in COLOURS {
        text = text.replace(mark, if is_terminal { colour } else { "" });
    }
    text
}

/// The report with marks for colours.
fn marked_text(report: &Report, width: u16) -> String {
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{line}").expect("a string takes it");
    for library in &report.libraries {
        line(&format!("{}: {}", library.title, library.path.display()));
    }
    line("");
    line(&table(report, width));
    line("");
    LEGEND.iter().for_each(|words| line(words));
    line("");
    line("All cases of a library:");
    for (number, library) in report.libraries.iter().enumerate() {
        let counts = report.counts(number).into_iter();
        let counts: Vec<String> = counts
            .map(|(kind, count)| format!("{count} {}", kind.replace('-', " ")))
            .collect();
        line(&format!("  {}: {}", library.title, counts.join(", ")));
    }
    line("");
    let differences = report.differences();
    if differences.is_empty() {
        line(
            "Every result is the expected one. What is not \"ok\" has its rule beside it: see --explain.",
        );
    } else {
        line(&format!(
            "{} results are not the expected ones:",
            differences.len()
        ));
        for found in differences {
            let (case, result) = (found.case, found.result);
            line(&format!("  {} on {}", case.key(), found.library.title));
            line(&format!(
                "    {}, expected: {} {}",
                result.outcome.text(),
                result
                    .expected
                    .replace('|', " or ")
                    .replace([':', '-'], " "),
                result.rule
            ));
            if !result.outcome.detail.is_empty() {
                line(&format!("    {}", result.outcome.detail));
            }
        }
    }
    text
}

/// Program by program a row for each case.
fn table(report: &Report, width: u16) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let titles = report.libraries.iter().map(|library| library.title.clone());
    let head = ["Case".to_owned(), "Rules".to_owned()].into_iter();
    table.set_header(head.chain(titles));
    let mut program = "";
    for (case, row) in report.cases.iter().zip(&report.results) {
        if case.program != program {
            program = &case.program;
            table.add_row([""]);
            let heading = marked(BOLD, &format!("{program}.c")) + about(program);
            table.add_row([heading]);
        }
        let results = row.iter().map(|result| Cell::new(shown(result)));
        table.add_row(
            [Cell::new(case.sentence()), Cell::new(case.rules.join(" "))]
                .into_iter()
                .chain(results),
        );
    }
    let columns = u16::try_from(report.libraries.len()).unwrap_or(u16::MAX);
    let of_results = (width / (columns + 2)).clamp(14, 26);
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        match number {
            0 => None,
            1 => Some(12),
            _ => Some(of_results),
        }
        .map(|width| column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(width))));
    }
    table.trim_fmt()
}

/// A result in its colour: green what is well, yellow what is expected not to be, red what is not expected.
fn shown(result: &Result) -> String {
    let colour = match (result.is_expected, result.outcome.word.as_str()) {
        (false, _) => RED,
        (true, "ok") => GREEN,
        (true, _) => YELLOW,
    };
    marked(colour, &words(result))
}

/// A text in a colour. Each word has it: the table may break between them.
fn marked(colour: char, text: &str) -> String {
    let words = text.split(' ').map(|word| format!("{colour}{word}{END}"));
    words.collect::<Vec<_>>().join(" ")
}

/// `SIGSEGV D5`, for example.
fn words(result: &Result) -> String {
    let Outcome { word, detail } = &result.outcome;
    let mut text = result.outcome.text();
    if word == "ok" && !detail.is_empty() {
        text += ", no codes";
    }
    if !result.is_expected {
        text += ", NOT EXPECTED";
    } else if word != "ok" && result.rule != "-" {
        text = format!("{text} {}", result.rule);
    }
    text
}
