//! Builds the library as its users do, compiles C programs against it and runs them; what is expected of them is in
//! `tests/`.

pub mod walk;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio, id};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest that one program may take by the clock: the last resort. Its cases have limits of their own, most of them of
/// processor time, which are reached first (`programs/limit_life.h`).
const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// How a C program is joined with the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// With `libossl_async.so`.
    Shared,
    /// With `libossl_async.a`.
    Static,
}

/// Both ways, for loops.
pub const LINKAGES: [Linkage; 2] = [Linkage::Shared, Linkage::Static];

/// What a static archive of Rust code needs of the system, on Linux with glibc.
const NATIVE_LIBRARIES: [&str; 7] = [
    "-lgcc_s",
    "-lutil",
    "-lrt",
    "-lpthread",
    "-lm",
    "-ldl",
    "-lc",
];

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("compat-tests lies in the repository")
}

/// The two files that C programs link with.
pub struct Library {
    /// `libossl_async.so`.
    pub shared: PathBuf,
    /// `libossl_async.a`.
    pub archive: PathBuf,
}

/// The library, built once a process: as `cargo build --release` makes it, in the same environment, so that a build for
/// another switching method or with other flags is what gets tested.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| cargo_build(|_| ()))
}

/// Builds the library in another way, which `complete` gives to cargo, with a target directory of its own.
pub fn build_library(kind: &str, complete: impl FnOnce(&mut Command)) -> Library {
    cargo_build(|cargo| {
        let target = release_directory()
            .parent()
            .expect("it lies in a target directory")
            .join(kind);
        cargo.arg("--target-dir").arg(target);
        complete(cargo);
    })
}

fn cargo_build(complete: impl FnOnce(&mut Command)) -> Library {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--release",
            "--message-format=json",
            "--package=ossl-async-capi",
            "--manifest-path",
        ])
        .arg(root().join("Cargo.toml"))
        .stderr(Stdio::inherit());
    complete(&mut cargo);
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{cargo:?}: {}", output.status);
    // Cargo says where the files are, wherever the environment or a configuration file has put the target directory.
    let messages = String::from_utf8(output.stdout).expect("cargo's messages are UTF-8");
    let file = |name: &str| {
        messages
            .split('"')
            .map(Path::new)
            .find(|path| path.is_absolute() && path.file_name() == Some(OsStr::new(name)))
            .unwrap_or_else(|| panic!("{cargo:?} made no {name}"))
            .to_owned()
    };
    Library {
        shared: file("libossl_async.so"),
        archive: file("libossl_async.a"),
    }
}

/// The file whose code a program with this linkage must be running: the library's, or the program's own.
pub fn expected_library(program: &Path, linkage: Linkage) -> PathBuf {
    match linkage {
        Linkage::Shared => library().shared.clone(),
        Linkage::Static => program.to_owned(),
    }
}

/// `libossl_async.a`, built as [`compile`] links it.
pub fn expected_archive() -> PathBuf {
    library().archive.clone()
}

/// `libossl_async.a` as it is installed: `make archive`.
pub fn installed_archive() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let target = release_directory()
            .parent()
            .expect("it lies in a target directory");
        let mut make = Command::new("make");
        make.args(["archive", "--silent", "--directory"])
            .arg(root())
            .env("CARGO", env!("CARGO"))
            .env("CARGO_TARGET_DIR", target);
        let made = run(&mut make);
        assert!(made.status.success(), "{make:?}: {}", made.stderr);
        release_directory().join("installed/libossl_async.a")
    })
}

/// Words of an environment variable such as `CFLAGS`.
fn words(variable: &str) -> Vec<String> {
    env::var(variable)
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Compiles a C program with the system's compiler (`CC`, `CFLAGS`) and links it with the library.
pub fn compile(source: &Path, linkage: Linkage, extra: &[&str]) -> PathBuf {
    let library = library();
    let release = release_directory();
    let group = format!("{linkage:?}").to_lowercase();
    build(source, &group, |command| {
        command
            .args(extra)
            .arg("-I")
            .arg(root().join("csrc/include"))
            .arg("-I")
            .arg(root().join("csrc/standalone"))
            .arg(source);
        match linkage {
            Linkage::Shared => {
                command
                    .arg("-L")
                    .arg(release)
                    .args(["-lossl_async", "-lpthread", "-ldl"])
            }
            Linkage::Static => static_link(command, &library.archive),
        };
    })
}

/// Adds a static archive of the library and what it needs of the system to a linker's command.
pub fn static_link<'a>(command: &'a mut Command, archive: &Path) -> &'a mut Command {
    command.arg(archive).args(NATIVE_LIBRARIES)
}

