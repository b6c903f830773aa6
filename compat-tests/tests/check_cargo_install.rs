//! `cargo cinstall`, by cargo-c: it installs what `make install` does, except for what docs/c.md
//! says. It compiles the library once more, which takes some 20 seconds of processor time.

mod installed;

use compat_tests::{ignore, report, root};
use installed::{
    check_programs_of_cmake, check_programs_of_pkg_config, empty_directory, files_below, make,
    names_in, need, output_of, text_of,
};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    compat_tests::tests![cargo_c_installs_what_make_does,].run()
}

/// Runs `cargo cinstall` as docs/c.md says: in capi/.
fn cargo_cinstall() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("cinstall").current_dir(root().join("capi"));
    cargo
}

/// The names that an archive defines for programs, and whether each is weak.
fn names_of_archive(file: &Path) -> BTreeSet<(String, bool)> {
    let bytes = fs::read(file).expect("it is installed");
    let archive = ArchiveFile::parse(&*bytes).expect("it is an archive");
    let mut names = BTreeSet::new();
    for member in archive.members() {
        let data = member.expect("whole").data(&*bytes).expect("it is in it");
        let Ok(object) = object::File::parse(data) else {
            continue; // rustc's metadata
        };
        for symbol in object.symbols().filter(|symbol| symbol.is_definition()) {
            let name = symbol.name().expect("text");
            if name.starts_with("ASYNC_") || name.starts_with("OSSL_ASYNC_") {
                names.insert((name.to_owned(), symbol.is_weak()));
            }
        }
    }
    assert!(names.len() > 70, "{names:?}");
    names
}

fn check_same_files(by_cargo: &Path, by_make: &Path) {
    let files = files_below(by_cargo);
    assert_eq!(files, files_below(by_make));
    for file in files.keys() {
        let (by_cargo, by_make) = (by_cargo.join(file), by_make.join(file));
        if file == "lib/pkgconfig/ossl-async.pc" {
            // cargo-c also names the libraries that rustc lists. One is libgcc_s.so, which has no
            // archive.
            let of = |file: &Path| {
                let text = text_of(file);
                let lines = text
                    .lines()
                    .filter(|line| !line.starts_with("Libs.private: "));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(of(&by_cargo), of(&by_make));
            assert!(text_of(&by_cargo).contains("-lgcc_s"));
        } else if file.starts_with("lib/libossl_async.so") {
            assert_eq!(names_in(&by_cargo), names_in(&by_make), "{file}");
        } else if !file.starts_with("lib/libossl_async") {
            assert_eq!(text_of(&by_cargo), text_of(&by_make), "{file}");
        }
    }
}

fn cargo_c_installs_what_make_does() {
    need(&["make", "pkg-config", "cmake", "c++"]);
    let version = cargo_cinstall().arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        // Also if CI is set, because compiling it takes long. `.ci/packages` uses Debian's.
        ignore("cargo-c is not installed");
    }
    let prefix = empty_directory("prefix");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    output_of(
        cargo_cinstall()
            .arg("--prefix")
            .arg(&prefix)
            .arg("--libdir")
            .arg(prefix.join("lib"))
            .arg("--target-dir")
            .arg(built.expect("a target directory").join("cargo-c")),
    );
    let destination = empty_directory("destination");
    make("install", &[("DESTDIR", &destination), ("PREFIX", &prefix)]);
    let by_make = destination.join(prefix.strip_prefix("/").expect("it is absolute"));
    check_same_files(&prefix, &by_make);
    report("\nok the same files\n");

    check_programs_of_pkg_config(&prefix);
    check_programs_of_cmake(&prefix);
    report("ok programs of pkg-config and CMake\n");

    // This is what docs/c.md says.
    let archive = prefix.join("lib/libossl_async.a");
    assert!(names_of_archive(&archive).iter().all(|(_, weak)| !weak));
    let mut objcopy = Command::new("objcopy");
    objcopy.args(["--strip-debug", "--wildcard", "--weaken-symbol=ASYNC_*"]);
    output_of(objcopy.arg(&archive));
    let expected = names_of_archive(&by_make.join("lib/libossl_async.a"));
    assert!(expected.iter().any(|(_, weak)| *weak));
    assert_eq!(names_of_archive(&archive), expected);
    report("ok the archive\n");
}
