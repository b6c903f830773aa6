//! Runs programs written for OpenSSL 1.1.0 to 3.x on libcrypto and on the library, and compares what they print; tests
//! `with-ossl-async`, which puts the library in front; runs programs that go past it to libcrypto; and runs the programs about
//! what the library does otherwise.

use compat_tests::{
    LINKAGES, Linkage, Ran, bindings, check_program, compile_alone, compile_with_openssl,
    expected_library, fake_libcryptos, left_out, left_out_for_want, openssl_is_installed,
    program_source, programs_in, report, root, run, with_ossl_async,
};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why programs are left out with the null implementation.
const NO_JOBS: &str = "this build of the library has no jobs";

// ---- The same program on both libraries ----

/// One test a program, and the list of them.
macro_rules! programs {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                let Some((libcrypto, ours)) = both(stringify!($name)) else { return };
                assert_same(stringify!($name), &libcrypto, &ours);
            }
        )*
    };
}

programs! {
    callback errors libctx pool start upstream wait_ctx wait_ctx_tables
}

// Rules: T14, D31, G40, G41
#[test]
fn mem_functions() {
    let name = "mem_functions";
    let Some((libcrypto, ours)) = both(name) else {
        return;
    };
    // Only 3.2 and later have them; what they do is written down for the others.
    let expected = fs::read_to_string(source(name).with_extension("expected"))
        .expect("the transcript lies beside the program");
    assert_same(name, &expected, &ours);
    if libcrypto.contains("\nabsent\n") {
        left_out(
            "mem_functions on libcrypto",
            "this OpenSSL is older than 3.2",
        );
    } else {
        assert_same(name, &libcrypto, &ours);
    }
}

#[test]
fn every_program_for_two_libraries_is_tested() {
    let tested: BTreeSet<String> = TESTED
        .iter()
        .chain(&["mem_functions"])
        .map(ToString::to_string)
        .collect();
    assert_eq!(programs_in("gen2"), tested);
}

fn source(name: &str) -> PathBuf {
    program_source(&format!("gen2/{name}"))
}

/// What a program prints on libcrypto, and with the library in front of it; nothing where that cannot be had.
fn both(name: &str) -> Option<(String, String)> {
    let what = format!("{name} on both libraries");
    if !ossl_async::is_capable() {
        left_out(&what, NO_JOBS);
        return None;
    }
    if !openssl_is_installed() {
        left_out_for_want(&what, "OpenSSL's headers are not installed (libssl-dev)");
        return None;
    }
    let program = compile_with_openssl(&source(name));
    let scratch = Scratch::new(&format!("both-{name}"));
    let libcrypto = answer(
        name,
        &program,
        &mut Command::new("env"),
        &scratch.0.join("libcrypto"),
        |file| file_name(file).starts_with("libcrypto.so."),
    );
    let library = fs::canonicalize(expected_library(&program, Linkage::Shared)).unwrap();
    let ours = answer(
        name,
        &program,
        &mut with_ossl_async("env"),
        &scratch.0.join("ours"),
        |file| fs::canonicalize(file).is_ok_and(|file| file == library),
    );
    Some((libcrypto, ours))
}

/// Runs a program by way of `env`, proves that the right library answered, and gives what it printed.
///
/// The proof is the program's own, which looks its functions up and asks where they are, and the dynamic linker's, which tells
/// how each reference of the program, of libssl and of libcrypto was resolved.
fn answer(
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
            "{name} does not say where it has {function} from"
        );
    }

    let mut bound = BTreeSet::new();
    for (from, to, symbol) in resolved(log) {
        let from = file_name(&from).to_owned();
        let concerned = from.starts_with("libssl.so")
            || from.starts_with("libcrypto.so")
            || from == file_name(&program.to_string_lossy());
        if concerned && symbol.starts_with("ASYNC_") {
            assert!(
                is_right(&to),
                "{name}: {from} has {symbol} from the wrong library, {to}"
            );
            let from = from.split(".so").next().unwrap_or_default().to_owned();
            bound.insert((from, symbol));
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
            "{name}: no word of how {from} has resolved {symbol}"
        );
    }
    // Whatever libcrypto itself calls by these names is among them.
    assert!(
        bound.iter().any(|(from, _)| from == "libcrypto"),
        "{name}: no word of libcrypto's own references"
    );
    ran.stdout
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

