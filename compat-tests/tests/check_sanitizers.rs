//! Runs the C programs under sanitizers. Library, shim and program are all compiled for the
//! sanitizer, and any report fails the test.
//!
//! The sanitizer's runtime comes with Rust, so it fits the code that Rust's compiler makes of the
//! library. The system's C compiler makes the same calls to it.

use compat_tests::cases::{
    Checked, Results, checked, every_program_is_checked, run_cases, run_transcript,
};
use compat_tests::{
    build, build_library, ignore, ignore_for_want, need_jobs, need_openssl, program_source, root,
    run, static_link,
};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::OnceLock;

/// The exit status that a sanitizer's runtime sets if it has reported something.
const REPORTED: i32 = 66;

/// One sanitizer.
struct Sanitizer {
    /// Its name in compiler options.
    name: &'static str,
    /// Its name in the file name of its runtime.
    runtime: &'static str,
    /// Further options for compiling C, the shim included.
    c_options: &'static [&'static str],
    /// The environment variable that has its options.
    options: &'static str,
    /// Values of that variable. Each program runs once with each value.
    ways: &'static [&'static str],
    /// The static library, built for this sanitizer.
    archive: OnceLock<PathBuf>,
}

static THREAD: Sanitizer = Sanitizer {
    name: "thread",
    runtime: "tsan",
    c_options: &[],
    options: "TSAN_OPTIONS",
    // At the end of each case, all threads have been joined, so there is no need to wait for any.
    ways: &["atexit_sleep_ms=0"],
    archive: OnceLock::new(),
};

/// Together with UndefinedBehaviorSanitizer for C code.
static ADDRESS: Sanitizer = Sanitizer {
    name: "address",
    runtime: "asan",
    c_options: &["-fsanitize=undefined", "-fno-sanitize-recover=all"],
    options: "ASAN_OPTIONS",
    ways: &[LEAKS, USES_AFTER_RETURN],
    archive: OnceLock::new(),
};

/// Memory that nothing points to is reported when a process ends.
const LEAKS: &str = "detect_leaks=1:detect_stack_use_after_return=0";
/// Locals are on the heap, and their memory is not reused soon. LeakSanitizer does not search
/// those of a paused job, so memory to which only they point would be reported as lost.
const USES_AFTER_RETURN: &str = "detect_leaks=0:detect_stack_use_after_return=1";

impl Sanitizer {
    /// Its runtime among the files of the Rust toolchain, if this toolchain has it.
    fn runtime(&self) -> Option<PathBuf> {
        let suffix = format!("_rt.{}.a", self.runtime);
        fs::read_dir(rustc(&["--print", "target-libdir"]))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().ends_with(&suffix))
    }

    /// The static library, built once per process. The standard library is not compiled for the
    /// sanitizer. All that this library uses of it is a list, thread-locals and the panic count.
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
                // With a target, the flags do not apply to build scripts.
                cargo
                    .args(["--target", host])
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("RUSTFLAGS", flags)
                    .env("CFLAGS", c_flags)
                    .env("CARGO_PROFILE_RELEASE_LTO", "off")
                    .env("CARGO_PROFILE_RELEASE_STRIP", "none")
                    .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
            });
            library.archive
        })
    }

    /// Compiles a program for this sanitizer.
    fn compile(&self, name: &str, options: &[&str]) -> PathBuf {
        need_jobs();
        let Some(runtime) = self.runtime() else {
            ignore_for_want("the sanitizer's runtime does not come with this Rust toolchain");
        };
        if is_transcript(name) {
            need_openssl();
        }
        // Programs of both kinds may have the same names.
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
                // With -O2 the compiler takes half as long again.
                command
                    .args(["-O1", &format!("-fsanitize={}", self.name)])
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
        // Without the sanitizer's option, which would add the C compiler's own runtime.
        build(&object, &group, |command| {
            command
                .arg(&object)
                .arg("-Wl,--whole-archive")
                .arg(runtime)
                .args(["-Wl,--no-whole-archive", "-Wl,--export-dynamic"]);
            static_link(command, self.archive());
            if is_transcript(name) {
                command.args(["-lssl", "-lcrypto"]);
            }
        })
    }

    /// A command that runs a program made by [`compile`](Sanitizer::compile), with these options.
    /// No report is suppressed.
    fn command(&self, program: &Path, way: &str) -> Command {
        let mut command = Command::new(program);
        // In cases in which memory runs out, the allocator must return NULL instead of ending the
        // process. Cases that fault need the signal. In any other case, the signal also fails the
        // case.
        command.env(
            self.options,
            format!("exitcode={REPORTED}:allocator_may_return_null=1:handle_segv=0:{way}"),
        );
        command
    }

    /// Runs one of the C programs with these options.
    fn check(&self, name: &str, options: &[&str], way: &str, arguments: &[String]) -> Results {
        let program = self.compile(name, options);
        let mut command = self.command(&program, way);
        command.args(arguments);
        if is_transcript(name) {
            run_transcript(&mut command, &program)
        } else {
            run_cases(&mut command, &program)
        }
    }

    /// Runs a program that has an error. Returns what the sanitizer wrote, and how the program
    /// ended.
    fn report(&self, name: &str) -> (String, ExitStatus) {
        let program = self.compile(name, &[]);
        let ran = run(&mut self.command(&program, self.ways[0]));
        (ran.stderr, ran.status)
    }
}

