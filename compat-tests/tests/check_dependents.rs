//! Rust programs that depend on the crate, built outside this workspace as users build theirs:
//! what they export, what they link with, and the package as it is published. `link_order.rs`
//! tests C programs.

use compat_tests::{
    Ran, command, ignore, need_jobs, need_openssl, need_static_openssl, need_tool, program_source,
    root, run,
};
use object::read::elf::{Dyn, ProgramHeader};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    compat_tests::tests![
        a_program_that_depends_on_the_crate_exports_no_c_symbol,
        with_the_feature_it_exports_every_name_that_libcrypto_has,
        a_rust_plugin_with_the_feature_keeps_the_usual_model_of_its_thread_locals,
        the_names_that_libcrypto_has_too_lie_in_one_section,
        a_dependents_c_code_finds_the_headers_and_calls_the_same_library,
        a_static_openssl_links_beside_the_crate,
        with_the_feature_a_static_openssl_is_refused_by_the_linker,
        cargo_refuses_a_program_with_two_versions_of_the_crate,
        the_published_package_is_complete_and_runs_its_example,
        the_c_librarys_package_contains_the_headers,
    ]
    .run()
}

/// A way to build and link a dependent.
#[derive(Clone, Copy)]
struct Way {
    release: bool,
    lld: bool,
}

const WAYS: [Way; 4] = [
    Way {
        release: false,
        lld: false,
    },
    Way {
        release: false,
        lld: true,
    },
    Way {
        release: true,
        lld: false,
    },
    Way {
        release: true,
        lld: true,
    },
];

/// The directory of a dependent, with a manifest that names the crate as a dependency.
fn package(name: &str, dependencies: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("dependents")
        .join(name);
    fs::create_dir_all(directory.join("src")).expect("the target directory can be written");
    let manifest = format!(
        "[package]\nname = \"dependent-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n\
         [lints.rust]\n\
         unexpected_cfgs = {{ level = \"warn\", check-cfg = [\"cfg(static_openssl)\"] }}\n\
         [features]\ncapi = [\"ossl-async/capi\"]\n\
         [dependencies]\n{dependencies}"
    );
    fs::write(directory.join("Cargo.toml"), manifest).expect("the directory was made");
    fs::copy(root().join("Cargo.lock"), directory.join("Cargo.lock")).expect("it is there");
    let source = program_source("dependents/links_openssl").with_extension("rs");
    fs::copy(source, directory.join("src/main.rs")).expect("it is there");
    directory
}

fn on_the_crate() -> String {
    format!("ossl-async = {{ path = {:?} }}\n", root())
}

/// Has cargo compile and link the package. Packages with the same features share a target
/// directory, and so what the crate and its dependencies were compiled to.
fn build(directory: &Path, capi: bool, way: Way, options: &[&str]) -> (Ran, PathBuf) {
    let target = directory.with_file_name(if capi { "with-capi" } else { "without" });
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustc", "--offline", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    if capi {
        cargo.args(["--features", "capi"]);
    }
    if way.release {
        cargo.arg("--release");
    }
    let linker = if way.lld { "lld" } else { "bfd" };
    cargo
        .arg("--")
        .arg(format!("-Clink-arg=-fuse-ld={linker}"))
        .args(options);
    let ran = run(&mut cargo);
    let profile = if way.release { "release" } else { "debug" };
    let name = directory.file_name().expect("a name").to_string_lossy();
    let program = format!("dependent-{name}");
    (ran, target.join(profile).join(program))
}

/// Builds it with libssl.so and libcrypto.so and runs it. Returns the `ASYNC_*` and `OSSL_ASYNC_*`
/// names that it exports, and libcrypto's file.
fn exports(directory: &Path, capi: bool, way: Way) -> (BTreeSet<String>, PathBuf) {
    let (built, program) = build(directory, capi, way, &[]);
    assert!(built.status.success(), "{}", built.stderr);
    let bytes = fs::read(&program).expect("it was built");
    let parsed = object::File::parse(&*bytes).expect("it is an ELF file");
    let comment = parsed
        .section_by_name(".comment")
        .expect("linkers leave one");
    let comment = comment.data().expect("it is in the file");
    let by_lld = String::from_utf8_lossy(comment).contains("LLD");
    assert_eq!(by_lld, way.lld, "another linker was used");
    let exports = names(&program);

    let ran = run(&mut command(&[], &program));
    assert!(ran.status.success(), "{}\n{}", ran.status, ran.stderr);
    let libcrypto = ran
        .stdout
        .trim_end()
        .strip_prefix("done ")
        .expect("the end");
    (exports, libcrypto.into())
}

