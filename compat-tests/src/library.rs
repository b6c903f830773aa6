//! The library as its users build it: `cargo build --release`, `make archive`, and other builds.

use crate::root;
use crate::running::run;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How a C program is linked with the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// With `libossl_async.so`.
    Shared,
    /// With `libossl_async.a`.
    Static,
}

impl Linkage {
    /// How names of tests and folders spell it.
    pub fn name(self) -> &'static str {
        match self {
            Linkage::Shared => "shared",
            Linkage::Static => "static",
        }
    }
}

/// Both kinds, for loops.
pub const LINKAGES: [Linkage; 2] = [Linkage::Shared, Linkage::Static];

/// The two files that C programs link with.
pub struct Library {
    /// `libossl_async.so`.
    pub shared: PathBuf,
    /// `libossl_async.a`.
    pub archive: PathBuf,
}

/// The library, built once per process, as `cargo build --release` makes it and in the same
/// environment. So a build with another switching method or other flags is the one that gets
/// tested.
pub(crate) fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| match env::var_os("OSSL_ASYNC_BUILT") {
        Some(folder) => built_in(Path::new(&folder)),
        None => cargo_build(|_| ()).library(),
    })
}

/// The library in a folder: for a system without cargo, as `compat-tests/oracles` makes them.
fn built_in(folder: &Path) -> Library {
    let file = |name: &str| {
        let file = folder.join(name);
        assert!(file.is_file(), "OSSL_ASYNC_BUILT: no {}", file.display());
        file
    };
    Library {
        shared: file(SHARED),
        archive: file(ARCHIVE),
    }
}

/// Builds the library differently: `complete` gives cargo the options. It has a target directory
/// of its own.
pub fn build_library(kind: &str, complete: impl FnOnce(&mut Command)) -> Library {
    cargo_build(in_directory(kind, complete)).library()
}

/// The same, for builds that make one of the files only.
pub(crate) fn build_archive(kind: &str, complete: impl FnOnce(&mut Command)) -> PathBuf {
    cargo_build(in_directory(kind, complete)).file(ARCHIVE)
}

/// Adds the target directory of a kind of build.
fn in_directory(kind: &str, complete: impl FnOnce(&mut Command)) -> impl FnOnce(&mut Command) {
    move |cargo| {
        let target = release_directory()
            .parent()
            .expect("it lies in a target directory")
            .join(kind);
        cargo.arg("--target-dir").arg(target);
        complete(cargo);
    }
}

const SHARED: &str = "libossl_async.so";
const ARCHIVE: &str = "libossl_async.a";

/// What cargo has made.
struct Built {
    command: String,
    /// Where the files are, wherever the environment or a configuration file has put the target
    /// directory.
    messages: String,
}

impl Built {
    fn file(&self, name: &str) -> PathBuf {
        self.messages
            .split('"')
            .map(Path::new)
            .find(|path| path.is_absolute() && path.file_name() == Some(OsStr::new(name)))
            .unwrap_or_else(|| panic!("{} made no {name}", self.command))
            .to_owned()
    }

    fn library(&self) -> Library {
        Library {
            shared: self.file(SHARED),
            archive: self.file(ARCHIVE),
        }
    }
}

fn cargo_build(complete: impl FnOnce(&mut Command)) -> Built {
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
    Built {
        command: format!("{cargo:?}"),
        messages: String::from_utf8(output.stdout).expect("cargo's messages are UTF-8"),
    }
}

/// The file whose code a program with this linkage must run: the shared library, or the program
/// itself.
pub fn expected_library(program: &Path, linkage: Linkage) -> PathBuf {
    match linkage {
        Linkage::Shared => library().shared.clone(),
        Linkage::Static => program.to_owned(),
    }
}

/// `libossl_async.a`, built as [`compile`](crate::compile) links it.
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

/// The directory that `cargo build --release` makes the library in.
pub(crate) fn release_directory() -> &'static Path {
    library()
        .shared
        .parent()
        .expect("a library lies in a directory")
}
