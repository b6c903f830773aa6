//! Programs written for OpenSSL 1.1.0 to 3.x: they must print the same on libcrypto and with the
//! library in front of it. Also programs that call libcrypto directly, and programs about intended
//! differences.

use compat_tests::cases::{Program, compare, every_program_is_in, linked};
use compat_tests::{
    LINKAGES, Linkage, Scratch, bindings, compile_alone, compile_with_openssl, expected_library,
    ignore, ignore_for_want, looked_up_by_name, need_command, need_jobs, need_openssl,
    openssl_is_older_than_3_0, program_source, run, with_ossl_async,
};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

// ---- The same program on both libraries ----

/// All programs of `programs/gen2`, except `mem_functions`.
const BOTH: &[&str] = &[
    "callback",
    "errors",
    "libctx",
    "pool",
    "start",
    "upstream",
    "wait_ctx",
    "wait_ctx_tables",
];

/// Cases of theirs that need OpenSSL 3.0. Earlier versions compile the programs without them.
const SINCE_3_0: &[(&str, &str)] = &[
    ("errors", "entries_go_with_the_mark"),
    ("upstream", "callback_status"),
    ("upstream", "start_job_with_default_libctx"),
];

/// The programs that need OpenSSL 3.0.
const WHOLE_SINCE_3_0: &[&str] = &["callback", "libctx"];

/// Why they are ignored.
const OLDER_THAN_3_0: &str = "this OpenSSL is older than 3.0";

/// The programs about intended differences. They are linked with the library alone.
const OURS: &[&str] = &[
    "gen2_ours/both_generations",
    "gen2_ours/contexts",
    "gen2_ours/custom_stacks",
    "gen2_ours/exhaustion",
    "gen2_ours/fake_libcrypto",
    "gen2_ours/second_misuse",
    "gen2_ours/second_null",
    "gen2_ours/statistics",
];

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        every_program_is_tested,
        jobs_of_libcryptos_own_handle_run_beside_the_preloaded_library,
        jobs_by_pythons_ctypes_run_beside_the_preloaded_library,
    ];
    for name in BOTH {
        let same = Program::new(&source(name), format!("same::{name}"), |_| {
            if WHOLE_SINCE_3_0.contains(name) && openssl_is_older_than_3_0() {
                ignore(OLDER_THAN_3_0);
            }
            let (libcrypto, ours) = both(name);
            compare(&libcrypto, &ours)
        });
        let left_out = SINCE_3_0
            .iter()
            .filter(|(of, _)| of == name && openssl_is_older_than_3_0());
        tests
            .add_program(left_out.fold(same, |same, (_, case)| same.without(case, OLDER_THAN_3_0)));
    }
    tests.add_program(mem_functions_as_expected());
    tests.add_program(mem_functions_as_in_libcrypto());
    for linkage in LINKAGES {
        for name in OURS {
            tests.add_program(linked(name, linkage, &[]));
        }
    }
    tests.run()
}

fn every_program_is_tested() {
    let both = BOTH.iter().map(|name| source(name));
    let both: Vec<String> = both.chain([source("mem_functions")]).collect();
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    every_program_is_in(&[&both, OURS].concat(), &["gen2/", "gen2_ours/"]);
}

/// Only OpenSSL 3.2 and later have these functions. For other versions, the expected output is in
/// a file.
// Rules: T14, D31, G40, G41
fn mem_functions_as_expected() -> Program {
    let name = "mem_functions";
    Program::new(&source(name), "as_written_down::mem_functions", move |_| {
        let (_, ours) = both(name);
        let expected = program_source(&source(name)).with_extension("expected");
        let expected = fs::read_to_string(expected).expect("it lies beside the program");
        compare(&expected, &ours)
    })
}

// Rules: T14, D31, G40, G41
fn mem_functions_as_in_libcrypto() -> Program {
    let name = "mem_functions";
    Program::new(&source(name), "same::mem_functions", move |_| {
        let (libcrypto, ours) = both(name);
        if libcrypto.contains("\nabsent\n") {
            ignore("this OpenSSL is older than 3.2");
        }
        compare(&libcrypto, &ours)
    })
}

