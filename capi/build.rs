//! How the shared library is linked; and for cargo-c, the links among manual pages.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    // Threads have a destructor of the library (a pthread key), which must stay mapped until they
    // end. Other objects that the library is linked into are pinned at run time (`pin` in
    // src/platform/ucontext/objects.rs).
    if env::var("CARGO_CFG_TARGET_VENDOR").as_deref() != Ok("apple") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }

    let links = Path::new("man/links");
    if env::var_os("CARGO_FEATURE_CAPI").is_some() && links.exists() {
        println!("cargo::rerun-if-changed=man/links");
        let out = env::var_os("OUT_DIR").expect("cargo sets it");
        link_pages(&fs::read_to_string(links)?, &Path::new(&out).join("man"))?;
    }
    Ok(())
}

/// Writes a page for each line "LINK PAGE", which leads from one name to another. The Makefile does the same.
fn link_pages(links: &str, directory: &Path) -> io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir(directory)?;
    for line in links.lines().filter(|line| !line.starts_with('#')) {
        let (link, page) = line.split_once(' ').expect("a link and a page");
        fs::write(directory.join(link), format!(".so man3/{page}\n"))?;
    }
    Ok(())
}
