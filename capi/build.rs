//! How the shared library is linked; and for cargo-c, manual pages under the other names that they document.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    // Threads carry a destructor of the library (a pthread key) that must not be unmapped before they end. Other objects
    // that the library is linked into are pinned at run time (`pin` in src/platform/ucontext/objects.rs).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");

    let pages = Path::new("man");
    if env::var_os("CARGO_FEATURE_CAPI").is_some() && pages.is_dir() {
        println!("cargo::rerun-if-changed=man");
        let out = env::var_os("OUT_DIR").expect("cargo sets it");
        link_pages(pages, &Path::new(&out).join("man"))?;
    }
    Ok(())
}

/// Writes a page that leads to another one, for each name of a page that has more than one. The Makefile does the same.
fn link_pages(pages: &Path, links: &Path) -> io::Result<()> {
    if links.exists() {
        fs::remove_dir_all(links)?;
    }
    fs::create_dir(links)?;
    for entry in fs::read_dir(pages)? {
        let page = entry?.path();
        let (Some(file), Some(kind)) = (page.file_name(), page.extension()) else {
            continue;
        };
        let (file, kind) = (file.to_string_lossy(), kind.to_string_lossy());
        let text = fs::read_to_string(&page)?;
        let names = text
            .lines()
            .skip_while(|line| *line != ".Sh NAME")
            .skip(1)
            .take_while(|line| !line.starts_with(".Sh"))
            .filter_map(|line| line.strip_prefix(".Nm ")?.split_whitespace().next());
        for link in names.map(|name| format!("{name}.{kind}")) {
            if link != file {
                fs::write(links.join(link), format!(".so man{}/{file}\n", &kind[..1]))?;
            }
        }
    }
    Ok(())
}
