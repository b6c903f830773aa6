//! Runs the C programs under sanitizers: library, shim and program are all compiled for one, and any report fails the test.
//!
//! The sanitizer's runtime is the one that comes with Rust, so that it suits what Rust's compiler makes of the library; the
//! system's C compiler makes the same calls to it.

use compat_tests::{
    build, build_library, check_lists, check_run, check_transcript, fake_libcryptos, left_out,
    left_out_for_want, openssl_is_installed, program_source, root, run, static_link,
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
    /// More that C, the shim's included, is compiled with.
    c_options: &'static [&'static str],
    /// The variable with its options.
    options: &'static str,
    /// What that has; each program runs once with each.
    ways: &'static [&'static str],
    /// The static library that was built for it.
    archive: OnceLock<PathBuf>,
}

static THREAD: Sanitizer = Sanitizer {
    name: "thread",
    runtime: "tsan",
    c_options: &[],
    options: "TSAN_OPTIONS",
    // No case ends with a thread that could still be waited for.
    ways: &["atexit_sleep_ms=0"],
    archive: OnceLock::new(),
};

/// With UndefinedBehaviorSanitizer for what is C.
static ADDRESS: Sanitizer = Sanitizer {
    name: "address",
    runtime: "asan",
    c_options: &["-fsanitize=undefined", "-fno-sanitize-recover=all"],
    options: "ASAN_OPTIONS",
    ways: &[LEAKS, USES_AFTER_RETURN],
    archive: OnceLock::new(),
};

/// Blocks that nothing points to are reported when a process ends.
const LEAKS: &str = "detect_leaks=1:detect_stack_use_after_return=0";
/// Locals are on the heap, where they are not used again soon. LeakSanitizer does not look there, for those of a job
/// that is paused, so what only they point to would seem lost.
const USES_AFTER_RETURN: &str = "detect_leaks=0:detect_stack_use_after_return=1";

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
            let mut c_flags = env::var("CFLAGS").unwrap_or_default();
            self.c_options
                .iter()
                .for_each(|option| c_flags += &format!(" {option}"));
            let library = build_library(&format!("{}-sanitizer", self.name), |cargo| {
                // With a target the flags are not for build scripts.
                cargo
                    .args(["--target", host])
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("RUSTFLAGS", flags)
                    .env("CFLAGS", c_flags)
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
        if is_transcript(name) && !openssl_is_installed() {
            left_out_for_want(&what, "OpenSSL's headers are not installed (libssl-dev)");
            return None;
        }
        // Programs of the two kinds have the same names.
        let kind = if is_transcript(name) {
            "-transcripts"
        } else {
            ""
        };
        let group = format!("{}-sanitizer{kind}", self.name);
        let object = build(
            &program_source(name),
            &format!("{group}-objects"),
            |command| {
                command
                    .arg(format!("-fsanitize={}", self.name))
                    .args(self.c_options)
                    .args(options);
                if !is_transcript(name) {
                    command
                        .arg("-I")
                        .arg(root().join("csrc/include"))
                        .arg("-I")
                        .arg(root().join("csrc/standalone"));
                }
                command.arg("-c").arg(program_source(name));
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
            if is_transcript(name) {
                command.args(["-lssl", "-lcrypto"]);
            }
        }))
    }

    /// A command that runs a program of [`compile`](Sanitizer::compile)'s in one of the ways. Nothing is suppressed.
    fn command(&self, program: &Path, way: &str) -> Command {
        let mut command = Command::new(program);
        // Cases in which memory runs out want NULL from the allocator and not the end, and those that fault want the signal;
        // where nobody wants it, the case fails of it all the same.
        command.env(
            self.options,
            format!("exitcode={REPORTED}:allocator_may_return_null=1:handle_segv=0:{way}"),
        );
        command
    }

    /// Runs one of the C programs in each way.
    fn check(&self, name: &str, options: &[&str], arguments: &[&str]) {
        if let Some(program) = self.compile(name, options) {
            for way in self.ways {
                self.check_way(name, &program, way, arguments);
            }
        }
    }

    fn check_way(&self, name: &str, program: &Path, way: &str, arguments: &[&str]) {
        let heading = format!("{name} ({} sanitizer, {way})", self.name);
        let mut command = self.command(program, way);
        command.args(arguments);
        if is_transcript(name) {
            check_transcript(&heading, &mut command, program);
        } else {
            check_run(&heading, &mut command, program);
        }
    }

    /// Runs a program with a mistake in it, if it can be compiled, and answers what the sanitizer wrote, and the end.
    fn report(&self, name: &str) -> Option<(String, ExitStatus)> {
        let program = self.compile(name, &[])?;
        let ran = run(&mut self.command(&program, self.ways[0]));
        Some((ran.stderr, ran.status))
    }
}

