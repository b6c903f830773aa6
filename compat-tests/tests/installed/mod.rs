//! The C library as it is installed by `make install` or by `cargo cinstall`: its files, and
//! programs that find it by pkg-config or CMake alone. `check_make_install.rs` and
//! `check_cargo_install.rs` use this.

use compat_tests::{
    EXAMPLE_OUTPUT, command, compile_to, need_jobs, need_tool, program_source, root,
    run_successfully,
};
use object::Endianness;
use object::read::elf::ElfFile64;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Ignores the test unless these tools are installed and this build has jobs.
pub fn need(tools: &[&str]) {
    need_jobs();
    tools.iter().for_each(|tool| need_tool(tool));
}

/// An empty directory below the target directory, for this file of tests.
pub fn empty_directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(env!("CARGO_CRATE_NAME"))
        .join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).expect("what an earlier run has left");
    }
    fs::create_dir_all(&directory).expect("the target directory can be written");
    directory
}

/// Runs a command that must succeed, and returns what it prints.
pub fn output_of(command: &mut Command) -> String {
    run_successfully(command).stdout
}

/// Runs `make TARGET` with these variables.
pub fn make(target: &str, variables: &[(&str, &Path)]) {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let mut make = Command::new("make");
    make.args(["--silent", "--directory"])
        .arg(root())
        .arg(target)
        .env("CARGO", env!("CARGO"))
        .env("CARGO_TARGET_DIR", built.expect("a target directory"))
        .env_remove("MAKEFLAGS");
    for variable in ["DESTDIR", "PREFIX", "LIBDIR"] {
        make.env_remove(variable);
    }
    make.args(
        variables
            .iter()
            .map(|(name, value)| format!("{name}={}", value.display())),
    );
    output_of(&mut make);
}

/// The files below a directory: the target of a link, or the permissions of a file.
pub fn files_below(directory: &Path) -> BTreeMap<String, String> {
    fn collect(at: &Path, below: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(at).expect("a directory") {
            let path = entry.expect("it can be read").path();
            let kind = fs::symlink_metadata(&path).expect("it is there");
            if kind.is_dir() {
                collect(&path, below, found);
                continue;
            }
            let what = match fs::read_link(&path) {
                Ok(leads_to) => leads_to.display().to_string(),
                Err(_) => format!("{:o}", kind.permissions().mode() & 0o7777),
            };
            let name = path.strip_prefix(below).expect("it is below");
            found.insert(name.display().to_string(), what);
        }
    }
    let mut found = BTreeMap::new();
    collect(directory, directory, &mut found);
    found
}

pub fn text_of(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// The SONAME of a shared library, if it has one, and the libraries that an ELF file needs.
pub fn names_in(file: &Path) -> (Option<String>, Vec<String>) {
    use object::elf::{DT_NEEDED, DT_SONAME};
    use object::read::elf::{Dyn, FileHeader};

    let bytes = fs::read(file).expect("a file");
    let elf = ElfFile64::<Endianness>::parse(&*bytes).expect("an ELF file of 64 bits");
    let (endian, data) = (elf.endian(), elf.data());
    let header = elf.elf_header();
    let sections = header.sections(endian, data).expect("sections");
    let (entries, link) = sections
        .dynamic(endian, data)
        .expect("it can be read")
        .expect("it is linked dynamically");
    let strings = sections.strings(endian, data, link).expect("its names");
    let of = |tag| {
        entries
            .iter()
            .filter(move |entry| entry.d_tag(endian) == u64::from(tag))
            .map(|entry| {
                let name = entry.string(endian, strings).expect("a name");
                String::from_utf8_lossy(name).into_owned()
            })
    };
    (of(DT_SONAME).next(), of(DT_NEEDED).collect())
}

/// The words that pkg-config prints.
fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let directories = ["lib", "share"].map(|part| prefix.join(part).join("pkgconfig"));
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(arguments).env(
        "PKG_CONFIG_PATH",
        std::env::join_paths(directories).expect("no colons"),
    );
    let words = output_of(&mut pkg_config);
    words.split_whitespace().map(str::to_owned).collect()
}

/// Compiles a program with what pkg-config prints, followed by `options`.
fn compile(
    prefix: &Path,
    name: &str,
    compiler: &[&str],
    source: &Path,
    words: &[String],
) -> PathBuf {
    let program = empty_directory(&format!("{name}.d")).join(name);
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).arg(source).args(words);
    compile_to(&program, &mut command);
    assert!(prefix.is_absolute());
    program
}