/// Whether a program is one of those that are written for OpenSSL, with its headers, and print a
/// transcript.
fn is_transcript(name: &str) -> bool {
    name.starts_with("gen2/")
}

/// The output of rustc, without the newline.
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

// Why a sanitizer does not run a program or a case.
const NULL_ONLY: &str = "it is for builds without jobs";
const OWN_ALLOCATOR: &str = "its allocator would replace the sanitizer's";
const MEASURES_FRAMES: &str = "the frames that it measures are larger with the sanitizer's code";
const ENDS_ON_ANOTHER_STACK: &str =
    "the sanitizer believes that a thread that has ended in a job is still on the job's stack";
const COUNTS_MAPPINGS: &str = "it counts mappings, and the sanitizer makes some too";
const NEEDS_MEMORY: &str = "the sanitizer itself needs memory";
const NEEDS_ADDRESSES: &str = "the sanitizer reserves more address space than any limit allows";
const TAKES_LONG: &str = "it takes long with the sanitizer";
const FORKS_IN_JOBS: &str = "the sanitizer does not follow jobs into a forked child";
const TRAPS: &str = "most instructions are the sanitizer's own, and would be trapped too";
const ON_THE_JOBS_STACK: &str = "with this option locals are not on the job's stack";

/// The programs that ThreadSanitizer runs.
const RACES: &[Checked] = &[
    checked("arguments"),
    checked("block"),
    checked("cancel").without(&[(
        "a_child_cancels_its_copy_and_the_parents_job_can_be_resumed",
        FORKS_IN_JOBS,
    )]),
    checked("errors"),
    checked("key_destructors"),
    checked("limits").without(&[
        (
            "without_memory_for_stacks_a_start_returns_no_jobs_with_the_reason_and_works_later",
            NEEDS_MEMORY,
        ),
        (
            "without_memory_init_makes_what_it_can_and_the_rest_later",
            NEEDS_MEMORY,
        ),
        (
            "an_argument_copy_that_cannot_be_had_is_an_error_and_the_next_start_works",
            NEEDS_MEMORY,
        ),
        ("the_copy_is_freed_before_finish", TAKES_LONG),
    ]),
    checked("overflow_report").without(&[(
        "a_thread_that_ends_in_a_handler_on_its_signal_stack_ends_well",
        "its thread ends in a signal handler, and what it allocates there is reported",
    )]),
    checked("pool"),
    checked("process").without(&[
        (
            "a_child_finishes_its_copies_of_paused_jobs_and_so_does_its_parent",
            FORKS_IN_JOBS,
        ),
        (
            "a_fork_inside_a_job_makes_two_processes_that_finish_it",
            FORKS_IN_JOBS,
        ),
        (
            "a_child_that_frees_its_jobs_closes_its_own_descriptors_only",
            FORKS_IN_JOBS,
        ),
    ]),
    checked("races").with(&["6000"]),
    checked("signals").without(&[(
        "a_handler_may_run_between_any_two_instructions_of_a_jobs_life",
        TRAPS,
    )]),
    checked("soak").with(&["4", "20000"]),
    checked("stack_size"),
    checked("states"),
    checked("threads"),
    checked("upstream"),
    checked("wake").without(&[
        (
            "after_fork_both_processes_resume_their_copy_and_no_clear_blocks",
            FORKS_IN_JOBS,
        ),
        (
            "a_fork_while_another_thread_wakes_leaves_the_child_a_job_it_can_finish_and_free",
            FORKS_IN_JOBS,
        ),
    ]),
    checked("gen2/callback"),
    checked("gen2/errors"),
    checked("gen2/libctx"),
    checked("gen2/mem_functions"),
    checked("gen2/pool").without(&[(
        "more_up_front_than_could_be_listed_is_refused",
        NEEDS_MEMORY,
    )]),
    checked("gen2/start"),
    checked("gen2/upstream"),
    checked("gen2/wait_ctx"),
    checked("gen2_ours/both_generations"),
    checked("gen2_ours/contexts"),
    checked("gen2_ours/custom_stacks"),
    checked("gen2_ours/fake_libcrypto"),
    checked("gen2_ours/exhaustion").without(WITHOUT_MEMORY),
    checked("gen2_ours/second_misuse"),
    checked("gen2_ours/statistics"),
];