/// Whether a program is one of those that are written for OpenSSL, with its headers, and say what they see.
fn is_transcript(name: &str) -> bool {
    name.starts_with("gen2/")
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

/// Why neither sanitizer runs some programs.
const NULL_ONLY: &str = "it is for builds without jobs";
const OWN_ALLOCATOR: &str = "its allocator would stand in place of the sanitizer's";
const MEASURES_FRAMES: &str = "the frames that it measures are larger with the sanitizer's code";
const ENDS_ON_ANOTHER_STACK: &str =
    "the sanitizer takes a thread that has ended in a job for still on the job's stack";
const COUNTS_MAPPINGS: &str = "it counts mappings, of which the sanitizer makes some too";

/// The thread sanitizer does not follow jobs into a forked child.
fn check_races(name: &str, arguments: &[&str]) {
    // And it has put a thread's own things away before the last round of destructors.
    let options = ["-DWITHOUT_FORKS_OF_JOBS", "-DWITHOUT_THE_LAST_ROUND"];
    THREAD.check(name, &options, arguments);
}

mod no_data_race_in {
    compat_tests::checked_programs! {
        crate::check_races, "":
        arguments;
        block;
        cancel;
        errors;
        key_destructors;
        // What the sanitizer itself needs cannot be had there; and the last one takes long.
        limits with "-without_memory_for_stacks_a_start_answers_no_jobs_with_the_reason_and_works_later"
            with "-without_memory_init_makes_what_it_can_and_the_rest_later"
            with "-an_argument_copy_that_cannot_be_had_is_an_error_and_the_next_start_works"
            with "-the_copy_is_freed_before_finish";
        // The end of a thread takes memory, which is reported of a signal handler.
        overflow_report with "-a_thread_that_ends_in_a_handler_on_its_signal_stack_ends_well";
        pool;
        // It does not follow jobs into a forked child.
        process with "-a_child_finishes_its_copies_of_paused_jobs_and_so_does_its_parent"
            with "-a_fork_inside_a_job_makes_two_processes_that_finish_it"
            with "-a_child_that_frees_its_jobs_closes_its_own_descriptors_only";
        races with "6000";
        // The sanitizer's own instructions would be trapped too, and it holds the signals back.
        signals with "-a_handler_may_run_between_any_two_instructions_of_a_jobs_life";
        soak with "4" with "20000";
        stack_size;
        states;
        threads;
        upstream;
        wake;
    }

    pub mod gen2 {
        compat_tests::checked_programs! {
            crate::check_races, "gen2/":
            callback;
            errors;
            libctx;
            mem_functions;
            // As with `limits`.
            pool with "-more_up_front_than_could_be_listed_is_refused";
            start;
            upstream;
            wait_ctx;
        }
    }

    pub mod gen2_ours {
        compat_tests::checked_programs! {
            crate::check_races, "gen2_ours/":
            both_generations;
            contexts;
            custom_stacks;
            // As with `limits`.
            exhaustion with "-jobs_that_cannot_be_made_up_front_are_made_later"
                with "-without_memory_there_is_no_context_and_no_entry"
                with "-without_memory_a_descriptor_is_not_added";
            second_misuse;
            statistics;
        }
    }

    #[test]
    fn fake_libcrypto() {
        let fakes = super::fake_libcryptos();
        super::check_races(
            "gen2_ours/fake_libcrypto",
            &fakes.each_ref().map(String::as_str),
        );
    }

    const NOT_TESTED: &[(&str, &str)] = &[
        ("allocation", super::OWN_ALLOCATOR),
        ("cycles", super::COUNTS_MAPPINGS),
        ("null", super::NULL_ONLY),
        (
            "overflow",
            "its hundreds of children end in a handler, each with a report of what the handler notes",
        ),
        ("gen2/wait_ctx_tables", "it has one thread, and takes long"),
        ("gen2_ours/second_null", super::NULL_ONLY),
        ("stack_use/entry_points", super::MEASURES_FRAMES),
        ("thread_end", super::ENDS_ON_ANOTHER_STACK),
    ];

    #[test]
    fn every_program_is_listed() {
        let tested = [
            TESTED,
            gen2::TESTED,
            gen2_ours::TESTED,
            &["gen2_ours/fake_libcrypto"],
        ];
        super::check_lists("the thread sanitizer", &tested.concat(), NOT_TESTED);
    }
}

/// Runs a program with a data race, which must be reported as one in this function. On a busy machine one thread may end before
/// the other comes to its access, which may then get the number that the sanitizer knew the first by: then it sees one thread.
fn a_data_race_is_reported(program: &str, function: &str) {
    for attempt in 1..=20 {
        let Some((report, status)) = THREAD.report(program) else {
            return;
        };
        if status.code() == Some(REPORTED) {
            let is_it = report.contains("data race") && report.contains(function);
            assert!(is_it, "{report}");
            return;
        }
        assert_eq!(status.code(), Some(0), "attempt {attempt}: {report}");
    }
    panic!("twenty runs of {program} without a report");
}

#[test]
fn a_data_race_between_jobs_is_reported() {
    a_data_race_is_reported("racy/in_a_job", "add_and_pause");
}

#[test]
fn a_data_race_inside_the_library_is_reported() {
    a_data_race_is_reported("racy/in_the_library", "OSSL_ASYNC_process_stats");
}

fn check_memory(name: &str, arguments: &[&str]) {
    ADDRESS.check(name, &[], arguments);
}

/// The same with other arguments where locals are on the heap.
fn check_memory_ways(name: &str, with_leaks: &[&str], with_locals_on_the_heap: &[&str]) {
    if let Some(program) = ADDRESS.compile(name, &[]) {
        ADDRESS.check_way(name, &program, LEAKS, with_leaks);
        ADDRESS.check_way(name, &program, USES_AFTER_RETURN, with_locals_on_the_heap);
    }
}

mod no_bad_access_or_leak_in {
    compat_tests::checked_programs! {
        crate::check_memory, "":
        arguments;
        block;
        cancel;
        errors;
        key_destructors;
        // What the sanitizer has reserved exceeds any limit of the address space.
        limits with "-without_memory_for_stacks_a_start_answers_no_jobs_with_the_reason_and_works_later"
            with "-without_memory_init_makes_what_it_can_and_the_rest_later"
            with "-the_copy_is_freed_before_finish";
        // A store at NULL is reported before it faults.
        overflow_report with "-another_fault_inside_a_job_is_not_reported";
        pool;
        process;
        races with "6000";
        soak with "2" with "20000";
        stack_size;
        states;
        threads;
        upstream;
        wake;
    }

    pub mod gen2 {
        compat_tests::checked_programs! {
            crate::check_memory, "gen2/":
            callback;
            errors;
            libctx;
            mem_functions;
            // As with `limits`.
            pool with "-more_up_front_than_could_be_listed_is_refused";
            start;
            upstream;
            wait_ctx;
            wait_ctx_tables;
        }
    }

    pub mod gen2_ours {
        compat_tests::checked_programs! {
            crate::check_memory, "gen2_ours/":
            both_generations;
            contexts;
            // As with `limits`.
            exhaustion with "-jobs_that_cannot_be_made_up_front_are_made_later"
                with "-without_memory_there_is_no_context_and_no_entry"
                with "-without_memory_a_descriptor_is_not_added";
            second_misuse;
            statistics;
        }
    }

    /// One case looks whether a local is on the program's own stack, where the second way does not put it.
    #[test]
    fn custom_stacks() {
        super::check_memory_ways(
            "gen2_ours/custom_stacks",
            &[],
            &["-jobs_run_on_blocks_of_the_program"],
        );
    }

    /// As with `custom_stacks`; and the trap after each instruction takes long, for most are the sanitizer's own.
    #[test]
    fn signals() {
        let trapped = "-a_handler_may_run_between_any_two_instructions_of_a_jobs_life";
        super::check_memory_ways(
            "signals",
            &[trapped],
            &[
                trapped,
                "-a_handler_on_a_jobs_stack_knows_the_job_and_can_wake_it",
                "-a_handler_on_a_signal_stack_knows_the_job_and_can_wake_it",
            ],
        );
    }

    #[test]
    fn fake_libcrypto() {
        let fakes = super::fake_libcryptos();
        super::check_memory(
            "gen2_ours/fake_libcrypto",
            &fakes.each_ref().map(String::as_str),
        );
    }

    const NOT_TESTED: &[(&str, &str)] = &[
        ("allocation", super::OWN_ALLOCATOR),
        ("cycles", super::COUNTS_MAPPINGS),
        ("null", super::NULL_ONLY),
        (
            "overflow",
            "its frames touch what lies below their locals before it has noted where they lie",
        ),
        ("gen2_ours/second_null", super::NULL_ONLY),
        ("stack_use/entry_points", super::MEASURES_FRAMES),
        ("thread_end", super::ENDS_ON_ANOTHER_STACK),
    ];

    #[test]
    fn every_program_is_listed() {
        let tested = [
            TESTED,
            gen2::TESTED,
            gen2_ours::TESTED,
            &[
                "gen2_ours/custom_stacks",
                "gen2_ours/fake_libcrypto",
                "signals",
            ],
        ];
        super::check_lists("the address sanitizer", &tested.concat(), NOT_TESTED);
    }
}

/// What the sanitizer wrote about one of the mistakes that a job can make, and the end.
fn report_of(mistake: &str, way: &str) -> Option<(String, ExitStatus)> {
    // Made once: a program that is replaced while it runs is not there for a look at its symbols.
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| ADDRESS.compile("faulty/in_a_job", &[]));
    let ran = run(ADDRESS.command(program.as_deref()?, way).arg(mistake));
    Some((ran.stderr, ran.status))
}

