//! Takes the measurements, round by round.

use super::contestants::{Contestant, Contestants, Values, say_left_out};
use super::measurements::{MANY, MEASUREMENTS, Measurement, THREADS, named};
use super::options::Options;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::thread;

/// The most bytes of memory that a paused job takes in any of the libraries, page tables included,
/// and some spare.
const BYTES_A_JOB: usize = 7000;

/// Bytes in a page, or less.
const PAGE: usize = 4096;

/// All results.
#[derive(Default)]
pub struct Results {
    /// The result of each round in order, by value's name and contestant.
    pub values: BTreeMap<(String, Contestant), Vec<f64>>,
    /// libcrypto's version text. None if it is not installed.
    pub libcrypto: Option<String>,
    /// The measurements that were taken.
    pub taken: Vec<&'static Measurement>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

impl Results {
    /// The rounds' results for one value. Empty if it was not measured.
    pub fn rounds(&self, value: &str, contestant: Contestant) -> &[f64] {
        self.values
            .get(&(value.to_owned(), contestant))
            .map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, contestant: Contestant, values: Values) {
        for (name, value) in values {
            self.values
                .entry((name, contestant))
                .or_default()
                .push(value);
        }
    }
}

/// Measures what the options ask for.
pub fn run(options: &Options) -> Results {
    let contestants = Contestants::compile(options.before.clone());
    let load = load();
    let mut results = Results {
        libcrypto: contestants.libcrypto_version(),
        ..Results::default()
    };
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if let Some(load) = load.filter(|load| *load > processors as f64) {
        results.notes.push(format!(
            "The machine was busy with other things (load {load:.1}): rows of several seconds or two threads suffer."
        ));
    }
    let two_processors = processors > 1;
    for measurement in &MEASUREMENTS {
        if !options.includes(measurement.name) {
            continue;
        }
        if measurement.name == THREADS && !two_processors {
            let note = say_left_out(measurement.name, "there is one processor");
            results.notes.push(note);
        }
        results.taken.push(measurement);
    }

    let in_rounds: Vec<_> = results
        .taken
        .iter()
        .copied()
        .filter(|measurement| measurement.name != MANY)
        .filter(|measurement| measurement.name != THREADS || two_processors)
        .collect();
    for round in 0..options.rounds {
        if in_rounds.is_empty() {
            break;
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (number, measurement) in in_rounds.iter().enumerate() {
            let mut order = contestants.of(measurement.name);
            let first = (round + number) % order.len();
            order.rotate_left(first);
            for contestant in order {
                let counts = measurement.counts(options.quick);
                results.add(
                    contestant,
                    contestants.measure(contestant, measurement.name, counts),
                );
            }
        }
    }
    if options.includes(MANY) {
        many(&contestants, options, &mut results);
    }
    results
}

/// A million paused jobs, by one contestant after the other. At most three rounds, because each
/// takes seconds.
fn many(contestants: &Contestants, options: &Options, results: &mut Results) {
    let counts = named(MANY)
        .expect("it is one of them")
        .counts(options.quick);
    let jobs = counts.0 * counts.1;
    let bytes = jobs * BYTES_A_JOB;
    let mut order = contestants.of(MANY);
    if available_memory().is_some_and(|available| available < bytes + bytes / 4) {
        let why = format!("it may take {} MB of memory", bytes >> 20);
        let notes = order
            .iter()
            .map(|contestant| say_left_out(&format!("{MANY} ({contestant:?})"), &why));
        results.notes.extend(notes);
        return;
    }
    for _ in 0..options.rounds.min(3) {
        touch(bytes);
        for &contestant in &order {
            eprintln!("{jobs} paused jobs: {contestant:?}");
            let values = contestants.measure(contestant, MANY, counts);
            let made = values.get("many_made").copied().unwrap_or_default();
            if made < jobs as f64 {
                results.notes.push(format!(
                    "{contestant:?} made {made} of {jobs} jobs, and then no more."
                ));
            }
            results.add(contestant, values);
        }
        order.rotate_left(1);
    }
}

/// Writes to this much memory and frees it. A virtual machine may get its memory only when it is
/// written to, which takes several times as long as the rest of a job. Without this the first
/// contestant would pay for all.
fn touch(bytes: usize) {
    let mut memory = vec![0_u8; bytes];
    let half = bytes.div_ceil(2);
    thread::scope(|scope| {
        for part in memory.chunks_mut(half) {
            scope.spawn(|| {
                for byte in part.iter_mut().step_by(PAGE) {
                    *std::hint::black_box(byte) = 1;
                }
            });
        }
    });
}

/// The average number of processes that wanted to run in the last minute.
fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The memory that is available without swapping, in bytes.
fn available_memory() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
