//! Runs every C program of `programs/`, the C example and the manual's own example, linked with
//! the `.so` and with the `.a`.

use compat_tests::cases::{Program, every_program_is_in, linked};
use compat_tests::{
    EXAMPLE_OUTPUT, LINKAGES, Linkage, command, compile, ignore_for_want, need_jobs, root, run,
};
use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// All programs that have cases, except those below.
const PROGRAMS: &[&str] = &[
    "allocation",
    "arguments",
    "block",
    "cancel",
    "cycles",
    "errors",
    "key_destructors",
    "limits",
    "null",
    "overflow",
    "overflow_report",
    "pool",
    "process",
    "races",
    "signals",
    "stack_size",
    "states",
    "thread_end",
    "threads",
    "upstream",
    "wake",
];

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        every_program_is_tested,
        the_example_and_its_output_are_found_in_a_manual_page,
    ];
    for linkage in LINKAGES {
        for name in PROGRAMS {
            tests.add_program(linked(name, linkage, &[]));
        }
        tests.add_program(soak("two_threads", linkage).with(&[2, 100_000]));
        tests.add_program(soak("four_threads", linkage).with(&[4, 100_000]));
        tests.add_program(overflow_report_without_optimisation(linkage));
        let name = |what: &str| format!("{what}::{}", linkage.name());
        tests.add(
            name("the_c_example_prints_what_the_manual_says"),
            move || check_example(linkage),
        );
        tests.add(
            name("the_manuals_own_example_prints_what_the_manual_says"),
            move || check_the_manuals_example(linkage),
        );
    }
    tests.run()
}

/// Runs many jobs one after the other, in several threads. `check_long.rs` runs more of them.
fn soak(threads: &str, linkage: Linkage) -> Program {
    linked("soak", linkage, &[]).titled(&format!("soak::{threads}::{}", linkage.name()))
}

/// Without optimisation the frames are different.
fn overflow_report_without_optimisation(linkage: Linkage) -> Program {
    let title = format!("overflow_report::without_optimisation::{}", linkage.name());
    linked("overflow_report", linkage, &["-O0"]).titled(&title)
}

fn every_program_is_tested() {
    every_program_is_in(&[PROGRAMS, &["soak"]].concat(), &[""]);
}

/// Compiles a program, runs it, and compares its output.
fn check_output(source: &Path, linkage: Linkage, extra: &[&str], expected: &str) {
    let program = compile(source, linkage, extra);
    let ran = run(&mut command(&[], &program));
    assert!(ran.status.success(), "{}\n{}", ran.status, ran.stderr);
    assert_eq!(ran.stdout, expected);
}

// Rules: T15
fn check_example(linkage: Linkage) {
    need_jobs();
    check_output(
        &root().join("examples/hello_job.c"),
        linkage,
        &[],
        EXAMPLE_OUTPUT,
    );
}

/// The indented blocks of one section of a manual page in POD, without their indentation.
fn verbatim_blocks(pod: &str, section: &str) -> Vec<String> {
    let heading = format!("=head1 {section}");
    let lines = pod
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("=head1"));
    let mut blocks = vec![String::new()];
    for line in lines {
        match line.strip_prefix(' ') {
            Some(text) => *blocks.last_mut().expect("never empty") += &format!("{text}\n"),
            // An empty line may be inside a block or around it.
            None if line.is_empty() => *blocks.last_mut().expect("never empty") += "\n",
            None => blocks.push(String::new()),
        }
    }
    blocks
        .iter()
        .map(|block| format!("{}\n", block.trim_matches('\n')))
        .filter(|block| block != "\n")
        .collect()
}

fn the_example_and_its_output_are_found_in_a_manual_page() {
    let pod = "=head1 NAME\n\n not this\n\n=head1 EXAMPLE\n\nText:\n\n first {\n\n     second\n }\n\n\
        More\ntext:\n\n third\n\n=head1 END\n\n nor this\n";
    assert_eq!(
        verbatim_blocks(pod, "EXAMPLE"),
        ["first {\n\n    second\n}\n", "third\n"]
    );
}

// Rules: T15
fn check_the_manuals_example(linkage: Linkage) {
    need_jobs();
    let Some(manual) = env::var_os("OSSL_ASYNC_MANUAL") else {
        ignore_for_want("OSSL_ASYNC_MANUAL does not name ASYNC_start_job.pod of 2015");
    };
    let pod = fs::read_to_string(&manual).expect("OSSL_ASYNC_MANUAL names a file");
    let blocks = verbatim_blocks(&pod, "EXAMPLE");
    let [program, output] = &blocks[..] else {
        panic!("the manual's example is a program and its output: {blocks:?}")
    };
    assert!(program.starts_with("#include <stdio.h>\n"), "{program}");
    assert_eq!(output, EXAMPLE_OUTPUT);

    let source =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("manual_example_{}.c", linkage.name()));
    fs::write(&source, program).expect("the target directory can be written");
    // The program uses select() and relies on other headers to include its header.
    check_output(&source, linkage, &["-include", "sys/select.h"], output);
}
