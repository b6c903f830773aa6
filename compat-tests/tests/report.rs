//! `compat-tests report`: parts of it on this library, libcrypto and the minimal port; and what it says of libraries that are none.

use compat_tests::{
    Linkage, compile_shared_library, expected_library, need_jobs, need_openssl, program_source,
    root,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    compat_tests::tests![
        libraries_that_hang_are_refused,
        a_crash_of_libcryptos_is_a_result_and_expected,
        what_a_library_does_not_have_is_absent,
        a_result_that_is_not_expected_makes_the_status_1,
        transcripts_are_compared_with_libcryptos,
        the_minimal_port_is_reported_on,
        the_page_has_the_results_and_needs_nothing_else,
        a_file_is_no_terminal,
        rules_are_explained,
        the_document_names_cases_that_there_are,
        what_cannot_be_used_is_one_line_and_status_2,
        processes_of_a_library_that_hangs_are_ended,
        reports_make_a_table_of_versions,
    ]
    .run()
}

/// Runs the report. `temporary` is the folder for its temporary files, which must be empty at the end.
fn report(arguments: &[&str]) -> Output {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let name = format!("report-{process}-{thread:?}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the target directory can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_compat-tests"))
        .arg("report")
        .args(arguments)
        .env("TMPDIR", &folder)
        .output()
        .expect("it was built");
    let left: Vec<_> = fs::read_dir(&folder).expect("a folder").collect();
    assert!(left.is_empty(), "{arguments:?}: {left:?} left behind");
    fs::remove_dir(&folder).expect("it is empty");
    output
}

