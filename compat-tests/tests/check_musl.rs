//! The library for musl, where OpenSSL has no jobs: C programs linked with the shared and with the
//! static library, a stand-in for a libssl whose libcrypto has no jobs, and OpenSSL's own libssl.
//!
//! `.ci/musl libssl` builds that from OpenSSL's source. The library's own tests run with musl by
//! `.ci/musl`. `check_shim.rs` has the switch by itself.

use compat_tests::cases::{Program, compare, every_program_is_in, run_cases};
use compat_tests::handshakes::{Handshakes, file_of_function, is_library};
use compat_tests::{
    LINKAGES, Linkage, compile_with_openssl, ignore, musl, need_openssl, openssl_is_older_than_3_0,
    program_source, report, run,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The programs with cases.
const PROGRAMS: &[&str] = &[
    "arguments",
    "block",
    "cancel",
    "cycles",
    "errors",
    "key_destructors",
    "limits",
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
    "gen2_ours/both_generations",
    "gen2_ours/contexts",
    "gen2_ours/custom_stacks",
    "gen2_ours/exhaustion",
    "gen2_ours/second_misuse",
    "gen2_ours/statistics",
];

/// Those that do not run, with the reason.
const OTHERS: &[(&str, &str)] = &[
    ("allocation", "it replaces malloc, and calls glibc's own"),
    ("null", "it is for a build without jobs"),
    (
        "soak",
        "it finds no more than \"races\" does, and takes long",
    ),
    (
        "gen2_ours/fake_libcrypto",
        "the library's own tests have the same",
    ),
    ("gen2_ours/second_null", "it is for a build without jobs"),
];

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        every_program_is_listed,
        a_libssl_without_jobs_has_them_when_the_library_is_preloaded,
        a_libssl_without_jobs_has_them_when_the_library_is_linked_before_it,
        the_build_without_jobs_is_what_openssl_is_there,
        openssls_own_libssl_starts_its_jobs_in_the_library,
        openssls_own_libcrypto_with_the_library_does_what_it_does_with_glibc,
        openssls_own_libssl_makes_handshakes_that_wait_for_an_fd,
        openssls_own_libssl_makes_handshakes_that_wait_for_a_callback,
    ];
    for linkage in LINKAGES {
        for name in PROGRAMS {
            tests.add_program(with_musl(name, linkage));
        }
    }
    for name in ["null", "gen2_ours/second_null"] {
        tests.add_program(Program::new(
            name,
            title(name, "without_jobs"),
            move |cases| {
                musl::need_musl();
                let library = musl::null_library();
                let program = musl::build(name, "without-jobs", |command| {
                    musl::link_unwinder(command.arg(library));
                });
                run_cases(command(&program, library).args(cases), library)
            },
        ));
    }
    tests.run()
}

fn every_program_is_listed() {
    let others = OTHERS.iter().map(|(name, _)| *name);
    let for_openssl = FOR_OPENSSL.iter().copied().chain([WRITTEN_DOWN]);
    let with_library = PROGRAMS.iter().copied();
    let listed: Vec<&str> = with_library.chain(for_openssl).chain(others).collect();
    every_program_is_in(&listed, &["", "gen2/", "gen2_ours/"]);
}

fn title(name: &str, kind: &str) -> String {
    format!("{}::{kind}", name.replace('/', "::"))
}

/// A command that runs a program for musl. The library lies in one of the folders that are
/// searched.
fn command(program: &Path, library: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", musl::library_path(library));
    command
}

fn with_musl(name: &'static str, linkage: Linkage) -> Program {
    let program = Program::new(name, title(name, linkage.name()), move |cases| {
        musl::need_musl();
        let program = musl::compile(name, linkage);
        let library = &musl::library().shared;
        let expected = match linkage {
            Linkage::Shared => library,
            // A static program of musl cannot ask. There is no other library.
            Linkage::Static => Path::new("unknown"),
        };
        run_cases(command(&program, library).args(cases), expected)
    });
    match name {
        "thread_end" => program.without(
            "the_main_thread_may_end_in_a_job_while_another_thread_continues",
            "with musl nothing can join the main thread of a forked child, with or without jobs",
        ),
        _ => program,
    }
}

