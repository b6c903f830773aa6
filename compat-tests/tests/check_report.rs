//! The whole conformance report: this library passes every case, and every result of libcrypto's is one that is known.

use compat_tests::{compile_shared_library, need_jobs, need_openssl, root};
use serde_json::Value;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    compat_tests::tests![every_result_is_the_expected_one].run()
}

fn every_result_is_the_expected_one() {
    need_jobs();
    need_openssl();
    let headers = format!("-I{}", root().join("csrc/include").display());
    let port = root().join("examples/minimal_port.c");
    let port = compile_shared_library(&port, "port", &["-pedantic", &headers]);
    let output = Command::new(env!("CARGO_BIN_EXE_compat-tests"))
        .args(["report", "--json", "--library"])
        .arg(port)
        .output()
        .expect("it was built");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let cases = report["cases"].as_array().expect("a list");
    assert!(cases.len() > 300, "only {} cases", cases.len());
    let mut unknown = vec![];
    for case in cases {
        assert_eq!(case["results"][0]["result"], "ok", "{case:#}");
        for result in case["results"].as_array().expect("a list") {
            if result["is_expected"] != true {
                unknown.push(format!("{} {}: {result}", case["program"], case["name"]));
            }
        }
    }
    assert!(unknown.is_empty(), "not expected:\n{}", unknown.join("\n"));
    assert!(output.status.success(), "{}", output.status);
}
