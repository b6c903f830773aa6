//! Checkers and debuggers on programs that use the plain library: LeakSanitizer and
//! AddressSanitizer, valgrind, and gdb's gcore. The library compiled for a sanitizer is tested in
//! `check_sanitizers.rs`.

use compat_tests::{
    Linkage, build, command, compile, expected_archive, expected_library, ignore_for_want,
    need_jobs, need_tool, program_source, report, root, run,
};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::process::{Command, Stdio};

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        gcore_has_the_stacks_of_a_hundred_paused_jobs,
        with_guards_by_mprotect_gcore_has_the_stacks_of_any_number_of_jobs,
        valgrind_knows_every_system_call_that_many_jobs_need,
        drd_treats_a_program_with_jobs_like_any_that_registers_a_stack,
    ];
    for compiler in ["gcc", "clang"] {
        let name = format!("lost_memory_is_reported_and_a_paused_jobs_memory_is_not::{compiler}");
        tests.add(name, move || {
            lost_memory_is_reported_and_a_paused_jobs_memory_is_not(compiler)
        });
    }
    tests.run()
}

fn can_be_tested(tool: &str) {
    need_jobs();
    need_tool(tool);
}

fn source() -> PathBuf {
    program_source("checkers/paused_at_end")
}

// ------------------------------------------------------------------------------------------------------------ leaks

/// Compiles the program with this compiler's own sanitizer and links it with the plain library.
fn compile_for(compiler: &str, sanitizer: &str, linkage: Linkage) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = directory.join(format!("paused_at_end-{compiler}-{sanitizer}-{linkage:?}"));
    let mut command = Command::new(compiler);
    command
        .args(["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror"])
        .arg(format!("-fsanitize={sanitizer}"))
        .arg("-I")
        .arg(root().join("csrc/include"))
        .arg(source())
        .arg("-o")
        .arg(&program);
    match linkage {
        Linkage::Shared => command.arg(expected_library(&program, linkage)),
        Linkage::Static => command.arg(expected_archive()),
    };
    let output = command
        .args(["-lpthread", "-ldl", "-lm"])
        .output()
        .expect("it is installed");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

// Rules: D15
fn lost_memory_is_reported_and_a_paused_jobs_memory_is_not(compiler: &str) {
    can_be_tested(compiler);
    for sanitizer in ["address", "leak"] {
        for linkage in compat_tests::LINKAGES {
            let what = format!("leaks: {compiler}, {sanitizer}, {linkage:?}");
            let program = compile_for(compiler, sanitizer, linkage);
            let run_as = |name: &str| {
                run(command(&[], &program)
                    .arg(name)
                    .env(
                        "ASAN_OPTIONS",
                        "detect_leaks=1:detect_stack_use_after_return=0:exitcode=66",
                    )
                    .env("LSAN_OPTIONS", "exitcode=66"))
            };
            let held = run_as("hold");
            assert!(held.status.success(), "{what}: {}", held.stderr);
            let lost = run_as("lose");
            assert_eq!(lost.status.code(), Some(66), "{what}: {}", lost.stderr);
            assert!(
                lost.stderr.contains(": 4000 byte(s) leaked in 1 "),
                "{what}: {}",
                lost.stderr
            );
            report(&format!("{what}: only lost memory is reported\n"));
        }
    }
}

// ------------------------------------------------------------------------------------------------------------ gcore

