//! Runs the benchmarks with small counts, so that they still work when they are needed. Tests no
//! figure of time.

use compare::contestants::Contestant;
use compare::measurements::{Goal, MEASUREMENTS, Measurement, THREADS};
use compare::options::{self, Options};
use compare::report;
use compare::rounds::{self, Results};
use compat_tests::{need_jobs, need_openssl, openssl_is_installed};
use criterion::Criterion;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    compat_tests::tests![
        the_comparison_measures_everything_and_shows_every_row,
        the_comparison_shows_medians_shares_and_whether_goals_are_met,
        the_comparison_refuses_unknown_options,
        the_comparison_takes_the_measurements_of_its_options,
        the_hot_paths_can_be_measured,
        jobs_as_futures_can_be_measured,
        handshakes_are_compared_on_the_library_that_was_asked_for,
    ]
    .run()
}

#[path = "../benches/compare"]
mod compare {
    pub mod contestants;
    pub mod coroutines;
    pub mod measurements;
    pub mod options;
    pub mod report;
    pub mod rounds;
}

#[path = "../benches/futures/contestants.rs"]
mod futures_contestants;

#[path = "../benches/tls"]
mod tls {
    pub mod handshakes;
    pub mod report;
}

#[path = "../benches/hot"]
mod hot {
    pub mod c;
    pub mod rust;
}

fn parse(arguments: &[&str]) -> Result<Option<Options>, String> {
    Options::parse(arguments.iter().map(OsString::from)).map_err(|error| error.to_string())
}

/// The cells of the first row with this title.
fn cells<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    let row = text
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .find(|cells| cells.get(1) == Some(&title))
        .unwrap_or_else(|| panic!("no row {title:?} in\n{text}"));
    row[2..row.len() - 1].to_vec()
}

fn the_comparison_measures_everything_and_shows_every_row() {
    need_jobs();
    let options = parse(&["--bench", "--quick", "--rounds", "2"])
        .expect("these are options")
        .expect("none of them asks for help");
    let results = rounds::run(&options);
    let text = report::markdown(&results);
    let one_processor = thread::available_parallelism().is_ok_and(|count| count.get() == 1);
    for Measurement { name, rows, .. } in &MEASUREMENTS {
        for row in *rows {
            let compared: Vec<bool> = cells(&text, row.title)
                .iter()
                .map(|cell| *cell != "-")
                .collect();
            let both = openssl_is_installed() && *name != "wake";
            let by_itself = matches!(row.goal, Goal::AtMost(_) | Goal::AtLeast(_));
            let expected = if *name == THREADS && one_processor {
                [false; 5]
            } else {
                [true, both, both, both || by_itself, both]
            };
            assert_eq!(compared, expected, "{}\n{text}", row.title);
        }
    }
    for contestant in [
        Contestant::Jump,
        Contestant::Swap,
        Contestant::Pipe,
        Contestant::Corosensei,
    ] {
        let measured = results.values.keys().any(|(_, who)| *who == contestant);
        assert!(measured, "{contestant:?}\n{text}");
    }
    let left_out = results.notes.iter().any(|note| note.contains("left out"));
    assert_eq!(left_out, one_processor, "{text}");
}

fn the_comparison_shows_medians_shares_and_whether_goals_are_met() {
    let mut results = Results {
        libcrypto: Some("OpenSSL 3".to_owned()),
        taken: MEASUREMENTS.iter().collect(),
        ..Results::default()
    };
    for (value, contestant, rounds) in [
        // Goals 0.21 and 0.35. The rounds are not in order, and one of them is an outlier.
        (
            "start_finish",
            Contestant::Linked,
            [21.0, 9999.0, 14.0, 31.0, 10.0],
        ),
        ("start_finish", Contestant::Preloaded, [36.0; 5]),
        ("start_finish", Contestant::Libcrypto, [100.0; 5]),
        ("start_finish", Contestant::Corosensei, [1234.0; 5]),
        ("resident", Contestant::Linked, [4096.0; 5]),
        ("many_own_growth", Contestant::Linked, [1.5; 5]),
        ("many_own_growth", Contestant::Preloaded, [1.6; 5]),
        ("two_threads", Contestant::Linked, [1.9; 5]),
        ("two_threads", Contestant::Preloaded, [1.8; 5]),
    ] {
        results
            .values
            .insert((value.to_owned(), contestant), rounds.to_vec());
    }
    results.notes.push("A note.".to_owned());
    let text = report::markdown(&results);
    assert_eq!(
        cells(&text, "start + finish"),
        [
            "21.0 ns (14.0..31.0)",
            "36.0 ns (36.0..36.0)",
            "100.0 ns (100.0..100.0)",
            "0.21 (0.14..0.31), goal 0.21: met",
            "0.36 (0.36..0.36), goal 0.35: missed",
        ]
    );
    assert_eq!(
        cells(&text, "resident memory of each of them"),
        ["4096 B (4096..4096)", "-", "-", "-", "-"]
    );
    assert_eq!(
        cells(
            &text,
            "a million paused jobs: the last to the first, over the same of the pages"
        )[3..],
        ["goal at most 1.5: met", "goal at most 1.5: missed"]
    );
    assert_eq!(
        cells(
            &text,
            "pause + resume, two threads' throughput to one's, in each one's fastest slice"
        )[3..],
        ["goal at least 1.9: met", "goal at least 1.9: missed"]
    );
    let (_, bare) = text.split_once("without a library").expect("two tables");
    assert_eq!(
        cells(bare, "start + finish"),
        ["-", "-", "1.23 us (1.23..1.23)", "-", "-"]
    );
    assert!(
        text.contains("libcrypto of OpenSSL 3;") && text.ends_with("\nA note.\n"),
        "{text}"
    );
}

