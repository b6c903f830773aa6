//! The contestants: how each is run, and the proof that its code was measured.

use super::coroutines;
use compat_tests::{
    Linkage, command, compile, compile_alone, compile_with_openssl, expected_library,
    openssl_is_installed, program_source, run, with_ossl_async,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The results of a measurement: values by name.
pub type Values = BTreeMap<String, f64>;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    /// The library, linked by a C program without OpenSSL.
    Linked,
    /// Another build of the library, which the options name, linked by the same program.
    Before,
    /// The library in front of libcrypto, by `with-ossl-async`.
    Preloaded,
    /// The same program on libcrypto.
    Libcrypto,
    /// `_setjmp` and `_longjmp` without a library.
    Jump,
    /// `swapcontext` without a library.
    Swap,
    /// A pipe without a library.
    Pipe,
    /// The system calls for the memory of a new job, without a library.
    Memory,
    /// The corosensei crate, in this process.
    Corosensei,
}

/// The programs, compiled.
pub struct Contestants {
    linked: PathBuf,
    wakes: PathBuf,
    bare: PathBuf,
    before: Option<PathBuf>,
    /// For libcrypto, and for the library in front of it. None if OpenSSL is not installed.
    openssl: Option<PathBuf>,
}

/// What a program printed.
struct Printed {
    values: Values,
    /// Which file each function came from.
    libraries: Vec<(String, PathBuf)>,
    /// Whether libcrypto was in the process.
    libcrypto: bool,
    /// libcrypto's version text.
    version: Option<String>,
}

impl Contestants {
    /// Builds the library and compiles the programs.
    pub fn compile(before: Option<PathBuf>) -> Contestants {
        let source = |name: &str| program_source(&format!("bench/{name}"));
        let openssl = openssl_is_installed().then(|| compile_with_openssl(&source("jobs")));
        if openssl.is_none() {
            say_left_out(
                "the comparison with libcrypto",
                "OpenSSL's headers are not installed (libssl-dev)",
            );
        }
        Contestants {
            linked: compile(
                &source("jobs"),
                Linkage::Shared,
                &["-DOSSL_ASYNC_WAIT_CTX_API"],
            ),
            // With the names that every build of the library has.
            wakes: compile(
                &source("wakes"),
                Linkage::Shared,
                &["-DOSSL_ASYNC_PLAIN_NAMES"],
            ),
            before,
            bare: compile_alone(&source("bare")),
            openssl,
        }
    }

    /// Which contestants can take this measurement here.
    pub fn of(&self, measurement: &str) -> Vec<Contestant> {
        use Contestant::{
            Before, Corosensei, Jump, Libcrypto, Linked, Memory, Pipe, Preloaded, Swap,
        };
        let mut all = match measurement {
            "wake" => vec![Linked, Pipe],
            "pause_resume" => vec![Linked, Preloaded, Libcrypto, Jump, Swap, Corosensei],
            "start_finish" | "warm" => vec![Linked, Preloaded, Libcrypto, Corosensei],
            "cold" => vec![Linked, Preloaded, Libcrypto, Corosensei, Memory],
            _ => vec![Linked, Preloaded, Libcrypto],
        };
        if self.openssl.is_none() {
            all.retain(|contestant| ![Preloaded, Libcrypto].contains(contestant));
        }
        if self.before.is_some() {
            all.push(Before);
        }
        all
    }

    /// The version text of the libcrypto that is measured.
    pub fn libcrypto_version(&self) -> Option<String> {
        let program = self.openssl.as_ref()?;
        let printed = ask(&mut Command::new(program), "start_finish", 1, 1);
        Some(printed.version.unwrap_or("unknown".to_owned()))
    }

