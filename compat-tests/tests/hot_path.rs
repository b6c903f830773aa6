//! Proves with strace that a warm pool makes no system call. It watches a C program that is linked
//! with the library, and one for OpenSSL that runs with the library in front of libcrypto.

use compat_tests::{
    Linkage, command, compile, compile_with_openssl, expected_library, need_jobs, need_openssl,
    need_tool, program_source, report, run, with_ossl_async,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    compat_tests::tests![
        the_warm_pool_of_a_linked_program_makes_no_system_call,
        the_warm_pool_of_a_preloaded_library_makes_no_system_call,
    ]
    .run()
}

/// Runs strace on the program. The command has strace's own arguments. Returns the file that
/// strace writes.
fn watch(strace: &mut Command, program: &Path, name: &str) -> PathBuf {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.strace"));
    strace.args(["-f", "-o"]).arg(&log).arg(program);
    log
}

/// Runs the program and checks the calls between its two marks.
fn check(what: &str, strace: &mut Command, log: &Path, library: &Path) {
    let ran = run(strace);
    assert!(
        ran.status.success(),
        "{what}: {}\n{}",
        ran.status,
        ran.stderr
    );
    let mut lines = ran.stdout.lines();
    let called = lines.next().expect("the library's file");
    assert_eq!(
        fs::canonicalize(called).expect("it is a file"),
        fs::canonicalize(library).expect("it was built"),
        "{what}: the wrong library was called"
    );
    let switches: usize = lines.next().expect("a number").parse().expect("a number");

    let log = fs::read_to_string(log).expect("strace writes it");
    let (_, after) = log.split_once("close(-20001)").expect("the first mark");
    let (between, _) = after.split_once("close(-20002)").expect("the second mark");
    // The first line is the rest of the first mark. The last line begins the second mark.
    let calls = between.lines().skip(1);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for name in calls.filter_map(|line| line.split_once('(')?.0.split(' ').next_back()) {
        *names.entry(name).or_default() += 1;
    }
    let expected = match ossl_async::switch_method() {
        // By design: each switch sets the signal mask (F13).
        "swapcontext" => BTreeMap::from([("rt_sigprocmask", switches)]),
        _ => BTreeMap::new(),
    };
    assert_eq!(
        names, expected,
        "{what}: system calls in {switches} switches"
    );
    report(&format!(
        "{what}: {switches} switches, system calls: {names:?}\n"
    ));
}

// Rules: F4, F13, P4, B19, G9
fn the_warm_pool_of_a_linked_program_makes_no_system_call() {
    let what = "the hot path of a linked program under strace";
    need_jobs();
    need_tool("strace");
    let linkage = Linkage::Shared;
    let options = ["-DOSSL_ASYNC_WAIT_CTX_API"];
    let program = compile(&program_source("hot_path/rounds"), linkage, &options);
    // The variables by which the loader finds the library, for the program that strace runs.
    let mut strace = Command::new("strace");
    for (name, value) in command(&[], &program).get_envs() {
        strace.env(name, value.expect("it is set"));
    }
    let log = watch(&mut strace, &program, "linked");
    check(
        what,
        &mut strace,
        &log,
        &expected_library(&program, linkage),
    );
}

// Rules: F4, F13, P4, G9, G37
fn the_warm_pool_of_a_preloaded_library_makes_no_system_call() {
    let what = "the hot path with the library in front of libcrypto under strace";
    need_jobs();
    need_tool("strace");
    need_openssl();
    let program = compile_with_openssl(&program_source("hot_path/rounds"));
    let mut strace = with_ossl_async("strace");
    let log = watch(&mut strace, &program, "preloaded");
    let library = expected_library(&program, Linkage::Shared);
    check(what, &mut strace, &log, &library);
}
