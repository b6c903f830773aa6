//! Jobs in C++: each job has its own exception state. This holds for each C++ run-time, however it
//! was loaded. `process.rs` tests threads that end in C++ jobs.

use compat_tests::{
    LINKAGES, Linkage, command, compile, compile_to, expected_library, ignore_for_want, need_jobs,
    program_source, root, run, static_link,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![jobs_have_exceptions_of_their_own_in_a_static_program,];
    for (run_time, name) in RUN_TIMES
        .into_iter()
        .zip(["the_systems_run_time", "libc_plus_plus"])
    {
        let test = |what| format!("{what}::{name}");
        tests.add(test("jobs_have_exceptions_of_their_own"), || {
            check_linked(run_time)
        });
        tests.add(
            test("a_run_time_that_everybody_sees_later_is_noticed"),
            || check_late(run_time, "global"),
        );
        tests.add(
            test("a_run_time_that_only_a_plugin_sees_is_noticed"),
            || check_late(run_time, "local"),
        );
    }
    tests.run()
}

/// Compilers, each with its run-time.
const RUN_TIMES: [&[&str]; 2] = [&["c++"], &["clang++", "-stdlib=libc++"]];

/// Compiles one of the C++ programs.
fn compiled(
    run_time: &[&str],
    file: &str,
    kind: &str,
    complete: impl FnOnce(&mut Command),
) -> PathBuf {
    need_jobs();
    let empty = Command::new(run_time[0])
        .args(&run_time[1..])
        .args([
            "-fsyntax-only",
            "-include",
            "exception",
            "-x",
            "c++",
            "/dev/null",
        ])
        .output();
    if !empty.is_ok_and(|output| output.status.success()) {
        ignore_for_want("compiler or run-time is not installed");
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cplusplus");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    let program = directory.join(format!("{file}-{}-{kind}", run_time.concat()));
    let mut compiler = Command::new(run_time[0]);
    compiler
        .args(&run_time[1..])
        .args([
            "-std=c++11",
            "-g",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I",
        ])
        .arg(root().join("csrc/include"))
        .arg(root().join("compat-tests/programs/cplusplus").join(file));
    complete(&mut compiler);
    compile_to(&program, &mut compiler);
    program
}

/// Eleven cases, each tried in four places.
fn check(program: &Path) {
    let ran = run(&mut command(&[], program));
    let well = ran.stdout.lines().filter(|line| line.starts_with("ok "));
    assert_eq!(
        (well.count(), ran.status.code()),
        (44, Some(0)),
        "{program:?}: {}{}",
        ran.stdout,
        ran.stderr
    );
}

// Rules: F11
fn check_linked(run_time: &[&str]) {
    for linkage in LINKAGES {
        for api in ["-UOSSL_ASYNC_WAIT_CTX_API", "-DOSSL_ASYNC_WAIT_CTX_API"] {
            let kind = format!("{linkage:?}{api}");
            let program = compiled(run_time, "exceptions.cc", &kind, |compiler| {
                compiler.arg(api);
                let library = expected_library(Path::new(""), Linkage::Shared);
                match linkage {
                    Linkage::Shared => compiler.arg(library).arg("-lpthread"),
                    Linkage::Static => {
                        static_link(compiler, &library.with_file_name("libossl_async.a"))
                    }
                };
            });
            check(&program);
        }
    }
}

/// The run-time is in the program, which exports no names that the loader could find.
// Rules: F11
fn jobs_have_exceptions_of_their_own_in_a_static_program() {
    for options in [&["-static"][..], &["-static-libstdc++", "-static-libgcc"]] {
        let kind = options.concat();
        let program = compiled(RUN_TIMES[0], "exceptions.cc", &kind, |compiler| {
            let library = expected_library(Path::new(""), Linkage::Shared);
            compiler
                .args(options)
                .arg(library.with_file_name("libossl_async.a"))
                .args(["-lpthread", "-ldl", "-lm"]);
        });
        check(&program);
    }
}

// Rules: F11
/// Compiles `late.c` and the plugin, and runs them. `scope` says how the run-time is loaded.
fn check_late(run_time: &[&str], scope: &str) {
    let plugin = compiled(run_time, "plugin.cc", "plugin.so", |compiler| {
        compiler.args(["-shared", "-fPIC"]);
    });
    for linkage in LINKAGES {
        let program = compile(&program_source("cplusplus/late"), linkage, &[]);
        for when in ["pool", "record", "thread", "before"] {
            let ran = run(command(&[], &program).args([scope, when]).arg(&plugin));
            assert_eq!(
                (ran.stdout.as_str(), ran.status.code()),
                ("ok\n", Some(0)),
                "{run_time:?}, {linkage:?}, {scope}, {when}: {}",
                ran.stderr
            );
        }
    }
}
