//! TLS on the system's libssl in SSL_MODE_ASYNC. The same handshakes run with libcrypto's jobs and
//! with the library's jobs in front of them. Also a Rust program that links both.
//!
//! `OSSL_ASYNC_TLS_HANDSHAKES` sets how many handshakes are done with each library, 1000 by
//! default.

use compat_tests::handshakes::{Handshakes, is_library};
use compat_tests::{
    Linkage, command, compile_rust_package, compile_with_openssl, expected_library, ignore,
    need_jobs, need_openssl, need_providers, openssl_is_older_than_3_0, program_source,
    provider_directory, report, root, run, with_ossl_async,
};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::process::{Command, id};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

fn main() -> ExitCode {
    compat_tests::tests![
        handshakes_that_wait_for_an_fd_are_the_same_with_libcrypto_and_with_the_library,
        handshakes_that_wait_for_a_callback_are_the_same_with_libcrypto_and_with_the_library,
        handshakes_whose_key_is_in_a_provider_are_the_same_and_wait_for_an_fd,
        handshakes_whose_key_is_in_a_provider_are_the_same_and_wait_for_a_callback,
        libssl_and_libcrypto_themselves_call_the_library,
        a_rust_program_with_the_c_api_does_tls_with_the_librarys_jobs,
        a_rust_program_without_the_c_api_leaves_libssl_to_libcrypto,
    ]
    .run()
}

/// How the worker thread of `programs/tls/handshakes.c` reports that it is done. Each way is used
/// for half of the handshakes.
const VARIANTS: [&str; 2] = ["fd", "callback"];

/// How many handshakes are done with each library.
fn handshakes() -> usize {
    let number = match env::var("OSSL_ASYNC_TLS_HANDSHAKES") {
        Ok(number) => number
            .parse()
            .expect("OSSL_ASYNC_TLS_HANDSHAKES is a number"),
        Err(_) => 1000,
    };
    assert!(
        number >= 400,
        "fewer than 400 handshakes show nothing about memory"
    );
    number
}

fn can_be_tested() {
    need_jobs();
    need_openssl();
}

/// `programs/tls/handshakes.c`, compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile_with_openssl(&program_source("tls/handshakes")))
}

/// The library's file.
fn library() -> PathBuf {
    let file = expected_library(Path::new(""), Linkage::Shared);
    fs::canonicalize(file).expect("the library was built")
}

/// Makes half of the handshakes with the library and the same with libcrypto. Half, because there
/// are two variants. Half of these use each version of TLS.
fn check_handshakes(variant: &str, provider: Option<&Path>) {
    let handshakes = Handshakes {
        number: handshakes() / VARIANTS.len(),
        variant,
        provider,
    };
    let plain = |mut command: Command| {
        command.env_remove("LD_PRELOAD");
        command
    };
    let ours = plain(with_ossl_async(program()));
    let ours = handshakes.transcript(ours, "the library", |file| file == library());
    let theirs = plain(Command::new(program()));
    let theirs = handshakes.transcript(theirs, "libcrypto", |file| is_library(file, "libcrypto"));
    assert_eq!(ours, theirs, "{variant}");
    // What both print must also be what was asked for.
    handshakes.check(&ours);
}

// Rules: G9, G11, G17, G20, G21, G22, G24, G30
fn handshakes_that_wait_for_an_fd_are_the_same_with_libcrypto_and_with_the_library() {
    can_be_tested();
    check_handshakes("fd", None);
}

// Rules: G9, G11, G33, G34, G35, G36
fn handshakes_that_wait_for_a_callback_are_the_same_with_libcrypto_and_with_the_library() {
    can_be_tested();
    if openssl_is_older_than_3_0() {
        ignore("this OpenSSL is older than 3.0, which has callbacks");
    }
    check_handshakes("callback", None);
}

/// The same with the key in the provider. Its counts are part of the transcript.
fn check_handshakes_of_provider(variant: &str) {
    can_be_tested();
    need_providers();
    check_handshakes(variant, Some(provider_directory()));
}

// Rules: G9, G11, G17, G20, G21, G22, G24, G30
fn handshakes_whose_key_is_in_a_provider_are_the_same_and_wait_for_an_fd() {
    check_handshakes_of_provider("fd");
}

// Rules: G9, G11, G33, G34, G35, G36
fn handshakes_whose_key_is_in_a_provider_are_the_same_and_wait_for_a_callback() {
    check_handshakes_of_provider("callback");
}

/// What the dynamic linker has bound: for each object of the process, the `ASYNC_*` functions that
/// it refers to, and the file that each was found in.
type Bindings = BTreeMap<PathBuf, BTreeMap<String, PathBuf>>;