/// Compiles a C program with OpenSSL's own headers, as installed, and links it with libssl and libcrypto. It knows nothing of
/// the library.
pub fn compile_with_openssl(source: &Path) -> PathBuf {
    build(source, "openssl", |command| {
        // Also libssl where the program does not call it: how libssl's references are resolved is part of the test.
        command.arg(source).args([
            "-Wl,--no-as-needed",
            "-lssl",
            "-lcrypto",
            "-lpthread",
            "-ldl",
        ]);
    })
}

/// Compiles a C program of this library's headers and links it with the library, libssl and libcrypto, in either order.
/// `kind` tells programs of one source apart.
pub fn compile_beside_openssl(
    source: &Path,
    linkage: Linkage,
    ours_first: bool,
    kind: &str,
    options: &[&str],
) -> PathBuf {
    let library = library();
    build(source, &format!("beside-openssl/{kind}"), |command| {
        let ours = |command: &mut Command| match linkage {
            Linkage::Shared => {
                command
                    .arg("-L")
                    .arg(release_directory())
                    .arg("-lossl_async");
            }
            Linkage::Static => {
                command.arg(&library.archive);
            }
        };
        command
            .args(options)
            .arg("-I")
            .arg(root().join("csrc/include"))
            .arg("-fPIC") // The address of a function is where it is, not where the program jumps there.
            .arg(source)
            .arg("-Wl,--no-as-needed");
        if ours_first {
            ours(command);
        }
        command.args(["-lssl", "-lcrypto"]);
        if !ours_first {
            ours(command);
        }
        command.arg("-Wl,--as-needed").args(NATIVE_LIBRARIES);
    })
}

/// Compiles a C program that needs neither the library nor OpenSSL.
pub fn compile_alone(source: &Path) -> PathBuf {
    build(source, "alone", |command| {
        command.arg(source);
    })
}

/// Compiles a shared library of one C file, which knows nothing of the library. `kind` tells those of one source apart.
pub fn compile_shared_library(source: &Path, kind: &str, options: &[&str]) -> PathBuf {
    build(source, &format!("shared-{kind}"), |command| {
        command.args(["-shared", "-fPIC"]).args(options).arg(source);
    })
}

/// Whether OpenSSL, 1.1.0 or later, is installed with its headers.
pub fn openssl_is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let mut cc = Command::new("cc")
            .args(["-x", "c", "-", "-o", "/dev/null", "-lssl", "-lcrypto"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a C compiler");
        let program: &[u8] = b"#include <openssl/ssl.h>\n#include <openssl/async.h>\n\
            int main(void) { return SSL_get_all_async_fds(0, 0, 0) + ASYNC_WAIT_CTX_clear_fd(0, 0); }\n";
        let mut input = cc.stdin.take().expect("piped above");
        // A compiler that has given up already does not read it.
        let _may_be_broken = input.write_all(program);
        drop(input);
        cc.wait().expect("the child is ours").success()
    })
}

/// `libssl.a` and `libcrypto.a`.
pub struct StaticOpenssl {
    /// Where they are.
    pub directory: PathBuf,
    /// What they need besides.
    pub needs: Vec<String>,
}

/// The archives of the installed OpenSSL, if programs can be linked with them here.
pub fn static_openssl() -> Option<&'static StaticOpenssl> {
    static FOUND: OnceLock<Option<StaticOpenssl>> = OnceLock::new();
    let find = || {
        let output = Command::new("cc").arg("-print-file-name=libssl.a").output();
        let archive = PathBuf::from(String::from_utf8(output.ok()?.stdout).ok()?.trim());
        let directory = archive.parent().filter(|_| archive.is_absolute())?;
        let config = fs::read_to_string(directory.join("pkgconfig/libcrypto.pc")).ok()?;
        let needs = config
            .lines()
            .find_map(|line| line.strip_prefix("Libs.private:"))?;
        let found = StaticOpenssl {
            directory: directory.to_owned(),
            needs: needs.split_whitespace().map(str::to_owned).collect(),
        };
        let linked = Command::new("cc")
            .args(["-x", "c", "/dev/null", "-shared", "-o", "/dev/null"])
            .args(&found.needs)
            .output();
        linked.ok()?.status.success().then_some(found)
    };
    FOUND.get_or_init(find).as_ref()
}

/// A command that runs a program with the library in front of libcrypto: `with-ossl-async`.
pub fn with_ossl_async(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(root().join("compat-tests/with-ossl-async"));
    command.arg(program).env(
        "CARGO_TARGET_DIR",
        release_directory()
            .parent()
            .expect("it lies in a target directory"),
    );
    command
}

