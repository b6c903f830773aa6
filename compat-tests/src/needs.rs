//! What a test needs: jobs, a tool, OpenSSL. If that is missing, the test is ignored with the
//! reason.

use crate::cases::NO_JOBS;
use crate::harness::{ignore, ignore_for_want};
use crate::{StaticOpenssl, openssl_is_installed, static_openssl};
use std::process::{Command, Stdio};

/// Needs a build of the library with jobs.
pub fn need_jobs() {
    if !ossl_async::is_capable() {
        ignore(NO_JOBS);
    }
}

/// Needs a command that prints its version.
pub fn need_tool(tool: &str) {
    need_command(tool, &["--version"], &format!("{tool} is not installed"));
}

/// Needs a command that succeeds.
pub fn need_command(tool: &str, arguments: &[&str], why: &str) {
    let status = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        ignore_for_want(why);
    }
}

/// Needs libssl, libcrypto and their headers.
pub fn need_openssl() {
    if !openssl_is_installed() {
        ignore_for_want("OpenSSL's headers are not installed (libssl-dev)");
    }
}

/// Needs OpenSSL 3.0 or later, which has providers.
pub fn need_providers() {
    need_openssl();
    let providers = Command::new("openssl")
        .args(["list", "-providers"])
        .output();
    if !providers.is_ok_and(|output| output.status.success()) {
        ignore("this OpenSSL has no providers");
    }
}

/// Needs `libssl.a` and `libcrypto.a`.
pub fn need_static_openssl() -> &'static StaticOpenssl {
    need_openssl();
    static_openssl().unwrap_or_else(|| {
        ignore_for_want("there is no libssl.a, or a library that it needs is missing (libssl-dev)")
    })
}
