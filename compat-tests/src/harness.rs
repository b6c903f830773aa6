//! The main function of a file of tests. It runs the file's tests and the cases of its C programs.

use crate::cases::Program;
use libtest_mimic::{Arguments, Trial};
use std::env;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[path = "../../tests/common/ignorable.rs"]
mod ignorable;

pub use ignorable::{Ended, ended, ignore, ignore_for_want, trial};

/// The tests of one file.
#[derive(Default)]
pub struct Tests {
    trials: Vec<Trial>,
    programs: Vec<(Arc<Program>, Vec<Trial>)>,
}

impl Tests {
    /// These tests, without C programs.
    pub fn new(trials: Vec<Trial>) -> Tests {
        let programs = vec![];
        Tests { trials, programs }
    }

    /// Adds a test whose function needs arguments.
    pub fn add(&mut self, name: impl Into<String>, test: impl FnOnce() + Send + 'static) {
        self.trials.push(trial(name, test));
    }

    /// Adds a test for each case of a C program. The program runs once for all of them.
    pub fn add_program(&mut self, program: Program) {
        let program = Arc::new(program);
        let cases = program.cases().iter().cloned().map(|case| {
            let (name, of) = (format!("{}::{case}", program.title()), program.clone());
            trial(name, move || of.result_of(&case))
        });
        let cases = cases.collect();
        self.programs.push((program, cases));
    }

    /// Runs the tests that the command line asks for, with libtest's options.
    pub fn run(mut self) -> ExitCode {
        let arguments = Arguments::from_args();
        let is_wanted = |trial: &Trial| !arguments.is_filtered_out(trial);
        let mut wanted = vec![];
        for (program, cases) in self.programs {
            if cases.iter().any(is_wanted) {
                wanted.push(program);
            }
            self.trials.extend(cases);
        }
        if !arguments.list {
            run_beside(wanted, arguments.test_threads);
        }
        libtest_mimic::run(&arguments, self.trials).exit_code()
    }
}

/// Runs C programs in their order, on threads of their own. The tests of their cases wait for the
/// results.
fn run_beside(programs: Vec<Arc<Program>>, threads: Option<usize>) {
    let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let programs = Arc::new(Mutex::new(programs.into_iter()));
    for _ in 0..threads {
        let programs = programs.clone();
        let next = move || {
            let mut programs = programs.lock().unwrap_or_else(PoisonError::into_inner);
            programs.next()
        };
        thread::spawn(move || {
            while let Some(program) = next() {
                program.run();
            }
        });
    }
}

/// Prints what a test has measured, if the tests were called with `--nocapture`.
pub fn report(text: &str) {
    if env::args().any(|argument| argument == "--nocapture") {
        eprint!("{text}");
    }
}

/// The tests of a file, named after these functions.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        $crate::harness::Tests::new(vec![$($crate::harness::trial(stringify!($name), $name)),*])
    };
}
