//! Compiles the provider into the program.

const PROVIDER: &str = "../../compat-tests/programs/provider";

fn main() {
    println!("cargo::rerun-if-changed={PROVIDER}");
    cc::Build::new()
        .std("c99")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .files(["slow_sign.c", "workers.c"].map(|file| format!("{PROVIDER}/{file}")))
        .compile("slow_sign");
}