    /// Has one contestant take a measurement.
    pub fn measure(
        &self,
        contestant: Contestant,
        measurement: &str,
        (slices, count): (usize, usize),
    ) -> Values {
        let openssl = || {
            self.openssl
                .as_ref()
                .expect("`of` knows whether it is there")
        };
        let linked = if measurement == "wake" {
            &self.wakes
        } else {
            &self.linked
        };
        let before = self.before.as_deref();
        let (mut command, measurement) = match contestant {
            Contestant::Linked => (command(&[], linked), measurement),
            Contestant::Before => {
                let directory = before.and_then(Path::parent).expect("it has one");
                let mut command = Command::new(linked);
                command.env("LD_LIBRARY_PATH", directory);
                (command, measurement)
            }
            Contestant::Preloaded => (with_ossl_async(openssl()), measurement),
            Contestant::Libcrypto => (Command::new(openssl()), measurement),
            Contestant::Jump => (Command::new(&self.bare), "jump"),
            Contestant::Swap => (Command::new(&self.bare), "swap"),
            Contestant::Pipe => (Command::new(&self.bare), "pipe"),
            Contestant::Memory => (Command::new(&self.bare), "memory"),
            Contestant::Corosensei => {
                return coroutines::measure(measurement, slices, count)
                    .into_iter()
                    .collect();
            }
        };
        let printed = ask(&mut command, measurement, slices, count);
        printed.prove(contestant, measurement, before);
        printed.values
    }
}

/// Runs a program and reads what it prints.
fn ask(command: &mut Command, measurement: &str, slices: usize, count: usize) -> Printed {
    let ran = run(command
        .arg(measurement)
        .args([slices, count].map(|n| n.to_string())));
    assert!(
        ran.status.success(),
        "{command:?}: {}\n{}",
        ran.status,
        ran.stderr
    );
    let mut printed = Printed {
        values: Values::new(),
        libraries: Vec::new(),
        libcrypto: false,
        version: None,
    };
    for line in ran.stdout.lines() {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (what, rest.split_once(' ')) {
            ("value", Some((name, value))) => {
                let value = value.parse().expect("a value is a number");
                printed.values.insert(name.to_owned(), value);
            }
            ("library", Some((function, file))) => {
                printed
                    .libraries
                    .push((function.to_owned(), PathBuf::from(file)));
            }
            ("libcrypto", _) => printed.libcrypto = rest == "present",
            ("version", _) => printed.version = Some(rest.to_owned()),
            _ => panic!("{command:?} printed an unknown line: {line}"),
        }
    }
    printed
}

impl Printed {
    /// Fails unless this contestant's code was measured.
    fn prove(&self, contestant: Contestant, measurement: &str, before: Option<&Path>) {
        let ours = expected_library(Path::new(""), Linkage::Shared);
        let ours = fs::canonicalize(ours).expect("the library was built");
        let is_ours = |file: &Path| fs::canonicalize(file).is_ok_and(|file| file == ours);
        let is_before = |file: &Path| fs::canonicalize(file).ok().as_deref() == before;
        let is_libcrypto = |file: &Path| {
            file.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("libcrypto.so"))
        };
        let (is_right, libcrypto): (&dyn Fn(&Path) -> bool, bool) = match contestant {
            Contestant::Linked => (&is_ours, false),
            Contestant::Before => (&is_before, false),
            Contestant::Preloaded => (&is_ours, true),
            Contestant::Libcrypto => (&is_libcrypto, true),
            _ => {
                assert!(self.libraries.is_empty(), "it has no library");
                return;
            }
        };
        assert_eq!(
            self.libcrypto, libcrypto,
            "{contestant:?}, {measurement}: whether libcrypto is in the process"
        );
        assert!(
            self.libraries.len() >= 3,
            "{contestant:?}, {measurement}: the program does not print which library it calls"
        );
        for (function, file) in &self.libraries {
            assert!(
                is_right(file),
                "{contestant:?}, {measurement}: {function} of the wrong library, {}",
                file.display()
            );
        }
    }
}

/// Prints that a measurement is not taken.
pub fn say_left_out(measurement: &str, why: &str) -> String {
    let note = format!("{measurement}: left out, {why}.");
    eprintln!("{note}");
    note
}
