//! What the library asks of the system, compared with `docs/system.md`. It makes no other system
//! call. If one is refused, there is an error or a fallback, never a crash and never a stack
//! without a guard. Also the memory that paused jobs cost.

use compat_tests::{
    Linkage, Ran, build, command, compile, expected_archive, expected_library, ignore,
    ignore_for_want, need_jobs, need_tool, program_source, report, root, run,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;
use std::sync::OnceLock;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        no_phase_makes_an_undocumented_system_call,
        with_guards_by_mprotect_no_other_call_is_made,
        with_statistics_and_reports_no_other_call_is_made,
        in_locked_memory_no_other_call_is_made,
        several_guards_are_made_at_a_time_if_the_kernel_can,
        every_call_of_the_document_is_refused_in_a_test,
        under_an_emulator_every_overflow_faults_before_a_neighbour_is_destroyed,
        on_a_kernel_that_ignores_advice_every_overflow_faults_before_a_neighbour_is_destroyed,
    ];
    for refusal in REFUSALS {
        let (calls, ..) = *refusal;
        let name = |part: &str| {
            format!(
                "{part}::{}",
                if calls.is_empty() { "nothing" } else { calls }
            )
        };
        tests.add(name("refused"), || check_refusal(refusal, &[]));
        if REFUSED_WITH_REPORTS.contains(&calls) {
            tests.add(name("refused_with_reports"), || {
                check_refusal(refusal, REPORTS)
            });
        }
    }
    for (what, most) in COSTS {
        let name = format!("a_paused_job_costs_what_the_document_says::{what}");
        tests.add(name, move || {
            a_paused_job_costs_what_the_document_says(what, most)
        });
    }
    tests.run()
}

fn compiled(name: &str) -> PathBuf {
    compile(
        &program_source(&format!("system/{name}")),
        Linkage::Shared,
        &[],
    )
}

/// A program's output after the name of the library that it called, which is checked.
fn text_after_library(ran: &Ran) -> &str {
    let (library, rest) = ran.stdout.split_once('\n').unwrap_or_default();
    let expected = expected_library(Path::new(""), Linkage::Shared);
    assert_eq!(
        fs::canonicalize(library).ok(),
        fs::canonicalize(expected).ok(),
        "the wrong library was called, or none: {}{}",
        ran.stdout,
        ran.stderr
    );
    rest
}

// ----------------------------------------------------------------------------------------------------- the document

fn document() -> String {
    fs::read_to_string(root().join("docs/system.md")).expect("it is in the repository")
}