fn the_comparison_refuses_unknown_options() {
    for (arguments, word) in [
        (&["--rounds", "0"][..], "1 to 1000"),
        (&["--rounds", "1001"], "1 to 1000"),
        (&["--rounds", "many"], "1 to 1000"),
        (&["--rounds"], "--rounds"),
        (&["--only", "nothing"], "start_finish, pause_resume"),
        (&["--before", "/nowhere/libossl_async.so"], "No such file"),
        (&["--before", "/proc/self/exe"], "named libossl_async.so"),
        (&["--quick=yes"], "--quick"),
        (&["--fast"], "--fast"),
        (&["pool"], "pool"),
    ] {
        let why = parse(arguments).expect_err("it is wrong");
        assert!(why.contains(word), "{arguments:?}: {why}");
    }
}

fn the_comparison_takes_the_measurements_of_its_options() {
    let all = parse(&[]).unwrap().expect("no help");
    assert_eq!((all.rounds, all.quick), (20, false));
    assert!(MEASUREMENTS.iter().all(|known| all.includes(known.name)));
    let some = parse(&["--only", "pool", "--rounds=7", "--only=many"])
        .unwrap()
        .expect("no help");
    assert_eq!(some.rounds, 7);
    let included: Vec<_> = MEASUREMENTS
        .iter()
        .map(|known| known.name)
        .filter(|name| some.includes(name))
        .collect();
    assert_eq!(included, ["pool", "many"]);
    assert_eq!(parse(&["--help"]), Ok(None));
    assert!(
        MEASUREMENTS
            .iter()
            .all(|known| options::help().contains(known.name))
    );
}

fn the_hot_paths_can_be_measured() {
    need_jobs();
    let mut criterion = quick("hot");
    hot::c::measure(&mut criterion);
    hot::rust::measure(&mut criterion);
}

fn jobs_as_futures_can_be_measured() {
    need_jobs();
    futures_contestants::measure(&mut quick("futures"));
}

fn handshakes_are_compared_on_the_library_that_was_asked_for() {
    need_jobs();
    need_openssl();
    let programs = tls::handshakes::Programs::new().expect("there are jobs and OpenSSL");
    let both = [
        tls::handshakes::Contestant::Libcrypto,
        tls::handshakes::Contestant::Preloaded,
    ];
    // Each run proves which library answered.
    let round = both.map(|contestant| programs.run(contestant, 4, 2));
    let text = tls::report::markdown(&[(2, vec![round, round, round])]);
    for measure in [
        "handshakes a second",
        "processor time of each",
        "most resident memory",
    ] {
        let [libcrypto, preloaded, ratio] = cells(&text, &format!("2 at once: {measure}"))[..]
        else {
            panic!("{text}");
        };
        assert!(libcrypto != "0" && preloaded != "0", "{text}");
        assert!(
            ratio.parse::<f64>().is_ok() || ratio.contains("goal"),
            "{text}"
        );
    }
}

/// A criterion that measures as little as it can.
fn quick(name: &str) -> Criterion {
    Criterion::default()
        .without_plots()
        .sample_size(10)
        .nresamples(100)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(1))
        // Not in the directory where real runs keep what the next run is compared with.
        .output_directory(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
}
