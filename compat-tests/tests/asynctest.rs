//! `compat-tests asynctest`: programs of ours in the style of OpenSSL's test program, and with `OSSL_ASYNC_OPENSSL` set, its own.

use compat_tests::{assert_is_refused, ignore, need_jobs, need_openssl, program_source};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

fn main() -> ExitCode {
    compat_tests::tests![
        a_program_of_2015_runs_on_the_shared_and_on_the_static_library,
        a_program_since_3_0_also_runs_in_front_of_libcrypto,
        a_case_that_fails_and_those_that_did_not_run_are_named,
        a_program_that_skips_its_cases_is_no_success,
        what_is_no_openssl_is_one_line_and_status_2,
        openssls_own_program_runs,
    ]
    .run()
}

fn asynctest(tree: &Path) -> Output {
    let number = std::thread::current().id();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("asynctest-{number:?}"));
    fs::create_dir_all(&folder).expect("the target directory can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_compat-tests"))
        .args(["asynctest", "--time-limit", "10"])
        .arg(tree)
        .env("TMPDIR", &folder)
        .output()
        .expect("it was built");
    let left: Vec<_> = fs::read_dir(&folder).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?} left behind");
    output
}

/// A tree that has this program of ours as its `test/asynctest.c`, with a line in front of it.
fn tree(test: &str, program: &str, first_line: &str) -> PathBuf {
    let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openssl-{test}"));
    fs::create_dir_all(tree.join("test")).expect("the target directory can be written");
    let source = fs::read_to_string(program_source(&format!("asynctest/{program}")));
    let source = format!("{first_line}\n{}", source.expect("a program"));
    fs::write(tree.join("test/asynctest.c"), source).expect("the target directory can be written");
    fs::write(tree.join("VERSION.dat"), "MAJOR=3\nMINOR=9\nPATCH=1\n").expect("likewise");
    tree
}

/// What was printed, if the status is this.
fn said(output: &Output, status: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}{errors}");
    text
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

// Rules: T1, T4, T5
fn a_program_of_2015_runs_on_the_shared_and_on_the_static_library() {
    need_jobs();
    let text = said(&asynctest(&tree("of-2015", "like_2015", "")), 0);
    assert!(
        text.contains("OpenSSL 3.9.1, 3 cases, the five-argument API"),
        "{text}"
    );
    assert_eq!(
        count(&text, "ok             T4   test_ASYNC_get_wait_fd"),
        2,
        "{text}"
    );
    assert_eq!(count(&text, "  ok "), 6, "{text}");
    assert_eq!(
        count(&text, "libossl_async.so\n  answered by /"),
        1,
        "{text}"
    );
    assert_eq!(count(&text, "answered by the program itself"), 1, "{text}");
}

// Rules: T6, T13
fn a_program_since_3_0_also_runs_in_front_of_libcrypto() {
    need_jobs();
    need_openssl();
    let text = said(&asynctest(&tree("of-3", "like_3", "")), 0);
    assert_eq!(
        count(&text, "ok             T13  test_ASYNC_start_job_ex"),
        3,
        "{text}"
    );
    let front = text
        .split_once("libcrypto, libossl_async.so in front of it")
        .expect(&text)
        .1;
    let answered = front.lines().nth(1).expect("a line");
    assert!(answered.ends_with("/libossl_async.so"), "{answered}");
}

fn a_case_that_fails_and_those_that_did_not_run_are_named() {
    need_jobs();
    let text = said(&asynctest(&tree("fails", "like_2015", "#define FAILS")), 1);
    assert_eq!(
        count(&text, "ok             T4   test_ASYNC_get_wait_fd"),
        2,
        "{text}"
    );
    assert_eq!(
        count(&text, "FAILED         T1   test_ASYNC_init_pool"),
        2,
        "{text}"
    );
    assert_eq!(
        count(&text, "did not run    T5   test_ASYNC_block_pause"),
        2,
        "{text}"
    );
}

fn a_program_that_skips_its_cases_is_no_success() {
    let first = "#define OPENSSL_SYS_UNIX\n#include <openssl/e_os2.h>\n#include \"../apps.h\"\n#undef OPENSSL_SYS_UNIX";
    let tree = tree("skips", "like_2015", first);
    fs::write(
        tree.join("apps.h"),
        "#include <openssl/crypto.h>\n#include <../apps/apps.h>\n",
    )
    .expect("a tree");
    let text = said(&asynctest(&tree), 1);
    assert_eq!(count(&text, "did not run"), 6, "{text}");
}

fn what_is_no_openssl_is_one_line_and_status_2() {
    let empty = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openssl-empty");
    fs::create_dir_all(&empty).expect("the target directory can be written");
    let garbage = tree("garbage", "like_2015", "");
    fs::write(garbage.join("test/asynctest.c"), b"\0\xff garbage").expect("a tree");
    let broken = tree("broken", "like_2015", "#error \"not C\"");
    let mut refused = vec![
        (
            PathBuf::from("/nowhere/openssl"),
            "/nowhere/openssl: No such file or directory",
        ),
        (program_source("upstream"), "not a folder"),
        (empty, "test/asynctest.c: No such file or directory"),
        (garbage, "not OpenSSL's test program"),
        (broken, "it does not compile"),
    ];
    if ossl_async::is_capable() {
        refused.push((
            tree("waits", "like_2015", "#define WAITS"),
            "it does not end within 3 seconds",
        ));
    }
    for (tree, why) in refused {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compat-tests"));
        if why.contains("3 seconds") {
            command.args(["asynctest", "--time-limit", "1"]);
        } else {
            command.arg("asynctest");
        }
        let output = command.arg(tree).output().expect("it was built");
        assert_is_refused(&output, why);
    }
}

/// Not in CI, which has no source of OpenSSL's.
// Rules: T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14
fn openssls_own_program_runs() {
    let Some(trees) = env::var_os("OSSL_ASYNC_OPENSSL") else {
        ignore("OSSL_ASYNC_OPENSSL does not name a source of OpenSSL's; CI has none");
    };
    need_jobs();
    for tree in env::split_paths(&trees) {
        said(&asynctest(&tree), 0);
    }
}