/// The stand-ins, and the program that uses them. `before` is linked before them.
fn server(before: Option<&Path>) -> PathBuf {
    let shared = |name: &str| {
        musl::build(&format!("musl/{name}"), "standin", |command| {
            command.args(["-shared", "-fPIC", &format!("-Wl,-soname,{name}")]);
        })
    };
    let (libssl, libcrypto) = (shared("libssl"), shared("null_libcrypto"));
    let group = if before.is_some() {
        "linked"
    } else {
        "standin"
    };
    musl::build("musl/server", group, |command| {
        let folder = libssl.parent().expect("it lies in a folder");
        command
            .arg("-Wl,--no-as-needed")
            .args(before)
            .args([&libssl, &libcrypto])
            .arg(format!("-Wl,-rpath,{}", folder.display()));
        musl::link_unwinder(command);
    })
}

/// What the program prints, with these libraries in front.
fn printed(server: &Path, preloaded: Option<&Path>) -> String {
    let mut command = command(server, &musl::library().shared);
    if let Some(library) = preloaded {
        command.env("LD_PRELOAD", library);
    }
    let ran = run(&mut command);
    assert!(ran.status.success(), "{}\n{}", ran.status, ran.stderr);
    ran.stdout
}

const WITHOUT_JOBS: &str = "capable 0\nasync job\nresult 0\ncalls of libcrypto 4\n";
const WITH_JOBS: &str = "capable 1\nasync\ndone\nresult 1234\ncalls of libcrypto 0\n";

// Rules: F16, F17, D33
fn a_libssl_without_jobs_has_them_when_the_library_is_preloaded() {
    musl::need_musl();
    let server = server(None);
    assert_eq!(printed(&server, None), WITHOUT_JOBS);
    assert_eq!(printed(&server, Some(&musl::library().shared)), WITH_JOBS);
}

// Rules: F16, F17, D33
fn a_libssl_without_jobs_has_them_when_the_library_is_linked_before_it() {
    musl::need_musl();
    let server = server(Some(&musl::library().shared));
    assert_eq!(printed(&server, None), WITH_JOBS);
}

// Rules: F16, D33
fn the_build_without_jobs_is_what_openssl_is_there() {
    musl::need_musl();
    let without = WITHOUT_JOBS.replace("libcrypto 4", "libcrypto 0");
    assert_eq!(printed(&server(None), Some(musl::null_library())), without);
}

/// How the library comes before OpenSSL's libssl.
#[derive(Clone, Copy, Debug)]
enum Way {
    Preloaded,
    LinkedBefore,
}

const WAYS: [Way; 2] = [Way::Preloaded, Way::LinkedBefore];

/// A command that runs a program with OpenSSL's libssl, and without the library if `way` is None.
fn with_libssl(openssl: &musl::Openssl, name: &str, way: Option<Way>) -> Command {
    let library = &musl::library().shared;
    let before = matches!(way, Some(Way::LinkedBefore)).then_some(&**library);
    let mut command = command(&openssl.compile(name, before), library);
    if matches!(way, Some(Way::Preloaded)) {
        command.env("LD_PRELOAD", library);
    }
    command
}

/// Whether a file is the library.
fn is_ours(file: &Path) -> bool {
    let library = fs::canonicalize(&musl::library().shared).expect("it was built");
    file == library
}

// Rules: F16, F17, D33
fn openssls_own_libssl_starts_its_jobs_in_the_library() {
    let openssl = musl::need_openssl();
    let printed = |way| {
        let ran = run(&mut with_libssl(&openssl, "musl/first_step", way));
        assert!(ran.status.success(), "{}\n{}", ran.status, ran.stderr);
        (ran.stdout, file_of_function(&ran.stderr, "ASYNC_start_job"))
    };
    let (stdout, file) = printed(None);
    assert!(is_library(&file, "libcrypto"), "{file:?}");
    assert_eq!(
        stdout,
        "capable 0\nSSL_ERROR_WANT_ASYNC_JOB\nhello not sent\n"
    );
    for way in WAYS {
        let (stdout, file) = printed(Some(way));
        assert!(is_ours(&file), "{way:?}: {file:?}");
        assert_eq!(stdout, "capable 1\nSSL_ERROR_WANT_READ\nhello sent\n");
    }
}

