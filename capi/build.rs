//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Threads have a destructor of the library (a pthread key), which must stay mapped until they
    // end. Other objects that the library is linked into are pinned at run time (`pin` in
    // src/platform/ucontext/objects.rs).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
