//! Runs the C programs under valgrind: it must report no invalid access, and no lost memory except
//! where a rule allows it.

use compat_tests::cases::{
    Checked, Results, checked, every_program_is_checked, ignore_in_other_builds, run_cases,
    run_transcript,
};
use compat_tests::{
    Linkage, command, compile, compile_with_openssl, expected_library, ignore, need_jobs,
    need_openssl, need_tool, program_source, run, with_ossl_async,
};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, id};

const VALGRIND: [&str; 6] = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect",
    "--show-leak-kinds=definite,indirect,possible",
];

const TRAPS: &str = "valgrind's machine has no trap after each instruction";
/// Valgrind 3.19 sometimes does this.
const SIGNAL_STACKS: &str = "valgrind believes that the used part of a job's stack is unused";

const CHECKED: &[Checked] = &[
    checked("arguments"),
    checked("block"),
    checked("cancel"),
    checked("cycles"),
    checked("errors"),
    checked("key_destructors"),
    checked("null"),
    checked("pool"),
    checked("process"),
    checked("races").with(&["600"]),
    checked("signals").without(&[
        (
            "a_handler_may_run_between_any_two_instructions_of_a_jobs_life",
            TRAPS,
        ),
        (
            "a_storm_of_signals_on_a_signal_stack_disturbs_no_job",
            SIGNAL_STACKS,
        ),
    ]),
    checked("soak").with(&["2", "20000"]),
    checked("stack_size").without(&[("a_job_that_uses_more_than_was_asked_for_faults", FAULTS)]),
    checked("states"),
    checked("thread_end"),
    checked("threads"),
    checked("upstream"),
    checked("wake"),
    checked("gen2/callback"),
    checked("gen2/errors"),
    checked("gen2/libctx"),
    checked("gen2/mem_functions"),
    checked("gen2/pool"),
    checked("gen2/start").without(&[(
        "many_jobs_take_turns",
        "the search for leaks takes long in two hundred stacks",
    )]),
    checked("gen2/upstream"),
    checked("gen2/wait_ctx"),
    checked("gen2_ours/both_generations"),
    checked("gen2_ours/contexts"),
    checked("gen2_ours/custom_stacks"),
    checked("gen2_ours/fake_libcrypto"),
    checked("gen2_ours/second_misuse"),
    checked("gen2_ours/second_null"),
    checked("gen2_ours/statistics"),
];

const FAULTS: &str = "valgrind itself faults when it reads a stack that has run into its guard";
const TAKES_AWAY: &str = "valgrind needs the memory and the descriptors that the program uses up";

const NOT_CHECKED: &[(&str, &str)] = &[
    ("allocation", "its allocator would replace valgrind's"),
    ("limits", TAKES_AWAY),
    (
        "overflow",
        "it takes long under valgrind, and tests faults of the processor",
    ),
    ("overflow_report", FAULTS),
    ("gen2/wait_ctx_tables", "it takes long under valgrind"),
    ("gen2_ours/exhaustion", TAKES_AWAY),
    (
        "stack_use/entry_points",
        "it reads memory below the stack pointer",
    ),
];

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![every_program_is_listed];
    for program in CHECKED {
        let name = program.name;
        tests.add_program(program.program("", move |arguments| check(name, arguments)));
    }
    for (name, why) in NOT_CHECKED {
        tests.add(name.replace('/', "::"), || ignore(*why));
    }
    for variant in ["fd", "callback"] {
        let name = format!("nothing_is_lost_or_misused_in_tls_handshakes_that_wait_for::{variant}");
        tests.add(name, move || check_handshakes(variant));
    }
    tests.run()
}

/// Runs one program. A case that loses memory or makes an invalid access ends with valgrind's
/// status.
fn check(name: &str, arguments: &[String]) -> Results {
    ignore_in_other_builds(name);
    need_tool("valgrind");
    if name.starts_with("gen2/") {
        need_openssl();
        let program = compile_with_openssl(&program_source(name));
        let mut command = with_ossl_async(VALGRIND[0]);
        command.args(&VALGRIND[1..]).arg(&program).args(arguments);
        return run_transcript(&mut command, &expected_library(&program, Linkage::Shared));
    }
    let program = compile(&program_source(name), Linkage::Shared, &[]);
    let expected = expected_library(&program, Linkage::Shared);
    run_cases(command(&VALGRIND, &program).args(arguments), &expected)
}

fn every_program_is_listed() {
    every_program_is_checked(CHECKED, NOT_CHECKED);
}

/// Runs fewer TLS handshakes than `tls.rs`. The key is made before, because that would take half a
/// minute under valgrind.
// Rules: G17, G24, G33, G34
fn check_handshakes(variant: &str) {
    need_jobs();
    need_tool("valgrind");
    need_openssl();
    let program = compile_with_openssl(&program_source("tls/handshakes"));
    let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{variant}-{}.pem", id()));
    let ran = run(Command::new(&program).args(["1", "1", variant]).arg(&key));
    assert!(ran.status.success(), "{}", ran.stderr);
    let mut command = with_ossl_async(VALGRIND[0]);
    let ran = run(command
        .args(&VALGRIND[1..5])
        .arg("--show-leak-kinds=definite,indirect")
        .arg(&program)
        .args(["40", "12", variant])
        .arg(&key)
        .env_remove("LD_PRELOAD"));
    fs::remove_file(key).expect("it is ours");
    assert!(
        ran.status.success(),
        "{}\n{}{}",
        ran.status,
        ran.stdout,
        ran.stderr
    );
    let library = expected_library(&program, Linkage::Shared);
    let library = fs::canonicalize(library).expect("it was built");
    let who = format!("ASYNC_start_job {}", library.display());
    assert!(
        ran.stderr.lines().any(|line| line == who),
        "{who} is not in {}",
        ran.stderr
    );
    let done = "private-key operations in a job: 40";
    assert!(
        ran.stdout.lines().any(|line| line == done),
        "{}",
        ran.stdout
    );
    assert!(!ran.stderr.contains("=="), "{}", ran.stderr);
}
