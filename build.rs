//! Compiles the C shim, chooses the implementation in one place, and tells dependents where the C
//! headers are.
//!
//! Two environment variables change the choice. Neither is needed:
//!
//! - `OSSL_ASYNC_SWITCH`: one of the target's ways of switching (`src/platform/targets.rs`), of
//!   which `registers` is the default where it is one; or `null` for the implementation of systems
//!   without jobs.
//! - `OSSL_ASYNC_GUARD`: with `mprotect` the library never asks the kernel for lightweight guards
//!   (`MADV_GUARD_INSTALL`).

use std::env;

#[path = "src/platform/targets.rs"]
mod targets;

/// Each file of assembly is empty on other architectures, and `frame.c` where there is ucontext.
const SHIM: [&str; 8] = [
    "csrc/fibre.c",
    "csrc/frame.c",
    "csrc/x86_64.S",
    "csrc/aarch64.S",
    "csrc/riscv64.S",
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
    let switches = targets::switches(
        &target("CARGO_CFG_TARGET_OS"),
        &target("CARGO_CFG_TARGET_ENV"),
        &target("CARGO_CFG_TARGET_ARCH"),
    );
    let switch = switch
        .as_deref()
        .or(switches.first().copied())
        .unwrap_or("null");
    assert!(
        switch == "null" || switches.contains(&switch),
        "OSSL_ASYNC_SWITCH={switch}: this target has only {}",
        [switches, &["null"]].concat().join(", ")
    );
    if switch == "null" {
        println!("cargo::rustc-cfg=ossl_async_null");
        return;
    }

    let mut shim = cc::Build::new();
    shim.files(SHIM).extra_warnings(true);
    match switch {
        "setjmp" => drop(shim.define("OSSL_ASYNC_SETJMP", None)),
        "swapcontext" => drop(shim.define("OSSL_ASYNC_SWAPCONTEXT", None)),
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
