//! `make install`: which files it installs, and that programs can be built from them alone. `cargo
//! cinstall`, which takes longer, is tested in `check_cargo_install.rs`.

mod installed;

use compat_tests::{Linkage, command, expected_library, report, root};
use installed::{
    check_programs_of_cmake, check_programs_of_pkg_config, empty_directory, files_below, make,
    names_in, need, output_of, text_of,
};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

fn main() -> ExitCode {
    compat_tests::tests![
        installing_puts_each_file_in_its_place_and_uninstalling_removes_it,
        the_pc_file_names_another_directory_for_the_libraries,
        only_the_installed_library_has_a_soname_with_a_version,
        the_installed_archive_has_weak_names_and_no_debug_information,
        the_version_is_that_of_the_package_wherever_it_is_written,
        programs_are_built_from_the_pc_files_alone,
        programs_are_built_from_the_cmake_package_alone,
        the_installed_script_preloads_the_installed_library,
    ]
    .run()
}

/// The files that are installed below /usr/local, without the manual pages.
const FILES: &[(&str, &str)] = &[
    ("bin/with-ossl-async", "755"),
    ("include/ossl-async/openssl/async.h", "644"),
    ("include/ossl-async/openssl/asyncerr.h", "644"),
    ("include/ossl-async/standalone/openssl/err.h", "644"),
    ("lib/libossl_async.a", "644"),
    ("lib/libossl_async.so", "libossl_async.so.0.1.0"),
    ("lib/libossl_async.so.0.1", "libossl_async.so.0.1.0"),
    ("lib/libossl_async.so.0.1.0", "755"),
    ("lib/pkgconfig/ossl-async.pc", "644"),
    (
        "share/cmake/ossl-async/ossl-async-config-version.cmake",
        "644",
    ),
    ("share/cmake/ossl-async/ossl-async-config.cmake", "644"),
    ("share/pkgconfig/ossl-async-standalone.pc", "644"),
    ("share/pkgconfig/ossl-async-wait-ctx.pc", "644"),
];

/// The library, installed once by `make install` below a directory that no compiler or loader
/// searches.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = empty_directory("prefix");
        make("install", &[("PREFIX", &prefix)]);
        prefix
    })
}

/// The manual pages below share/man, under each name that they document.
fn manual() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let pages = root().join("docs/man");
    let pages = fs::read_dir(&pages).into_iter().flatten();
    for page in pages.map(|entry| entry.expect("it can be read").path()) {
        let file = page.file_name().expect("a name").to_string_lossy();
        let Some((_, kind)) = file.split_once('.') else {
            continue; // the list of links
        };
        let text = text_of(&page);
        let (_, names) = text.split_once(".Sh NAME\n").expect("a name");
        let (names, _) = names.split_once(".Sh ").expect("a description");
        let directory = format!("share/man/man{}", &kind[..1]);
        for line in names.lines().filter_map(|line| line.strip_prefix(".Nm ")) {
            let name = line.split(' ').next().expect("a word");
            let link = format!(".so man{}/{file}\n", &kind[..1]);
            found.insert(format!("{directory}/{name}.{kind}"), link);
        }
        found.insert(format!("{directory}/{file}"), text);
    }
    found
}

fn installing_puts_each_file_in_its_place_and_uninstalling_removes_it() {
    need(&["make"]);
    let destination = empty_directory("destination");
    make("install", &[("DESTDIR", &destination)]);
    let below = destination.join("usr/local");
    let manual = manual();
    for (page, text) in &manual {
        assert_eq!(text_of(&below.join(page)), *text, "{page}");
    }
    let mut expected: BTreeMap<String, String> = FILES
        .iter()
        .map(|(file, what)| (format!("usr/local/{file}"), (*what).to_owned()))
        .collect();
    expected.extend(
        manual
            .into_keys()
            .map(|page| (format!("usr/local/{page}"), "644".to_owned())),
    );
    assert_eq!(files_below(&destination), expected);
    for file in FILES
        .iter()
        .filter(|(file, _)| !file.contains("lib/libossl"))
    {
        let text = text_of(&below.join(file.0));
        assert!(!text.contains(destination.to_str().unwrap()), "{}", file.0);
    }

    let strange = below.join("lib/libother.so");
    fs::write(&strange, "").expect("it can be written");
    make("uninstall", &[("DESTDIR", &destination)]);
    let left = files_below(&destination);
    assert_eq!(
        left.into_keys().collect::<Vec<_>>(),
        ["usr/local/lib/libother.so"]
    );
    assert!(!below.join("include/ossl-async").exists());
}