/// Has gcore write a core file of a process with this many paused jobs. The core must have what is
/// on each job's stack, and gdb must find it there.
fn check_core(count: usize, variables: &[(&str, &str)]) {
    let what = format!("gcore with {count} paused jobs {variables:?}");
    can_be_tested("gdb");
    let program = compile(&source(), Linkage::Shared, &[]);
    let mut child = command(&[], &program)
        .args(["wait", &count.to_string()])
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was compiled");
    let lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
    let said: Vec<String> = lines
        .map(|line| line.expect("text"))
        .take_while(|line| line != "ready")
        .collect();
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("core-{count}"));
    let gcore = run(Command::new("gcore")
        .arg("-o")
        .arg(&prefix)
        .arg(child.id().to_string()));
    let core = prefix.with_file_name(format!("core-{count}.{}", child.id()));
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
    let Ok(bytes) = fs::read(&core) else {
        if gcore.stderr.contains("ptrace") {
            ignore_for_want("this machine does not let gdb attach");
        }
        panic!("{what}: {}{}", gcore.stdout, gcore.stderr);
    };
    let mut found = vec![false; count];
    let mark = b"<marker of job ";
    for at in (0..bytes.len() - mark.len()).filter(|at| bytes[*at] == b'<') {
        if let Some(rest) = bytes[at..].strip_prefix(mark) {
            let number = String::from_utf8_lossy(&rest[..rest.len().min(8)]).into_owned();
            let number = number.split_once('>').and_then(|(n, _)| n.parse().ok());
            if let Some(found) = number.and_then(|number: usize| found.get_mut(number)) {
                *found = true;
            }
        }
    }
    let lost: Vec<usize> = (0..count).filter(|number| !found[*number]).collect();
    assert!(lost.is_empty(), "{what}: not in the core: {lost:?}");
    let gdb = run(Command::new("gdb")
        .args(["-batch", "-ex", &format!("x/s {}", said[0])])
        .arg(&program)
        .arg(&core));
    fs::remove_file(&core).expect("it was just read");
    assert!(
        gdb.stdout.contains("<marker of job 50>"),
        "{what}: {}{}",
        gdb.stdout,
        gdb.stderr
    );
    report(&format!("{what}: all are in the core\n"));
}

// Rules: D22
fn gcore_has_the_stacks_of_a_hundred_paused_jobs() {
    check_core(100, &[]);
}

// Rules: D22
fn with_guards_by_mprotect_gcore_has_the_stacks_of_any_number_of_jobs() {
    check_core(400, &[("OSSL_ASYNC_GUARD", "mprotect")]);
}

// --------------------------------------------------------------------------------------------------------- valgrind

// Rules: D22
fn valgrind_knows_every_system_call_that_many_jobs_need() {
    can_be_tested("valgrind");
    if !Path::new("/usr/include/valgrind/valgrind.h").exists() {
        ignore_for_want("the library was built without valgrind's header");
    }
    let program = compile(&source(), Linkage::Shared, &[]);
    let ran = run(command(&["valgrind", "--leak-check=no"], &program).args(["many", "330"]));
    assert!(ran.status.success(), "{}", ran.stderr);
    for word in ["WARNING", "unhandled", "Warning: set address range"] {
        assert!(!ran.stderr.contains(word), "{}", ran.stderr);
    }
}

/// docs/platforms.md says that drd aborts in its own code, and that it does so without the library
/// too.
fn drd_treats_a_program_with_jobs_like_any_that_registers_a_stack() {
    can_be_tested("valgrind");
    if !Path::new("/usr/include/valgrind/valgrind.h").exists() {
        ignore_for_want("valgrind's header is not installed");
    }
    let registered = program_source("checkers/registered_stack");
    let alone = build(&registered, "alone", |command| {
        command.arg(&registered);
    });
    let drd = ["valgrind", "--tool=drd", "--quiet"];
    let alone = run(&mut command(&drd, &alone));
    let jobs = run(command(&drd, &compile(&source(), Linkage::Shared, &[])).args(["many", "3"]));
    report(&format!(
        "drd: a registered stack {}, jobs {}\n",
        alone.status, jobs.status
    ));
    if alone.status.success() {
        assert!(jobs.status.success(), "{}", jobs.stderr);
    } else {
        assert!(alone.stdout == "end of main\n", "{}", alone.stderr);
        assert!(
            alone.stderr.contains("drd_stop_using_mem"),
            "{}",
            alone.stderr
        );
    }
}
