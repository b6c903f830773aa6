//! `examples/minimal_port.c`, the port that was written from `docs/porting.md`. It compiles
//! without a warning, has exactly the symbols of 2015, and keeps the rules that
//! `programs/port/check.c` tests. The document shows its code. The document also names only files
//! and functions that exist.

use compat_tests::{
    EXAMPLE_OUTPUT, Linkage, build, command, compile_shared_library, compile_to, expected_library,
    need_jobs, need_tool, program_source, report, root, run,
};
use object::{Object, ObjectSymbol};
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;
use std::sync::OnceLock;

fn main() -> ExitCode {
    compat_tests::tests![
        the_port_passes_every_case,
        the_library_passes_the_same_cases,
        valgrind_finds_nothing_in_the_port,
        the_example_in_c_runs_on_the_port,
        the_port_has_the_symbols_of_2015_and_no_others,
        the_port_is_short,
        the_code_of_the_document_is_that_of_the_port,
        the_document_names_files_and_functions_that_exist,
        every_rule_of_port_and_document_is_in_the_reference,
    ]
    .run()
}

const LONGEST_PORT: usize = 400;

/// The functions of the 2015 manual page.
const NAMES: [&str; 11] = [
    "ASYNC_block_pause",
    "ASYNC_clear_wake",
    "ASYNC_free_pool",
    "ASYNC_get_current_job",
    "ASYNC_get_wait_fd",
    "ASYNC_in_job",
    "ASYNC_init_pool",
    "ASYNC_pause_job",
    "ASYNC_start_job",
    "ASYNC_unblock_pause",
    "ASYNC_wake",
];

fn source() -> PathBuf {
    root().join("examples/minimal_port.c")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
}

fn headers() -> String {
    format!("-I{}", root().join("csrc/include").display())
}

/// The port as a shared library, built once.
fn port() -> &'static Path {
    static PORT: OnceLock<PathBuf> = OnceLock::new();
    PORT.get_or_init(|| compile_shared_library(&source(), "port", &["-pedantic", &headers()]))
}

/// The program that loads a library and checks it.
fn check_program() -> &'static Path {
    static CHECK: OnceLock<PathBuf> = OnceLock::new();
    CHECK.get_or_init(|| {
        let source = program_source("port/check");
        build(&source, "port", |command| {
            command
                .arg(headers())
                .arg(&source)
                .args(["-lpthread", "-ldl"]);
        })
    })
}

/// Runs every case on a library, and fails unless all pass.
fn check(library: &Path, heading: &str, wrapper: &[&str]) {
    let ran = run(command(wrapper, check_program()).arg(library));
    report(&format!("\n{heading}\n{}", ran.stdout));
    let cases = Regex::new(r"(?m)^    CASE\(").unwrap();
    let program = read("compat-tests/programs/port/check.c");
    let well = ran.stdout.lines().filter(|line| line.starts_with("ok "));
    assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(
        well.count(),
        cases.find_iter(&program).count(),
        "{}",
        ran.stdout
    );
}

// Rules: T1, T2, T3, T4, T5, T15
fn the_port_passes_every_case() {
    check(port(), "the minimal port", &[]);
}

/// So the cases require nothing that the library itself does not do.
// Rules: T1, T2, T3, T4, T5, T15
fn the_library_passes_the_same_cases() {
    need_jobs();
    let library = expected_library(check_program(), Linkage::Shared);
    check(&library, "the library", &[]);
}

fn valgrind_finds_nothing_in_the_port() {
    need_tool("valgrind");
    let valgrind = [
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,indirect",
    ];
    check(port(), "the minimal port (valgrind)", &valgrind);
}

// Rules: T15
fn the_example_in_c_runs_on_the_port() {
    let program = port().with_file_name("hello_job_on_the_port");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror"])
        .args([
            "-DOSSL_ASYNC_PLAIN_NAMES",
            "-DASYNC_start_job_2015=ASYNC_start_job",
        ])
        .arg(headers())
        .arg(root().join("examples/hello_job.c"))
        .arg(port());
    compile_to(&program, &mut compiler);
    let ran = run(&mut command(&[], &program));
    assert_eq!(ran.stdout, EXAMPLE_OUTPUT, "{}", ran.stderr);
    assert!(ran.status.success(), "{}", ran.status);
}

// Rules: B2
fn the_port_has_the_symbols_of_2015_and_no_others() {
    let bytes = fs::read(port()).expect("it was built");
    let file = object::File::parse(&*bytes).expect("a shared library");
    let defined: BTreeSet<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .map(|symbol| symbol.name().expect("a name"))
        .collect();
    // Symbols that a linker adds begin with underscores.
    let defined: Vec<&str> = defined
        .into_iter()
        .filter(|name| !name.starts_with('_'))
        .collect();
    assert_eq!(defined, NAMES);
}

fn the_port_is_short() {
    let lines = read("examples/minimal_port.c").lines().count();
    assert!(lines <= LONGEST_PORT, "it has {lines} lines");
}

fn the_code_of_the_document_is_that_of_the_port() {
    let document = read("docs/porting.md");
    let port = read("examples/minimal_port.c");
    let block = Regex::new(r"(?s)```c\n(.*?)```").unwrap();
    let mut count = 0;
    for found in block.captures_iter(&document) {
        assert!(port.contains(&found[1]), "not in the port:\n{}", &found[1]);
        count += 1;
    }
    assert!(count > 5, "only {count} pieces of code were found");
}

/// In a table of the document, a file is followed by the functions and types that it defines.
fn the_document_names_files_and_functions_that_exist() {
    let document = read("docs/porting.md");
    let named =
        Regex::new(r"`((?:src|csrc|compat-tests|examples)/[\w./]+)`(?:: (`\w+`(?:, `\w+`)*))?")
            .unwrap();
    let name = Regex::new(r"`(\w+)`").unwrap();
    let (mut files, mut names) = (0, 0);
    for found in named.captures_iter(&document) {
        let file = &found[1];
        if root().join(file).is_dir() {
            continue;
        }
        let text = read(file);
        files += 1;
        for name in name.captures_iter(found.get(2).map_or("", |names| names.as_str())) {
            let name = &name[1];
            let rust = format!(r"\b(?:fn|struct|enum|type) {name}\b");
            // A C function begins a line. A macro may give it its name.
            let c = format!(r"(?m)^\w.*\b{name}\)?\(|^# *define {name}\b");
            let defined = if file.ends_with(".rs") { rust } else { c };
            let defined = Regex::new(&defined).unwrap();
            assert!(defined.is_match(&text), "{file} does not define {name}");
            names += 1;
        }
    }
    assert!(files > 60 && names > 70, "{files} files, {names} names");
}

fn every_rule_of_port_and_document_is_in_the_reference() {
    let reference = read("docs/behaviour.md");
    let named = Regex::new(r"\b([BSPFWKGDT]\d{1,2})\b").unwrap();
    for file in [
        "docs/porting.md",
        "examples/minimal_port.c",
        "compat-tests/programs/port/check.c",
    ] {
        for found in named.captures_iter(&read(file)) {
            let rule = Regex::new(&format!(r"(?m)\*\*(?:[^*\n]*, )?{}\b", &found[1])).unwrap();
            assert!(rule.is_match(&reference), "{file}: {}", &found[1]);
        }
    }
}
