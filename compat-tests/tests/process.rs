//! The process around the library. What C++ destroys when a job calls `exit` or its thread ends in
//! it. A library that is unloaded and loaded again, loaded when there is little space, or first
//! used by a signal handler. What C alone can show is in `programs/process.c` and
//! `programs/signals.c`.

use compat_tests::{
    Linkage, command, compile_shared_library, compile_to, expected_library, need_jobs, need_tool,
    program_source, report, root, run,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        exit_inside_a_job_runs_every_destructor_from_any_thread,
        the_library_can_be_unloaded_and_loaded_again_with_idle_and_paused_jobs,
        functions_that_handlers_may_call_allocate_nothing_on_any_thread,
        the_library_can_be_loaded_with_little_space_left_for_thread_locals,
        the_library_can_be_loaded_in_fifteen_namespaces,
        a_hundred_copies_of_the_library_can_be_loaded,
    ];
    for compiler in ["c++", "clang++"] {
        let name = format!(
            "a_thread_that_ends_in_a_job_runs_the_destructors_of_that_job_alone::{compiler}"
        );
        tests.add(name, move || {
            a_thread_that_ends_in_a_job_runs_the_destructors_of_that_job_alone(compiler)
        });
    }
    tests.run()
}

/// The compiled program.
fn compiled(file: &str, compiler: &str, options: &[&str]) -> PathBuf {
    need_jobs();
    need_tool(compiler);
    let source = root().join("compat-tests/programs/process").join(file);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{file}.out"));
    let mut command = Command::new(compiler);
    command
        .args(["-g", "-O2", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root().join("csrc/include"))
        .arg(source)
        .args(options)
        .args(["-lpthread", "-ldl"]);
    compile_to(&program, &mut command);
    program
}

fn library() -> PathBuf {
    expected_library(Path::new(""), Linkage::Shared)
}

// Rules: D4, D15
fn exit_inside_a_job_runs_every_destructor_from_any_thread() {
    let library = library();
    let options = ["-std=c++11", library.to_str().expect("a path in UTF-8")];
    let program = compiled("exit.cc", "c++", &options);
    let told = |name| format!("{name}: in job 1, pause 1, current yes\n");
    for (thread, stats) in [("main", "paused=1"), ("thread", "paused=2")] {
        let ran = run(command(&[], &program)
            .arg(thread)
            .env("OSSL_ASYNC_STATS", "1"));
        let expected = [
            "thread-local in place\n",
            &told("thread-local"),
            "atexit: in job 1\n",
            &told("static of the job's function"),
            &told("static"),
        ];
        assert_eq!(ran.stdout, expected.concat(), "{thread}: {}", ran.stderr);
        assert_eq!(ran.status.code(), Some(5), "{thread}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("ossl-async: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(" running=1 "), "{}", ran.stderr);
        assert!(ran.stderr.contains(stats), "{}", ran.stderr);
    }
}

// Rules: D15, F10
fn the_library_can_be_unloaded_and_loaded_again_with_idle_and_paused_jobs() {
    let program = compiled("unload.c", "cc", &["-std=c99"]);
    // With reports of overflows: then a handler of the library must also outlive the library's
    // handle. It needs no memory on a thread that uses the library for the first time there.
    for report in ["0", "1"] {
        let ran = run(command(&[], &program)
            .arg(library())
            .env("OSSL_ASYNC_OVERFLOW_REPORT", report));
        assert_eq!(
            (ran.stdout.as_str(), ran.status.code()),
            ("ok\n", Some(0)),
            "report {report}: {}",
            ran.stderr
        );
    }
}

/// The job's own frames are unwound, and those of the thread below the job are not. Not tested
/// with libc++ and LLVM's unwinder, where `pthread_exit` crashes without any job.
// Rules: F11, D15
fn a_thread_that_ends_in_a_job_runs_the_destructors_of_that_job_alone(compiler: &str) {
    let library = library();
    let library = library.to_str().expect("a path in UTF-8");
    for api in ["-UOSSL_ASYNC_WAIT_CTX_API", "-DOSSL_ASYNC_WAIT_CTX_API"] {
        let options = ["-std=c++11", api, library];
        let program = compiled("thread_end.cc", compiler, &options);
        for (how, value) in [("exit", 5), ("cancel", -1), ("handler", 5)] {
            let ran = run(command(&[], &program).arg(how));
            let expected = format!(
                "the frame that leaves\ncaught and thrown again\nthe job's function\n\
                    joined {value}, running 0, abandoned 2\nanother job, which is paused\n"
            );
            assert_eq!(
                (ran.stdout, ran.status.code()),
                (expected, Some(0)),
                "{compiler} {api} {how}: {}",
                ran.stderr
            );
        }
    }
}

// Rules: B42, D19
fn functions_that_handlers_may_call_allocate_nothing_on_any_thread() {
    let program = compiled("handler.c", "cc", &["-std=c99"]);
    let ran = run(command(&[], &program).arg(library()));
    assert_eq!(
        (ran.stdout.as_str(), ran.status.code()),
        ("ok\n", Some(0)),
        "{}",
        ran.stderr
    );
}

/// How many of the libraries that `surplus.c` loads work, and its output.
fn loaded(program: &Path, tunables: &str, arguments: &[&Path]) -> (usize, String) {
    let ran = run(command(&[], program)
        .arg(library())
        .args(arguments)
        .env("GLIBC_TUNABLES", tunables));
    assert!(ran.status.success(), "{arguments:?}: {}", ran.stderr);
    (ran.stdout.trim_end().parse().expect("a number"), ran.stderr)
}

/// The loader may refuse a library only if there is no space for its thread-locals.
#[track_caller]
fn assert_refused_only_for_lack_of_space(said: &str) {
    let others = said
        .lines()
        .find(|line| !line.ends_with("static TLS block"));
    assert_eq!(others, None);
}

// Rules: F10
fn the_library_can_be_loaded_with_little_space_left_for_thread_locals() {
    let program = compiled("surplus.c", "cc", &["-std=c99"]);
    let eater = program_source("process/eater");
    let eaters = [400, 400, 400]
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| {
            let kind = format!("eater-{number}");
            compile_shared_library(&eater, &kind, &[&format!("-DBYTES={bytes}")])
        });
    let eaters: Vec<PathBuf> = eaters.collect();
    let mut arguments = vec![Path::new("after")];
    arguments.extend(eaters.iter().map(PathBuf::as_path));
    assert_eq!(loaded(&program, "", &arguments), (1, String::new()));
}