/// Runs a program, with the library in front or not, and has the dynamic linker print what it
/// binds.
fn bindings(ours: bool, program: &Path, arguments: &[&str]) -> Bindings {
    static SERIAL: AtomicU32 = AtomicU32::new(0);

    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bindings-{}-{serial}", id()));
    fs::create_dir_all(&directory).expect("the target directory can be written");
    // `env` sets them for the program alone: the bindings of the shell and of others that start it
    // do not matter.
    let mut command = if ours {
        with_ossl_async("env")
    } else {
        Command::new("env")
    };
    let ran = run(command
        .args(["LD_BIND_NOW=1", "LD_DEBUG=bindings"])
        .arg(format!(
            "LD_DEBUG_OUTPUT={}",
            directory.join("process").display()
        ))
        .arg(program)
        .args(arguments)
        .env_remove("LD_PRELOAD"));
    let mut text = String::new();
    for entry in fs::read_dir(&directory).expect("it was made") {
        let entry = entry.expect("the directory can be read");
        text += &fs::read_to_string(entry.path()).expect("the linker writes text");
    }
    fs::remove_dir_all(directory).expect("it is ours");
    assert!(
        ran.status.success(),
        "{command:?}: {}\n{}",
        ran.status,
        ran.stderr
    );

    // 1234: binding file FROM [0] to TO [0]: normal symbol `NAME' [VERSION]
    let mut found = Bindings::new();
    for line in text.lines() {
        let Some((files, symbol)) = line.split_once(": normal symbol `") else {
            continue;
        };
        let name = symbol.split_once('\'').map_or(symbol, |(name, _)| name);
        let file = |text: &str| {
            let path = text.rsplit_once(" [").map_or(text, |(path, _)| path);
            fs::canonicalize(path).unwrap_or_else(|_| path.into())
        };
        if let Some((from, to)) = files
            .split_once("binding file ")
            .and_then(|(_, files)| files.split_once(" to "))
            .filter(|_| name.starts_with("ASYNC_"))
        {
            found
                .entry(file(from))
                .or_default()
                .insert(name.to_owned(), file(to));
        }
    }
    found
}

/// The bindings of libssl.
fn of_libssl(bindings: &Bindings) -> &BTreeMap<String, PathBuf> {
    bindings
        .iter()
        .find_map(|(file, bound)| is_library(file, "libssl").then_some(bound))
        .unwrap_or_else(|| panic!("libssl is not among {bindings:?}"))
}

// Rules: G9, G16, G17
fn libssl_and_libcrypto_themselves_call_the_library() {
    can_be_tested();
    let arguments = ["8", "4", "fd"];
    let plain = bindings(false, program(), &arguments);
    let ours = bindings(true, program(), &arguments);

    let libssl = of_libssl(&plain);
    for name in [
        "ASYNC_start_job",
        "ASYNC_get_current_job",
        "ASYNC_WAIT_CTX_new",
        "ASYNC_WAIT_CTX_free",
        "ASYNC_WAIT_CTX_get_all_fds",
        "ASYNC_WAIT_CTX_get_changed_fds",
    ] {
        assert!(libssl.contains_key(name), "{name} in {libssl:?}");
    }
    // The same references, all resolved to one file. Some are not among those of the plain run:
    // the library looks for functions in libcrypto by which it tells it from its forks.
    for (bindings, whose) in [(&plain, "libcrypto"), (&ours, "libossl_async")] {
        for (file, references) in &plain {
            // The library looks this function up by libcrypto's own handle, so it is listed as
            // libcrypto's.
            let asked_for =
                |name: &&String| whose == "libossl_async" && *name == "ASYNC_init_thread";
            for name in references.keys().filter(|name| !asked_for(name)) {
                let to = &bindings[file][name];
                assert!(
                    is_library(to, whose),
                    "{name} of {} is bound to {}",
                    file.display(),
                    to.display()
                );
            }
        }
    }
    assert!(of_libssl(&ours).keys().eq(libssl.keys()));
    report(&format!(
        "libssl calls {} functions, all of them the library's: {}\n",
        libssl.len(),
        libssl
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    ));
}

/// Builds `programs/tls/handshake.rs` with or without the feature `capi`. Where there is no cargo, it
/// was built before.
fn rust_program(capi: bool) -> PathBuf {
    let name = if capi {
        "handshake-with-capi"
    } else {
        "handshake-without-capi"
    };
    if let Some(built) = env::var_os("OSSL_ASYNC_BUILT") {
        return Path::new(&built).with_file_name(name);
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let features = if capi { r#", features = ["capi"]"# } else { "" };
    let library = format!("ossl-async = {{ path = {:?}{features} }}\n", root());
    compile_rust_package(&directory, "tls/handshake.rs", &library)
}

/// Runs it. Returns the library's count of starts, which shows whose jobs libssl's were, and the
/// file of each function that libssl calls.
fn run_rust_program(program: &Path) -> (u64, BTreeMap<String, PathBuf>) {
    let ran = run(&mut command(&[], program));
    assert!(
        ran.status.success(),
        "{}: {}\n{}{}",
        program.display(),
        ran.status,
        ran.stdout,
        ran.stderr
    );
    report(&ran.stdout);
    let starts = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("starts "))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no starts in {}", ran.stdout));
    (starts, of_libssl(&bindings(false, program, &[])).to_owned())
}

fn a_rust_program_with_the_c_api_does_tls_with_the_librarys_jobs() {
    can_be_tested();
    let program = rust_program(true);
    let (starts, libssl) = run_rust_program(&program);
    // All must be in one library: if half were here and half there, the program would crash sooner
    // or later.
    let program = fs::canonicalize(program).expect("it was built");
    for (name, file) in libssl {
        assert_eq!(file, program, "{name}");
    }
    assert!(starts > 50, "{starts}");
}

fn a_rust_program_without_the_c_api_leaves_libssl_to_libcrypto() {
    can_be_tested();
    let (starts, libssl) = run_rust_program(&rust_program(false));
    for (name, file) in libssl {
        assert!(is_library(&file, "libcrypto"), "{name}: {file:?}");
    }
    assert_eq!(starts, 1, "only the job that the program itself starts");
}