/// The words in backticks that have the form of names of system calls.
fn calls_in(cell: &str) -> BTreeSet<&str> {
    let is_call = |word: &&str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    cell.split('`').skip(1).step_by(2).filter(is_call).collect()
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The phases of `programs/system/phases.c` by number, with the beginnings of the document's rows.
const PHASES: &[(&str, &str)] = &[
    ("01", "First job of the process"),
    ("02", "Growth: jobs of the six-argument call"),
    ("03", "Growth: jobs of the five-argument call"),
    ("04", "Wait fd"),
    ("05", "Wakes"),
    ("06", "Warm pool"),
    ("07", "Idle jobs"),
    ("08", "`ASYNC_free_pool`"),
    ("09", "First job of a thread"),
    ("10", "End of a thread"),
    ("11", "End of the process"),
    ("12", "First job in a forked child"),
];

/// The document's entry for one phase: calls that are always made, and calls that may be made.
struct Documented {
    always: BTreeSet<String>,
    allowed: BTreeSet<String>,
}

fn documented(text: &str, phase: &str) -> Documented {
    let row = |begin: &str| {
        let begin = format!("| {begin}");
        let line = text.lines().find(|line| line.starts_with(&begin));
        cells(line.unwrap_or_else(|| panic!("no row {begin}")))
    };
    let cells = row(phase);
    let growth = row("Growth: jobs of the six-argument call");
    let first = row("First job of the process");
    let mut allowed = calls_in(cells[1]);
    allowed.extend(calls_in(cells[2]));
    if cells[2].contains("those of growth") {
        allowed.extend(calls_in(growth[1]).iter().chain(&calls_in(growth[2])));
    }
    let mut always = calls_in(cells[1]);
    if cells[1] == "those of the first job" {
        always.extend(calls_in(first[1]));
        allowed.extend(calls_in(first[1]));
    }
    if !["Warm pool", "Wait fd", "Wakes"].contains(&phase) {
        allowed.extend(calls_in(row("Memory of the C library")[2]));
    }
    if ossl_async::switch_method() != "registers" {
        allowed.insert("rt_sigprocmask");
    }
    let own = |calls: BTreeSet<&str>| calls.into_iter().map(str::to_owned).collect();
    Documented {
        always: own(always),
        allowed: own(allowed),
    }
}

// --------------------------------------------------------------------------------------------------- system calls

/// Runs the phases under strace. Returns the calls of each phase, as strace's lines.
fn phases(
    name: &str,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> BTreeMap<String, Vec<String>> {
    let program = compiled("phases");
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("phases-{name}.strace"));
    let mut strace = Command::new("strace");
    for (name, value) in command(&[], &program).get_envs() {
        strace.env(name, value.expect("it is set"));
    }
    strace.args(["-f", "-o"]).arg(&log).arg(&program);
    strace.args(arguments).envs(variables.iter().copied());
    let ran = run(&mut strace);
    assert!(
        ran.status.success(),
        "{name}: {}\n{}",
        ran.status,
        ran.stderr
    );
    if ran.stdout == "cannot lock\n" {
        ignore_for_want("memory may not be locked");
    }
    text_after_library(&ran);

    let log = fs::read_to_string(log).expect("strace writes it");
    let mut phases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The phase, and the thread that is in it. Calls of other threads, which may wait for it, do
    // not belong to the phase.
    let mut phase: Option<(&str, String)> = None;
    // A line is the number of the thread and the call. If another thread was active during a call,
    // the call has two lines. The second ("<... close resumed>") adds only the result.
    let calls = log.lines().filter_map(|line| line.split_once(' '));
    let calls = calls.map(|(thread, call)| (thread, call.trim_start()));
    for (thread, call) in calls.filter(|(_, call)| !call.starts_with("<...")) {
        if let Some(number) = call.strip_prefix("close(-200") {
            let number = number[..2].to_owned();
            assert!(
                phases.insert(number.clone(), vec![]).is_none(),
                "{number} twice"
            );
            phase = Some((thread, number));
        } else if call.starts_with("close(-300") {
            phase = None;
        } else if let (Some((of, number)), true) = (&phase, call.contains('(')) {
            if *of == thread {
                let known = phases.get_mut(number).expect("entered above");
                known.push(call.to_owned());
            }
        }
    }
    phases
}

/// Arguments that `madvise` may be called with, also in the form of a strace that does not know
/// the newest ones.
const ADVICE: &[&str] = &[
    "MADV_NOHUGEPAGE",
    "MADV_POPULATE_WRITE",
    "MADV_POPULATE_READ",
    "MADV_DONTNEED",
    "MADV_GUARD_INSTALL",
    "0x66",
    "0x17", // POPULATE_WRITE
    "0x16", // POPULATE_READ
];

/// Every call of each phase must be in the document. Returns the calls.
fn check_phases(
    name: &str,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> BTreeMap<String, Vec<String>> {
    let what = format!("system calls by phase ({name})");
    need_jobs();
    need_tool("strace");
    let phases = phases(name, variables, arguments);
    let text = document();
    for (number, row) in PHASES {
        let Some(calls) = phases.get(*number) else {
            // A user may not lock the memory of that many jobs. This phase is also tested with
            // other memory locked.
            assert_eq!((*row, arguments), ("Idle jobs", &["locked"][..]));
            continue;
        };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for call in calls {
            let (call_name, rest) = call.split_once('(').expect("looked at above");
            *seen.entry(call_name).or_default() += 1;
            match call_name {
                // A call of the C library, which returns the unused part of a thread's heap.
                "madvise" => assert!(
                    ADVICE.iter().any(|advice| rest.contains(advice)),
                    "{row}: {call}"
                ),
                "mmap" => assert!(!rest.contains("PROT_EXEC"), "{row}: {call}"),
                _ => {}
            }
        }
        let documented = documented(&text, row);
        for call in seen.keys() {
            assert!(
                documented.allowed.contains(*call),
                "{what}: {row}: {call} is not in docs/system.md: {seen:?}"
            );
        }
        for call in &documented.always {
            assert!(
                seen.contains_key(call.as_str()),
                "{what}: {row}: {call} is missing, and docs/system.md says it is always made: {seen:?}"
            );
        }
        report(&format!("{what}: {row}: {seen:?}\n"));
    }
    phases
}

// Rules: F4, P4, D17, D18, W1
fn no_phase_makes_an_undocumented_system_call() {
    check_phases("plain", &[], &[]);
}

// Rules: D22
fn with_guards_by_mprotect_no_other_call_is_made() {
    let variables = [("OSSL_ASYNC_GUARD", "mprotect")];
    let phases = check_phases("mprotect", &variables, &[]);
    for call in phases.values().flatten() {
        assert!(!call.starts_with("process_madvise("), "{call}");
        assert!(
            !call.contains("MADV_GUARD") && !call.contains("0x66"),
            "{call}"
        );
    }
}

// Rules: D22, P4
fn with_statistics_and_reports_no_other_call_is_made() {
    let variables = [
        ("OSSL_ASYNC_STATS", "1"),
        ("OSSL_ASYNC_OVERFLOW_REPORT", "1"),
        ("OSSL_ASYNC_STACK_SIZE", "nonsense"),
        ("OSSL_ASYNC_GUARD", "nonsense"),
    ];
    check_phases("reports", &variables, &[]);
}

// Rules: D17, F8
fn in_locked_memory_no_other_call_is_made() {
    check_phases("locked", &[], &["locked"]);
    check_phases("locked behind", &[], &["locked", "behind"]);
}

// Rules: D22
fn several_guards_are_made_at_a_time_if_the_kernel_can() {
    need_jobs();
    need_tool("strace");
    let phases = phases("several", &[], &[]);
    let growth = &phases["02"];
    let refused = |call: &&String| call.contains("= -1");
    let (light, several) = (
        growth.iter().filter(|call| {
            call.starts_with("madvise(") && (call.contains("0x66") || call.contains("GUARD"))
        }),
        growth
            .iter()
            .filter(|call| call.starts_with("process_madvise(")),
    );
    let (light, several): (Vec<_>, Vec<_>) = (light.collect(), several.collect());
    if light.is_empty() || light.iter().all(refused) || several.first().is_some_and(refused) {
        ignore("this kernel or this build does not make several guards at a time");
    }
    // 2144 stacks come after those whose guards are mappings.
    assert!(
        several.len() >= 100 && light.len() < 20,
        "{} and {}",
        several.len(),
        light.len()
    );
}

// -------------------------------------------------------------------------------------------------------- refusals

/// How many of the wanted jobs can still be made after a refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Jobs {
    All,
    None,
    /// Those that were made before.
    Some,
    /// All, or none if the kernel has no other kind of guard.
    AllOrNone,
}
use Jobs::{All, AllOrNone};

const NO_STACK: &str = "33066041";
const NO_PIPE: &str = "33066064";

/// Arguments of `programs/system/refused.c`, jobs of six arguments and of five, the only error
/// that may occur, and whether wakes and clears have an effect.
type Refusal = (&'static str, Jobs, Jobs, &'static str, bool, bool);

const REFUSALS: &[Refusal] = &[
    ("", All, All, "", true, true),
    ("brk", All, All, "", true, true),
    ("later brk", All, All, "", true, true),
    ("close", All, All, "", true, true),
    ("madvise", All, All, "", true, true),
    ("later madvise", All, All, "", true, true),
    ("madvise:4", All, All, "", true, true),
    ("madvise:15", All, All, "", true, true),
    ("madvise:22", All, All, "", true, true),
    ("madvise:23", All, All, "", true, true),
    ("madvise:102", All, All, "", true, true),
    ("ignored madvise:102", All, All, "", true, true),
    ("ignored madvise", All, All, "", true, true),
    ("process_madvise", All, All, "", true, true),
    ("mincore", All, All, "", true, true),
    ("mmap", Jobs::None, Jobs::None, NO_STACK, false, false),
    ("later mmap", Jobs::Some, Jobs::None, NO_STACK, false, false),
    ("mprotect", AllOrNone, AllOrNone, NO_STACK, true, true),
    ("later mprotect", AllOrNone, AllOrNone, NO_STACK, true, true),
    (
        "mprotect madvise",
        Jobs::None,
        Jobs::None,
        NO_STACK,
        false,
        false,
    ),
    (
        "mprotect madvise:102",
        Jobs::None,
        Jobs::None,
        NO_STACK,
        false,
        false,
    ),
    (
        "mprotect madvise:22",
        Jobs::None,
        Jobs::None,
        NO_STACK,
        false,
        false,
    ),
    ("munmap", All, All, "", true, true),
    ("munlock", All, All, "", true, true),
    ("openat", All, All, "", true, true),
    ("newfstatat", All, All, "", true, true),
    ("pipe2", All, Jobs::None, NO_PIPE, false, false),
    ("later pipe2", All, Jobs::None, NO_PIPE, false, false),
    ("read", All, All, "", true, false),
    ("write", All, All, "", false, true),
    ("rt_sigaction", All, All, "", true, true),
    ("sigaltstack", All, All, "", true, true),
    ("forked openat", All, All, "", true, true),
    ("forked newfstatat", All, All, "", true, true),
    ("forked read", All, All, "", true, false),
    (
        "forked mmap",
        Jobs::None,
        Jobs::None,
        NO_STACK,
        false,
        false,
    ),
    ("locked", All, All, "", true, true),
    ("locked later", All, All, "", true, true),
    ("locked munlock", All, All, "", true, true),
    ("locked mincore", All, All, "", true, true),
    ("locked madvise", All, All, "", true, true),
    ("locked munmap", All, All, "", true, true),
    (
        "locked mprotect",
        Jobs::Some,
        Jobs::Some,
        NO_STACK,
        true,
        true,
    ),
    ("locked behind", All, All, "", true, true),
    ("locked behind later", All, All, "", true, true),
    ("locked behind munlock", All, All, "", true, true),
    ("locked behind mincore", All, All, "", true, true),
    ("locked behind madvise", All, All, "", true, true),
    ("locked behind munmap", All, All, "", true, true),
    (
        "locked behind mprotect",
        Jobs::Some,
        Jobs::Some,
        NO_STACK,
        true,
        true,
    ),
];

/// The number after a word.
fn number(text: &str, word: &str) -> i64 {
    let (_, rest) = text
        .split_once(word)
        .unwrap_or_else(|| panic!("no {word}: {text}"));
    let end = rest.find([',', '\n']).unwrap_or(rest.len());
    rest[..end].trim().parse().expect("a number")
}

// Rules: B19, D17, D18, D22, F8, W1
/// If a system call is refused there is an error or a fallback, and no stack is without a guard.
fn check_refusal(refusal: &Refusal, variables: &[(&str, &str)]) {
    need_jobs();
    if cfg!(not(target_arch = "x86_64")) {
        ignore("the filter is for x86-64");
    }
    let (arguments, six, five, error, wakes, clears) = *refusal;
    let what = format!("refused: {arguments:?} {variables:?}");
    let ran = run(command(&[], &compiled("refused"))
        .args(arguments.split_whitespace())
        .envs(variables.iter().copied()));
    assert!(
        ran.status.success(),
        "{what}: {}\n{}{}",
        ran.status,
        ran.stdout,
        ran.stderr
    );
    let text = text_after_library(&ran);
    if text == "cannot lock\n" {
        ignore_for_want("memory may not be locked");
    }
    let (before, errors) = text.split_once("errors").expect("the last line");
    let errors = errors.trim();
    assert!(errors.is_empty() || errors == error, "{what}: {text}");
    let (count, pipes) = (number(before, "of "), number(before, "pipes "));
    // A user may not lock the memory of that many jobs.
    assert!(
        (count, pipes) == (400, 20) || arguments.contains("locked"),
        "{what}: {text}"
    );
    let counts = [
        (number(before, "six "), count, six),
        (number(before, "again "), count, six),
        (number(before, "five "), pipes, five),
    ];
    for (count, all, expected) in counts {
        let holds = match expected {
            Jobs::All => count == all,
            Jobs::None => count == 0,
            Jobs::Some => (0..=all).contains(&count),
            Jobs::AllOrNone => count == all || count == 0,
        };
        assert!(holds, "{what}: {expected:?}\n{text}");
    }
    let every = counts.iter().all(|(count, all, _)| count == all);
    assert_eq!(every, errors.is_empty(), "{what}: {text}");
    assert_eq!(before.matches("unguarded 0\n").count(), 2, "{what}: {text}");
    let paused = number(before, "five ");
    let wanted = |is: bool| if is { paused } else { 0 };
    assert_eq!(number(before, "wakes "), wanted(wakes), "{what}: {text}");
    assert_eq!(number(before, "clears "), wanted(clears), "{what}: {text}");
    // SIGSEGV, or no job that could overflow its stack.
    let end = number(before, "overflow ");
    assert!(end == 11 || (end == -5 && !every), "{what}: {text}");
    report(&format!("{what}: {}\n", text.trim().replace('\n', "; ")));
}

/// Refusals that are also tested with reports of overflows.
const REFUSED_WITH_REPORTS: [&str; 8] = [
    "",
    "rt_sigaction",
    "sigaltstack",
    "mmap",
    "madvise",
    "munmap",
    "write",
    "mprotect",
];

const REPORTS: &[(&str, &str)] = &[
    ("OSSL_ASYNC_OVERFLOW_REPORT", "1"),
    ("OSSL_ASYNC_STATS", "1"),
];

// Rules: D22
fn every_call_of_the_document_is_refused_in_a_test() {
    let text = document();
    let (_, table) = text
        .split_once("## If a call is refused")
        .expect("the heading");
    let (table, _) = table.split_once("\n## ").expect("the next heading");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<&str> = rows.flat_map(|line| calls_in(cells(line)[0])).collect();
    let tested: BTreeSet<&str> = REFUSALS
        .iter()
        .flat_map(|refusal| refusal.0.split_whitespace())
        .filter_map(|word| word.split(':').next())
        .filter(|word| !["later", "locked", "behind", "forked", "ignored"].contains(word))
        .collect();
    assert_eq!(tested, documented);
}

/// Runs the program whose jobs all overflow their stacks, under an emulator or by itself.
fn check_neighbours(what: &str, emulator: Option<&str>, arguments: &[&str]) {
    need_jobs();
    if cfg!(not(target_arch = "x86_64")) {
        ignore("it is for x86-64");
    }
    if let Some(emulator) = emulator {
        need_tool(emulator);
    }
    let archive = expected_archive();
    let source = program_source("system/neighbours");
    let program = build(&source, "emulated", |command| {
        command
            .arg("-I")
            .arg(root().join("csrc/include"))
            .arg(&source)
            .arg("-static")
            .arg(&archive)
            .args(["-lgcc_eh", "-lpthread", "-ldl"]);
    });
    let wrapper: Vec<&str> = emulator.into_iter().collect();
    let ran = run(command(&wrapper, &program).args(arguments));
    assert_eq!(
        (ran.stdout.as_str(), ran.status.code()),
        ("300 of 300 jobs died of SIGSEGV\n", Some(0)),
        "{what}"
    );
    report(&format!("{what}: {}", ran.stdout));
}

// Rules: D22, F8
fn under_an_emulator_every_overflow_faults_before_a_neighbour_is_destroyed() {
    check_neighbours("overflows under qemu", Some("qemu-x86_64"), &[]);
}

// Rules: D22, F8
fn on_a_kernel_that_ignores_advice_every_overflow_faults_before_a_neighbour_is_destroyed() {
    check_neighbours("overflows", None, &[]);
    let ignores = ["ignores-advice"];
    check_neighbours("overflows where advice is ignored", None, &ignores);
}

// ------------------------------------------------------------------------------------------------------------ costs

/// The number in a line that begins with this text, if there is one.
fn figure(text: &str, line: &str) -> Option<i64> {
    let line = text.lines().find_map(|each| each.strip_prefix(line))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The most that a paused job may cost, in bytes. Other machines may differ: the kernel's page
/// tables differ, and its counts of pages lag behind.
const COSTS: [(&str, i64); 5] = [
    ("addresses", 225_280),
    ("memory", 4_600),
    ("page tables", 700),
    ("locked", 140 * 1024),
    ("locked on fault", 4_600),
];

// Rules: D17, D22
fn a_paused_job_costs_what_the_document_says(what: &str, most: i64) {
    static FIGURES: OnceLock<String> = OnceLock::new();
    need_jobs();
    let figures = FIGURES.get_or_init(|| {
        let ran = run(&mut command(&[], &compiled("figures")));
        report(&ran.stdout);
        assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
        ran.stdout
    });
    let line = format!("{what}: ");
    let Some(figure) = figure(figures, &line) else {
        ignore_for_want("memory may not be locked");
    };
    assert!(
        (3000.min(most / 10)..=most).contains(&figure),
        "{line}{figure}"
    );
}
