//! Formats the result as Markdown.

use super::handshakes::Run;
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

/// One row for each of these.
struct Measure {
    title: &'static str,
    of: fn(&Run) -> f64,
    format: fn(f64) -> String,
    /// The ratio of preloaded to libcrypto that is wanted, for this many connections at once.
    goal: fn(usize) -> Option<Goal>,
}

enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

const MEASURES: [Measure; 3] = [
    Measure {
        title: "handshakes a second",
        of: |run| run.a_second,
        format: |value| format!("{value:.0}"),
        goal: |_| Some(Goal::AtLeast(0.98)),
    },
    Measure {
        title: "processor time of each",
        of: |run| run.microseconds,
        format: |value| format!("{value:.0} us"),
        goal: |_| None,
    },
    Measure {
        title: "most resident memory",
        of: |run| run.resident,
        format: |value| format!("{:.1} MB", value / 1e6),
        goal: |at_once| (at_once == 2000).then_some(Goal::AtMost(0.9)),
    },
];

/// The rounds of each number of connections: first libcrypto's, then those with the library
/// preloaded.
pub fn markdown(rows: &[(usize, Vec<[Run; 2]>)]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header([
        "",
        "libcrypto",
        "preloaded",
        "preloaded / libcrypto",
    ]);
    for (at_once, rounds) in rows {
        for Measure {
            title,
            of,
            format,
            goal,
        } in MEASURES
        {
            let side = |side: usize| {
                let values = rounds.iter().map(|round| of(&round[side]));
                format(median(values.collect()))
            };
            let ratio = median(
                rounds
                    .iter()
                    .map(|[plain, ours]| of(ours) / of(plain))
                    .collect(),
            );
            let judged = match goal(*at_once) {
                None => String::new(),
                Some(Goal::AtLeast(least)) => judge(ratio >= least, &format!("at least {least}")),
                Some(Goal::AtMost(most)) => judge(ratio <= most, &format!("at most {most}")),
            };
            table.add_row([
                format!("{at_once} at once: {title}"),
                side(0),
                side(1),
                format!("{ratio:.2}{judged}"),
            ]);
        }
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    format!(
        "Medians of {} rounds.\n\n{table}",
        rows.first().map_or(0, |(_, rounds)| rounds.len())
    )
}

fn judge(is_met: bool, goal: &str) -> String {
    let met = if is_met { "met" } else { "missed" };
    format!(", goal {goal}: {met}")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    f64::midpoint(values[(count - 1) / 2], values[count / 2])
}
