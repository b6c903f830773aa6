//! The functions that the library imports. Each can be made to fail here, or is in the list below
//! with the reason why that is not needed. So a new import fails the test until it is in one of the
//! two.

use super::contexts::asks_for_a_context;
use super::fault::FAULTS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Imports that need no fault, and why.
const WITHOUT_FAULT: &[(&str, &str)] = &[
    // They cannot fail.
    ("memcpy", "computes"),
    ("memmove", "computes"),
    ("memset", "computes"),
    ("memcmp", "computes"),
    ("bcmp", "computes"),
    ("strlen", "computes"),
    ("free", "has no result"),
    (
        "__rust_alloc",
        "malloc below it fails; newer Rusts mangle these names",
    ),
    ("__rust_alloc_zeroed", "the same"),
    ("__rust_dealloc", "it only frees"),
    (
        "__rust_no_alloc_shim_is_unstable",
        "a mark, which nobody calls",
    ),
    ("makecontext", "has no result; it computes"),
    ("_setjmp", "saves registers"),
    ("_longjmp", "loads registers, and has no result"),
    ("longjmp", "as _longjmp"),
    ("siglongjmp", "as _longjmp"),
    ("sysconf", "a page size is known to libc from the start"),
    ("__errno_location", "an address of the thread's own"),
    (
        "__tls_get_addr",
        "ends the process by itself where there is no memory",
    ),
    ("___tls_get_addr", "the same on i386"),
    ("__tls_get_addr_opt", "the same on powerpc"),
    ("__tls_get_offset", "the same on s390x"),
    ("_GLOBAL_OFFSET_TABLE_", "no function"),
    (".TOC.", "the same on powerpc"),
    // They fail for wrong arguments only, or only where the library passes none.
    (
        "pthread_mutex_lock",
        "a plain mutex that its holder does not lock again",
    ),
    ("pthread_mutex_unlock", "the holder's"),
    ("pthread_setcancelstate", "both states are valid"),
    ("pthread_key_delete", "a key that was just made"),
    (
        "swapcontext",
        "saving cannot fail, the signal mask is valid; what comes before a first entry, getcontext, can",
    ),
    (
        "read",
        "of a pipe of our own: nothing there, or interrupted, which `pipes` has",
    ),
    (
        "poll",
        "of a pipe of our own: interrupted, after which a queue looks and waits again",
    ),
    ("dup3", "two descriptors of our own"),
    ("pthread_getspecific", "a key that was made"),
    ("sigaction", "valid signals"),
    ("signal", "a valid signal"),
    ("raise", "a valid signal"),
    (
        "munmap",
        "a mapping stays where it cannot be split, and is not used again",
    ),
    (
        "munlock",
        "whole pages of a mapping of our own; where it is refused they stay locked",
    ),
    ("__cxa_finalize", "has no result"),
    // Their failures are normal results.
    (
        "dlopen",
        "only for what is loaded already; none is what a program without libcrypto has",
    ),
    (
        "__cxa_get_globals",
        "a place of the thread's own, where there is a C++ run-time",
    ),
    ("__lsan_register_root_region", "a sanitizer's"),
    ("__lsan_unregister_root_region", "the same"),
    ("dlsym", "the same"),
    ("dladdr", "the same"),
    ("dl_iterate_phdr", "its result is that of our own function"),
    // They run when no test runs.
    (
        "pthread_atfork",
        "once, when the library is loaded: `threads` has a process in which it fails",
    ),
    ("__register_atfork", "the same"),
    // Their failure is handled by other code.
    (
        "fputs",
        "a stream of the caller's; `errors` has one that does not take a line",
    ),
    // The compiler's.
    ("_Unwind_Resume", "only while a panic unwinds"),
    ("_Unwind_Backtrace", "what it finds out is a hint"),
    ("_Unwind_GetIP", "reads a number"),
    ("_Unwind_VRS_Get", "the same on 32-bit Arm"),
    ("__gnu_unwind_frame", "what it finds out there is a hint"),
    ("rust_eh_personality", "only while a panic unwinds"),
    ("__stack_chk_fail", "ends the process"),
    ("__gcc_personality_v0", "only while a panic unwinds"),
];

/// How the names of functions begin that compilers put in the place of instructions. They compute.
const INSTRUCTIONS: &[&str] = &[
    "__aarch64_", // atomic operations
    "__aeabi_",   // division, copies, and the mark of a frame that is unwound, on 32-bit Arm
];

/// What is used of Rust's standard library beyond `core` and `alloc`. `alloc` allocates as C does.
const STANDARD: &[&str] = &[
    "panicking",     // counts panics
    "panic_count",   // the same
    "resume_unwind", // ends the process where there is no memory for an exception
    "yield_now",     // whose result is ignored
    "thread5local",
    "4sync4once", // OnceLock, which needs no memory
    "4time",      // Instant, which reads a clock that every Linux has
];

/// The library as the tests are linked with it: the newest file with C functions that cargo has
/// built.
fn library() -> PathBuf {
    let program = std::env::current_exe().expect("this program is a file");
    let directory = program.parent().expect("it lies in a directory");
    let files = fs::read_dir(directory).expect("the directory can be read");
    let libraries = files
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libossl_async-") && name.ends_with(".rlib")
        })
        .filter(|path| String::from_utf8_lossy(&nm(path)).contains(" ASYNC_pause_job\n"));
    libraries
        .max_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok())
        .unwrap_or_else(|| panic!("{} has no library", directory.display()))
}

/// What `nm` prints of a library.
fn nm(library: &Path) -> Vec<u8> {
    let nm = Command::new("nm").arg(library).output();
    nm.expect("nm comes with every C compiler").stdout
}

/// The symbols of this library as the tests are linked with it: imported ones and defined ones.
fn symbols() -> (BTreeSet<String>, BTreeSet<String>) {
    let library = library();
    let (mut imported, mut own) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&nm(&library)).lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["U" | "w", name] => imported.insert(name.to_owned()),
            [_, _, name] => own.insert(name.to_owned()),
            _ => false,
        };
    }
    assert!(own.contains("ASYNC_pause_job"), "{}", library.display());
    (imported, own)
}

// Rules: D17, D18, B19
#[test]
fn every_function_that_the_library_imports_can_fail_here_or_cannot_fail_at_all() {
    let (imported, own) = symbols();
    let known = |name: &str| {
        FAULTS
            .iter()
            .any(|(_, fault)| fault.imports.contains(&name))
            || WITHOUT_FAULT.iter().any(|(known, _)| *known == name)
            || INSTRUCTIONS.iter().any(|begin| name.starts_with(begin))
    };
    // Mangled names are Rust's, in both mangling schemes.
    let is_rust = |name: &str| name.starts_with("_R") || name.starts_with("_ZN");
    let new: Vec<&String> = imported
        .difference(&own)
        .filter(|name| {
            if is_rust(name) {
                name.contains("3std") && !STANDARD.iter().any(|part| name.contains(part))
            } else {
                !known(name)
            }
        })
        .collect();
    assert_eq!(new, Vec::<&String>::new(), "have no fault, and no reason");
    for name in ["malloc", "mmap", "madvise", "pipe2", "read", "dlopen"] {
        assert!(
            imported.contains(name),
            "{name}: the names are read wrongly"
        );
    }
    assert!(!asks_for_a_context() || imported.contains("getcontext"));
}
