//! C programs: where their sources are, and how they are compiled and linked.

use crate::library::{Linkage, library, release_directory};
use crate::root;
use crate::running::run;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The system libraries that a static archive of Rust code needs, on Linux with glibc.
const NATIVE_LIBRARIES: [&str; 7] = [
    "-lgcc_s",
    "-lutil",
    "-lrt",
    "-lpthread",
    "-lm",
    "-ldl",
    "-lc",
];

/// The source file of one of the C programs.
pub fn program_source(name: &str) -> PathBuf {
    root()
        .join("compat-tests/programs")
        .join(name)
        .with_extension("c")
}

/// Builds a Rust program of one file, in `programs/`, as a package of its own in this directory, and
/// with the directory's name. `dependencies` are lines of its manifest.
///
/// Versions, profile and target directory are those of this workspace. So a dependency that the
/// workspace has with the same features is not compiled again.
pub fn compile_rust_package(directory: &Path, source: &str, dependencies: &str) -> PathBuf {
    fs::create_dir_all(directory).expect("the target directory can be written");
    let source = root().join("compat-tests/programs").join(source);
    let name = directory.file_name().expect("a name").to_string_lossy();
    let manifest = format!(
        "[package]\n\
         name = {name:?}\n\
         version = \"0.0.0\"\n\
         edition = \"2024\"\n\
         [workspace]\n\
         [[bin]]\n\
         name = {name:?}\n\
         path = {source:?}\n\
         [profile.dev]\n\
         debug = \"line-tables-only\"\n\
         codegen-units = 16\n\
         [dependencies]\n\
         {dependencies}"
    );
    fs::write(directory.join("Cargo.toml"), manifest).expect("the directory was made");
    fs::copy(root().join("Cargo.lock"), directory.join("Cargo.lock")).expect("it is there");
    let mut command = Command::new(env!("CARGO"));
    let target = release_directory()
        .parent()
        .expect("it is in the target directory");
    let ran = run(command
        .args(["build", "--offline", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target));
    assert!(ran.status.success(), "{command:?}\n{}", ran.stderr);
    target.join("debug").join(name.as_ref())
}

/// The names of the C programs in a directory below `programs/`, or in `programs/` itself.
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

/// Words of an environment variable such as `CFLAGS`.
fn words(variable: &str) -> Vec<String> {
    env::var(variable)
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Compiles a C program with the system's compiler (`CC`, `CFLAGS`) and links it with the library.
/// `extra` are options of the compiler, and those of the linker that begin with `-Wl,`.
pub fn compile(source: &Path, linkage: Linkage, extra: &[&str]) -> PathBuf {
    let library = library();
    let (for_linker, for_compiler): (Vec<&str>, Vec<&str>) =
        extra.iter().partition(|option| option.starts_with("-Wl,"));
    let object = object_file(source, &for_compiler);
    // Programs that are compiled from one source with other options have a folder of their own.
    build(source, &group(linkage.name(), extra), |command| {
        command.args(for_linker).arg(&object);
        match linkage {
            Linkage::Shared => command.arg("-L").arg(release_directory()).args([
                "-lossl_async",
                "-lpthread",
                "-ldl",
            ]),
            Linkage::Static => static_link(command, &library.archive),
        };
    })
}

/// A program's object file, which is the same for both linkages.
fn object_file(source: &Path, extra: &[&str]) -> PathBuf {
    build(source, &group("objects", extra), |command| {
        let headers = root().join("csrc");
        command.args(extra).arg("-c").arg(source);
        for directory in ["include", "standalone"] {
            command.arg("-I").arg(headers.join(directory));
        }
    })
}

/// The name of a directory for what is compiled with these options.
fn group(kind: &str, options: &[&str]) -> String {
    [&[kind], options].concat().join(" ").replace('/', "_")
}

/// Adds a static archive of the library, and the system libraries that it needs, to a linker's
/// command.
pub fn static_link<'a>(command: &'a mut Command, archive: &Path) -> &'a mut Command {
    command.arg(archive).args(NATIVE_LIBRARIES)
}

/// Compiles a C program with OpenSSL's own headers, as installed, and links it with libssl and
/// libcrypto. The program does not know this library.
pub fn compile_with_openssl(source: &Path) -> PathBuf {
    build(source, "openssl", |command| {
        // Also libssl if the program does not call it: how libssl's references are resolved is
        // part of the test.
        command.arg(source).args([
            "-Wl,--no-as-needed",
            "-lssl",
            "-lcrypto",
            "-lpthread",
            "-ldl",
        ]);
    })
}

/// Compiles a C program with this library's headers, and links it with the library, libssl and
/// libcrypto, in either order. `kind` distinguishes programs of one source.
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
            .arg("-fPIC") // So a function's address is its own, not that of a PLT entry.
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
    // Until glibc 2.34 these were libraries of their own.
    build(source, "alone", |command| {
        command.arg(source).args(["-lpthread", "-ldl"]);
    })
}

/// Compiles a shared library of one C file, which does not use the library. `kind` distinguishes
/// those of one source.
pub fn compile_shared_library(source: &Path, kind: &str, options: &[&str]) -> PathBuf {
    build(source, &format!("shared-{kind}"), |command| {
        command.args(["-shared", "-fPIC"]).args(options).arg(source);
    })
}

/// Compiles an engine or a provider, which programs load. `CFLAGS` are for programs: a plugin with a
/// sanitizer could not be loaded.
pub fn compile_plugin(name: &str, standard: &str, sources: &[&str]) -> PathBuf {
    let directory = release_directory().join("compat-programs/plugins");
    fs::create_dir_all(&directory).expect("the target directory can be written");
    let file = directory.join(name).with_extension("so");
    let compiler = words("CC");
    let mut command = Command::new(compiler.first().map_or("cc", String::as_str));
    command
        .args(compiler.iter().skip(1))
        .args([standard, "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(["-shared", "-fPIC"])
        .args(sources.iter().map(|source| program_source(source)))
        .args(["-lcrypto", "-lpthread"]);
    compile_to(&file, &mut command);
    file
}

/// The directory that has the provider `slow_sign`, compiled once.
pub fn provider_directory() -> &'static Path {
    static PROVIDER: OnceLock<PathBuf> = OnceLock::new();
    let compile = || {
        let sources = ["provider/slow_sign", "provider/workers"];
        compile_plugin("slow_sign", "-std=c99", &sources)
    };
    let file = PROVIDER.get_or_init(compile);
    file.parent().expect("it lies in a directory")
}

/// Compiles a C program into the directory of its group. `complete` adds what the group needs, the
/// source file included.
///
/// Any warning fails the test: programs that are built with `-Werror` must be able to use the
/// headers.
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

/// Runs a compiler that makes a file, unless this process has run the same command before.
pub fn compile_to(file: &Path, compiler: &mut Command) {
    static MADE: Mutex<BTreeMap<String, Arc<OnceLock<()>>>> = Mutex::new(BTreeMap::new());

    let made = {
        let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let command = format!("{compiler:?} -o {file:?}");
        all.entry(command).or_default().clone()
    };
    made.get_or_init(|| compile_anew(file, compiler));
}

/// The compiler writes to another name, and the file is renamed when it is complete, because another
/// test may be running or loading the file at this moment.
fn compile_anew(file: &Path, compiler: &mut Command) {
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

/// Paths of the replacements for libcrypto, which `gen2_ours/fake_libcrypto` takes as arguments.
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