/// Has a job make a mistake, which must be reported in these words.
fn mistake(name: &str, way: &str, words: &[&str]) {
    if let Some((report, status)) = report_of(name, way) {
        assert_eq!(status.code(), Some(REPORTED), "{report}");
        for word in words {
            assert!(report.contains(word), "{word}: {report}");
        }
    }
}

#[test]
fn an_overflow_of_an_array_on_a_jobs_stack_is_reported() {
    for way in ADDRESS.ways {
        // The sanitizer's own longjmp and swapcontext make it forget what is around the locals of the stack that is left.
        if *way == LEAKS && ossl_async::switch_method() != "registers" {
            left_out(
                "an array on the stack that overflows after a pause",
                "AddressSanitizer does not see it where a job is left in this way",
            );
            continue;
        }
        mistake("overflow", way, &["stack-buffer-overflow", "'array'"]);
    }
}

#[test]
fn a_use_of_a_jobs_local_after_its_functions_return_is_reported() {
    mistake(
        "use_after_return",
        USES_AFTER_RETURN,
        &["stack-use-after-return"],
    );
}

#[test]
fn what_a_job_loses_is_reported() {
    mistake("leak", LEAKS, &["4000 byte(s) leaked"]);
}

#[test]
fn what_only_a_paused_job_points_to_is_not_lost() {
    if let Some((report, status)) = report_of("hold", LEAKS) {
        assert!(status.success(), "{report}");
    }
}

#[test]
fn undefined_behaviour_of_a_jobs_function_is_reported() {
    if let Some((report, status)) = report_of("undefined", LEAKS) {
        assert!(!status.success(), "{report}");
        assert!(report.contains("signed integer overflow"), "{report}");
    }
}