fn the_pc_file_names_another_directory_for_the_libraries() {
    need(&["make"]);
    let destination = empty_directory("multiarch");
    let (prefix, lib) = (Path::new("/usr"), Path::new("/usr/lib/x86_64-linux-gnu"));
    make(
        "install",
        &[
            ("DESTDIR", &destination),
            ("PREFIX", prefix),
            ("LIBDIR", lib),
        ],
    );
    let lib = destination.join("usr/lib/x86_64-linux-gnu");
    assert!(lib.join("libossl_async.so.0.1").exists());
    let pc = text_of(&lib.join("pkgconfig/ossl-async.pc"));
    assert!(pc.starts_with("prefix=/usr\n"), "{pc}");
    assert!(
        pc.contains("\nlibdir=${prefix}/lib/x86_64-linux-gnu\n"),
        "{pc}"
    );
}

fn only_the_installed_library_has_a_soname_with_a_version() {
    need(&["make"]);
    let (soname, _) = names_in(&prefix().join("lib/libossl_async.so"));
    assert_eq!(soname.as_deref(), Some("libossl_async.so.0.1"));
    let plain = expected_library(Path::new(""), Linkage::Shared);
    let (soname, _) = names_in(&plain);
    // Debian's rustc gives every library its file name as SONAME.
    assert!(
        matches!(soname.as_deref(), None | Some("libossl_async.so")),
        "{soname:?}"
    );
}

// Rules: B2
fn the_installed_archive_has_weak_names_and_no_debug_information() {
    need(&["make"]);
    let bytes = fs::read(prefix().join("lib/libossl_async.a")).expect("it is installed");
    let archive = ArchiveFile::parse(&*bytes).expect("it is an archive");
    let (mut weak, mut strong) = (BTreeSet::new(), BTreeSet::new());
    for member in archive.members() {
        let data = member.expect("whole").data(&*bytes).expect("it is in it");
        let Ok(object) = object::File::parse(data) else {
            continue; // rustc's metadata
        };
        assert!(!object.has_debug_symbols());
        for symbol in object.symbols().filter(|symbol| symbol.is_definition()) {
            let name = symbol.name().expect("text").to_owned();
            if symbol.is_weak() && name.starts_with("ASYNC_") {
                weak.insert(name);
            } else if symbol.is_global() {
                strong.insert(name);
            }
        }
    }
    let exported = text_of(&root().join("capi/abi.txt"));
    for name in exported.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = name.split_once(' ').expect("a name and a version");
        let there = match name.starts_with("ASYNC_") {
            true => &weak,
            false => &strong,
        };
        assert!(there.contains(name), "{name}");
    }
}

fn the_version_is_that_of_the_package_wherever_it_is_written() {
    let version = text_of(&root().join("Cargo.toml"));
    let (_, version) = version.split_once("\nversion = \"").expect("a version");
    let (version, _) = version.split_once('"').expect("its end");
    let of_pc = ["Version: ", "Requires: ossl-async = "];
    for (file, lines) in [
        ("pkgconfig/ossl-async-wait-ctx.pc", &of_pc[..]),
        ("pkgconfig/ossl-async-standalone.pc", &of_pc[..]),
        (
            "cmake/ossl-async-config-version.cmake",
            &["set(PACKAGE_VERSION "],
        ),
    ] {
        let text = text_of(&root().join("capi").join(file));
        for line in lines {
            let there = text.lines().find_map(|there| there.strip_prefix(line));
            let there = there.map(|there| there.trim_end_matches(')'));
            assert_eq!(there, Some(version), "{file}: {line}");
        }
    }
}

fn programs_are_built_from_the_pc_files_alone() {
    need(&["make", "pkg-config", "c++"]);
    check_programs_of_pkg_config(prefix());
    report("\nok programs of pkg-config\n");
}

fn programs_are_built_from_the_cmake_package_alone() {
    need(&["make", "cmake", "c++"]);
    check_programs_of_cmake(prefix());
    report("\nok programs of CMake\n");
}

// Rules: B18
fn the_installed_script_preloads_the_installed_library() {
    need(&["make"]);
    let mut script = command(&[], &prefix().join("bin/with-ossl-async"));
    script
        .args(["printenv", "LD_PRELOAD"])
        .env_remove("LD_PRELOAD")
        // A directory for another build of the library, where an installed script does not search.
        .env("CARGO_TARGET_DIR", "/nonexistent");
    let library = prefix().join("lib/libossl_async.so");
    assert_eq!(output_of(&mut script), format!("{}\n", library.display()));
}
