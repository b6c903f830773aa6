//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Threads carry a destructor of the library (a pthread key) that must not be unmapped before they end. Other objects
    // that the library is linked into are pinned at run time (`pin` in src/platform/ucontext/objects.rs).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
