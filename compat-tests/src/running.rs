//! Runs programs, collects their output, and stops them at a time limit.

use crate::library::release_directory;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio, id};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time by the clock that one program may take. It is the last resort: its cases have
/// limits of their own, most of them of processor time, which are reached first
/// (`programs/limit_life.h`).
const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// A command that runs a compiled program, under another program if one is given (valgrind, for
/// example).
pub fn command(wrapper: &[&str], program: &Path) -> Command {
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    // This directory alone: cargo's own setting names directories that have a debug build of the
    // library.
    command.env("LD_LIBRARY_PATH", release_directory());
    command
}

/// What a program wrote, and how it ended.
pub struct Ran {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// Runs a command until it ends, for `TIME_LIMIT` at most.
pub fn run(command: &mut Command) -> Ran {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = collect(child.stdout.take().expect("piped above"));
    let stderr = collect(child.stderr.take().expect("piped above"));
    let end = Instant::now() + TIME_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if Instant::now() > end {
            child.kill().expect("the child is ours");
            panic!("{command:?} took longer than {TIME_LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("a reader does not panic")).into_owned()
    };
    Ran {
        stdout: text(stdout),
        stderr: text(stderr),
        status,
    }
}

/// As [`run`], for a command that must succeed.
pub fn run_successfully(command: &mut Command) -> Ran {
    let ran = run(command);
    assert!(
        ran.status.success(),
        "{command:?}: {}\n{}{}",
        ran.status,
        ran.stdout,
        ran.stderr
    );
    ran
}

/// Reads a pipe until its end, on a thread of its own, so that a full pipe does not stop the
/// program.
fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// A directory for one process, which is removed when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory. The number of the process is added to its name.
    pub fn new(name: &Path) -> Scratch {
        let mut name = name.as_os_str().to_owned();
        name.push(format!("-{}", id()));
        let directory = PathBuf::from(name);
        let _left_by_an_earlier_run = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("the target directory can be written");
        Scratch(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _may_stay_behind = fs::remove_dir_all(&self.0);
    }
}

/// Fails unless the command `compat-tests` has refused its arguments: status 2, and one line on
/// standard error, with this reason.
pub fn assert_is_refused(output: &Output, why: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    // Cargo's own lines tell that the library was built.
    let lines: Vec<&str> = errors
        .lines()
        .filter(|line| line.starts_with("compat-tests: "))
        .collect();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        lines.len() == 1 && lines[0].contains(why),
        "{why:?}: {errors}"
    );
    assert!(!errors.contains("panicked"), "{errors}");
}