/// What the dynamic linker says with `LD_DEBUG=bindings` of references that it has resolved: from which file, to which file,
/// which symbol. Looking a symbol up at run time leaves a line too, but without a version, and is left out.
pub fn bindings(text: &str) -> Vec<(String, String, String)> {
    // 123: binding file FROM [0] to TO [0]: normal symbol `SYMBOL' [VERSION]
    let parts = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("binding file ")?;
        let (from, rest) = rest.split_once(" [0] to ")?;
        let (to, rest) = rest.split_once(" [0]: normal symbol `")?;
        let (symbol, version) = rest.split_once('\'')?;
        version.trim_start().starts_with('[').then_some(())?;
        Some((from.to_owned(), to.to_owned(), symbol.to_owned()))
    });
    parts.collect()
}

/// The directory that `cargo build --release` makes the library in.
fn release_directory() -> &'static Path {
    library()
        .shared
        .parent()
        .expect("a library lies in a directory")
}

/// Compiles a C program into the directory of its group. `complete` adds what the group needs, the source file included.
///
/// Any warning fails the test: whoever builds with `-Werror` must be able to use the headers.
pub fn build(source: &Path, group: &str, complete: impl FnOnce(&mut Command)) -> PathBuf {
    let directory = release_directory().join("compat-programs").join(group);
    fs::create_dir_all(&directory).expect("the target directory can be written");
    let name = source
        .file_stem()
        .expect("a source file has a name")
        .to_string_lossy();
    let program = directory.join(&*name);
    let compiler = words("CC");
    let (compiler, wrapped) = match compiler.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("cc", &[][..]),
    };
    let mut command = Command::new(compiler);
    command
        .args(wrapped)
        .args(["-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]);
    command.args(words("CFLAGS"));
    complete(&mut command);
    compile_to(&program, &mut command);
    program
}

/// Has a compiler make a file: under another name, and moved then, because another test may be running or loading the file
/// at this moment.
pub fn compile_to(file: &Path, compiler: &mut Command) {
    static SERIAL: AtomicU32 = AtomicU32::new(0);

    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let name = file
        .file_name()
        .expect("a file has a name")
        .to_string_lossy();
    let fresh = file.with_file_name(format!("{name}.{}.{serial}", id()));
    let output = compiler
        .arg("-o")
        .arg(&fresh)
        .output()
        .unwrap_or_else(|error| panic!("{compiler:?}: {error}"));
    assert!(
        output.status.success(),
        "{compiler:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&fresh, file).expect("a file of the target directory can be renamed");
}

/// A command that runs a compiled program, under another one where given (valgrind, for one).
pub fn command(wrapper: &[&str], program: &Path) -> Command {
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    // This directory alone: cargo's own setting names directories that have a debug build of the library.
    command.env("LD_LIBRARY_PATH", release_directory());
    command
}

/// What a program wrote, and how it ended.
pub struct Ran {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// Runs a command to its end, or for `TIME_LIMIT` at most.
pub fn run(command: &mut Command) -> Ran {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = collect(child.stdout.take().expect("piped above"));
    let stderr = collect(child.stderr.take().expect("piped above"));
    let end = Instant::now() + TIME_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if Instant::now() > end {
            child.kill().expect("the child is ours");
            panic!("{command:?} took longer than {TIME_LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("a reader does not panic")).into_owned()
    };
    Ran {
        stdout: text(stdout),
        stderr: text(stderr),
        status,
    }
}

/// Reads a pipe to its end, beside the program, so that a full pipe does not stop it.
fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// Writes to the test's real standard output: the report of the cases, which `cargo test` would hide from whoever runs
/// it because the test passes.
pub fn report(text: &str) {
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .expect("standard output can be written");
}

/// The file of one of the C programs.
pub fn program_source(name: &str) -> PathBuf {
    root()
        .join("compat-tests/programs")
        .join(name)
        .with_extension("c")
}

/// The names of the C programs in a directory below `programs/`, or in that itself.
pub fn programs_in(directory: &str) -> BTreeSet<String> {
    fs::read_dir(root().join("compat-tests/programs").join(directory))
        .expect("the programs are there")
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.extension() == Some(OsStr::new("c")))
        .map(|path| {
            path.file_stem()
                .expect("it has an extension")
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// For a file of tests that runs the C programs under some checker: one test a program, and `TESTED`, the list of them. Each is
/// run by a function of the file's, which gets its name and the arguments that stand behind `with`.
#[macro_export]
macro_rules! checked_programs {
    ($check:path, $directory:literal: $($name:ident $(with $argument:literal)*;)*) => {
        pub(crate) const TESTED: &[&str] = &[$(concat!($directory, stringify!($name))),*];
        $(
            #[test]
            fn $name() {
                $check(concat!($directory, stringify!($name)), &[$($argument),*]);
            }
        )*
    };
}

/// Fails unless each C program that has cases is either among those that a checker runs or among those that are left out,
/// each with the reason, which is said.
pub fn check_lists(checker: &str, tested: &[&str], not_tested: &[(&str, &str)]) {
    let there = ["", "gen2/", "gen2_ours/", "stack_use/"].map(|directory| {
        let names = programs_in(directory).into_iter();
        names.map(move |name| format!("{directory}{name}"))
    });
    let mut there: BTreeSet<String> = there.into_iter().flatten().collect();
    for (name, why) in not_tested {
        left_out(&format!("{name} under {checker}"), why);
    }
    for name in tested.iter().chain(not_tested.iter().map(|(name, _)| name)) {
        assert!(there.remove(*name), "{name}: twice, or no program");
    }
    assert!(
        there.is_empty(),
        "{there:?}: neither run under {checker} nor left out"
    );
}

/// Compiles one of the C programs, runs it, and has [`check_run`] look at what it says.
pub fn check_program(name: &str, linkage: Linkage, wrapper: &[&str], arguments: &[&str]) {
    let program = compile(&program_source(name), linkage, &[]);
    let under = wrapper
        .first()
        .map_or(String::new(), |wrapper| format!(", {wrapper}"));
    let heading = format!(
        "{} ({linkage:?}{under})",
        [&[name], arguments].concat().join(" ")
    );
    check_run(
        &heading,
        command(wrapper, &program).args(arguments),
        &expected_library(&program, linkage),
    );
}

/// Runs one of the C programs, prints a line for each of its cases, and fails unless all of them are well and it was
/// `expected` that they ran against. Lines that begin with `#` are remarks.
pub fn check_run(heading: &str, command: &mut Command, expected: &Path) {
    let ran = run(command);
    let (library, cases) = ran.stdout.split_once('\n').unwrap_or_default();
    report(&format!("\n{heading}\n{cases}"));

    let library = library
        .strip_prefix("library ")
        .unwrap_or_else(|| panic!("{heading}: {}", ran.stderr));
    assert_eq!(
        fs::canonicalize(library).expect("the library that answered is a file"),
        fs::canonicalize(expected).expect("the library was built"),
        "{heading}: the wrong library answered"
    );
    let cases = || cases.lines().filter(|line| !line.starts_with('#'));
    let well = cases().filter(|line| line.starts_with("ok ")).count();
    assert!(
        ran.status.success() && well > 0 && well == cases().count(),
        "{heading}: {}\n{}{}",
        ran.status,
        ran.stdout,
        ran.stderr
    );
}

/// Runs one of the programs whose transcripts `tests/two_libraries.rs` compares. Fails unless each of its cases came to its
/// end, which it does not if a checker has reported something, and it was `expected` that they ran against.
pub fn check_transcript(heading: &str, command: &mut Command, expected: &Path) {
    let ran = run(command);
    let expected = fs::canonicalize(expected).expect("the library was built");
    let mut functions = 0;
    for line in ran.stderr.lines() {
        if let [_, "program" | "process", file] = line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            let file = fs::canonicalize(file).expect("the library that answered is a file");
            assert_eq!(file, expected, "{heading}: the wrong library answered");
            functions += 1;
        }
    }
    let begun = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("== "));
    let begun: Vec<String> = begun.map(|case| format!("ok {case}\n")).collect();
    let ends = ran.stdout.lines().filter(|line| *line == "end").count();
    let ended_badly = ran.stdout.lines().any(|line| line.starts_with("ended "));
    assert!(
        ran.status.success()
            && functions == 6
            && !begun.is_empty()
            && ends == begun.len()
            && !ended_badly,
        "{heading}: {}\n{}{}",
        ran.status,
        ran.stdout,
        ran.stderr
    );
    let remarks = ran.stdout.lines().filter(|line| line.starts_with('#'));
    let remarks: String = remarks.map(|line| format!("{line}\n")).collect();
    report(&format!("\n{heading}\n{}{remarks}", begun.concat()));
}

/// The stand-ins for libcrypto, which `gen2_ours/fake_libcrypto` takes as arguments.
pub fn fake_libcryptos() -> [String; 3] {
    let source = root().join("tests/fake/libcrypto.c");
    [
        ("-DFAKE_3_0", "-Wl,-soname,libcrypto.so.3"),
        ("-DFAKE_1_1", "-Wl,-soname,libcrypto.so.1.1"),
        ("-DFAKE_FORK", "-Wl,-soname,libcrypto.so.1.0"),
    ]
    .map(|(kind, soname)| {
        let fake = compile_shared_library(&source, &kind[2..], &[kind, soname]);
        fake.to_str().expect("the path is text").to_owned()
    })
}

/// Says that something is not tested, and why, where whoever runs the tests sees it.
pub fn left_out(what: &str, why: &str) {
    let line = format!("{what}: left out, {why}\n");
    io::stderr()
        .lock()
        .write_all(line.as_bytes())
        .expect("standard error can be written");
}

/// The same for want of a tool or a file, which is a failure where everything is meant to be there: `CI` is set.
pub fn left_out_for_want(what: &str, why: &str) {
    let ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!ci, "{what}: {why}");
    left_out(what, why);
}