/// The names of this library's functions that a file exports.
fn names(file: &Path) -> BTreeSet<String> {
    let bytes = fs::read(file).expect("it can be read");
    let parsed = object::File::parse(&*bytes).expect("it is an ELF file");
    let symbols = parsed
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition());
    let symbols = symbols.map(|symbol| symbol.name().expect("names are text").to_owned());
    symbols
        .filter(|name| name.starts_with("ASYNC_") || name.starts_with("OSSL_ASYNC_"))
        .collect()
}

fn can_be_tested() {
    need_jobs();
    need_openssl();
    need_tool("ld.lld");
}

fn a_program_that_depends_on_the_crate_exports_no_c_symbol() {
    can_be_tested();
    let directory = package("plain", &on_the_crate());
    for way in WAYS {
        let (exports, _) = exports(&directory, false, way);
        assert!(exports.is_empty(), "{exports:?}");
    }
}

// Rules: G9
fn with_the_feature_it_exports_every_name_that_libcrypto_has() {
    can_be_tested();
    let directory = package("capi", &on_the_crate());
    for way in WAYS {
        let (exports, libcrypto) = exports(&directory, true, way);
        let libcryptos = names(&libcrypto);
        assert!(libcryptos.len() >= 14, "{libcryptos:?}");
        assert_eq!(exports, libcryptos);
    }
}

/// With glibc, a library whose thread-locals are found without a call takes space for them that is
/// soon used up. The C library has one such thread-local. A plugin decides for itself.
fn a_rust_plugin_with_the_feature_keeps_the_usual_model_of_its_thread_locals() {
    if cfg!(not(all(target_os = "linux", target_env = "gnu"))) {
        ignore("it is about glibc");
    }
    let directory = package("plugin", &on_the_crate());
    let manifest = directory.join("Cargo.toml");
    let library = "[lib]\ncrate-type = [\"cdylib\"]\n";
    let text = fs::read_to_string(&manifest).expect("it was made");
    fs::write(
        &manifest,
        text.replace("[workspace]\n", &format!("{library}[workspace]\n")),
    )
    .expect("the directory was made");
    fs::remove_file(directory.join("src/main.rs")).expect("it was copied");
    let source = "#[unsafe(no_mangle)]\npub extern \"C\" fn plugin() -> bool {\n    ossl_async::in_job()\n}\n";
    fs::write(directory.join("src/lib.rs"), source).expect("the directory was made");
    let way = Way {
        release: true,
        lld: false,
    };
    let (built, program) = build(&directory, true, way, &[]);
    assert!(built.status.success(), "{}", built.stderr);
    let bytes = fs::read(program.with_file_name("libdependent_plugin.so")).expect("it was built");
    let parsed = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).expect("ELF");
    assert!(
        parsed
            .symbols()
            .any(|symbol| symbol.name() == Ok("ossl_async_thread_get"))
    );
    let endian = parsed.endian();
    let segments = parsed.elf_program_headers().iter();
    let dynamic = segments.filter_map(|segment| segment.dynamic(endian, &*bytes).expect("ELF"));
    let flags = dynamic
        .flatten()
        .filter(|entry| entry.tag32(endian) == Some(object::elf::DT_FLAGS))
        .fold(0, |flags, entry| {
            flags | entry.val32(endian).unwrap_or_default()
        });
    assert_eq!(flags & object::elf::DF_STATIC_TLS, 0, "flags {flags:#x}");
}

/// Proves that the result of the test above does not depend on the linker: a linker takes whole
/// object files and keeps whole sections.
// Rules: G9
fn the_names_that_libcrypto_has_too_lie_in_one_section() {
    can_be_tested();
    let directory = package("capi", &on_the_crate());
    for way in WAYS.into_iter().filter(|way| !way.lld) {
        let (built, program) = build(&directory, true, way, &[]);
        assert!(built.status.success(), "{}", built.stderr);
        let dependencies = program.with_file_name("deps");
        let archive = fs::read_dir(dependencies)
            .expect("it can be read")
            .map(|entry| entry.expect("it can be read").path())
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("libossl_async-") && name.ends_with(".rlib")
            })
            .expect("the crate was built");
        let mut places = BTreeSet::new();
        let mut found = 0;
        let bytes = fs::read(archive).expect("it was built");
        let archive = object::read::archive::ArchiveFile::parse(&*bytes).expect("an archive");
        for member in archive.members() {
            let member = member.expect("the archive is whole");
            let data = member.data(&*bytes).expect("it is in the archive");
            let Ok(object) = object::File::parse(data) else {
                continue;
            };
            for symbol in object.symbols().filter(|symbol| symbol.is_definition()) {
                let name = symbol.name().expect("names are text");
                if name.starts_with("ASYNC_") && name != "ASYNC_start_job_2015" {
                    places.insert((
                        member.name().to_owned(),
                        symbol.section_index().map(|index| index.0),
                    ));
                    found += 1;
                }
            }
        }
        assert!(found >= 20, "{found}");
        assert_eq!(places.len(), 1, "{places:?}");
    }
}

