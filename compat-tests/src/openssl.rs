//! OpenSSL as installed: which parts of it there are, and how to run programs with this library in
//! front of it.

use crate::library::release_directory;
use crate::root;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

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
        // A compiler that has failed already does not read it.
        let _may_be_broken = input.write_all(program);
        drop(input);
        cc.wait().expect("the child is ours").success()
    })
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
