//! Runs the C programs under valgrind: no invalid access, and nothing lost but what the rules say is.

use compat_tests::{
    Linkage, check_lists, check_program, check_transcript, compile_with_openssl, expected_library,
    fake_libcryptos, left_out, left_out_for_want, openssl_is_installed, program_source,
    with_ossl_async,
};
use std::process::{Command, Stdio};

const VALGRIND: [&str; 6] = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect",
    "--show-leak-kinds=definite,indirect,possible",
];

/// Whether a program can be run under valgrind here. If not, that is said.
fn is_possible(name: &str) -> bool {
    let what = format!("{name} under valgrind");
    if ossl_async::is_capable() == name.ends_with("null") {
        left_out(&what, "it is not for this build of the library");
        return false;
    }
    let installed = Command::new(VALGRIND[0])
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let installed = installed.is_ok_and(|status| status.success());
    if !installed {
        left_out_for_want(&what, "valgrind is not installed");
    }
    installed
}

/// Runs one program under valgrind. A case that loses memory or touches what it must not ends with valgrind's status.
fn check(name: &str, arguments: &[&str]) {
    if is_possible(name) {
        check_program(name, Linkage::Shared, &VALGRIND, arguments);
    }
}

/// The same for one that is written for OpenSSL, with its headers.
fn check_for_openssl(name: &str, arguments: &[&str]) {
    if !is_possible(name) {
        return;
    }
    if !openssl_is_installed() {
        left_out_for_want(name, "OpenSSL's headers are not installed (libssl-dev)");
        return;
    }
    let program = compile_with_openssl(&program_source(name));
    let mut command = with_ossl_async(VALGRIND[0]);
    command.args(&VALGRIND[1..]).arg(&program).args(arguments);
    let library = expected_library(&program, Linkage::Shared);
    check_transcript(&format!("{name} (valgrind)"), &mut command, &library);
}

compat_tests::checked_programs! {
    crate::check, "":
    arguments;
    block;
    cancel;
    cycles;
    errors;
    key_destructors;
    null;
    pool;
    process;
    races with "600";
    // Valgrind's machine has no trap after each instruction. And where signals come on a stack of their own while jobs are
    // switched, valgrind 3.19 now and then takes the part of a job's stack that is in use for unused.
    signals with "-a_handler_may_run_between_any_two_instructions_of_a_jobs_life"
        with "-a_storm_of_signals_on_a_signal_stack_disturbs_no_job";
    soak with "2" with "20000";
    // As with `overflow_report`.
    stack_size with "-a_job_that_uses_more_than_was_asked_for_faults";
    states;
    thread_end;
    threads;
    upstream;
    wake;
}

mod gen2 {
    compat_tests::checked_programs! {
        crate::check_for_openssl, "gen2/":
        callback;
        errors;
        libctx;
        mem_functions;
        pool;
        // The search for leaks takes long in the stacks of two hundred jobs.
        start with "-many_jobs_take_turns";
        upstream;
        wait_ctx;
    }
}

mod gen2_ours {
    compat_tests::checked_programs! {
        crate::check, "gen2_ours/":
        both_generations;
        contexts;
        custom_stacks;
        second_misuse;
        second_null;
        statistics;
    }
}

#[test]
fn fake_libcrypto() {
    let fakes = fake_libcryptos();
    check(
        "gen2_ours/fake_libcrypto",
        &fakes.each_ref().map(String::as_str),
    );
}

const NOT_TESTED: &[(&str, &str)] = &[
    (
        "allocation",
        "its allocator would stand in place of valgrind's",
    ),
    (
        "limits",
        "the memory and the descriptors that it takes away valgrind needs itself",
    ),
    (
        "overflow",
        "it takes long there, and is about faults of the processor",
    ),
    (
        "overflow_report",
        "valgrind itself faults where it looks at a stack that has run into its guard",
    ),
    ("gen2/wait_ctx_tables", "it takes long there"),
    (
        "gen2_ours/exhaustion",
        "the memory that it takes away valgrind needs itself",
    ),
    (
        "stack_use/entry_points",
        "it looks at memory below the stack pointer",
    ),
];

#[test]
fn every_program_is_listed() {
    let tested = [
        TESTED,
        gen2::TESTED,
        gen2_ours::TESTED,
        &["gen2_ours/fake_libcrypto"],
    ];
    check_lists("valgrind", &tested.concat(), NOT_TESTED);
}