/// The name of a program in `programs/`.
fn source(name: &str) -> String {
    format!("gen2/{name}")
}

/// What a program prints on libcrypto, and with the library in front of it.
fn both(name: &str) -> (String, String) {
    need_jobs();
    need_openssl();
    let program = compile_with_openssl(&program_source(&source(name)));
    let scratch = Scratch::new(&folder(name));
    let libcrypto = output_on(
        name,
        &program,
        &mut Command::new("env"),
        &scratch.path().join("libcrypto"),
        |file| file_name(file).starts_with("libcrypto.so."),
    );
    let library = fs::canonicalize(expected_library(&program, Linkage::Shared)).unwrap();
    let ours = output_on(
        name,
        &program,
        &mut with_ossl_async("env"),
        &scratch.path().join("ours"),
        |file| fs::canonicalize(file).is_ok_and(|file| file == library),
    );
    (libcrypto, ours)
}

/// Runs a program by way of `env`, proves that it called the right library, and returns its
/// output.
///
/// There are two proofs. The program looks up its functions and prints their files. The dynamic
/// linker prints how each reference of the program, of libssl and of libcrypto was resolved.
fn output_on(
    name: &str,
    program: &Path,
    env: &mut Command,
    log: &Path,
    is_right: impl Fn(&str) -> bool,
) -> String {
    let ran = run(env
        .args(["LD_BIND_NOW=1", "LD_DEBUG=bindings"])
        .arg(format!("LD_DEBUG_OUTPUT={}", log.display()))
        .arg(program));
    assert!(
        ran.status.success(),
        "{name}: {}\n{}",
        ran.status,
        ran.stderr
    );

    let mut said = BTreeSet::new();
    for line in ran.stderr.lines() {
        let mut words = line.splitn(3, ' ');
        if let (Some(function), Some("program" | "process"), Some(file)) =
            (words.next(), words.next(), words.next())
        {
            assert!(
                is_right(file),
                "{name}: {function} of the wrong library, {file}"
            );
            said.insert(function.to_owned());
        }
    }
    for function in ["ASYNC_start_job", "ASYNC_pause_job"] {
        assert!(
            said.contains(function),
            "{name} does not print which file has {function}"
        );
    }

    let resolved = resolved(log);
    let mut bound = BTreeSet::new();
    for (from, to, symbol) in &resolved {
        let from = file_name(from).to_owned();
        let concerned = from.starts_with("libssl.so")
            || from.starts_with("libcrypto.so")
            || from == file_name(&program.to_string_lossy());
        if concerned && symbol.starts_with("ASYNC_") {
            assert!(
                is_right(to),
                "{name}: {from} has {symbol} from the wrong library, {to}"
            );
            let from = from.split(".so").next().unwrap_or_default().to_owned();
            bound.insert((from, symbol.clone()));
        }
    }
    let program = file_name(&program.to_string_lossy()).to_owned();
    for (from, symbol) in [
        ("libssl", "ASYNC_start_job"),
        ("libssl", "ASYNC_WAIT_CTX_new"),
        (&program, "ASYNC_start_job"),
        (&program, "ASYNC_pause_job"),
    ] {
        assert!(
            bound.contains(&(from.to_owned(), symbol.to_owned())),
            "{name}: the linker does not print how {from} resolved {symbol}"
        );
    }
    // libcrypto's own calls by these names, if it makes any.
    assert_eq!(
        bound.iter().any(|(from, _)| from == "libcrypto"),
        !own_references(&resolved).is_empty(),
        "{name}: libcrypto's own references"
    );
    ran.stdout
}

/// The `ASYNC_*` functions that libcrypto calls by name. It has none since 3.6, where such calls
/// are bound inside it.
fn own_references(resolved: &[(String, String, String)]) -> BTreeSet<String> {
    let (libcrypto, _, _) = resolved
        .iter()
        .find(|(from, _, _)| file_name(from).starts_with("libcrypto.so."))
        .expect("libcrypto refers to the C library");
    let names = looked_up_by_name(Path::new(libcrypto)).into_iter();
    names.filter(|name| name.starts_with("ASYNC_")).collect()
}