/// The report as JSON, which ends with this status.
fn json(arguments: &[&str], status: i32) -> Value {
    let output = report(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {errors}"
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The results of a case, one for each library.
fn results(report: &Value, name: &str) -> Vec<String> {
    let cases = report["cases"].as_array().expect("a list");
    let case = cases.iter().find(|case| case["name"] == name);
    let results = case.unwrap_or_else(|| panic!("no {name}"))["results"].as_array();
    let word = |result: &Value| result["result"].as_str().expect("a word").to_owned();
    results.expect("a list").iter().map(word).collect()
}

/// A library that is odd in this way.
fn odd(kind: &str) -> PathBuf {
    let define = format!("-D{kind}");
    compile_shared_library(
        &program_source("libraries/odd"),
        &format!("odd-{kind}"),
        &[&define],
    )
}

fn minimal_port() -> PathBuf {
    let headers = format!("-I{}", root().join("csrc/include").display());
    compile_shared_library(
        &root().join("examples/minimal_port.c"),
        "port",
        &["-pedantic", &headers],
    )
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

const NESTED: &str = "a_start_inside_a_job_on_a_reused_record_is_refused";
const WAKE: &str = "the_wait_fd_follows_wake_and_clear_on_both_sides";

// Rules: D5
fn a_crash_of_libcryptos_is_a_result_and_expected() {
    need_jobs();
    need_openssl();
    let report = json(&["--case", NESTED], 0);
    assert_eq!(results(&report, NESTED), ["ok", "SIGSEGV"]);
    assert_eq!(report["cases"][0]["results"][1]["rule"], "D5");
    assert_eq!(report["libraries"][0]["key"], "ours");
    let version = report["libraries"][1]["version"].as_str().expect("a text");
    assert!(version.starts_with("OpenSSL "), "{version}");
}

// Rules: T4
fn what_a_library_does_not_have_is_absent() {
    need_jobs();
    need_openssl();
    let report = json(
        &[
            "--case",
            WAKE,
            "--case",
            "a job runs to its pause and then to its end",
        ],
        0,
    );
    assert_eq!(results(&report, WAKE), ["ok", "absent:ASYNC_get_wait_fd"]);
    // Its other cases run.
    assert_eq!(
        results(&report, "a_job_runs_to_its_pause_and_then_to_its_end"),
        ["ok", "ok"]
    );
}

fn a_result_that_is_not_expected_makes_the_status_1() {
    need_jobs();
    let crashing = odd("CRASHES");
    // It lacks much, which is no fault of it.
    let arguments = ["--only", "--library", text(&crashing), "--case", WAKE];
    let lacking = json(&arguments, 0);
    assert_eq!(results(&lacking, WAKE), ["absent:ASYNC_init_pool"]);
    let output = report(&[
        "--only",
        "--library",
        text(&crashing),
        "--case",
        "a_job_that_never_pauses_finishes_at_once",
    ]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("SIGABRT, NOT EXPECTED"), "{said}");
    assert!(said.contains("SIGABRT, expected: ok"), "{said}");
}

// Rules: G9
fn transcripts_are_compared_with_libcryptos() {
    need_jobs();
    need_openssl();
    let report = json(&["--rule", "G9"], 0);
    let cases = report["cases"].as_array().expect("a list").iter();
    let of_both = cases.filter(|case| {
        case["program"]
            .as_str()
            .is_some_and(|name| name.starts_with("gen2/"))
    });
    let mut count = 0;
    for case in of_both {
        assert_eq!(case["results"][0]["result"], "ok", "{case}");
        assert_eq!(case["results"][1]["result"], "ok", "{case}");
        count += 1;
    }
    assert!(count > 0, "{report}");
}

// Rules: T1, T4, T5
fn the_minimal_port_is_reported_on() {
    need_jobs();
    let port = minimal_port();
    let report = json(
        &[
            "--only",
            "--library",
            text(&port),
            "--rule",
            "T1",
            "--rule",
            "T4",
            "--rule",
            "T6",
        ],
        0,
    );
    assert_eq!(report["libraries"][0]["key"], "five");
    assert_eq!(results(&report, WAKE), ["ok"]);
    assert_eq!(
        results(
            &report,
            "a_pool_of_two_holds_two_paused_jobs_and_reuses_a_freed_place"
        ),
        ["ok"]
    );
    let of_six = report["cases"].as_array().expect("a list").iter();
    let mut of_six = of_six.filter(|case| case["program"] == "gen2/upstream");
    assert!(
        of_six.all(|case| case["results"][0]["kind"] == "absent"
            || case["results"][0]["kind"] == "not-run")
    );
}

fn the_page_has_the_results_and_needs_nothing_else() {
    need_jobs();
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html");
    let output = report(&["--case", WAKE, "--html", text(&page)]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let page = fs::read_to_string(&page).expect("it was written");
    assert!(page.contains(WAKE) && page.contains("\"result\":\"ok\""));
    for address in [
        "http:",
        "https:",
        "src=",
        "<link",
        "@import",
        "/* the results */",
    ] {
        assert!(!page.contains(address), "{address}");
    }
    let nowhere = report(&["--case", WAKE, "--html", "/nowhere/report.html"]);
    assert_is_refused(&nowhere, "/nowhere/report.html: No such file or directory");
}

fn a_file_is_no_terminal() {
    need_jobs();
    let output = report(&["--case", WAKE]);
    for bytes in [output.stdout, output.stderr] {
        let text = String::from_utf8(bytes).expect("text");
        assert!(
            !text.contains(['\x1b', '\r', '\u{200b}', '\u{200c}', '\u{feff}']),
            "{text:?}"
        );
    }
}

fn rules_are_explained() {
    let output = report(&["--explain", "D5"]);
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    assert!(
        said.contains("**D5 Nested ASYNC_start_job.**") && said.contains("LIB: clean refusal"),
        "{said}"
    );
    assert!(!said.contains("**D6"), "{said}");
    let none = report(&["--explain", "D99"]);
    assert_is_refused(&none, "docs/behaviour.md has no rule D99");
}

/// Likewise, and nothing on standard output.
fn assert_is_refused(output: &Output, why: &str) {
    compat_tests::assert_is_refused(output, why);
    assert!(
        output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Wants this library to be refused, with these words.
fn assert_library_is_refused(path: &Path, limit: &str, why: &str) {
    let library = ["--only", "--library", text(path)];
    let output = report(&[&library[..], &["--time-limit", limit, "--case", WAKE]].concat());
    assert_is_refused(&output, why);
}

fn libraries_that_hang_are_refused() {
    // They wait more than they work.
    thread::scope(|scope| {
        for (kind, why) in [
            (
                "HANGS",
                "a program that loads it does not end within 3 seconds",
            ),
            (
                "HANGS_IN_A_JOB",
                "a first job does not end within 3 seconds",
            ),
        ] {
            scope.spawn(move || assert_library_is_refused(&odd(kind), "1", why));
        }
    });
}

fn what_cannot_be_used_is_one_line_and_status_2() {
    let manifest = root().join("Cargo.toml");
    let (plain, prints) = (odd("PLAIN"), odd("PRINTS"));
    for (path, why) in [
        (
            Path::new("/nowhere/lib.so"),
            "/nowhere/lib.so: No such file or directory",
        ),
        (root(), "not a file"),
        (&manifest, "it cannot be loaded"),
        (&plain, "no ASYNC_start_job and ASYNC_pause_job in it"),
        (&prints, "it writes to standard output when it is loaded"),
    ] {
        // None of them is to reach its limit, however busy the machine is.
        assert_library_is_refused(path, "60", why);
    }
    assert_is_refused(
        &report(&["--rule", "D99"]),
        "docs/behaviour.md has no rule D99",
    );
    assert_is_refused(&report(&["--rule", "F17"]), "no case proves rule F17");
    assert_is_refused(
        &report(&["--case", "no_such_case"]),
        "there is no case no_such_case",
    );
    // A path that LD_PRELOAD cannot hold.
    if ossl_async::is_capable() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a folder: with spaces");
        fs::create_dir_all(&folder).expect("the target directory can be written");
        let copy = folder.join("copy.so");
        fs::copy(expected_library(Path::new(""), Linkage::Shared), &copy).expect("a copy");
        let report = json(&["--only", "--library", text(&copy), "--case", WAKE], 0);
        assert_eq!(results(&report, WAKE), ["ok"]);
    }
}

fn processes_of_a_library_that_hangs_are_ended() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("odd-child");
    let _left_by_an_earlier_run = fs::remove_file(&place);
    let output = Command::new(env!("CARGO_BIN_EXE_compat-tests"))
        .args(["report", "--time-limit", "1", "--only", "--library"])
        .arg(odd("HANGS"))
        .env("ODD_CHILD", &place)
        .output()
        .expect("it was built");
    assert_is_refused(&output, "does not end within 3 seconds");
    let child = fs::read_to_string(&place).expect("the child has written its number");
    // Killed, but on a busy machine it takes a while until it is gone. It may not be waited for yet.
    let has_ended = || {
        let state = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        state.map_or(true, |state| state.contains(") Z "))
    };
    for _ in 0..6000 {
        if has_ended() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it runs");
}

fn reports_make_a_table_of_versions() {
    let versions = |file: &Path| {
        Command::new(env!("CARGO_BIN_EXE_compat-tests"))
            .arg("versions")
            .args([file, file])
            .output()
            .expect("it was built")
    };
    assert_is_refused(
        &versions(Path::new("/nowhere/r.json")),
        "/nowhere/r.json: No such file",
    );
    assert_is_refused(
        &versions(&root().join("README.md")),
        "README.md: expected value",
    );
    need_jobs();
    need_openssl();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("versions.json");
    let made = report(&["--case", NESTED, "--case", WAKE, "--json"]);
    fs::write(&file, made.stdout).expect("the target directory can be written");
    let table = versions(&file);
    let said = String::from_utf8_lossy(&table.stdout);
    assert!(table.status.success(), "{said}");
    for row in [
        "| this library in front of it: ok | 2 of 2 | 2 of 2 |",
        "| libcrypto: a crash | 1 | 1 |",
        "| libcrypto: absent | 1 | 1 |",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
}

fn the_document_names_cases_that_there_are() {
    let document = fs::read_to_string(root().join("docs/verify.md")).expect("the document");
    let named = regex::Regex::new(r"`([\w/]+)::(\w+)`").expect("a pattern");
    let mut count = 0;
    for found in named.captures_iter(&document) {
        let source = fs::read_to_string(program_source(&found[1])).expect("a program");
        assert!(
            source.contains(&format!("CASE({}, ", &found[2])),
            "{}",
            &found[0]
        );
        count += 1;
    }
    assert_eq!(count, 14);
}