/// The output of a program that finds the shared library in a directory that the loader does not
/// search.
fn output_with_library_path(prefix: &Path, program: &Path) -> String {
    output_of(command(&[], program).env("LD_LIBRARY_PATH", prefix.join("lib")))
}

fn check_second_generation(prefix: &Path, program: &Path, is_shared: bool) {
    let said = output_with_library_path(prefix, program);
    let (functions, rest): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.starts_with("program "));
    assert_eq!(rest, ["serves libssl 1", "3 7"], "{said}");
    assert_eq!(functions.len(), 16);
    let file = match is_shared {
        true => prefix.join("lib/libossl_async.so.0.1.0"),
        false => program.to_owned(),
    };
    for line in functions {
        let in_file = line.rsplit(' ').next().expect("a file");
        assert_eq!(fs::canonicalize(in_file).expect("a file"), file, "{line}");
    }
}

/// Programs that find the library by pkg-config.
pub fn check_programs_of_pkg_config(prefix: &Path) {
    let hello = root().join("examples/hello_job.c");
    let c: &[&str] = &[
        "cc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic-errors",
    ];
    let cxx: &[&str] = &[
        "c++",
        "-std=c++98",
        "-Wall",
        "-Werror",
        "-pedantic-errors",
        "-x",
        "c++",
    ];
    let shared = pkg_config(prefix, &["--cflags", "--libs", "ossl-async"]);
    let archive = format!(
        "{}/libossl_async.a",
        pkg_config(prefix, &["--variable=libdir", "ossl-async"])[0]
    );
    let with_archive = [
        pkg_config(prefix, &["--cflags", "ossl-async"]),
        // After -x c++, which would otherwise apply to it too.
        vec!["-x".into(), "none".into(), archive],
    ]
    .concat();
    let mut fully_static = shared.clone();
    fully_static.push("-static".into());
    for (language, compiler) in [("c", c), ("cxx", cxx)] {
        for (linkage, words) in [
            ("shared", &shared),
            ("static", &with_archive),
            ("fully_static", &fully_static),
        ] {
            let name = format!("{language}_{linkage}");
            let program = compile(prefix, &name, compiler, &hello, words);
            assert_eq!(
                output_with_library_path(prefix, &program),
                EXAMPLE_OUTPUT,
                "{name}"
            );
            if linkage != "fully_static" {
                let needed = names_in(&program).1;
                let needs_ours = needed.contains(&"libossl_async.so.0.1".to_owned());
                assert_eq!(needs_ours, linkage == "shared", "{name}: {needed:?}");
            }
        }
    }

    let standalone = pkg_config(prefix, &["--cflags", "--libs", "ossl-async-standalone"]);
    let source = program_source("install/error_queue");
    let program = compile(prefix, "error_queue", c, &source, &standalone);
    assert_error_text(&output_with_library_path(prefix, &program));

    let beside = pkg_config(
        prefix,
        &[
            "--cflags",
            "--libs",
            "ossl-async-wait-ctx",
            "libssl",
            "libcrypto",
        ],
    );
    let source = program_source("link_order/which_library");
    let compiler = [
        "cc",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-Wl,--no-as-needed",
    ];
    let program = compile(prefix, "beside_libcrypto", &compiler, &source, &beside);
    check_second_generation(prefix, &program, true);
}

fn assert_error_text(said: &str) {
    assert!(
        said.starts_with("error:") && said.contains("ASYNC_start_job"),
        "{said}"
    );
}

/// Programs that find the library by its CMake package.
pub fn check_programs_of_cmake(prefix: &Path) {
    let build = empty_directory("cmake");
    output_of(
        Command::new("cmake")
            .arg("-S")
            .arg(root().join("compat-tests/programs/install"))
            .arg("-B")
            .arg(&build)
            .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())),
    );
    output_of(Command::new("cmake").arg("--build").arg(&build));
    for name in [
        "c_shared",
        "c_static",
        "c_fully_static",
        "cxx_shared",
        "cxx_static",
    ] {
        assert_eq!(
            output_with_library_path(prefix, &build.join(name)),
            EXAMPLE_OUTPUT,
            "{name}"
        );
    }
    assert_error_text(&output_with_library_path(
        prefix,
        &build.join("error_queue"),
    ));
    check_second_generation(prefix, &build.join("wait-ctx"), true);
    check_second_generation(prefix, &build.join("wait-ctx-static"), false);
}
