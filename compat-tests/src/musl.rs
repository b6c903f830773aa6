//! Programs and libraries for musl, made on a system with glibc: by Debian's `musl-gcc`, and with
//! Rust's target for musl.

use crate::compiling::{compile_to, program_source};
use crate::harness::{ignore, ignore_for_want};
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

/// Compiles C files with `musl-gcc` to a file of this name in this folder.
fn build_file(
    name: &str,
    group: &str,
    sources: &[&str],
    complete: impl FnOnce(&mut Command),
) -> PathBuf {
    let file = folder(group).join(name);
    let mut command = Command::new("musl-gcc");
    command
        .args(["-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(sources.iter().map(|name| program_source(name)));
    complete(&mut command);
    compile_to(&file, &mut command);
    file
}

/// The name of what a source file is compiled to.
fn file_name(source: &str) -> &str {
    source.rsplit('/').next().expect("there is one part")
}

/// Compiles a C file with `musl-gcc` and the library's headers, into a folder of this name.
pub fn build(name: &str, group: &str, complete: impl FnOnce(&mut Command)) -> PathBuf {
    build_file(file_name(name), group, &[name], |command| {
        for headers in ["csrc/include", "csrc/standalone"] {
            command.arg("-I").arg(root().join(headers));
        }
        complete(command);
    })
}

/// Compiles a C program for musl, and links it with the library.
pub fn compile(name: &str, linkage: Linkage) -> PathBuf {
    let object = build(name, "objects", |command| {
        command.arg("-c");
    });
    build_file(file_name(name), linkage.name(), &[], |command| {
        command.arg(object);
        match linkage {
            Linkage::Shared => command.arg(&library().shared),
            Linkage::Static => command.arg("-static").arg(&library().archive),
        };
        link_unwinder(command);
    })
}

/// OpenSSL for musl, as `.ci/musl libssl` installs it from OpenSSL's source.
pub struct Openssl {
    folder: PathBuf,
}

/// Needs OpenSSL for musl, in the folder `OSSL_ASYNC_MUSL_OPENSSL`.
pub fn need_openssl() -> Openssl {
    need_musl();
    let Some(folder) = env::var_os("OSSL_ASYNC_MUSL_OPENSSL") else {
        ignore("OSSL_ASYNC_MUSL_OPENSSL names no OpenSSL for musl: .ci/musl libssl makes one");
    };
    let folder = PathBuf::from(folder);
    assert!(folder.is_absolute(), "{}: not absolute", folder.display());
    for file in ["include/openssl/ssl.h", "lib/libssl.so", "lib/libcrypto.so"] {
        let file = folder.join(file);
        assert!(file.exists(), "no {}", file.display());
    }
    Openssl { folder }
}

impl Openssl {
    /// Compiles a program that knows OpenSSL only. `before` is linked before libssl.
    pub fn compile(&self, name: &str, before: Option<&Path>) -> PathBuf {
        let group = if before.is_some() {
            "openssl-linked"
        } else {
            "openssl"
        };
        build_file(file_name(name), group, &[name], |command| {
            command.arg("-Wl,--no-as-needed").args(before);
            self.link(command, &["libssl.so", "libcrypto.so"]);
            if before.is_some() {
                link_unwinder(command);
            }
        })
    }

    /// The folder of the provider `slow_sign`.
    pub fn provider_directory(&self) -> PathBuf {
        let sources = ["provider/slow_sign", "provider/workers"];
        let file = build_file("slow_sign.so", "openssl-provider", &sources, |command| {
            command.args(["-shared", "-fPIC"]);
            self.link(command, &["libcrypto.so"]);
        });
        file.parent().expect("it lies in a folder").to_owned()
    }

    fn link(&self, command: &mut Command, libraries: &[&str]) {
        let lib = self.folder.join("lib");
        command
            .arg("-I")
            .arg(self.folder.join("include"))
            .args(libraries.iter().map(|name| lib.join(name)))
            .arg(format!("-Wl,-rpath,{}", lib.display()));
    }
}

/// Where musl's dynamic linker must look for what programs here need.
pub fn library_path(library: &Path) -> String {
    let folder = library.parent().expect("a library lies in a folder");
    format!("{}:{}", folder.display(), shared_unwinder().display())
}
