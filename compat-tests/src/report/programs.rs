//! The C programs, linked with nothing: the library under test is put in front of them when they run.

use super::cases::Case;
use compat_tests::{build, compile_shared_library, openssl_is_installed, program_source, root};
use object::{Object, ObjectSymbol};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A program's file, or why there is none.
type Compiled = Result<PathBuf, String>;

/// The programs that have been compiled.
#[derive(Default)]
pub struct Programs(Mutex<BTreeMap<String, Arc<OnceLock<Compiled>>>>);

impl Programs {
    /// The program of a case, compiled when it is first asked for.
    pub fn of(&self, case: &Case) -> Compiled {
        let entry = {
            let mut programs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            programs.entry(case.program.clone()).or_default().clone()
        };
        entry.get_or_init(|| compile(case)).clone()
    }
}

/// Compiles a program.
///
/// Its calls are resolved when they are first made, so that a case that calls what the library lacks ends there, and no other
/// case does. A linker wants to see the functions all the same: it is shown a library that has them by name only, and whose own
/// name is that of the adapter (`programs/report/adapter.c`), which is in its place when the program runs. Without
/// position-independent code a function's address also needs the function when it is called, and no earlier.
fn compile(case: &Case) -> Compiled {
    if case.is_transcript() && !openssl_is_installed() {
        return Err("OpenSSL's headers are not installed (libssl-dev)".to_owned());
    }
    let source = program_source(&case.program);
    let group = format!("report-{}", case.program.replace('/', "-"));
    let object = build(&source, &format!("{group}-object"), |command| {
        if !case.is_transcript() {
            for folder in ["csrc/include", "csrc/standalone"] {
                command.arg("-I").arg(root().join(folder));
            }
            command.args(["-DOSSL_ASYNC_PLAIN_NAMES", "-DOSSL_ASYNC_REPORT"]);
        }
        if is_of_six_arguments(&source) {
            command.arg("-DASYNC_start_job=report_start_job");
        }
        // Warnings are for the tests. Older headers leave helpers of a program without use.
        command.args(["-w", "-fno-pie", "-c"]).arg(&source);
    });
    let stub = object.with_extension("stub.c");
    let functions = functions_to_find(&object);
    fs::write(&stub, functions).map_err(|error| format!("{}: {error}", stub.display()))?;
    let named = compile_shared_library(
        &stub,
        &group,
        &["-Wl,-soname,adapter", "-fno-builtin", "-Wno-pedantic"],
    );
    Ok(build(&source, &group, |command| {
        command
            .args(["-no-pie", "-Wl,-z,lazy"])
            .arg(&object)
            .arg(&named)
            .args(["-lpthread", "-ldl"]);
    }))
}

/// Whether a program means the six-argument call when it says `ASYNC_start_job`. To a library of five-argument calls, which has
/// another function of that name, it must not come.
fn is_of_six_arguments(source: &Path) -> bool {
    let text = fs::read_to_string(source).expect("a program's source");
    let marks = [
        "OSSL_ASYNC_WAIT_CTX_API",
        "\"second.h\"",
        "\"transcript.h\"",
    ];
    marks.iter().any(|mark| text.contains(mark))
}

/// A C program that defines what an object file wants of the library or of OpenSSL.
fn functions_to_find(object: &Path) -> String {
    let bytes = fs::read(object).expect("it was compiled");
    let file = object::File::parse(&*bytes).expect("an object file");
    let names = file.symbols().filter(ObjectSymbol::is_undefined);
    let mut text = String::new();
    for name in names.filter_map(|symbol| symbol.name().ok().map(str::to_owned)) {
        let prefixes = [
            "ASYNC_", "OSSL_", "OPENSSL_", "OpenSSL_", "ERR_", "EVP_", "SSL_", "CRYPTO_", "report_",
        ];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            text += &format!("void {name}(void);\nvoid {name}(void)\n{{\n}}\n");
        }
    }
    text
}
