//! The process around the library: what C++ destroys when a job calls `exit`, and a library that is unloaded and loaded
//! again. What C alone can show is in `programs/process.c` and `programs/signals.c`.

use compat_tests::{Linkage, command, expected_library, left_out, left_out_for_want, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiled program; none where a tool or the jobs are missing, which is then said.
fn compiled(file: &str, compiler: &str, options: &[&str]) -> Option<PathBuf> {
    if !ossl_async::is_capable() {
        left_out(file, "this build of the library has no jobs");
        return None;
    }
    if Command::new(compiler).arg("--version").output().is_err() {
        left_out_for_want(file, &format!("{compiler} is not installed"));
        return None;
    }
    let source = root().join("compat-tests/programs/process").join(file);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{file}.out"));
    let output = Command::new(compiler)
        .args(["-g", "-O2", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root().join("csrc/include"))
        .arg("-o")
        .arg(&program)
        .arg(source)
        .args(options)
        .args(["-lpthread", "-ldl"])
        .output()
        .expect("it is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
}

fn library() -> PathBuf {
    expected_library(Path::new(""), Linkage::Shared)
}

// Rules: D4, D15
#[test]
fn exit_inside_a_job_runs_every_destructor_from_any_thread() {
    let library = library();
    let options = ["-std=c++11", library.to_str().expect("a path in UTF-8")];
    let Some(program) = compiled("exit.cc", "c++", &options) else {
        return;
    };
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
#[test]
fn the_library_can_be_unloaded_and_loaded_again_with_idle_and_paused_jobs() {
    let Some(program) = compiled("unload.c", "cc", &["-std=c99"]) else {
        return;
    };
    // With reports of overflows: a handler of the library's must outlive its handle too, and needs no memory on a thread
    // that meets the library there.
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

/// The job's own frames are unwound, and those of the thread below the job are not. Not with libc++ and LLVM's unwinder, where
/// `pthread_exit` crashes without any job.
// Rules: F11, D15
#[test]
fn a_thread_that_ends_in_a_job_runs_the_destructors_of_that_job_alone() {
    let library = library();
    let library = library.to_str().expect("a path in UTF-8");
    for compiler in ["c++", "clang++"] {
        for api in ["-UOSSL_ASYNC_WAIT_CTX_API", "-DOSSL_ASYNC_WAIT_CTX_API"] {
            let options = ["-std=c++11", api, library];
            let Some(program) = compiled("thread_end.cc", compiler, &options) else {
                continue;
            };
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
}
