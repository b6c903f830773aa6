//! Runs every C program of `programs/`, the C example and the manual's own example against the library, linked with the
//! `.so` and with the `.a`.

use compat_tests::{
    LINKAGES, check_program, command, compile, left_out, left_out_for_want, program_source,
    programs_in, report, root, run,
};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

/// What the manual says that its example prints, and ours does too.
const EXAMPLE_OUTPUT: &str = "\
Starting...
Executing within a job
Passed in message is: Hello world!
Job was paused
Waiting for the job to be woken up
Resumed the job after a pause
Job finished with return value 1
Finishing
";

/// Why most programs are left out with the null implementation.
const NO_JOBS: &str = "this build of the library has no jobs";

/// Runs a program both ways, if this build of the library can make jobs or the program is about those that cannot.
fn check(name: &str, arguments: &[&str]) {
    let for_null = name == "null";
    if for_null == ossl_async::is_capable() {
        left_out(
            name,
            if for_null {
                "this build of the library has jobs"
            } else {
                NO_JOBS
            },
        );
        return;
    }
    for linkage in LINKAGES {
        check_program(name, linkage, &[], arguments);
    }
}

/// One test a program, and the list of them.
macro_rules! programs {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                check(stringify!($name), &[]);
            }
        )*
    };
}

programs! {
    allocation arguments block cancel cycles errors key_destructors limits null overflow pool process races signals stack_size states thread_end
    threads upstream wake
}

#[test]
fn two_threads_start_and_finish_ten_million_jobs_each() {
    check("soak", &["2", "10000000"]);
}

#[test]
fn four_threads_start_and_finish_ten_million_jobs_each() {
    check("soak", &["4", "10000000"]);
}

#[test]
fn overflow_report() {
    check("overflow_report", &[]);
    if !ossl_async::is_capable() {
        return;
    }
    // Frames are others without optimisation. After the run above, since the program's file has the same name.
    for linkage in LINKAGES {
        let program = compile(&program_source("overflow_report"), linkage, &["-O0"]);
        let ran = run(&mut command(&[], &program));
        report(&format!(
            "\noverflow_report ({linkage:?}, -O0)\n{}",
            ran.stdout
        ));
        assert!(ran.status.success(), "{linkage:?}: {}", ran.stderr);
    }
}

#[test]
fn every_program_is_tested() {
    let tested: BTreeSet<String> = TESTED
        .iter()
        .chain(&["overflow_report", "soak"])
        .map(ToString::to_string)
        .collect();
    assert_eq!(programs_in(""), tested);
}

/// Compiles a program, runs it with both linkages and compares what it prints.
fn check_output(source: &Path, extra: &[&str], expected: &str) {
    let name = source
        .file_stem()
        .expect("a source file has a name")
        .to_string_lossy();
    for linkage in LINKAGES {
        let program = compile(source, linkage, extra);
        let ran = run(&mut command(&[], &program));
        assert!(
            ran.status.success(),
            "{name} ({linkage:?}): {}\n{}",
            ran.status,
            ran.stderr
        );
        assert_eq!(ran.stdout, expected, "{name} ({linkage:?})");
        report(&format!(
            "\n{name} ({linkage:?})\nok prints_what_the_manual_says  Rules: T15\n"
        ));
    }
}

#[test]
fn the_c_example_prints_what_the_manual_says() {
    if ossl_async::is_capable() {
        check_output(&root().join("examples/hello_job.c"), &[], EXAMPLE_OUTPUT);
    } else {
        left_out("hello_job", NO_JOBS);
    }
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
            // An empty line may stand inside a block as well as around it.
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

#[test]
fn the_example_and_its_output_are_found_in_a_manual_page() {
    let pod = "=head1 NAME\n\n not this\n\n=head1 EXAMPLE\n\nText:\n\n first {\n\n     second\n }\n\n\
        More\ntext:\n\n third\n\n=head1 END\n\n nor this\n";
    assert_eq!(
        verbatim_blocks(pod, "EXAMPLE"),
        ["first {\n\n    second\n}\n", "third\n"]
    );
}

#[test]
fn the_manuals_own_example_prints_what_the_manual_says() {
    let what = "the manual's example";
    if !ossl_async::is_capable() {
        left_out(what, NO_JOBS);
        return;
    }
    let Some(manual) = env::var_os("OSSL_ASYNC_MANUAL") else {
        left_out_for_want(
            what,
            "OSSL_ASYNC_MANUAL does not name ASYNC_start_job.pod of 2015",
        );
        return;
    };
    let pod = fs::read_to_string(&manual).expect("OSSL_ASYNC_MANUAL names a file");
    let blocks = verbatim_blocks(&pod, "EXAMPLE");
    let [program, output] = &blocks[..] else {
        panic!("the manual's example is a program and its output: {blocks:?}")
    };
    assert!(program.starts_with("#include <stdio.h>\n"), "{program}");
    assert_eq!(output, EXAMPLE_OUTPUT);

    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual_example.c");
    fs::write(&source, program).expect("the target directory can be written");
    // The program uses select() and trusts other headers to bring it.
    check_output(&source, &["-include", "sys/select.h"], output);
}