const WITHOUT_MEMORY: &[(&str, &str)] = &[
    (
        "jobs_that_cannot_be_made_up_front_are_made_later",
        NEEDS_MEMORY,
    ),
    (
        "without_memory_there_is_no_context_and_no_entry",
        NEEDS_MEMORY,
    ),
    ("without_memory_a_descriptor_is_not_added", NEEDS_MEMORY),
];

const NO_RACES: &[(&str, &str)] = &[
    ("allocation", OWN_ALLOCATOR),
    ("cycles", COUNTS_MAPPINGS),
    ("null", NULL_ONLY),
    (
        "overflow",
        "its hundreds of children end in a handler, and what the handler writes is reported in each",
    ),
    ("gen2/wait_ctx_tables", "it has one thread, and takes long"),
    ("gen2_ours/second_null", NULL_ONLY),
    ("stack_use/entry_points", MEASURES_FRAMES),
    ("thread_end", ENDS_ON_ANOTHER_STACK),
];

/// The programs that AddressSanitizer runs, with both values of its options.
const MEMORY: &[Checked] = &[
    checked("arguments"),
    checked("block"),
    checked("cancel"),
    checked("errors"),
    checked("key_destructors"),
    checked("limits").without(&[
        (
            "without_memory_for_stacks_a_start_returns_no_jobs_with_the_reason_and_works_later",
            NEEDS_ADDRESSES,
        ),
        (
            "without_memory_init_makes_what_it_can_and_the_rest_later",
            NEEDS_ADDRESSES,
        ),
        ("the_copy_is_freed_before_finish", NEEDS_ADDRESSES),
    ]),
    checked("overflow_report").without(&[(
        "another_fault_inside_a_job_is_not_reported",
        "a store at NULL is reported before it faults",
    )]),
    checked("pool"),
    checked("process"),
    checked("races").with(&["6000"]),
    checked("soak").with(&["2", "20000"]),
    checked("stack_size"),
    checked("states"),
    checked("threads"),
    checked("upstream"),
    checked("wake"),
    checked("gen2/callback"),
    checked("gen2/errors"),
    checked("gen2/libctx"),
    checked("gen2/mem_functions"),
    checked("gen2/pool").without(&[(
        "more_up_front_than_could_be_listed_is_refused",
        NEEDS_ADDRESSES,
    )]),
    checked("gen2/start"),
    checked("gen2/upstream"),
    checked("gen2/wait_ctx"),
    checked("gen2/wait_ctx_tables"),
    checked("gen2_ours/both_generations"),
    checked("gen2_ours/contexts"),
    checked("gen2_ours/fake_libcrypto"),
    checked("gen2_ours/exhaustion").without(WITHOUT_MEMORY),
    checked("gen2_ours/second_misuse"),
    checked("gen2_ours/statistics"),
];

/// The programs that it runs with locals on the stack.
const MEMORY_WITH_LEAKS: &[Checked] = &[
    checked("gen2_ours/custom_stacks"),
    checked("signals").without(&[(
        "a_handler_may_run_between_any_two_instructions_of_a_jobs_life",
        TRAPS,
    )]),
];

/// The same programs with locals on the heap.
const MEMORY_USED_AFTER_RETURN: &[Checked] = &[
    checked("gen2_ours/custom_stacks")
        .without(&[("jobs_run_on_blocks_of_the_program", ON_THE_JOBS_STACK)]),
    checked("signals").without(&[
        (
            "a_handler_may_run_between_any_two_instructions_of_a_jobs_life",
            TRAPS,
        ),
        (
            "a_handler_on_a_jobs_stack_knows_the_job_and_can_wake_it",
            ON_THE_JOBS_STACK,
        ),
        (
            "a_handler_on_a_signal_stack_knows_the_job_and_can_wake_it",
            ON_THE_JOBS_STACK,
        ),
    ]),
];

