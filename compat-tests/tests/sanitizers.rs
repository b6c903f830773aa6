//! Runs the C programs under a sanitizer: library, shim and program are all compiled for it, and any report fails the test.
//!
//! The sanitizer's runtime is the one that comes with Rust, so that it suits what Rust's compiler makes of the library; the
//! system's C compiler makes the same calls to it.

use compat_tests::{
    build, build_library, check_run, left_out, left_out_for_want, program_source, root, run,
    static_link,
};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;

/// What a sanitizer's runtime ends a process with that it has reported something about.
const REPORTED: i32 = 66;

/// One sanitizer.
struct Sanitizer {
    /// As compilers call it.
    name: &'static str,
    /// As its runtime's file is called.
    runtime: &'static str,
    /// The variable with its options.
    options: &'static str,
    /// The static library that was built for it.
    archive: OnceLock<PathBuf>,
}

static THREAD: Sanitizer = Sanitizer {
    name: "thread",
    runtime: "tsan",
    options: "TSAN_OPTIONS",
    archive: OnceLock::new(),
};

impl Sanitizer {
    /// Its runtime among the files of the Rust toolchain, if it comes with this one.
    fn runtime(&self) -> Option<PathBuf> {
        let suffix = format!("_rt.{}.a", self.runtime);
        fs::read_dir(rustc(&["--print", "target-libdir"]))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().ends_with(&suffix))
    }

    /// The static library, built for it once a process. The standard library stays as it comes: it does no more for this
    /// one than hold a list, keep thread-locals and count panics.
    fn archive(&self) -> &Path {
        self.archive.get_or_init(|| {
            let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
            flags += &format!(" -Zsanitizer={}", self.name);
            if rustc(&["-C", "help"]).contains("unsafe-allow-abi-mismatch") {
                flags += " -Cunsafe-allow-abi-mismatch=sanitizer";
            }
            let version = rustc(&["-vV"]);
            let host = version
                .lines()
                .find_map(|line| line.strip_prefix("host: "))
                .expect("rustc says what it runs on");
            let library = build_library(&format!("{}-sanitizer", self.name), |cargo| {
                // With a target the flags are not for build scripts.
                cargo
                    .args(["--target", host])
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("RUSTFLAGS", flags)
                    .env("CARGO_PROFILE_RELEASE_STRIP", "none")
                    .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
            });
            library.archive
        })
    }

    /// Compiles a program for it; none, and that is said, if this machine or this build of the library cannot.
    fn compile(&self, name: &str, options: &[&str]) -> Option<PathBuf> {
        let what = format!("{name} under the {} sanitizer", self.name);
        if !ossl_async::is_capable() {
            left_out(&what, "this build of the library has no jobs");
            return None;
        }
        let Some(runtime) = self.runtime() else {
            left_out_for_want(&what, "its runtime does not come with this Rust toolchain");
            return None;
        };
        let group = format!("{}-sanitizer", self.name);
        let object = build(
            &program_source(name),
            &format!("{group}-objects"),
            |command| {
                command
                    .arg(format!("-fsanitize={}", self.name))
                    .args(options)
                    .arg("-I")
                    .arg(root().join("csrc/include"))
                    .arg("-I")
                    .arg(root().join("csrc/standalone"))
                    .arg("-c")
                    .arg(program_source(name));
            },
        );
        // Without the option: it would bring in the C compiler's own runtime.
        Some(build(&object, &group, |command| {
            command
                .arg(&object)
                .arg("-Wl,--whole-archive")
                .arg(runtime)
                .args(["-Wl,--no-whole-archive", "-Wl,--export-dynamic"]);
            static_link(command, self.archive());
        }))
    }

    /// A command that runs a program of [`compile`](Sanitizer::compile)'s. Nothing is suppressed.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Cases in which memory runs out want NULL from the allocator and not the end; none ends with a thread that could
        // still be waited for.
        command.env(
            self.options,
            format!("exitcode={REPORTED} allocator_may_return_null=1 atexit_sleep_ms=0"),
        );
        command
    }

    /// Runs one of the C programs.
    fn check(&self, name: &str, options: &[&str], arguments: &[&str]) {
        if let Some(program) = self.compile(name, options) {
            let heading = format!("{name} ({} sanitizer)", self.name);
            check_run(&heading, self.command(&program).args(arguments), &program);
        }
    }

    /// Runs a program with a mistake in it, if it can be compiled, and answers what the sanitizer wrote, and the end.
    fn report(&self, name: &str) -> Option<(String, ExitStatus)> {
        let program = self.compile(name, &[])?;
        let ran = run(&mut self.command(&program));
        Some((ran.stderr, ran.status))
    }
}

/// What rustc answers, without the line's end.
fn rustc(arguments: &[&str]) -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(arguments)
        .output()
        .expect("there is a rustc");
    assert!(output.status.success(), "rustc {arguments:?}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// The thread sanitizer does not follow jobs into a forked child.
const WITHOUT_FORKS: &[&str] = &["-DWITHOUT_FORKS_OF_JOBS"];

// Not here: `limits`, `allocation`, `overflow` and `cycles`, which take away or measure what the sanitizer needs itself.
macro_rules! programs {
    ($($name:ident $(in $directory:literal)? $(with $argument:literal)*;)*) => {
        $(
            #[test]
            fn $name() {
                let name = concat!($($directory, "/",)? stringify!($name));
                super::THREAD.check(name, super::WITHOUT_FORKS, &[$($argument),*]);
            }
        )*
    };
}

mod no_data_race_in {
    programs! {
        arguments;
        block;
        errors;
        pool;
        races with "6000";
        soak with "4" with "20000";
        states;
        threads;
        upstream;
        wake;
        both_generations in "gen2_ours";
        contexts in "gen2_ours";
        custom_stacks in "gen2_ours";
        second_misuse in "gen2_ours";
        statistics in "gen2_ours";
    }
}

#[test]
fn a_data_race_between_jobs_is_reported() {
    if let Some((report, status)) = THREAD.report("racy/in_a_job") {
        assert_eq!(status.code(), Some(REPORTED), "{report}");
        assert!(
            report.contains("data race") && report.contains("add_and_pause"),
            "{report}"
        );
    }
}

#[test]
fn a_data_race_inside_the_library_is_reported() {
    if let Some((report, status)) = THREAD.report("racy/in_the_library") {
        assert_eq!(status.code(), Some(REPORTED), "{report}");
        assert!(
            report.contains("data race") && report.contains("OSSL_ASYNC_process_stats"),
            "{report}"
        );
    }
}
