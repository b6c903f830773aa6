//! The crate's public API is `docs/public-api.txt`: a change of it is a change of that file. (The C API
//! has `capi/abi.txt`.)

use compat_tests::{ignore, root, run};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    compat_tests::tests![the_public_api_is_that_of_the_file].run()
}

fn the_public_api_is_that_of_the_file() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let mut cargo = Command::new(env!("CARGO"));
    // The output for programs is not stable yet.
    let ran = run(cargo
        .args([
            "rustdoc",
            "--package=ossl-async",
            "--lib",
            "--features=capi",
            "--manifest-path",
        ])
        .arg(root().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format=json"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTDOCFLAGS"));
    assert!(ran.status.success(), "{cargo:?}: {}", ran.stderr);
    let api = public_api::Builder::from_rustdoc_json(target.join("doc/ossl_async.json"))
        .omit_blanket_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap_or_else(|why| ignore(format!("this rustdoc's output is not understood: {why}")));
    let seen = target.join("public-api.txt");
    // Without the compiler's own traits, which come and go with its versions.
    let is_internal =
        |item: &str| item.contains("core::marker::Freeze") || item.contains("UnsafeUnpin");
    let items = api.items().map(ToString::to_string);
    let items = items.filter(|item| !is_internal(item));
    let text: String = items.map(|item| item + "\n").collect();
    fs::write(&seen, text).expect("the target directory can be written");
    let expected = root().join("docs/public-api.txt");
    let diff = run(Command::new("diff").arg("-u").arg(&expected).arg(&seen));
    assert!(
        diff.status.success(),
        "{}\nIf the change is meant: cp {} {}",
        diff.stdout,
        seen.display(),
        expected.display()
    );
}