/// glibc has room for four namespaces, unless it is told to make more. libm alone can be loaded in
/// eleven.
// Rules: F10
fn the_library_can_be_loaded_in_fifteen_namespaces() {
    let program = compiled("surplus.c", "cc", &["-std=c99"]);
    let (number, said) = loaded(&program, "", &[Path::new("new")]);
    report(&format!("namespaces without a tunable: {number}\n"));
    assert!(number >= 4, "{number}: {said}");
    assert_refused_only_for_lack_of_space(&said);
    let (number, said) = loaded(&program, "glibc.rtld.nns=16", &[Path::new("new")]);
    assert_eq!(number, 15, "{said}");
}

/// Each copy works, as long as there is space. glibc can be told to make more.
// Rules: F10
fn a_hundred_copies_of_the_library_can_be_loaded() {
    let program = compiled("surplus.c", "cc", &["-std=c99"]);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("copies");
    fs::create_dir_all(&directory).expect("the target directory can be written");
    let copies: Vec<PathBuf> = (0..100)
        .map(|number| directory.join(format!("{number}.so")))
        .collect();
    for copy in &copies {
        fs::copy(library(), copy).expect("the target directory can be written");
    }
    let mut arguments = vec![Path::new("copies")];
    arguments.extend(copies.iter().map(PathBuf::as_path));
    let (number, said) = loaded(&program, "", &arguments);
    report(&format!("copies without a tunable: {number}\n"));
    assert!(number >= 6, "{number}: {said}");
    assert_refused_only_for_lack_of_space(&said);
    let room = "glibc.rtld.optional_static_tls=25600";
    assert_eq!(loaded(&program, room, &arguments), (100, String::new()));
    fs::remove_dir_all(directory).expect("it is ours");
}
