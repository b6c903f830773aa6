//! That a case which fails, does not run or cannot run is seen to.

use super::*;

/// A shell script in the place of a C program with cases.
fn script(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    command
}

fn shell() -> &'static Path {
    Path::new("/bin/sh")
}

/// How a test of this case of `wake.c` ends, if `work` runs the program.
fn ending_of(case: &str, work: impl Fn(&[String]) -> Results + Send + Sync + 'static) -> String {
    let program = Program::new("wake", "wake", work);
    ending(&program, case)
}

fn ending(program: &Program, case: &str) -> String {
    program.run();
    match ended(|| program.result_of(case)) {
        Ok(()) => "passed".to_owned(),
        Err(Ended::Ignored(why)) => format!("ignored: {why}"),
        Err(Ended::Failed(payload)) => format!("failed: {}", text_of(&*payload)),
    }
}

/// Two cases that `wake.c` has.
const ONE: &str = "each_job_has_a_wait_fd_of_its_own";
const OTHER: &str = "waking_a_freed_job_has_no_effect";

fn result(text: &str) -> Results {
    run_cases(&mut script(text), shell())
}

#[test]
fn a_case_passes_if_the_program_says_ok_and_fails_otherwise() {
    let results = result(
        "echo library /bin/sh; echo ok one Header: a.h; echo 'FAILED two (x.c:7) Header: b.h'; exit 1",
    );
    assert_eq!(results["one"], Ok(()));
    let why = results["two"].as_ref().expect_err("it failed");
    assert!(
        why.contains("x.c:7") && why.contains("by itself: "),
        "{why}"
    );
    assert_eq!(results.len(), 2);
}

#[test]
fn a_program_that_ends_badly_after_its_cases_fails_all_of_them() {
    let text = format!("echo library /bin/sh; echo ok {ONE} Rules; echo lost >&2; exit 66");
    let ending = ending_of(ONE, move |_| result(&text));
    assert!(
        ending.starts_with("failed: wake: ") && ending.contains("lost"),
        "{ending}"
    );
}

#[test]
fn a_program_that_ran_against_another_library_fails() {
    let ending = ending_of(ONE, |_| {
        result(&format!("echo library /bin/cat; echo ok {ONE}"))
    });
    assert!(ending.contains("the wrong library was called"), "{ending}");
    let ending = ending_of(ONE, |_| result("echo nothing"));
    assert!(ending.starts_with("failed: "), "{ending}");
}

#[test]
fn a_case_that_did_not_run_fails_and_so_does_one_that_the_source_has_not() {
    let one = |_: &[String]| Results::from([(ONE.to_owned(), Ok(()))]);
    assert_eq!(ending_of(ONE, one), "passed");
    assert_eq!(ending_of(OTHER, one), "failed: the case did not run");
    let unknown = ending_of(ONE, |_| {
        Results::from([("no_such_case".to_owned(), Ok(()))])
    });
    assert!(unknown.contains("no_such_case"), "{unknown}");
}

#[test]
fn a_case_is_ignored_with_the_reason_and_the_program_is_told() {
    let told = |arguments: &[String]| {
        assert_eq!(arguments, ["7", &format!("-{OTHER}")]);
        Results::from([(ONE.to_owned(), Ok(()))])
    };
    let program = Program::new("wake", "wake", told)
        .with(&[7])
        .without(OTHER, "it takes long");
    assert_eq!(ending(&program, ONE), "passed");
    assert_eq!(ending(&program, OTHER), "ignored: it takes long");
    assert_eq!(ending_of(ONE, |_| ignore("no tool")), "ignored: no tool");
}

#[test]
fn a_transcript_without_an_end_is_an_error() {
    let cases = transcript(
        "== one  Header: a.h\nx = 1\nend\n== two  Header: b.h\nended by signal 11\n== three\nend\nended with status 3\n",
    );
    assert_eq!(
        cases["one"].as_deref(),
        Ok("one  Header: a.h\nx = 1\nend\n")
    );
    assert!(cases["two"].is_err() && cases["three"].is_err());
    assert_eq!(cases.len(), 3);
}

#[test]
fn each_program_must_be_tested_once() {
    let all = programs_in("port");
    let all: Vec<String> = all.iter().map(|name| format!("port/{name}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    every_program_is_in(&all, &["port/"]);
    let missing = ended(|| every_program_is_in(&all[1..], &["port/"]));
    let twice = ended(|| every_program_is_in(&[&all[..], &all[..1]].concat(), &["port/"]));
    assert!(missing.is_err() && twice.is_err());
}
