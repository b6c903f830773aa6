//! Compiles the C shim, chooses the implementation in one place, and tells dependents where the C
//! headers are.
//!
//! Two environment variables change the choice. Neither is needed:
//!
//! - `OSSL_ASYNC_SWITCH`: `registers` (the default if available: x86-64 and aarch64 with glibc),
//!   `setjmp`, `swapcontext`, or `null` for the implementation of systems without a working
//!   `ucontext`.
//! - `OSSL_ASYNC_GUARD`: with `mprotect` the library never asks the kernel for lightweight guards
//!   (`MADV_GUARD_INSTALL`).

use std::env;

#[path = "src/platform/targets.rs"]
mod targets;

/// Each file of assembly is empty on other architectures.
const SHIM: [&str; 6] = [
    "csrc/fibre.c",
    "csrc/x86_64.S",
    "csrc/aarch64.S",
    "csrc/checkers.c",
    "csrc/thread.c",
    "csrc/exceptions.c",
];

fn main() {
    for name in ["OSSL_ASYNC_SWITCH", "OSSL_ASYNC_GUARD"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for file in ["build.rs", "csrc"] {
        println!("cargo::rerun-if-changed={file}");
    }

    // For the build scripts of dependents: DEP_OSSL_ASYNC_INCLUDE and DEP_OSSL_ASYNC_STANDALONE.
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    for directory in ["include", "standalone"] {
        println!("cargo::metadata={directory}={here}/csrc/{directory}");
    }

    let switch = choice(
        "OSSL_ASYNC_SWITCH",
        &["registers", "setjmp", "swapcontext", "null"],
    );
    let guard = choice("OSSL_ASYNC_GUARD", &["mprotect"]);
    if guard.as_deref() == Some("mprotect") {
        println!("cargo::rustc-cfg=ossl_async_mprotect");
    }
    let target = |part| env::var(part).unwrap_or_default();
    let has_ucontext = targets::has_ucontext(
        &target("CARGO_CFG_TARGET_OS"),
        &target("CARGO_CFG_TARGET_ENV"),
    );
    if switch.as_deref() == Some("null") || !has_ucontext {
        println!("cargo::rustc-cfg=ossl_async_null");
        return;
    }

    assert!(
        switch.as_deref() != Some("registers")
            || matches!(
                target("CARGO_CFG_TARGET_ARCH").as_str(),
                "x86_64" | "aarch64"
            ) && target("CARGO_CFG_TARGET_ENV") == "gnu",
        "OSSL_ASYNC_SWITCH=registers: there is a switch by registers for x86-64 and aarch64 with glibc only"
    );

    let mut shim = cc::Build::new();
    shim.files(SHIM).extra_warnings(true);
    match switch.as_deref() {
        Some("setjmp") => drop(shim.define("OSSL_ASYNC_SETJMP", None)),
        Some("swapcontext") => drop(shim.define("OSSL_ASYNC_SWAPCONTEXT", None)),
        _ => {}
    }
    // In the C library, signal handlers may call ASYNC_get_current_job, even if it was loaded late
    // (csrc/thread.c).
    if target("CARGO_CFG_TARGET_ENV") == "gnu" && env::var_os("CARGO_FEATURE_C_LIBRARY").is_some() {
        shim.define("OSSL_ASYNC_INITIAL_EXEC", None);
        println!("cargo::rustc-cfg=ossl_async_initial_exec");
    }
    // A thread may end inside a job. Then the shim's frames are unwound.
    shim.flag_if_supported("-fasynchronous-unwind-tables");
    // If Rust is compiled for a sanitizer, the shim must be too: it tells the sanitizer about the
    // stacks.
    for sanitizer in target("CARGO_CFG_SANITIZE").split(',') {
        if matches!(sanitizer, "address" | "thread") {
            shim.flag(format!("-fsanitize={sanitizer}"));
            println!("cargo::rustc-cfg=ossl_async_sanitizer");
            // A plugin that contains the library finds the sanitizer's run-time in the test
            // program.
            println!("cargo::rustc-link-arg-tests=-rdynamic");
        }
    }
    shim.compile("ossl_async_fibre");
}

/// The value of an environment variable that must be one of `allowed`, or unset or empty.
fn choice(name: &str, allowed: &[&str]) -> Option<String> {
    let value = env::var(name).ok().filter(|value| !value.is_empty())?;
    assert!(
        allowed.contains(&value.as_str()),
        "{name}={value}: expected one of {}",
        allowed.join(", ")
    );
    Some(value)
}
