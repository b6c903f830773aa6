//! How much of a job's stack and of a thread's stack the library uses.
//! `programs/stack_use/entry_points.c` measures it by painting the stack. This file has the
//! limits: with libcrypto in the process, without it, and with a search for it that fails.

use compat_tests::{
    Linkage, command, compile, compile_beside_openssl, compile_shared_library,
    compile_with_openssl, expected_library, need_jobs, need_openssl, program_source, report, root,
    run, with_ossl_async,
};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![];
    for (situation, with) in [
        ("without_libcrypto", Absent),
        ("with_libcrypto_in_the_program", Linked),
        ("in_front_of_libcrypto", Preloaded),
        ("with_a_wrong_library_in_its_place", NotFound),
    ] {
        let name = |what| format!("{what}::{situation}");
        tests.add(
            name("no_call_uses_more_than_a_kibibyte_of_a_jobs_stack"),
            move || {
                no_call_uses_more_than_a_kibibyte_of_a_jobs_stack(with);
            },
        );
        tests.add(
            name("a_threads_first_call_uses_at_most_seven_kibibytes_of_its_stack"),
            move || {
                a_threads_first_call_uses_at_most_seven_kibibytes_of_its_stack(with);
            },
        );
    }
    tests.run()
}

/// How many bytes of a job's stack a call may use. This includes what it calls: malloc, and
/// libcrypto's functions for errors.
const IN_A_JOB: usize = 1024;
/// How many bytes of its own stack a thread may use for its first call.
const ON_A_THREAD: usize = 7 * 1024;

/// Whether the library can find a libcrypto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Libcrypto {
    /// There is none.
    None,
    /// The program is linked with it, after the library.
    Linked,
    /// The program is linked with it, and the library is preloaded.
    Preloaded,
    /// There is only a library with its name that is not OpenSSL's. Everything is searched and
    /// nothing is found.
    NotFound,
}

use Libcrypto::{Linked, None as Absent, NotFound, Preloaded};

/// Makes a command of the program's first argument.
type Program = Box<dyn Fn(&str) -> Command>;

/// The program in one of these situations, to which its first argument can be given.
fn program(with: Libcrypto) -> Program {
    need_jobs();
    if matches!(with, Linked | Preloaded) {
        need_openssl();
    }
    let source = program_source("stack_use/entry_points");
    // The file's name becomes the library's name.
    let in_vain = root().join("compat-tests/programs/stack_use/in_vain/libcrypto.so.3.c");
    let in_vain = compile_shared_library(&in_vain, "in-vain", &["-Wl,-soname,libcrypto.so.3"]);
    let another = root().join("tests/fake/libcrypto.c");
    let another = compile_shared_library(&another, "stack-use", &["-DFAKE_FORK"]);
    let mut loaded: Option<PathBuf> = None;
    let program = match with {
        Absent => compile(&source, Linkage::Shared, &["-Wl,--no-as-needed"]),
        Linked => compile_beside_openssl(&source, Linkage::Shared, true, "stack_use", &[]),
        Preloaded => compile_with_openssl(&source),
        NotFound => {
            loaded = Some(in_vain);
            compile(&source, Linkage::Shared, &["-Wl,--no-as-needed"])
        }
    };
    Box::new(move |argument| {
        let mut run = if with == Preloaded {
            with_ossl_async(&program)
        } else {
            command(&[], &program)
        };
        // What the dynamic linker uses when a function is called for the first time does not
        // count.
        run.arg(argument)
            .arg(&another)
            .args(&loaded)
            .env("LD_BIND_NOW", "1");
        run
    })
}

fn exports() -> BTreeSet<String> {
    let bytes = fs::read(expected_library(Path::new(""), Linkage::Shared)).expect("it was built");
    let library = ElfFile64::<Endianness>::parse(&*bytes).expect("it is an ELF file of 64 bits");
    let symbols = library.dynamic_symbols();
    symbols
        .filter(|symbol| symbol.is_definition())
        .map(|symbol| symbol.name().expect("names are text").to_owned())
        .collect()
}

// Rules: G41, E1, G47
fn no_call_uses_more_than_a_kibibyte_of_a_jobs_stack(with: Libcrypto) {
    let program = program(with);
    let ran = run(&mut program("job"));
    assert!(ran.status.success(), "{with:?}: {}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let [lines @ .., entries, below] = &lines[..] else {
        panic!("many lines")
    };
    let found = *entries != "entries in libcrypto's queue 0";
    assert_eq!(found, matches!(with, Linked | Preloaded), "{with:?}");
    assert_eq!(*below, "below the stack 0", "{with:?}");
    let mut called = BTreeSet::new();
    let mut most = (0, "");
    for line in lines {
        let (what, bytes) = line.rsplit_once(' ').expect("a number at the end");
        let bytes: usize = bytes.parse().expect("a number");
        assert!(bytes > 0, "{with:?}: {what} used no stack");
        most = most.max((bytes, what));
        called.insert(what.split(' ').next().unwrap_or_default().to_owned());
        assert!(
            bytes <= IN_A_JOB,
            "libcrypto {with:?}: {what} takes {bytes} bytes of a job's stack"
        );
    }
    assert_eq!(called, exports(), "each function is called");
    report(&format!(
        "most of a job's stack, libcrypto {with:?}: {most:?}\n"
    ));
}

// Rules: B21, D15, G47
fn a_threads_first_call_uses_at_most_seven_kibibytes_of_its_stack(with: Libcrypto) {
    let mut most = (0, String::new());
    let program = program(with);
    for what in [
        "first_job",
        "first_job_of_2015",
        "first_pool",
        "first_pool_without_pipes",
        "larger_pool",
        "first_error",
        "first_question",
    ] {
        for reports in ["0", "1"] {
            let ran = run(program(what).env("OSSL_ASYNC_OVERFLOW_REPORT", reports));
            assert!(ran.status.success(), "{with:?}, {what}: {}", ran.stderr);
            let bytes: usize = ran.stdout.trim_end().parse().expect("a number");
            assert!(
                bytes > 0 && bytes <= ON_A_THREAD,
                "libcrypto {with:?}, {what}: {bytes} bytes of a thread's stack"
            );
            most = most.max((bytes, format!("libcrypto {with:?}, {what}")));
        }
    }
    report(&format!("most of a thread's stack: {most:?}\n"));
}