/// What the dynamic linker wrote about references that it resolved.
fn resolved(output: &Path) -> Vec<(String, String, String)> {
    let prefix = format!("{}.", file_name(&output.to_string_lossy()));
    let directory = output.parent().expect("it lies in a directory");
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("the directory can be read").path();
        if file_name(&path.to_string_lossy()).starts_with(&prefix) {
            found.extend(bindings(&fs::read_to_string(&path).expect("it is text")));
        }
    }
    found
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

// ---- libcrypto's own functions, beside a preloaded library ----

// Rules: B18, B21, B17, G1, G2
fn jobs_of_libcryptos_own_handle_run_beside_the_preloaded_library() {
    let name = "jobs of libcrypto's own handle";
    need_jobs();
    let program = compile_alone(&program_source("own_handle/jobs"));
    assert_own_handle(name, "own_handle_c", &[program.into()]);
}

// Rules: B18, B21, B17, G1
fn jobs_by_pythons_ctypes_run_beside_the_preloaded_library() {
    let name = "jobs by Python's ctypes";
    need_jobs();
    need_command(
        "python3",
        &["-c", "import ctypes"],
        "there is no python3 with ctypes",
    );
    let script = program_source("own_handle/jobs").with_extension("py");
    assert_own_handle(name, "own_handle_py", &["python3".into(), script.into()]);
}

/// Runs a program that gets libcrypto's functions by libcrypto's own handle, alone and with the
/// library preloaded. It must print the same. Proves that the functions are libcrypto's, and which
/// library's `ASYNC_init_thread` libcrypto calls for a pool.
fn assert_own_handle(name: &str, scratch: &str, program: &[OsString]) {
    let scratch = Scratch::new(&folder(scratch));
    let ours = expected_library(Path::new(""), Linkage::Shared);
    let ours = fs::canonicalize(ours).expect("it was built");
    let [libcrypto, beside_ours] = [false, true].map(|preloaded| {
        let log = scratch
            .path()
            .join(if preloaded { "ours" } else { "libcrypto" });
        let run_on = |libcrypto: &str| {
            let mut env = match preloaded {
                true => with_ossl_async("env"),
                false => Command::new("env"),
            };
            env.args(["LD_BIND_NOW=1", "LD_DEBUG=bindings"])
                .arg(format!("LD_DEBUG_OUTPUT={}", log.display()));
            run(env.args(program).arg(libcrypto))
        };
        let names = ["libcrypto.so.3", "libcrypto.so.4", "libcrypto.so.1.1"];
        let ran = names
            .iter()
            .map(|libcrypto| run_on(libcrypto))
            .find(|ran| ran.status.code() != Some(2));
        let Some(ran) = ran else { return String::new() };
        assert!(
            ran.status.success(),
            "{name}, preloaded {preloaded}: {}\n{}{}",
            ran.status,
            ran.stdout,
            ran.stderr
        );
        let files = ran.stderr.lines().filter_map(|line| line.split_once(' '));
        let files: Vec<_> = files.map(|(_, file)| file_name(file)).collect();
        assert!(
            files.len() >= 3 && files.iter().all(|file| file.starts_with("libcrypto.so.")),
            "{name}: {}",
            ran.stderr
        );
        let resolved = resolved(&log);
        let by_name = own_references(&resolved).contains("ASYNC_init_thread");
        let pools = resolved.iter().filter(|(from, _, symbol)| {
            file_name(from).starts_with("libcrypto.so.") && symbol == "ASYNC_init_thread"
        });
        let pools: Vec<_> = pools.map(|(_, to, _)| to).collect();
        let is_right = |file: &&String| match preloaded {
            true => fs::canonicalize(file).is_ok_and(|file| file == ours),
            false => file_name(file).starts_with("libcrypto.so."),
        };
        assert!(
            pools.is_empty() != by_name && pools.iter().all(is_right),
            "{name}, preloaded {preloaded}: {pools:?}"
        );
        ran.stdout
    });
    if libcrypto.is_empty() {
        ignore_for_want("no libcrypto.so.3, .4 or .1.1 is installed");
    }
    assert_eq!(libcrypto, beside_ours, "{name}");
}

/// Where a test puts its files.
fn folder(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("two-libraries-{test}"))
}
