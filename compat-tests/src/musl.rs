//! Programs and libraries for musl, made on a system with glibc: by Debian's `musl-gcc`, and with
//! Rust's target for musl.

use crate::compiling::{compile_to, program_source};
use crate::harness::ignore_for_want;
use crate::library::{Library, Linkage, build_archive, build_library, release_directory};
use crate::needs::need_tool;
use crate::root;
use crate::running::run;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Rust's name of the target.
pub fn target() -> String {
    format!("{}-unknown-linux-musl", env::consts::ARCH)
}

/// Needs `musl-gcc`, and Rust's standard library for musl.
pub fn need_musl() {
    need_tool("musl-gcc");
    if !unwinder().is_file() {
        ignore_for_want(format!("no Rust for musl: rustup target add {}", target()));
    }
}

/// The unwinder of Rust's target for musl. The one of Debian's gcc calls functions of glibc's.
fn unwinder() -> &'static Path {
    static UNWINDER: OnceLock<PathBuf> = OnceLock::new();
    UNWINDER.get_or_init(|| {
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
        let ran = run(rustc.args(["--print", "target-libdir", "--target", &target()]));
        Path::new(ran.stdout.trim()).join("self-contained/libunwind.a")
    })
}

/// Adds the unwinder to a command of `musl-gcc`, which makes no index for it by itself.
pub fn link_unwinder(command: &mut Command) -> &mut Command {
    command.arg(unwinder()).arg("-Wl,--eh-frame-hdr")
}

/// A folder for what is made here.
fn folder(name: &str) -> PathBuf {
    let folder = release_directory().join("musl").join(name);
    fs::create_dir_all(&folder).expect("the target directory can be written");
    folder
}

/// The folder of a `libgcc_s.so.1` for musl: the unwinder above. Systems with musl have their own.
fn shared_unwinder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("unwinder");
        for name in ["libgcc_s.so", "libgcc_s.so.1"] {
            let mut command = Command::new("musl-gcc");
            command
                .args([
                    "-shared",
                    "-Wl,-soname,libgcc_s.so.1",
                    "-Wl,--whole-archive",
                ])
                .arg(unwinder())
                .args(["-Wl,--no-whole-archive", "-Wl,--eh-frame-hdr"]);
            compile_to(&folder.join(name), &mut command);
        }
        folder
    })
}

/// The options with which rustc makes dynamic programs and libraries for musl here.
pub fn dynamic_options() -> String {
    format!(
        "-C target-feature=-crt-static -C linker=musl-gcc -L native={}",
        shared_unwinder().display()
    )
}

/// Builds the shared library for musl, with these variables in the environment.
fn build_shared(kind: &str, variables: &[(&str, &str)]) -> Library {
    build_library(kind, |cargo| {
        cargo
            .args(["--target", &target()])
            .env("RUSTFLAGS", dynamic_options())
            .envs(variables.iter().copied());
    })
}

/// The library for musl. The archive is made for static programs, as cargo does by itself there.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| Library {
        shared: build_shared("musl-dynamic", &[]).shared,
        archive: build_archive("musl", |cargo| {
            cargo.args(["--target", &target()]);
        }),
    })
}

/// The shared library for musl without jobs: `OSSL_ASYNC_SWITCH=null`.
pub fn null_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| build_shared("musl-null", &[("OSSL_ASYNC_SWITCH", "null")]).shared)
}

/// Compiles a C file with `musl-gcc`, into a folder of this name.
pub fn build(name: &str, group: &str, complete: impl FnOnce(&mut Command)) -> PathBuf {
    let source = program_source(name);
    let file = folder(group).join(source.file_stem().expect("a source file has a name"));
    let mut command = Command::new("musl-gcc");
    command
        .args(["-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root().join("csrc/include"))
        .arg("-I")
        .arg(root().join("csrc/standalone"))
        .arg(source);
    complete(&mut command);
    compile_to(&file, &mut command);
    file
}

/// Compiles a C program for musl, and links it with the library.
pub fn compile(name: &str, linkage: Linkage) -> PathBuf {
    build(name, linkage.name(), |command| {
        match linkage {
            Linkage::Shared => command.arg(&library().shared),
            Linkage::Static => command.arg("-static").arg(&library().archive),
        };
        link_unwinder(command);
    })
}

/// Where musl's dynamic linker must look for what programs here need.
pub fn library_path(library: &Path) -> String {
    let folder = library.parent().expect("a library lies in a folder");
    format!("{}:{}", folder.display(), shared_unwinder().display())
}
