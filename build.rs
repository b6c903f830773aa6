//! Compiles the C shim and chooses, once, what the library is built on.
//!
//! Two environment variables change the choice; neither is needed:
//!
//! - `OSSL_ASYNC_SWITCH`: `setjmp` (default), `swapcontext`, or `null` for the implementation of systems that have no
//!   working `ucontext`.
//! - `OSSL_ASYNC_GUARD`: `mprotect` never asks the kernel for lightweight guards (`MADV_GUARD_INSTALL`).

use std::env;

#[path = "src/platform/targets.rs"]
mod targets;

fn main() {
    for name in ["OSSL_ASYNC_SWITCH", "OSSL_ASYNC_GUARD"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for file in [
        "build.rs",
        "csrc/fibre.c",
        "csrc/fibre.h",
        "csrc/valgrind.c",
    ] {
        println!("cargo::rerun-if-changed={file}");
    }

    let switch = choice("OSSL_ASYNC_SWITCH", &["setjmp", "swapcontext", "null"]);
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

    let mut shim = cc::Build::new();
    shim.files(["csrc/fibre.c", "csrc/valgrind.c"])
        .extra_warnings(true);
    if switch.as_deref() == Some("swapcontext") {
        shim.define("OSSL_ASYNC_SWAPCONTEXT", None);
    }
    shim.compile("ossl_async_fibre");

    // Threads carry a destructor of ours (a pthread key) that must not be unmapped before they end. Other objects that
    // the library is linked into are pinned at run time (`pin` in src/platform/ucontext.rs).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
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
