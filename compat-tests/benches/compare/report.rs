//! Formats the result as Markdown.

use super::contestants::Contestant;
use super::measurements::{Goal, Row, Unit};
use super::rounds::Results;
use comfy_table::{CellAlignment, ColumnConstraint, Table, Width, presets::ASCII_MARKDOWN};
use std::fmt::Write as _;
use std::fs;

/// Shown where nothing was measured.
const NOTHING: &str = "-";

/// Both tables, with the machine above and the notes below.
pub fn markdown(results: &Results) -> String {
    let libcrypto = results
        .libcrypto
        .as_deref()
        .map_or("no libcrypto".to_owned(), |version| {
            format!("libcrypto of {version}")
        });
    let mut text = format!(
        "{}, Linux {}, {libcrypto}; switches by {}. Medians, quartiles in brackets.\n\n{}\n",
        cpu(),
        kernel(),
        ossl_async::switch_method(),
        compared(results),
    );
    let before = before(results);
    if !before.is_empty() {
        writeln!(text, "\n{before}").expect("a string takes it");
    }
    let bare = bare(results);
    if !bare.is_empty() {
        writeln!(text, "\n{bare}").expect("a string takes it");
    }
    for note in &results.notes {
        writeln!(text, "\n{note}").expect("a string takes it");
    }
    text
}

fn rows(results: &Results) -> impl Iterator<Item = &'static Row> {
    results.taken.iter().flat_map(|taken| taken.rows)
}

/// The library and libcrypto: every row.
fn compared(results: &Results) -> Table {
    let mut table = table(&[
        "",
        "linked",
        "preloaded",
        "libcrypto",
        "linked / libcrypto",
        "preloaded / libcrypto",
    ]);
    for row in rows(results) {
        let [linked, preloaded, libcrypto] = [
            Contestant::Linked,
            Contestant::Preloaded,
            Contestant::Libcrypto,
        ]
        .map(|contestant| results.rounds(row.value, contestant));
        table.add_row([
            row.title.to_owned(),
            value(linked, row.unit),
            value(preloaded, row.unit),
            value(libcrypto, row.unit),
            judged(linked, libcrypto, row, |(linked, _)| linked),
            judged(preloaded, libcrypto, row, |(_, preloaded)| preloaded),
        ]);
    }
    table
}

/// The library and another build of it: the rows that were measured for both.
fn before(results: &Results) -> Table {
    let mut table = table(&["", "before", "now", "now / before"]);
    for row in rows(results) {
        let [before, now] = [Contestant::Before, Contestant::Linked]
            .map(|contestant| results.rounds(row.value, contestant));
        if let Some((_, share)) = share(now, before) {
            let [before, now] = [before, now].map(|rounds| value(rounds, row.unit));
            table.add_row([row.title.to_owned(), before, now, share]);
        }
    }
    table
}

/// Switches and pipes without a library: the rows that they can be measured for.
fn bare(results: &Results) -> Table {
    let columns = [
        Contestant::Jump,
        Contestant::Swap,
        Contestant::Corosensei,
        Contestant::Pipe,
        Contestant::Memory,
    ];
    let mut table = table(&[
        "without a library",
        "`_setjmp`, `_longjmp`",
        "`swapcontext`",
        "corosensei",
        "a pipe",
        "a page and a guard",
    ]);
    for row in rows(results) {
        let cells = columns.map(|contestant| results.rounds(row.value, contestant));
        if cells.iter().any(|rounds| !rounds.is_empty()) {
            let cells = cells.iter().map(|rounds| value(rounds, row.unit));
            table.add_row([row.title.to_owned()].into_iter().chain(cells));
        }
    }
    table
}

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(columns);
    for column in table.column_iter_mut() {
        // A row is one line, however long.
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(1)));
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The share of libcrypto's value, and whether the goal was met. `side` selects one of the two
/// goals.
fn judged(ours: &[f64], libcrypto: &[f64], row: &Row, side: fn((f64, f64)) -> f64) -> String {
    let Some([_, median, _]) = quartiles(ours) else {
        return NOTHING.to_owned();
    };
    match row.goal {
        Goal::AtMost(most) => verdict(&format!("at most {most:.1}"), median <= most),
        Goal::AtLeast(least) => verdict(&format!("at least {least:.1}"), median >= least),
        Goal::None => share(ours, libcrypto).map_or(NOTHING.to_owned(), |(_, shown)| shown),
        Goal::OfLibcrypto(linked, preloaded) => {
            let goal = side((linked, preloaded));
            share(ours, libcrypto).map_or(NOTHING.to_owned(), |(share, shown)| {
                format!("{shown}, {}", verdict(&format!("{goal:.2}"), share <= goal))
            })
        }
    }
}

fn verdict(goal: &str, met: bool) -> String {
    format!("goal {goal}: {}", if met { "met" } else { "missed" })
}

/// The median of the rounds' own shares, because what slows the machine in a round slows both.
/// Also as text.
fn share(ours: &[f64], libcrypto: &[f64]) -> Option<(f64, String)> {
    let rounds: Vec<f64> = ours.iter().zip(libcrypto).map(|(a, b)| a / b).collect();
    let [low, share, high] = quartiles(&rounds)?;
    let number = |x: f64| format!("{x:.2}");
    Some((share, spread(number(share), [low, high], number, &rounds)))
}

/// A value as text, with its quartiles if there were several rounds.
fn value(rounds: &[f64], unit: Unit) -> String {
    let Some([low, median, high]) = quartiles(rounds) else {
        return NOTHING.to_owned();
    };
    let (divisor, name, digits) = match unit {
        Unit::Time if median >= 1000.0 => (1000.0, " us", 2),
        Unit::Time => (1.0, " ns", 1),
        Unit::Bytes => (1.0, " B", 0),
        Unit::Times => (1.0, "", 2),
    };
    let number = |x: f64| format!("{:.digits$}", x / divisor);
    spread(
        format!("{}{name}", number(median)),
        [low, high],
        number,
        rounds,
    )
}

/// A median, followed by the quartiles if there was more than one round.
fn spread(
    median: String,
    quartiles: [f64; 2],
    number: impl Fn(f64) -> String,
    rounds: &[f64],
) -> String {
    if rounds.len() < 2 {
        return median;
    }
    let [low, high] = quartiles.map(number);
    format!("{median} ({low}..{high})")
}

/// Lower quartile, median, upper quartile.
fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some([0.25, 0.5, 0.75].map(|part| {
        let place = part * last as f64;
        let (below, above) = (
            sorted[place.floor() as usize],
            sorted[place.ceil() as usize],
        );
        below + (above - below) * place.fract()
    }))
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == "model name")
        .map_or("unknown processor".to_owned(), |(_, name)| {
            name.trim().to_owned()
        })
}

fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or("unknown".to_owned(), |text| text.trim().to_owned())
}
