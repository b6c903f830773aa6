//! `programs/tls/handshakes.c`: how it is run, and what it must print.

use crate::harness::report;
use crate::running::run_successfully;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// How many connections are open at any time.
const IN_FLIGHT: &str = "300";

/// The functions that the program, libssl and libcrypto call. For each, the program prints which
/// file it is in.
const ASKED: [&str; 3] = ["ASYNC_start_job", "ASYNC_pause_job", "ASYNC_WAIT_CTX_new"];

/// Handshakes for a run of the program.
#[derive(Clone, Copy)]
pub struct Handshakes<'a> {
    /// How many. Half of them use each version of TLS.
    pub number: usize,
    /// How the worker thread reports that it is done: `fd` or `callback`.
    pub variant: &'a str,
    /// The directory of the provider that has the key. Without one the key has a method of its own.
    pub provider: Option<&'a Path>,
}

impl Handshakes<'_> {
    /// Makes them, and returns the transcript. `command` runs the program. The functions are in
    /// `whose` library, which `is_theirs` proves by the file.
    pub fn transcript(
        &self,
        mut command: Command,
        whose: &str,
        is_theirs: impl Fn(&Path) -> bool,
    ) -> String {
        let (number, variant) = (self.number.to_string(), self.variant);
        command.args([&number, IN_FLIGHT, variant]);
        if let Some(directory) = self.provider {
            command.arg("-").arg(directory);
        }
        let begin = Instant::now();
        let ran = run_successfully(
            command
                .env("SLOW_SIGN_WORKERS", "2")
                .env("SLOW_SIGN_REPORT", "1"),
        );
        for name in ASKED {
            let file = file_of_function(&ran.stderr, name);
            assert!(is_theirs(&file), "{name} is in {file:?}, not {whose}'s");
        }
        let line = |start| ran.stderr.lines().find(|line| line.starts_with(start));
        let figures = line("pauses ").unwrap_or_default();
        report(&format!(
            "{number} TLS handshakes, {variant}, {whose}: {:.1} s, {figures}\n",
            begin.elapsed().as_secs_f64()
        ));
        ran.stdout.clone() + line("slow_sign: ").unwrap_or_default()
    }

    /// Checks that a transcript says what was asked for.
    pub fn check(&self, transcript: &str) {
        let (all, half) = (self.number.to_string(), self.number / 2);
        let by_fd = self.variant == "fd";
        let has = |what, expected: &str| {
            assert_eq!(line(transcript, what), expected, "{what}\n{transcript}");
        };
        has("handshakes with TLS 1.2", &half.to_string());
        has("handshakes with TLS 1.3", &(self.number - half).to_string());
        has("values exchanged", &all);
        has("a pause for each handshake", "yes");
        has("descriptors open", "as before");
        has("memory", "settled");
        has("errors", "0");
        if !by_fd {
            has("callbacks that found status OK", &all);
        }
        if self.provider.is_none() {
            has("private-key operations in a job", &all);
            has("told that no job is free", "yes");
            if by_fd {
                has("wait fds seen added", &all);
            }
            return;
        }
        has("private-key operations in a job", "0");
        if by_fd {
            has("wait fds seen removed", &all);
        }
        // Each signature was made while its job was paused, and none blocked the thread.
        let (fds, callbacks) = if by_fd { (&*all, "0") } else { ("0", &*all) };
        has(
            "slow_sign",
            &format!(
                "in_job={all} paused={all} blocking=0 done={all} by_fd={fds} by_callback={callbacks} errors=0"
            ),
        );
    }
}

/// The rest of the line of a transcript that begins with this text.
fn line<'a>(transcript: &'a str, what: &str) -> &'a str {
    transcript
        .lines()
        .find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {what} in:\n{transcript}"))
}

/// The file that a function is called from. A program has written it to its standard output or
/// error: `NAME FILE`.
pub fn file_of_function(output: &str, name: &str) -> PathBuf {
    let file = output
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("nothing about {name} in:\n{output}"));
    fs::canonicalize(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Whether a file is a library of this name, of any version.
pub fn is_library(file: &Path, name: &str) -> bool {
    file.file_name()
        .is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}.so")))
}
