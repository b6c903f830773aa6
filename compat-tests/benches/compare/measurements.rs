//! The measurements: how each is requested, the rows it gives, and the goal of each row.

/// Something that a contestant can measure.
pub struct Measurement {
    /// Its name, for `--only` and for the C programs.
    pub name: &'static str,
    /// A description in one line.
    pub about: &'static str,
    /// How many slices it is divided into, and how many operations a slice has.
    pub counts: (usize, usize),
    /// The same for `--quick`.
    pub quick: (usize, usize),
    /// Rows of the table.
    pub rows: &'static [Row],
}

impl Measurement {
    /// How many slices and operations to run.
    pub fn counts(&self, quick: bool) -> (usize, usize) {
        if quick { self.quick } else { self.counts }
    }
}

/// A row of the table: one value that a measurement gives.
pub struct Row {
    /// The value's name in what the programs print.
    pub value: &'static str,
    /// Its title in the table.
    pub title: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What the library should reach.
    pub goal: Goal,
}

/// The unit of a value.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Nanoseconds, shown as they are or as microseconds.
    Time,
    /// Bytes.
    Bytes,
    /// A number without a unit.
    Times,
}

/// What the library should reach, linked and preloaded.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Nothing in particular.
    None,
    /// At most this share of libcrypto's value: linked, preloaded.
    OfLibcrypto(f64, f64),
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// The measurement that is taken after the rounds, and less often.
pub const MANY: &str = "many";

/// The measurement that needs two processors.
pub const THREADS: &str = "threads";

/// All measurements, in the table's order.
pub const MEASUREMENTS: [Measurement; 8] = [
    Measurement {
        name: "start_finish",
        about: "jobs that end at once",
        counts: (40, 2000),
        quick: (2, 10),
        rows: &[
            Row {
                value: "start_finish",
                title: "start + finish",
                unit: Unit::Time,
                goal: Goal::OfLibcrypto(0.21, 0.35),
            },
            Row {
                value: "start_finish_64",
                title: "start + finish, 64 bytes of arguments",
                unit: Unit::Time,
                goal: Goal::OfLibcrypto(0.21, 0.35),
            },
            Row {
                value: "start_finish_4096",
                title: "start + finish, 4 KB of arguments",
                unit: Unit::Time,
                goal: Goal::None,
            },
        ],
    },
    Measurement {
        name: "pause_resume",
        about: "jobs that pause once, and one that pauses on and on",
        counts: (40, 2000),
        quick: (2, 10),
        rows: &[
            Row {
                value: "start_pause_resume_finish",
                title: "start + pause + resume + finish",
                unit: Unit::Time,
                goal: Goal::None,
            },
            Row {
                value: "pause_resume",
                title: "pause + resume",
                unit: Unit::Time,
                goal: Goal::OfLibcrypto(0.24, 0.38),
            },
        ],
    },
    Measurement {
        name: "warm",
        about: "1,000 jobs paused at once, on stacks that were used before",
        counts: (15, 1000),
        quick: (2, 10),
        rows: &[Row {
            value: "start_pause_warm",
            title: "start + pause of 1,000 jobs from a warm pool",
            unit: Unit::Time,
            goal: Goal::OfLibcrypto(0.35, 0.60),
        }],
    },
    Measurement {
        name: "cold",
        about: "10,000 new jobs paused at once, what they keep, and their ends",
        counts: (100, 100),
        quick: (2, 25),
        rows: &[
            Row {
                value: "create_cold",
                title: "start + pause of 10,000 new jobs",
                unit: Unit::Time,
                goal: Goal::OfLibcrypto(0.80, 0.80),
            },
            Row {
                value: "resident",
                title: "resident memory of each of them",
                unit: Unit::Bytes,
                goal: Goal::OfLibcrypto(0.82, 0.82),
            },
            Row {
                value: "page_tables",
                title: "page tables for each of them",
                unit: Unit::Bytes,
                goal: Goal::None,
            },
            Row {
                value: "finish_scattered",
                title: "resume + finish of each, in scattered order",
                unit: Unit::Time,
                goal: Goal::OfLibcrypto(0.80, 0.80),
            },
        ],
    },
    Measurement {
        name: "pool",
        about: "pools of 100 jobs, made and freed",
        counts: (20, 3),
        quick: (2, 1),
        rows: &[Row {
            value: "pool",
            title: "a pool of 100 jobs made and freed, per job",
            unit: Unit::Time,
            goal: Goal::None,
        }],
    },
    Measurement {
        name: "wake",
        about: "the wait descriptor of the five-argument generation",
        counts: (40, 300),
        quick: (2, 10),
        rows: &[Row {
            value: "wake",
            title: "wake + poll + clear",
            unit: Unit::Time,
            goal: Goal::None,
        }],
    },
    Measurement {
        name: THREADS,
        about: "how much more two threads get done than one",
        counts: (100, 40_000),
        quick: (2, 10),
        rows: &[Row {
            value: "two_threads",
            title: "pause + resume, two threads' throughput to one's, in each one's fastest slice",
            unit: Unit::Times,
            goal: Goal::AtLeast(1.9),
        }],
    },
    Measurement {
        name: MANY,
        about: "a million jobs paused at once; 7 GB of memory",
        counts: (10_000, 100),
        quick: (2, 50),
        rows: &[
            Row {
                value: "many_first",
                title: "a million paused jobs: each of the first 10,000",
                unit: Unit::Time,
                goal: Goal::None,
            },
            Row {
                value: "many_median",
                title: "a million paused jobs: median of all",
                unit: Unit::Time,
                goal: Goal::None,
            },
            Row {
                value: "many_last",
                title: "a million paused jobs: each of the last 10,000",
                unit: Unit::Time,
                goal: Goal::None,
            },
            Row {
                value: "many_growth",
                title: "a million paused jobs: the last to the first",
                unit: Unit::Times,
                goal: Goal::None,
            },
            Row {
                value: "many_pages_growth",
                title: "new pages beside them, without jobs: the last to the first",
                unit: Unit::Times,
                goal: Goal::None,
            },
            Row {
                value: "many_own_growth",
                title: "a million paused jobs: the last to the first, over the same of the pages",
                unit: Unit::Times,
                goal: Goal::AtMost(1.5),
            },
        ],
    },
];

/// The measurement of this name.
pub fn named(name: &str) -> Option<&'static Measurement> {
    MEASUREMENTS.iter().find(|known| known.name == name)
}
