//! The script `with-ossl-async`, which puts the library in front of libcrypto for one program.

use compat_tests::{Linkage, Ran, Scratch, expected_library, root, run, with_ossl_async};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let scratch = Scratch::new(&folder("elsewhere"));
    let link = scratch.path().join("linked");
    symlink(script_path(), &link).expect("a link can be made");
    let mut command = Command::new(&link);
    command.args(["printenv", "LD_PRELOAD"]).env(
        "CARGO_TARGET_DIR",
        library().ancestors().nth(2).expect("target/release"),
    );
    let ran = run(command.current_dir("/").env_remove("LD_PRELOAD"));
    assert_eq!(ran.stdout.trim_end(), library().to_string_lossy());

    // A relative target directory is relative to the caller's directory, as it is for cargo.
    let release = scratch.path().join("relative/release");
    fs::create_dir_all(&release).expect("a directory can be made");
    symlink(library(), release.join("libossl_async.so")).expect("a link can be made");
    let ran = run(Command::new(script_path())
        .args(["printenv", "LD_PRELOAD"])
        .current_dir(scratch.path())
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
fn the_script_builds_the_library_if_it_is_missing() {
    let scratch = Scratch::new(&folder("build"));
    let ran = run(Command::new(script_path())
        .args(["printenv", "LD_PRELOAD"])
        .current_dir("/")
        .env("CARGO_TARGET_DIR", scratch.path().join("fresh"))
        .env_remove("LD_PRELOAD"));
    assert!(ran.status.success(), "{}", ran.stderr);
    let built = fs::canonicalize(scratch.path().join("fresh/release/libossl_async.so"));
    assert_eq!(
        fs::canonicalize(ran.stdout.trim_end()).expect("a file"),
        built.expect("it was built")
    );
}

#[test]
fn the_script_says_what_is_wrong_when_there_is_no_library() {
    let scratch = Scratch::new(&folder("missing"));
    let without = |target: &Path, path: &str| {
        run(Command::new(script_path())
            .arg("true")
            .env("CARGO_TARGET_DIR", target)
            .env("PATH", path))
    };
    // No cargo: only the tools that the script itself needs.
    let tools = scratch.path().join("tools");
    fs::create_dir_all(&tools).expect("a directory can be made");
    for tool in ["bash", "env", "dirname", "readlink", "realpath", "true"] {
        let path = env::split_paths(&env::var_os("PATH").expect("PATH is set"))
            .map(|directory| directory.join(tool))
            .find(|path| path.exists())
            .unwrap_or_else(|| panic!("no {tool}"));
        symlink(path, tools.join(tool)).expect("a link can be made");
    }
    let ran = without(&scratch.path().join("nothing"), &tools.to_string_lossy());
    assert_eq!(ran.status.code(), Some(125), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("no cargo to build it"),
        "{}",
        ran.stderr
    );

    // A cargo that fails, because nothing can be built below a file.
    let file = scratch.path().join("file");
    fs::write(&file, "").expect("a file can be written");
    let ran = without(&file, &env::var("PATH").expect("PATH is text"));
    assert_eq!(ran.status.code(), Some(125), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("cargo build --release failed"),
        "{}",
        ran.stderr
    );

    // A path that LD_PRELOAD cannot hold.
    let release = scratch.path().join("a space/release");
    fs::create_dir_all(&release).expect("a directory can be made");
    fs::copy(library(), release.join("libossl_async.so")).expect("a file can be copied");
    let ran = without(
        &scratch.path().join("a space"),
        &env::var("PATH").expect("PATH is text"),
    );
    assert_eq!(ran.status.code(), Some(125), "{}", ran.stderr);
    assert!(ran.stderr.contains("space or a colon"), "{}", ran.stderr);
}

/// Where a test puts its files.
fn folder(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("with-ossl-async-{test}"))
}
