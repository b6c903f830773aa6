//! OpenSSL as installed: which parts of it there are, and how to run programs with this library in
//! front of it.

use crate::library::release_directory;
use crate::{Scratch, root};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol, ObjectSymbolTable, RelocationTarget};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The version of OpenSSL that the tests must run on: `OSSL_ASYNC_OPENSSL_VERSION`, such as `3.5` or
/// `1.1.1w`. Without it, any version will do.
pub fn wanted_version() -> Option<String> {
    env::var("OSSL_ASYNC_OPENSSL_VERSION").ok()
}

/// Whether a version such as `3.5.9` is the one that is wanted.
pub fn is_wanted(version: &str) -> bool {
    wanted_version().is_none_or(|wanted| is_version(version, &wanted))
}

/// Panics if the version of a part of OpenSSL is not the one that is wanted.
pub fn assert_wanted(part: &str, version: &str) {
    let wanted = wanted_version().unwrap_or_default();
    assert!(
        is_wanted(version),
        "OSSL_ASYNC_OPENSSL_VERSION={wanted}, but {part} has the version {version:?}"
    );
}

/// Whether `version` is `wanted` or one of its releases: 3.5.9 is a 3.5, and 1.1.1w a 1.1.1.
fn is_version(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| {
        let is_longer_number = rest.starts_with(|next: char| next.is_ascii_digit());
        !wanted.is_empty() && !is_longer_number
    })
}

/// The version in a text such as `OpenSSL 3.0.22 27 Oct 2026`.
pub fn version_in(text: &str) -> &str {
    let mut words = text.split_whitespace();
    words
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or_default()
}

/// Whether OpenSSL, 1.1.0 or later, is installed with its headers. If a version is wanted
/// ([`wanted_version`]), panics unless headers and library are of it.
pub fn openssl_is_installed() -> bool {
    openssl_version().is_some()
}

/// The version of the OpenSSL that programs are linked with, such as `3.5.9`. None if it is not
/// installed with its headers. Panics as [`openssl_is_installed`].
pub fn openssl_version() -> Option<&'static str> {
    static VERSION: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let versions = versions_of_headers_and_library();
        if let Some(wanted) = wanted_version() {
            let [headers, library] = versions.as_ref().unwrap_or_else(|| {
                panic!("OSSL_ASYNC_OPENSSL_VERSION={wanted}: no OpenSSL is installed")
            });
            assert_wanted("what the compiler includes", headers);
            assert_wanted("what the linker finds", library);
        }
        versions.map(|[_, library]| library)
    };
    VERSION.get_or_init(find).as_deref()
}

/// Whether programs are compiled for a version before 3.0, which has no callbacks, no providers and
/// no default library context.
pub fn openssl_is_older_than_3_0() -> bool {
    openssl_version().is_some_and(|version| version.starts_with("1."))
}

/// The versions of OpenSSL's headers and of the library that programs get. None without OpenSSL.
fn versions_of_headers_and_library() -> Option<[String; 2]> {
    const PROGRAM: &[u8] = b"#include <openssl/ssl.h>\n#include <openssl/async.h>\n\
        #include <openssl/crypto.h>\n#include <stdio.h>\n\
        int main(int argc, char **argv) {\n\
            (void)argv;\n\
            if (argc > 9) return SSL_get_all_async_fds(0, 0, 0) + ASYNC_WAIT_CTX_clear_fd(0, 0);\n\
            return puts(OPENSSL_VERSION_TEXT) < 0 || puts(OpenSSL_version(OPENSSL_VERSION)) < 0;\n\
        }\n";
    let scratch = Scratch::new(&env::temp_dir().join("ossl-async-openssl-version"));
    let binary = scratch.path().join("version");
    let mut cc = Command::new("cc")
        .args(["-x", "c", "-", "-lssl", "-lcrypto", "-o"])
        .arg(&binary)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a C compiler");
    let mut input = cc.stdin.take().expect("piped above");
    // A compiler that has failed already does not read it.
    let _may_be_broken = input.write_all(PROGRAM);
    drop(input);
    if !cc.wait().expect("the child is ours").success() {
        return None;
    }
    let ran = Command::new(&binary).output().ok()?;
    let text = String::from_utf8(ran.stdout).ok()?;
    let (headers, library) = text.split_once('\n')?;
    Some([headers, library].map(|text| version_in(text).to_owned()))
}

/// `libssl.a` and `libcrypto.a`.
pub struct StaticOpenssl {
    /// Where they are.
    pub directory: PathBuf,
    /// The other libraries that they need.
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

/// The names that the dynamic linker looks up for a library. A library may call functions of its
/// own by name too, and another library that comes first then has them. libcrypto does so up to 3.5.
pub fn looked_up_by_name(library: &Path) -> BTreeSet<String> {
    let bytes = fs::read(library).unwrap_or_else(|why| panic!("{}: {why}", library.display()));
    let library = ElfFile64::<Endianness>::parse(&*bytes).expect("a shared library");
    let symbols = library.dynamic_symbol_table().expect("it has one");
    let relocations = library.dynamic_relocations().expect("it has them");
    let indices = relocations.filter_map(|(_, relocation)| match relocation.target() {
        RelocationTarget::Symbol(index) => Some(index),
        _ => None,
    });
    indices
        .map(|index| symbols.symbol_by_index(index).expect("it is in the table"))
        .map(|symbol| symbol.name().expect("names are text").to_owned())
        .collect()
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

/// The references that the dynamic linker has resolved, read from its output with
/// `LD_DEBUG=bindings`: from which file, to which file, which symbol. A lookup at run time prints
/// a line without a version. Such lines are left out.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_of_its_series() {
        for (version, wanted) in [
            ("3.5.9", "3.5"),
            ("3.5.9", "3.5.9"),
            ("1.1.1w", "1.1.1"),
            ("4.0.3", "4"),
        ] {
            assert!(is_version(version, wanted), "{version} is a {wanted}");
        }
        for (version, wanted) in [
            ("3.5.9", "3.6"),
            ("3.50.1", "3.5"),
            ("3.5", "3.5.9"),
            ("", "3"),
            ("3.5", ""),
        ] {
            assert!(!is_version(version, wanted), "{version} is no {wanted}");
        }
    }

    #[test]
    fn the_version_is_found_in_what_openssl_prints() {
        for (text, version) in [
            (
                "OpenSSL 3.0.22 27 Oct 2026 (Library: OpenSSL 3.0.22)",
                "3.0.22",
            ),
            ("OpenSSL 1.1.1w  11 Sep 2023", "1.1.1w"),
            ("OpenSSL", ""),
        ] {
            assert_eq!(version_in(text), version);
        }
    }
}