const NO_MEMORY: &[(&str, &str)] = &[
    ("allocation", OWN_ALLOCATOR),
    ("cycles", COUNTS_MAPPINGS),
    ("null", NULL_ONLY),
    (
        "overflow",
        "its frames touch memory below their locals before it has recorded where they lie",
    ),
    ("gen2_ours/second_null", NULL_ONLY),
    ("stack_use/entry_points", MEASURES_FRAMES),
    ("thread_end", ENDS_ON_ANOTHER_STACK),
];

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        every_program_is_listed,
        a_data_race_between_jobs_is_reported,
        a_data_race_inside_the_library_is_reported,
        an_overflow_of_an_array_on_a_jobs_stack_is_reported,
        an_overflow_of_an_array_on_a_jobs_stack_is_reported_with_locals_on_the_heap,
        a_use_of_a_jobs_local_after_its_functions_return_is_reported,
        memory_that_a_job_loses_is_reported,
        memory_that_only_a_paused_job_points_to_is_not_reported,
        undefined_behaviour_of_a_jobs_function_is_reported,
    ];
    // ThreadSanitizer has only one set of options.
    let [leaks, after_return] = ["address", "address_after_return"];
    for program in RACES.iter() {
        let name = program.name;
        // ThreadSanitizer has freed its thread-specific data before the last round of destructors.
        let options = ["-DWITHOUT_THE_LAST_ROUND"];
        let check =
            move |arguments: &[String]| THREAD.check(name, &options, THREAD.ways[0], arguments);
        tests.add_program(program.program("thread", check));
    }
    for (part, way, more) in [
        (leaks, LEAKS, MEMORY_WITH_LEAKS),
        (after_return, USES_AFTER_RETURN, MEMORY_USED_AFTER_RETURN),
    ] {
        for program in MEMORY.iter().chain(more) {
            let name = program.name;
            let check = move |arguments: &[String]| ADDRESS.check(name, &[], way, arguments);
            tests.add_program(program.program(part, check));
        }
    }
    for (part, not_checked) in [("thread", NO_RACES), ("address", NO_MEMORY)] {
        for (name, why) in not_checked {
            tests.add(format!("{part}::{}", name.replace('/', "::")), || {
                ignore(*why)
            });
        }
    }
    tests.run()
}

fn every_program_is_listed() {
    for (checked, not_checked) in [
        ([RACES, &[]], NO_RACES),
        ([MEMORY, MEMORY_WITH_LEAKS], NO_MEMORY),
        ([MEMORY, MEMORY_USED_AFTER_RETURN], NO_MEMORY),
    ] {
        every_program_is_checked(checked.into_iter().flatten(), not_checked);
    }
}

/// Runs a program with a data race, and fails unless the sanitizer reports one in this function.
/// On a busy machine one thread may end before the other makes its access. The sanitizer may then
/// give the second thread the first one's number. Then it sees one thread, so the program runs
/// again.
fn a_data_race_is_reported(program: &str, function: &str) {
    for attempt in 1..=20 {
        let (report, status) = THREAD.report(program);
        if status.code() == Some(REPORTED) {
            let is_it = report.contains("data race") && report.contains(function);
            assert!(is_it, "{report}");
            return;
        }
        assert_eq!(status.code(), Some(0), "attempt {attempt}: {report}");
    }
    panic!("twenty runs of {program} without a report");
}

fn a_data_race_between_jobs_is_reported() {
    a_data_race_is_reported("racy/in_a_job", "add_and_pause");
}

fn a_data_race_inside_the_library_is_reported() {
    a_data_race_is_reported("racy/in_the_library", "OSSL_ASYNC_process_stats");
}

/// The sanitizer's report on one of the errors that a job can make, and how the program ended.
fn report_of(mistake: &str, way: &str) -> (String, ExitStatus) {
    let program = ADDRESS.compile("faulty/in_a_job", &[]);
    let ran = run(ADDRESS.command(&program, way).arg(mistake));
    (ran.stderr, ran.status)
}

/// Has a job make an error, and fails unless the report has these words.
fn mistake(name: &str, way: &str, words: &[&str]) {
    let (report, status) = report_of(name, way);
    assert_eq!(status.code(), Some(REPORTED), "{report}");
    for word in words {
        assert!(report.contains(word), "{word}: {report}");
    }
}

fn an_overflow_of_an_array_on_a_jobs_stack_is_reported() {
    need_jobs();
    // The sanitizer's own longjmp and swapcontext make it forget what is around the locals of the
    // stack that is left.
    if ossl_async::switch_method() != "registers" {
        ignore("AddressSanitizer does not detect it with this way of switching");
    }
    mistake("overflow", LEAKS, &["stack-buffer-overflow", "'array'"]);
}

fn an_overflow_of_an_array_on_a_jobs_stack_is_reported_with_locals_on_the_heap() {
    mistake(
        "overflow",
        USES_AFTER_RETURN,
        &["stack-buffer-overflow", "'array'"],
    );
}

fn a_use_of_a_jobs_local_after_its_functions_return_is_reported() {
    mistake(
        "use_after_return",
        USES_AFTER_RETURN,
        &["stack-use-after-return"],
    );
}

fn memory_that_a_job_loses_is_reported() {
    mistake("leak", LEAKS, &["4000 byte(s) leaked"]);
}

fn memory_that_only_a_paused_job_points_to_is_not_reported() {
    let (report, status) = report_of("hold", LEAKS);
    assert!(status.success(), "{report}");
}

fn undefined_behaviour_of_a_jobs_function_is_reported() {
    let (report, status) = report_of("undefined", LEAKS);
    assert!(!status.success(), "{report}");
    assert!(report.contains("signed integer overflow"), "{report}");
}