/// Fails at the first line that differs, and shows it with the case it belongs to.
fn assert_same(name: &str, expected: &str, seen: &str) {
    let mut case = "";
    let mut lines = seen.lines();
    for (number, wanted) in expected.lines().enumerate() {
        if wanted.starts_with("== ") {
            case = wanted;
        }
        let got = lines.next().unwrap_or("(nothing more)");
        assert!(
            wanted == got,
            "{name}, line {}\n{case}\nexpected: {wanted}\n    seen: {got}",
            number + 1
        );
    }
    assert_eq!(lines.next(), None, "{name}: more than was expected");
    let cases: Vec<&str> = expected
        .lines()
        .filter_map(|line| line.strip_prefix("== "))
        .collect();
    assert!(!cases.is_empty(), "{name} has no cases");
    assert_eq!(
        expected.lines().filter(|line| *line == "end").count(),
        cases.len(),
        "{name}: not every case came to its end"
    );
    let cases = cases.iter().map(|case| format!("ok {case}\n"));
    let remarks = expected.lines().filter(|line| line.starts_with('#'));
    let remarks = remarks.map(|line| format!("{line}\n"));
    let lines: String = cases.chain(remarks).collect();
    report(&format!("\n{name} (same on both)\n{lines}"));
}

// ---- libcrypto's own functions, beside a preloaded library ----

// Rules: B18, B21, B17, G1, G2
#[test]
fn jobs_of_libcryptos_own_handle_run_beside_the_preloaded_library() {
    let name = "jobs of libcrypto's own handle";
    if !ossl_async::is_capable() {
        left_out(name, NO_JOBS);
        return;
    }
    let program = compile_alone(&program_source("own_handle/jobs"));
    assert_own_handle(name, "own_handle_c", &[program.into()]);
}

// Rules: B18, B21, B17, G1
#[test]
fn jobs_by_pythons_ctypes_run_beside_the_preloaded_library() {
    let name = "jobs by Python's ctypes";
    if !ossl_async::is_capable() {
        left_out(name, NO_JOBS);
        return;
    }
    let ctypes = Command::new("python3")
        .args(["-c", "import ctypes"])
        .output();
    if !ctypes.is_ok_and(|output| output.status.success()) {
        left_out_for_want(name, "there is no python3 with ctypes");
        return;
    }
    let script = program_source("own_handle/jobs").with_extension("py");
    assert_own_handle(name, "own_handle_py", &["python3".into(), script.into()]);
}