/// Programs for OpenSSL 1.1.0 and later (`programs/gen2`).
const FOR_OPENSSL: &[&str] = &[
    "gen2/callback",
    "gen2/errors",
    "gen2/libctx",
    "gen2/pool",
    "gen2/start",
    "gen2/upstream",
    "gen2/wait_ctx",
    "gen2/wait_ctx_tables",
];

/// One of them whose output is written down, because few versions of OpenSSL have its functions.
const WRITTEN_DOWN: &str = "gen2/mem_functions";

/// Cases of theirs whose result also depends on the version of OpenSSL (G47, G48, D11).
const OF_THE_VERSION: &[&str] = &[
    "a_full_pool_is_reported_before_bad_arguments",
    "a_limit_above_what_an_int_holds",
    "a_start_that_fails_changes_no_context",
    "arguments_of_size_0_are_null",
    "more_up_front_than_could_be_listed_is_refused",
    "no_memory_for_arguments",
];

// Rules: D33
fn openssls_own_libcrypto_with_the_library_does_what_it_does_with_glibc() {
    let openssl = musl::need_openssl();
    need_openssl();
    if openssl_is_older_than_3_0() {
        ignore("this OpenSSL is older than 3.0");
    }
    let output = |mut command: Command, is_right: &dyn Fn(&Path) -> bool| {
        let ran = run(&mut command);
        assert!(ran.status.success(), "{command:?}\n{}", ran.stderr);
        let file = file_of_function(&ran.stderr, "ASYNC_start_job program");
        assert!(is_right(&file), "{command:?} calls {file:?}");
        ran.stdout
    };
    let mut cases = 0;
    let on_glibc = |name: &'static str| {
        let mut command = Command::new(compile_with_openssl(&program_source(name)));
        command.env_remove("LD_PRELOAD");
        (name, output(command, &|file| is_library(file, "libcrypto")))
    };
    let written_down = program_source(WRITTEN_DOWN).with_extension("expected");
    let written_down = fs::read_to_string(written_down).expect("it lies beside the program");
    let expected = FOR_OPENSSL.iter().copied().map(on_glibc);
    for (name, expected) in expected.chain([(WRITTEN_DOWN, written_down)]) {
        for way in WAYS {
            let ours = output(with_libssl(&openssl, name, Some(way)), &is_ours);
            for (case, result) in compare(&expected, &ours) {
                if !OF_THE_VERSION.contains(&case.as_str()) {
                    assert_eq!(result, Ok(()), "{name}, {case}, {way:?}");
                    cases += 1;
                }
            }
        }
    }
    // With both ways.
    assert!(cases > 100, "{cases}");
    report(&format!("the same as with glibc: {cases} cases\n"));
}

/// Handshakes with the library in each way, whose key has a method of its own or is in a provider.
fn check_handshakes(variant: &str) {
    let openssl = musl::need_openssl();
    let provider = openssl.provider_directory();
    for provider in [None, Some(&*provider)] {
        let handshakes = Handshakes {
            number: 400,
            variant,
            provider,
        };
        for way in WAYS {
            let command = with_libssl(&openssl, "tls/handshakes", Some(way));
            let whose = format!("the library, {way:?}");
            let transcript = handshakes.transcript(command, &whose, is_ours);
            handshakes.check(&transcript);
        }
    }
}

// Rules: G9, G11, G17, G20, G21, G22, G24, G30, D33
fn openssls_own_libssl_makes_handshakes_that_wait_for_an_fd() {
    check_handshakes("fd");
}

// Rules: G9, G11, G33, G34, G35, G36, D33
fn openssls_own_libssl_makes_handshakes_that_wait_for_a_callback() {
    check_handshakes("callback");
}
