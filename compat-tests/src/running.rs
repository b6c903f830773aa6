//! Runs programs, collects their output, and stops them at a time limit.

use crate::library::release_directory;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
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

/// Reads a pipe until its end, on a thread of its own, so that a full pipe does not stop the
/// program.
fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}