/// Runs a program that takes libcrypto's functions with libcrypto's own handle, alone and with the library preloaded. It must print
/// the same. It is proved that libcrypto has the functions, and whose `ASYNC_init_thread` it calls for a pool.
fn assert_own_handle(name: &str, scratch: &str, program: &[OsString]) {
    let scratch = Scratch::new(scratch);
    let ours = fs::canonicalize(library()).unwrap();
    let [libcrypto, beside_ours] = [false, true].map(|preloaded| {
        let log = scratch.0.join(if preloaded { "ours" } else { "libcrypto" });
        let answer = |libcrypto: &str| {
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
            .map(|libcrypto| answer(libcrypto))
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
        let pools = resolved(&log).into_iter().filter(|(from, _, symbol)| {
            file_name(from).starts_with("libcrypto.so.") && symbol == "ASYNC_init_thread"
        });
        let pools: Vec<_> = pools.map(|(_, to, _)| to).collect();
        let is_right = |file: &String| match preloaded {
            true => fs::canonicalize(file).is_ok_and(|file| file == ours),
            false => file_name(file).starts_with("libcrypto.so."),
        };
        assert!(
            !pools.is_empty() && pools.iter().all(is_right),
            "{name}, preloaded {preloaded}: {pools:?}"
        );
        ran.stdout
    });
    if libcrypto.is_empty() {
        left_out_for_want(name, "no libcrypto.so.3, .4 or .1.1 is installed");
        return;
    }
    assert_eq!(libcrypto, beside_ours, "{name}");
    report(&format!("\n{name} (same on both)\n"));
}

// ---- What is on purpose not the same ----

/// The programs about it, which are linked with the library alone.
macro_rules! ours {
    ($($name:ident)*) => {
        const OURS: &[&str] = &[$(stringify!($name)),*];
        mod ours {
            $(
                #[test]
                fn $name() {
                    super::check_ours(stringify!($name));
                }
            )*
        }
    };
}

ours! {
    both_generations contexts custom_stacks exhaustion second_misuse statistics
}

fn check_ours(name: &str) {
    check_ours_with(name, &[]);
}

fn check_ours_with(name: &str, arguments: &[&str]) {
    if !ossl_async::is_capable() {
        left_out(name, NO_JOBS);
        return;
    }
    for linkage in LINKAGES {
        check_program(&format!("gen2_ours/{name}"), linkage, &[], arguments);
    }
}

// Rules: D30, G39
#[test]
fn fake_libcrypto() {
    let fakes = fake_libcryptos();
    check_ours_with("fake_libcrypto", &fakes.each_ref().map(String::as_str));
}

#[test]
fn every_program_about_the_librarys_own_ways_is_tested() {
    let tested: BTreeSet<String> = OURS
        .iter()
        .chain(&["fake_libcrypto", "second_null"])
        .map(ToString::to_string)
        .collect();
    assert_eq!(programs_in("gen2_ours"), tested);
}

#[test]
fn without_jobs_the_second_generation_answers_as_openssls_null_build() {
    if ossl_async::is_capable() {
        left_out("second_null", "this build of the library has jobs");
        return;
    }
    for linkage in LINKAGES {
        check_program("gen2_ours/second_null", linkage, &[], &[]);
    }
}

// ---- with-ossl-async ----

/// Runs `with-ossl-async sh -c SCRIPT`.
fn shell(script: &str) -> Ran {
    run(with_ossl_async("sh").args(["-c", script]))
}

fn script_path() -> PathBuf {
    root().join("compat-tests/with-ossl-async")
}

fn library() -> PathBuf {
    expected_library(Path::new(""), Linkage::Shared)
}

#[test]
fn the_script_passes_arguments_output_and_exit_status_through() {
    let ran = run(with_ossl_async("sh").args([
        "-c",
        "printf '<%s>' \"$@\"; echo error >&2; exit 7",
        "sh",
        "a b",
        "",
        "*",
        "-x",
        "--",
    ]));
    assert_eq!(ran.stdout, "<a b><><*><-x><-->");
    assert_eq!(ran.stderr, "error\n");
    assert_eq!(ran.status.code(), Some(7));
    assert_eq!(shell("exit 0").status.code(), Some(0));
}

#[test]
fn the_script_is_replaced_by_the_program_so_that_signals_reach_it() {
    assert_eq!(shell("kill -TERM $$").status.signal(), Some(15));
    let mut command = with_ossl_async("sh");
    command.args(["-c", "echo $$; exec sleep 600"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("piped above"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("it speaks");
    assert_eq!(line.trim(), child.id().to_string(), "another process");
    child.kill().expect("it is there");
    assert_eq!(child.wait().expect("it is ours").signal(), Some(9));
}

#[test]
fn the_script_puts_the_library_before_what_is_preloaded_already() {
    let alone = run(with_ossl_async("printenv")
        .arg("LD_PRELOAD")
        .env_remove("LD_PRELOAD"));
    assert_eq!(alone.stdout.trim_end(), library().to_string_lossy());
    let both = run(with_ossl_async("printenv")
        .arg("LD_PRELOAD")
        .env("LD_PRELOAD", "libdl.so.2 libm.so.6"));
    assert_eq!(
        both.stdout.trim_end(),
        format!("{}:libdl.so.2 libm.so.6", library().display())
    );
    assert_eq!(both.stderr, "");
}

#[test]
fn the_script_works_from_any_directory_and_through_a_link() {
    let scratch = Scratch::new("elsewhere");
    let link = scratch.0.join("linked");
    symlink(script_path(), &link).expect("a link can be made");
    let mut command = Command::new(&link);
    command.args(["printenv", "LD_PRELOAD"]).env(
        "CARGO_TARGET_DIR",
        library().ancestors().nth(2).expect("target/release"),
    );
    let ran = run(command.current_dir("/").env_remove("LD_PRELOAD"));
    assert_eq!(ran.stdout.trim_end(), library().to_string_lossy());

    // A relative target directory is taken from where the script is called, as cargo takes it.
    let release = scratch.0.join("relative/release");
    fs::create_dir_all(&release).expect("a directory can be made");
    symlink(library(), release.join("libossl_async.so")).expect("a link can be made");
    let ran = run(Command::new(script_path())
        .args(["printenv", "LD_PRELOAD"])
        .current_dir(&scratch.0)
        .env("CARGO_TARGET_DIR", "relative")
        .env_remove("LD_PRELOAD"));
    let preloaded = fs::canonicalize(ran.stdout.trim_end()).expect("a file");
    assert_eq!(preloaded, fs::canonicalize(library()).expect("a file"));
}

#[test]
fn the_script_says_what_is_wrong_with_the_program() {
    let usage = run(&mut Command::new(script_path()));
    assert_eq!(usage.status.code(), Some(2));
    assert!(
        usage.stderr.starts_with("usage: with-ossl-async PROGRAM"),
        "{}",
        usage.stderr
    );
    let help = run(Command::new(script_path()).arg("--help"));
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stdout.starts_with("usage: "), "{}", help.stdout);
    assert_eq!(
        run(Command::new(script_path()).arg("--nonsense"))
            .status
            .code(),
        Some(2)
    );

    for (program, status, message) in [
        ("no-such-program", 127, "program not found"),
        ("./no-such-program", 127, "program not found"),
        ("./Cargo.toml", 126, "not an executable file"),
        ("./src", 126, "not an executable file"),
    ] {
        let ran = run(with_ossl_async(program).current_dir(root()));
        assert_eq!(ran.status.code(), Some(status), "{program}");
        assert!(
            ran.stderr.contains(message) && ran.stderr.contains(program),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn the_script_builds_the_library_where_it_is_missing() {
    let scratch = Scratch::new("build");
    let ran = run(Command::new(script_path())
        .args(["printenv", "LD_PRELOAD"])
        .current_dir("/")
        .env("CARGO_TARGET_DIR", scratch.0.join("fresh"))
        .env_remove("LD_PRELOAD"));
    assert!(ran.status.success(), "{}", ran.stderr);
    let built = fs::canonicalize(scratch.0.join("fresh/release/libossl_async.so"));
    assert_eq!(
        fs::canonicalize(ran.stdout.trim_end()).expect("a file"),
        built.expect("it was built")
    );
}

#[test]
fn the_script_says_what_is_wrong_when_there_is_no_library() {
    let scratch = Scratch::new("missing");
    let without = |target: &Path, path: &str| {
        run(Command::new(script_path())
            .arg("true")
            .env("CARGO_TARGET_DIR", target)
            .env("PATH", path))
    };
    // No cargo: the tools that the script itself needs, and nothing else.
    let tools = scratch.0.join("tools");
    fs::create_dir_all(&tools).expect("a directory can be made");
    for tool in ["bash", "env", "dirname", "readlink", "realpath", "true"] {
        let path = env::split_paths(&env::var_os("PATH").expect("PATH is set"))
            .map(|directory| directory.join(tool))
            .find(|path| path.exists())
            .unwrap_or_else(|| panic!("no {tool}"));
        symlink(path, tools.join(tool)).expect("a link can be made");
    }
    let ran = without(&scratch.0.join("nothing"), &tools.to_string_lossy());
    assert_eq!(ran.status.code(), Some(125), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("no cargo to build it"),
        "{}",
        ran.stderr
    );

    // A cargo that fails: nothing can be built below a file.
    let file = scratch.0.join("file");
    fs::write(&file, "").expect("a file can be written");
    let ran = without(&file, &env::var("PATH").expect("PATH is text"));
    assert_eq!(ran.status.code(), Some(125), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("cargo build --release failed"),
        "{}",
        ran.stderr
    );

    // A path that LD_PRELOAD cannot hold.
    let release = scratch.0.join("a space/release");
    fs::create_dir_all(&release).expect("a directory can be made");
    fs::copy(library(), release.join("libossl_async.so")).expect("a file can be copied");
    let ran = without(
        &scratch.0.join("a space"),
        &env::var("PATH").expect("PATH is text"),
    );
    assert_eq!(ran.status.code(), Some(125), "{}", ran.stderr);
    assert!(ran.stderr.contains("space or a colon"), "{}", ran.stderr);
}

/// A directory of its own for one test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("two-libraries-{test}-{}", std::process::id()));
        let _left_by_an_earlier_run = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("the target directory can be written");
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _may_stay_behind = fs::remove_dir_all(&self.0);
    }
}