/// The build script of a dependent learns where the headers are.
// Rules: B19, G9
fn a_dependents_c_code_finds_the_headers_and_calls_the_same_library() {
    need_jobs();
    need_tool("ld.lld");
    let directory = package(
        "headers",
        &(on_the_crate() + "[build-dependencies]\ncc = \"1\"\n"),
    );
    let to = |name: &str| directory.join(name);
    let from = |name: &str| program_source(&format!("dependents/{name}"));
    fs::copy(from("uses_headers").with_extension("rs"), to("src/main.rs")).expect("it is there");
    for name in ["uses_headers_2015", "uses_headers_wait_ctx"] {
        let name = format!("{name}.c");
        fs::copy(from(&name).with_extension("c"), to("src").join(name)).expect("it is there");
    }
    let script = "
        fn main() {
            let directory = |name| std::env::var_os(name).expect(\"ossl-async is a dependency\");
            cc::Build::new()
                .include(directory(\"DEP_OSSL_ASYNC_INCLUDE\"))
                .include(directory(\"DEP_OSSL_ASYNC_STANDALONE\"))
                .files([\"src/uses_headers_2015.c\", \"src/uses_headers_wait_ctx.c\"])
                .warnings_into_errors(true)
                .compile(\"uses_headers\");
        }
    ";
    fs::write(to("build.rs"), script).expect("the directory was made");
    for way in WAYS {
        let (built, program) = build(&directory, true, way, &[]);
        assert!(built.status.success(), "{}", built.stderr);
        let ran = run(&mut command(&[], &program));
        assert_eq!(ran.stdout, "done\n", "{}", ran.stderr);
    }
}

fn a_static_openssl_links_beside_the_crate() {
    can_be_tested();
    let options = link_statically();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let directory = package("static", &on_the_crate());
    for way in WAYS {
        let (built, program) = build(&directory, false, way, &options);
        assert!(built.status.success(), "{}", built.stderr);
        let ran = run(&mut command(&[], &program));
        assert_eq!(ran.stdout, "done \n", "{}", ran.stderr);
    }
}

fn with_the_feature_a_static_openssl_is_refused_by_the_linker() {
    can_be_tested();
    let options = link_statically();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let directory = package("static-capi", &on_the_crate());
    for way in WAYS {
        let (built, _) = build(&directory, true, way, &options);
        assert!(
            !built.status.success(),
            "two sets of functions in one program"
        );
        let says = if way.lld {
            "duplicate symbol: "
        } else {
            "multiple definition of `"
        };
        assert!(
            built.stderr.contains(&format!("{says}ASYNC_start_job")),
            "{}",
            built.stderr
        );
    }
}

/// Options of rustc that link libssl.a and libcrypto.a.
fn link_statically() -> Vec<String> {
    let openssl = need_static_openssl();
    let mut options = vec![
        "--cfg=static_openssl".to_owned(),
        format!("-Lnative={}", openssl.directory.display()),
    ];
    options.extend(
        openssl
            .needs
            .iter()
            .map(|library| format!("-Clink-arg={library}")),
    );
    options
}

/// The key `links` causes this. Two versions would each have pools, jobs and a state for each
/// thread.
fn cargo_refuses_a_program_with_two_versions_of_the_crate() {
    let directory = package("two", "");
    let copy = directory.with_file_name("another-version");
    for part in ["src", "csrc"] {
        copy_directory(&root().join(part), &copy.join(part));
    }
    fs::copy(root().join("build.rs"), copy.join("build.rs")).expect("it is there");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("it is there");
    let (workspace, rest) = manifest.split_once("[workspace.package]").expect("a part");
    assert!(workspace.starts_with("[workspace]\n"), "{workspace}");
    let manifest = format!("[workspace]\n[workspace.package]{rest}");
    let manifest = manifest.replacen("version = \"0.1.0\"", "version = \"0.2.0\"", 1);
    fs::write(copy.join("Cargo.toml"), manifest).expect("the directory was made");

    let dependent = fs::read_to_string(directory.join("Cargo.toml")).expect("it was written");
    let (head, _) = dependent.split_once("[features]").expect("a part");
    let one = on_the_crate();
    let other = format!("another = {{ package = \"ossl-async\", path = {copy:?} }}\n");
    for (dependencies, refused) in [(one.clone(), false), (one + &other, true)] {
        let manifest = format!("{head}[dependencies]\n{dependencies}");
        fs::write(directory.join("Cargo.toml"), manifest).expect("the directory was made");
        let ran = run(Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--manifest-path"])
            .arg(directory.join("Cargo.toml")));
        assert_eq!(!ran.status.success(), refused, "{}", ran.stderr);
        let says = "links to the native library `ossl_async`";
        assert_eq!(ran.stderr.contains(says), refused, "{}", ran.stderr);
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the target directory can be written");
    for entry in fs::read_dir(from).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let copy = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_directory(&path, &copy);
        } else {
            fs::copy(&path, &copy).expect("a file can be copied");
        }
    }
}

// ---- The packages ----

/// Runs `cargo package` with further arguments. Returns its standard output and error.
fn cargo_package(arguments: &[&str], target: &Path) -> Ran {
    let mut cargo = Command::new(env!("CARGO"));
    let ran = run(cargo
        .args(["package", "--offline", "--allow-dirty"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml")));
    assert!(ran.status.success(), "{cargo:?}: {}", ran.stderr);
    ran
}

fn the_published_package_is_complete_and_runs_its_example() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let _left_by_an_earlier_run = fs::remove_dir_all(&target);
    // Also builds what was packed, as before publishing.
    let packed = cargo_package(&["--package=ossl-async"], &target);
    assert!(!packed.stderr.contains("warning"), "{}", packed.stderr);

    let crates = fs::read_dir(target.join("package")).expect("it was made");
    let file = crates
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| path.extension().is_some_and(|end| end == "crate"))
        .expect("a package");
    let unpacked = target.join("unpacked");
    fs::create_dir_all(&unpacked).expect("the target directory can be written");
    let mut tar = Command::new("tar");
    let ran = run(tar
        .args(["--strip-components=1", "-xzf"])
        .arg(file)
        .arg("-C")
        .arg(&unpacked));
    assert!(ran.status.success(), "{}", ran.stderr);

    let mut links = 0;
    for document in documents(&unpacked) {
        let text = fs::read_to_string(&document).expect("it is text");
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                let to = document.with_file_name(link);
                assert!(to.exists(), "{} leads to {link}", document.display());
                links += 1;
            }
        }
    }
    assert!(links >= 10, "{links}");

    // A workspace of its own, because it lies below this one.
    let manifest = unpacked.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("it is there");
    fs::write(&manifest, text + "\n[workspace]\n").expect("it can be written");
    let example = run(Command::new(env!("CARGO"))
        .args(["run", "--offline", "--quiet", "--example", "hello_job"])
        .arg("--manifest-path")
        .arg(&manifest)
        .env("CARGO_TARGET_DIR", target.join("built")));
    assert!(example.status.success(), "{}", example.stderr);
    if ossl_async::is_capable() {
        assert!(
            example.stdout.ends_with("\nFinishing\n"),
            "{}",
            example.stdout
        );
    }
}

/// The documents of a package.
fn documents(directory: &Path) -> Vec<PathBuf> {
    let [mut found, below] = [directory.to_owned(), directory.join("docs")].map(|directory| {
        fs::read_dir(directory)
            .expect("it can be read")
            .map(|entry| entry.expect("it can be read").path())
            .filter(|path| path.extension().is_some_and(|end| end == "md"))
            .collect::<Vec<_>>()
    });
    found.extend(below);
    found
}

/// The headers lie outside the package's folder. The package itself cannot be made before
/// `ossl-async` is published.
fn the_c_librarys_package_contains_the_headers() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package-capi");
    let listed = cargo_package(&["--package=ossl-async-capi", "--list"], &target).stdout;
    let listed: BTreeSet<&str> = listed.lines().collect();
    for header in fs::read_dir(root().join("csrc/include/openssl")).expect("it is there") {
        let name = header.expect("it can be read").file_name();
        let path = format!("include/openssl/{}", name.to_string_lossy());
        assert!(listed.contains(&*path), "{path} is not in {listed:?}");
    }
    for file in ["Cargo.toml", "build.rs", "src/lib.rs", "LICENSE"] {
        assert!(listed.contains(file), "{file} is not in {listed:?}");
    }
}
