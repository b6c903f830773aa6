//! Runs the C programs under valgrind: no invalid access, and nothing lost but what the rules say is.

use compat_tests::{
    LeftOut, Linkage, assert_each_is_listed, check_program, check_transcript, command,
    compile_with_openssl, expected_library, left_out, left_out_for_want, openssl_is_installed,
    program_source,
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

/// Runs one program under valgrind. A case that loses memory or touches what it must not ends with valgrind's status.
fn check(name: &str) {
    check_with(name, &[]);
}

fn check_with(name: &str, arguments: &[&str]) {
    let what = format!("{name} under valgrind");
    let for_openssl = name.starts_with("gen2/");
    let installed = Command::new(VALGRIND[0])
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if ossl_async::is_capable() == (name == "null") {
        left_out(&what, "it is not for this build of the library");
    } else if !installed.is_ok_and(|status| status.success()) {
        left_out_for_want(&what, "valgrind is not installed");
    } else if for_openssl && !openssl_is_installed() {
        left_out_for_want(&what, "OpenSSL's headers are not installed (libssl-dev)");
    } else if for_openssl {
        let program = compile_with_openssl(&program_source(name));
        let library = expected_library(&program, Linkage::Shared);
        let mut command = command(&VALGRIND, &program);
        check_transcript(&what, command.env("LD_PRELOAD", &library), &library);
    } else {
        check_program(name, Linkage::Shared, &VALGRIND, arguments);
    }
}

/// One test a program, and the list of them. Each one that is not in it stands with the reason in the list below.
macro_rules! programs {
    ($directory:literal: $($name:ident)*) => {
        pub const TESTED: &[&str] = &[$(concat!($directory, stringify!($name))),*];
        $(
            #[test]
            fn $name() {
                super::check(concat!($directory, stringify!($name)));
            }
        )*
    };
}

mod first {
    programs! {
        "":
        arguments block cancel errors null pool process states threads upstream wake
    }
}

mod second {
    programs! {
        "gen2/":
        callback errors libctx mem_functions pool start upstream wait_ctx wait_ctx_tables
    }
}

mod second_of_ours {
    programs! {
        "gen2_ours/":
        both_generations contexts custom_stacks second_misuse statistics
    }
}

/// The races take their rounds from the command line.
#[test]
fn races() {
    check_with("races", &["100"]);
}

/// Not the case that lets the processor trap after each instruction, which valgrind does not do.
#[test]
fn signals() {
    let case = "-a_handler_may_run_between_any_two_instructions_of_a_jobs_life";
    check_with("signals", &[case]);
}

/// Not the case that ends with a fault.
#[test]
fn stack_size() {
    let case = "-a_job_that_uses_more_than_was_asked_for_faults";
    check_with("stack_size", &[case]);
}

const LEFT_OUT: &[LeftOut] = &[
    ("allocation", "brings an allocator in place of valgrind's"),
    ("cycles", "counts mappings, and valgrind makes its own"),
    ("limits", "takes away memory that valgrind needs"),
    ("overflow", "wants faults that end the process"),
    ("overflow_report", "wants faults, and handlers of its own"),
    ("soak", "takes too long"),
    (
        "gen2_ours/exhaustion",
        "takes away memory that valgrind needs",
    ),
    (
        "gen2_ours/fake_libcrypto",
        "wants libraries that are built beside it",
    ),
    ("gen2_ours/second_null", "is for builds that have no jobs"),
];

#[test]
fn each_program_or_there_is_a_reason() {
    let others = &["races", "signals", "stack_size"][..];
    let listed = [first::TESTED, second::TESTED, second_of_ours::TESTED];
    let tested = [&listed.concat(), others].concat();
    assert_each_is_listed(&tested, LEFT_OUT);
}
