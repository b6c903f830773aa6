//! The C headers: every dialect of C and C++ accepts them, alone and together with OpenSSL's.
//! Their names and numbers are those of the Rust side. What the functions do is tested elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use compat_tests::{ignore_for_want, need_tool};

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        every_c_standard_accepts_each_header_alone_and_all_together,
        every_cpp_standard_accepts_each_header_alone_and_all_together,
        functions_keep_their_c_names_when_a_cpp_program_calls_them,
        jobs_and_wait_contexts_are_opaque_to_c,
        headers_include_nothing_but_the_c_library_and_each_other,
        openssls_own_headers_compile_beside_ours_in_every_order,
        the_header_can_follow_and_precede_openssls_own_of_every_version,
        the_standalone_error_header_refuses_to_follow_openssls_own,
        the_six_argument_api_must_be_asked_for_before_the_first_include,
        every_constant_of_the_headers_has_the_rust_sides_value,
        header_function_and_manifest_have_the_same_version,
        every_constant_of_the_rust_sides_c_face_is_in_the_headers,
        statistics_have_the_same_layout_in_c_and_rust,
        codes_packed_in_c_are_the_ones_the_rules_list,
        headers_declare_exactly_the_functions_the_library_exports,
        sys_has_every_function_of_the_headers,
        only_exported_async_names_are_also_libcryptos,
        every_familiar_error_call_is_a_macro_for_a_symbol_of_this_library,
        the_five_argument_api_has_a_symbol_of_ours_for_every_name,
        names_have_our_prefix_in_the_five_argument_api_only,
        a_name_that_is_a_macro_already_is_left_alone,
        two_options_make_a_plain_symbol_of_the_five_argument_start_too,
    ];
    for compiler in C_COMPILERS.into_iter().chain(CPP_COMPILERS) {
        // The tests above use the compilers that are installed. This one reports those that are
        // missing.
        tests.add(format!("headers_are_tried_with::{compiler}"), || {
            need_tool(compiler)
        });
    }
    tests.run()
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const C_COMPILERS: [&str; 3] = ["cc", "gcc", "clang"];
const CPP_COMPILERS: [&str; 3] = ["c++", "g++", "clang++"];
const C_STANDARDS: [&str; 4] = ["c89", "c99", "c11", "c17"];
const CPP_STANDARDS: [&str; 5] = ["c++98", "c++11", "c++14", "c++17", "c++20"];
const STRICT: [&str; 5] = [
    "-fsyntax-only",
    "-pedantic-errors",
    "-Wall",
    "-Wextra",
    "-Werror",
];

/// Takes the address of every function of `async.h` with its type in the manual page, and uses
/// every type.
const USE_ASYNC: &str = "
ASYNC_JOB *job;
int (*init_pool)(size_t, size_t) = ASYNC_init_pool;
void (*free_pool)(void) = ASYNC_free_pool;
int (*start_job_2015)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t) = ASYNC_start_job_2015;
#ifndef OSSL_ASYNC_WAIT_CTX_API
int (*start_job)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t) = ASYNC_start_job;
#endif
int (*pause_job)(void) = ASYNC_pause_job;
int (*in_job)(void) = ASYNC_in_job;
ASYNC_JOB *(*get_current_job)(void) = ASYNC_get_current_job;
int (*get_wait_fd)(ASYNC_JOB *) = ASYNC_get_wait_fd;
void (*wake)(ASYNC_JOB *) = ASYNC_wake;
void (*clear_wake)(ASYNC_JOB *) = ASYNC_clear_wake;
void (*block_pause)(void) = ASYNC_block_pause;
void (*unblock_pause)(void) = ASYNC_unblock_pause;
int (*init_thread)(size_t, size_t) = ASYNC_init_thread;
void (*cleanup_thread)(void) = ASYNC_cleanup_thread;
int (*is_capable)(void) = ASYNC_is_capable;
#ifdef OSSL_ASYNC_WAIT_CTX_API
int (*start_job)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t) = ASYNC_start_job;
#endif
ASYNC_WAIT_CTX *(*get_wait_ctx)(ASYNC_JOB *) = ASYNC_get_wait_ctx;
ASYNC_WAIT_CTX *(*ctx_new)(void) = ASYNC_WAIT_CTX_new;
void (*ctx_free)(ASYNC_WAIT_CTX *) = ASYNC_WAIT_CTX_free;
int (*set_wait_fd)(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD, void *,
                   void (*)(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD, void *)) = ASYNC_WAIT_CTX_set_wait_fd;
int (*get_fd)(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD *, void **) = ASYNC_WAIT_CTX_get_fd;
int (*get_all_fds)(ASYNC_WAIT_CTX *, OSSL_ASYNC_FD *, size_t *) = ASYNC_WAIT_CTX_get_all_fds;
int (*get_changed_fds)(ASYNC_WAIT_CTX *, OSSL_ASYNC_FD *, size_t *, OSSL_ASYNC_FD *, size_t *)
    = ASYNC_WAIT_CTX_get_changed_fds;
int (*clear_fd)(ASYNC_WAIT_CTX *, const void *) = ASYNC_WAIT_CTX_clear_fd;
int (*set_callback)(ASYNC_WAIT_CTX *, ASYNC_callback_fn, void *) = ASYNC_WAIT_CTX_set_callback;
int (*get_callback)(ASYNC_WAIT_CTX *, ASYNC_callback_fn *, void **) = ASYNC_WAIT_CTX_get_callback;
int (*set_status)(ASYNC_WAIT_CTX *, int) = ASYNC_WAIT_CTX_set_status;
int (*get_status)(ASYNC_WAIT_CTX *) = ASYNC_WAIT_CTX_get_status;
int (*set_mem)(ASYNC_stack_alloc_fn, ASYNC_stack_free_fn) = ASYNC_set_mem_functions;
void (*get_mem)(ASYNC_stack_alloc_fn *, ASYNC_stack_free_fn *) = ASYNC_get_mem_functions;
int (*thread_stats)(OSSL_ASYNC_STATS *, size_t) = OSSL_ASYNC_thread_stats;
int (*process_stats)(OSSL_ASYNC_STATS *, size_t) = OSSL_ASYNC_process_stats;
void (*measure_stacks)(int) = OSSL_ASYNC_measure_stacks;
size_t (*get_stack_used)(const ASYNC_JOB *) = OSSL_ASYNC_get_stack_used;
int (*set_stack_size)(size_t) = OSSL_ASYNC_set_stack_size;
size_t (*get_stack_size)(void) = OSSL_ASYNC_get_stack_size;
int (*cancel_job)(ASYNC_JOB **, int *) = OSSL_ASYNC_cancel_job;
int (*serves_libssl)(void) = OSSL_ASYNC_serves_libssl;
unsigned long (*version)(void) = OSSL_ASYNC_version;
unsigned long version_number = OSSL_ASYNC_VERSION_NUMBER;
int (*callback_is)(void *) = (ASYNC_callback_fn)0;
void *(*stack_alloc_is)(size_t *) = (ASYNC_stack_alloc_fn)0;
void (*stack_free_is)(void *) = (ASYNC_stack_free_fn)0;
OSSL_ASYNC_FD fd = OSSL_BAD_ASYNC_FD;
int results[] = { ASYNC_ERR, ASYNC_NO_JOBS, ASYNC_PAUSE, ASYNC_FINISH };
int statuses[] = { ASYNC_STATUS_UNSUPPORTED, ASYNC_STATUS_ERR, ASYNC_STATUS_OK, ASYNC_STATUS_EAGAIN };
#if !defined(OPENSSL_ASYNC_H) || !defined(HEADER_ASYNC_H)
# error \"the async.h of OpenSSL would not be empty after ours\"
#endif
";

/// Uses constants that no OpenSSL defines differently. A wrong value gives an array of negative
/// size.
const USE_ASYNCERR: &str = "
typedef char function_is_101[ASYNC_F_ASYNC_INIT_POOL == 101 ? 1 : -1];
typedef char reason_is_103[ASYNC_R_INVALID_POOL_SIZE == 103 ? 1 : -1];
typedef char reason_is_105[ASYNC_R_INIT_FAILED == 105 ? 1 : -1];
int codes[] = { ASYNC_F_ASYNC_CTX_NEW, ASYNC_F_ASYNC_START_JOB, ASYNC_F_ASYNC_INIT_THREAD,
                ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD, ASYNC_R_CANNOT_CREATE_WAIT_PIPE };
#if !defined(OPENSSL_ASYNCERR_H) || !defined(HEADER_ASYNCERR_H)
# error \"the asyncerr.h of OpenSSL would not be empty after ours\"
#endif
";

/// The include guards that OpenSSL's versions have.
const BOTH_GUARDS: &str = "
#if defined(OPENSSL_ASYNC_H) || defined(HEADER_ASYNC_H)
# undef OPENSSL_ASYNC_H
# undef HEADER_ASYNC_H
# define OPENSSL_ASYNC_H
# define HEADER_ASYNC_H
#endif
#if defined(OPENSSL_ASYNCERR_H) || defined(HEADER_ASYNCERR_H)
# undef OPENSSL_ASYNCERR_H
# undef HEADER_ASYNCERR_H
# define OPENSSL_ASYNCERR_H
# define HEADER_ASYNCERR_H
#endif
";

/// Takes the address of every function of the standalone `err.h` by the name that programs use.
const USE_ERR: &str = "
unsigned long (*get_error)(void) = ERR_get_error;
unsigned long (*peek_error)(void) = ERR_peek_error;
unsigned long (*peek_last_error)(void) = ERR_peek_last_error;
unsigned long (*get_error_line)(const char **, int *) = ERR_get_error_line;
void (*clear_error)(void) = ERR_clear_error;
char *(*error_string)(unsigned long, char *) = ERR_error_string;
void (*error_string_n)(unsigned long, char *, size_t) = ERR_error_string_n;
const char *(*lib_error_string)(unsigned long) = ERR_lib_error_string;
const char *(*func_error_string)(unsigned long) = ERR_func_error_string;
const char *(*reason_error_string)(unsigned long) = ERR_reason_error_string;
void (*print_errors_fp)(FILE *) = ERR_print_errors_fp;
void (*print_errors_cb)(int (*)(const char *, size_t, void *), void *) = ERR_print_errors_cb;
void (*load_ASYNC_strings)(void) = ERR_load_ASYNC_strings;
typedef char packs[ERR_PACK(ERR_LIB_ASYNC, 101, 103) == 0x33065067UL ? 1 : -1];
typedef char gives_lib[ERR_GET_LIB(0x33065067UL) == ERR_LIB_ASYNC ? 1 : -1];
typedef char gives_func[ERR_GET_FUNC(0x33065067UL) == 101 ? 1 : -1];
typedef char gives_reason[ERR_GET_REASON(0x33065067UL) == 103 ? 1 : -1];
typedef char packs_most[ERR_PACK(255, 4095, 4095) == 0xffffffffUL ? 1 : -1];
typedef char cuts_what_is_more[ERR_PACK(256, 4096, 4096) == 0 ? 1 : -1];
typedef char gives_most_lib[ERR_GET_LIB(0xffffffffUL) == 255 ? 1 : -1];
typedef char gives_most_func[ERR_GET_FUNC(0xffffffffUL) == 4095 ? 1 : -1];
typedef char gives_most_reason[ERR_GET_REASON(0xffffffffUL) == 4095 ? 1 : -1];
#if !defined(OPENSSL_ERR_H) || !defined(HEADER_ERR_H)
# error \"the err.h of OpenSSL would not be empty after ours\"
#endif
int reasons[] = { ERR_R_MALLOC_FAILURE, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, ERR_R_PASSED_NULL_PARAMETER,
                  ERR_R_INTERNAL_ERROR };
";

// ---- Tests ----

// Rules: B1, B2, B42
fn every_c_standard_accepts_each_header_alone_and_all_together() {
    let scratch = Scratch::new("c");
    clean_in_all(&scratch, &compilers(&C_COMPILERS), &C_STANDARDS, "c");
}

// Rules: B1, B2, B42
fn every_cpp_standard_accepts_each_header_alone_and_all_together() {
    let scratch = Scratch::new("cpp");
    let compilers = compilers(&CPP_COMPILERS);
    if compilers.is_empty() {
        ignore_for_want("no C++ compiler: the headers were not compiled as C++");
    }
    clean_in_all(&scratch, &compilers, &CPP_STANDARDS, "cc");
}

// Rules: B2
fn functions_keep_their_c_names_when_a_cpp_program_calls_them() {
    let scratch = Scratch::new("linkage");
    let source = scratch.file(
        "all.cc",
        &[
            include("async"),
            include("err"),
            USE_ASYNC.into(),
            USE_ERR.into(),
        ]
        .concat(),
    );
    let compilers = compilers(&CPP_COMPILERS);
    if compilers.is_empty() {
        ignore_for_want("no C++ compiler: the names that a C++ program calls were not checked");
    }
    for (compiler, mode) in compilers
        .iter()
        .flat_map(|c| Mode::ALL.map(|mode| (*c, mode)))
    {
        let output = run(Command::new(compiler)
            .args(["-S", "-o", "-", mode.option()])
            .args(ours(true))
            .arg(&source));
        let text = succeeded(compiler, output);
        let words: BTreeSet<&str> = words(&text).collect();
        let functions: BTreeSet<String> = header_functions().into_keys().collect();
        let called: BTreeSet<String> = functions
            .iter()
            .filter(|name| mode == Mode::SixArguments || *name != "ASYNC_start_job")
            .map(|name| mode.symbol(name))
            .collect();
        for name in &called {
            assert!(
                words.contains(name.as_str()),
                "{compiler}, {mode:?}: no reference to {name}"
            );
        }
        for name in functions.difference(&called) {
            assert!(
                !words.contains(name.as_str()),
                "{compiler}, {mode:?}: a reference to {name}"
            );
        }
        let mangled: Vec<_> = words
            .iter()
            .filter(|w| w.starts_with("_Z") && w.contains("ASYNC_"))
            .collect();
        assert!(
            mangled.is_empty(),
            "{compiler}: {mangled:?} need extern \"C\""
        );
    }
}

// Rules: B1
fn jobs_and_wait_contexts_are_opaque_to_c() {
    let scratch = Scratch::new("opaque");
    for name in ["ASYNC_JOB", "ASYNC_WAIT_CTX"] {
        let source = scratch.file(
            "size.c",
            &[include("async"), format!("size_t size = sizeof({name});\n")].concat(),
        );
        for compiler in compilers(&C_COMPILERS) {
            let output = run(Command::new(compiler)
                .arg("-fsyntax-only")
                .args(ours(false))
                .arg(&source));
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(
                !output.status.success(),
                "{compiler} knows the size of {name}"
            );
            assert!(
                errors.contains("incomplete type"),
                "{compiler} failed for another reason:\n{errors}"
            );
        }
    }
}

// Rules: B2
fn headers_include_nothing_but_the_c_library_and_each_other() {
    let included = |header: &str| -> Vec<String> {
        directives(header)
            .iter()
            .filter_map(|d| Some(d.strip_prefix("include")?.trim().to_owned()))
            .collect()
    };
    assert_eq!(included(ASYNC_H), ["<stdlib.h>", "<openssl/asyncerr.h>"]);
    assert_eq!(included(ASYNCERR_H), [""; 0]);
    assert_eq!(included(ERR_H), ["<stddef.h>", "<stdio.h>"]);
}

// Rules: B2, B3
fn openssls_own_headers_compile_beside_ours_in_every_order() {
    let Some(openssl) = openssl_include_dir() else {
        ignore_for_want(
            "OpenSSL's headers are not installed: ours were not compiled together with them",
        );
    };
    let scratch = Scratch::new("openssl");
    // The same headers by a path that is not a system directory to the compiler. In a system
    // directory it would hide collisions.
    let not_system = scratch.0.join("include");
    fs::create_dir(&not_system).unwrap();
    std::os::unix::fs::symlink(openssl.join("openssl"), not_system.join("openssl")).unwrap();

    // Which headers, in which order. `own-` is OpenSSL's own header, if the name alone would find
    // ours.
    let orders = [
        "async err ssl",
        "err async ssl",
        "err ssl async",
        "ssl err async",
        "asyncerr err async ssl",
        "async own-async own-asyncerr ssl",
        "own-asyncerr own-async asyncerr async ssl",
    ];
    let include_line = |name: &str| match name.strip_prefix("own-") {
        Some(own) => format!("#include \"{}/openssl/{own}.h\"\n", not_system.display()),
        None => include(name),
    };
    let use_ssl = "int (*all_fds)(SSL *, OSSL_ASYNC_FD *, size_t *) = SSL_get_all_async_fds;\n";
    // With all warnings only if the compiler ignores those in OpenSSL's headers, which may have
    // some.
    let collisions = [
        "-UOSSL_ASYNC_WAIT_CTX_API",
        "-Werror",
        "-I",
        not_system.to_str().unwrap(),
    ];
    let warnings = ["-DOSSL_ASYNC_WAIT_CTX_API", "-Werror", "-Wall", "-Wextra"];
    let mut batch = Batch::default();
    for (extension, candidates, standard) in [
        ("c", C_COMPILERS, "-std=c99"),
        ("cc", CPP_COMPILERS, "-std=c++11"),
    ] {
        let mut sources = Vec::new();
        for (number, order) in orders.iter().enumerate() {
            let includes: String = order.split(' ').map(include_line).collect();
            // A version has one of the guards, which is enough where its header comes first.
            let guards = match order.starts_with("own-") {
                true => BOTH_GUARDS,
                false => "",
            };
            let text = [&includes, guards, USE_ASYNC, USE_ASYNCERR, use_ssl].concat();
            sources.push(scratch.file(&format!("order{number}.{extension}"), &text));
        }
        for compiler in compilers(&candidates) {
            for options in [collisions, warnings] {
                let mut command = Command::new(compiler);
                command
                    .args(["-fsyntax-only", standard])
                    .args(ours(false))
                    .args(options);
                batch.spawn(command.args(&sources));
                if compiler != "cc" {
                    break; // A file with ssl.h takes a while, and one order shows the collisions of a compiler.
                }
            }
        }
    }
    batch.all_succeed();
}

/// The parts of OpenSSL's `async.h` of other versions that matter together with ours: guards,
/// version, and the names that were added and kept. Not its text.
const OTHER_VERSIONS: [(&str, &str); 3] = [
    (
        "1.1.0",
        "#ifndef HEADER_ASYNC_H
# define HEADER_ASYNC_H
# define OSSL_ASYNC_FD int
# define OSSL_BAD_ASYNC_FD -1
",
    ),
    (
        "3.1",
        "#ifndef OPENSSL_ASYNC_H
# define OPENSSL_ASYNC_H
# define HEADER_ASYNC_H
# define OPENSSL_VERSION_MAJOR 3
# define OPENSSL_VERSION_MINOR 1
# define OSSL_ASYNC_FD int
# define OSSL_BAD_ASYNC_FD -1
# define ASYNC_STATUS_UNSUPPORTED 0
# define ASYNC_STATUS_ERR 1
# define ASYNC_STATUS_OK 2
# define ASYNC_STATUS_EAGAIN 3
typedef int (*ASYNC_callback_fn)(void *arg);
",
    ),
    (
        "3.2",
        "#ifndef OPENSSL_ASYNC_H
# define OPENSSL_ASYNC_H
# define HEADER_ASYNC_H
# define OPENSSL_VERSION_MAJOR 3
# define OPENSSL_VERSION_MINOR 2
# define OSSL_ASYNC_FD int
# define OSSL_BAD_ASYNC_FD -1
# define ASYNC_STATUS_UNSUPPORTED 0
# define ASYNC_STATUS_ERR 1
# define ASYNC_STATUS_OK 2
# define ASYNC_STATUS_EAGAIN 3
typedef int (*ASYNC_callback_fn)(void *arg);
typedef void *(*ASYNC_stack_alloc_fn)(size_t *num);
typedef void (*ASYNC_stack_free_fn)(void *addr);
# ifdef __cplusplus
extern \"C\"
# endif
int ASYNC_set_mem_functions(ASYNC_stack_alloc_fn alloc_fn, ASYNC_stack_free_fn free_fn);
",
    ),
];

/// The parts that all versions have.
const EVERY_VERSION: &str = "
typedef struct async_job_st ASYNC_JOB;
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;
# define ASYNC_ERR 0
# define ASYNC_NO_JOBS 1
# define ASYNC_PAUSE 2
# define ASYNC_FINISH 3
# ifdef __cplusplus
extern \"C\" {
# endif
ASYNC_WAIT_CTX *ASYNC_WAIT_CTX_new(void);
int ASYNC_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *), void *args, size_t size);
int ASYNC_pause_job(void);
# ifdef __cplusplus
}
# endif
#endif
";

// Rules: B2
fn the_header_can_follow_and_precede_openssls_own_of_every_version() {
    let scratch = Scratch::new("versions");
    let mut batch = Batch::default();
    for (version, begins) in OTHER_VERSIONS {
        let own = ["#include <stdlib.h>\n", begins, EVERY_VERSION].concat();
        // The program tests that both guards are set. 1.1.0 sets only one, so here the other is
        // set before it.
        let guards = "#ifndef OPENSSL_ASYNC_H\n# define OPENSSL_ASYNC_H\n#endif\n";
        for (extension, candidates, standards) in [
            ("c", C_COMPILERS, &["c89", "c99"][..]),
            ("cc", CPP_COMPILERS, &["c++98", "c++20"][..]),
        ] {
            let sources: Vec<_> = [
                ("after", [&own, &include("async")]),
                ("before", [&include("async"), &own]),
            ]
            .iter()
            .map(|(order, parts)| {
                let text = [parts[0], parts[1], guards, USE_ASYNC, USE_ASYNCERR].concat();
                scratch.file(&format!("{order}-{version}.{extension}"), &text)
            })
            .collect();
            for compiler in compilers(&candidates) {
                for standard in standards {
                    for option in Mode::ALL.map(Mode::option) {
                        let mut command = Command::new(compiler);
                        command
                            .args(STRICT)
                            .arg(format!("-std={standard}"))
                            .arg(option)
                            .args(ours(false));
                        batch.spawn(command.args(&sources));
                    }
                }
            }
        }
    }
    batch.all_succeed();
}

// Rules: B2
fn the_standalone_error_header_refuses_to_follow_openssls_own() {
    let scratch = Scratch::new("refuse");
    let source = scratch.file("refuse.c", &include("err"));
    for guard in ["-DOPENSSL_ERR_H", "-DHEADER_ERR_H"] {
        let output = run(Command::new("cc")
            .args(["-fsyntax-only", guard])
            .args(ours(true))
            .arg(&source));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{guard}: accepted");
        assert!(
            errors.contains("remove csrc/standalone from the include path"),
            "{guard}:\n{errors}"
        );
    }
}

/// The first include cannot be changed by then: its `ASYNC_start_job` has five arguments.
// Rules: B2
fn the_six_argument_api_must_be_asked_for_before_the_first_include() {
    let scratch = Scratch::new("late");
    let second = "#define OSSL_ASYNC_WAIT_CTX_API\n";
    let late = scratch.file(
        "late.c",
        &[&include("async"), second, &include("async")].concat(),
    );
    let plain = "#define OSSL_ASYNC_PLAIN_NAMES\n";
    let late_and_plain = scratch.file(
        "late_and_plain.c",
        &[plain, &include("async"), second, &include("async")].concat(),
    );
    let in_time = scratch.file(
        "in_time.c",
        &[second, &include("async"), &include("async"), USE_ASYNC].concat(),
    );
    let syntax = |compiler: &str, source: &Path| {
        run(Command::new(compiler)
            .args(STRICT)
            .args(ours(false))
            .arg(source))
    };
    for compiler in compilers(&C_COMPILERS) {
        for source in [&late, &late_and_plain] {
            let output = syntax(compiler, source);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{compiler}: accepted {source:?}");
            assert!(
                errors.contains("define OSSL_ASYNC_WAIT_CTX_API before the first include"),
                "{compiler}:\n{errors}"
            );
        }
        succeeded(compiler, syntax(compiler, &in_time));
    }
}

// Rules: B1, B3
fn every_constant_of_the_headers_has_the_rust_sides_value() {
    let names: BTreeSet<String> = [ASYNC_H, ASYNCERR_H, ERR_H]
        .iter()
        .flat_map(|h| header_constants(h))
        .collect();
    let mut program = [
        include("async"),
        include("err"),
        "int main(void)\n{\n".into(),
    ]
    .concat();
    for name in &names {
        program += &format!("    printf(\"{name} %ld\\n\", (long)({name}));\n");
    }
    program += "    return 0;\n}\n";
    let from_c: BTreeMap<String, i64> = Scratch::new("constants")
        .output_of(&program)
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect();
    assert_eq!(from_c, rust_constants());
}

fn header_function_and_manifest_have_the_same_version() {
    let read = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let manifest = read("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .expect("the workspace has a version");
    let parts: Vec<u64> = version
        .split('.')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let [major, minor, patch] = parts[..] else {
        panic!("{version}: three numbers")
    };
    assert!(major < 16 && minor < 256 && patch < 256, "{version}");
    let packed = format!("0x{major:01x}{minor:02x}00{patch:02x}0L");
    let define = format!("#define OSSL_ASYNC_VERSION_NUMBER {packed}");
    assert!(
        read(ASYNC_H).lines().any(|line| line == define),
        "not in {ASYNC_H}: {define}"
    );
    let function = ossl_async::sys::OSSL_ASYNC_version();
    assert_eq!(format!("0x{function:08x}L"), packed);
    // Cargo requires this version of the C library's dependency.
    let dependency = format!("package = \"ossl-async\", version = \"{version}\"");
    assert!(
        read("capi/Cargo.toml").contains(&dependency),
        "{dependency}"
    );
}

// Rules: B1, B3
fn every_constant_of_the_rust_sides_c_face_is_in_the_headers() {
    let in_test: BTreeSet<String> = rust_constants().into_keys().collect();
    let mut found = 0;
    for (path, text) in rust_sources() {
        if !(path.ends_with("error/codes.rs")
            || path
                .components()
                .any(|c| c.as_os_str().to_string_lossy().starts_with("capi")))
        {
            continue;
        }
        for name in text
            .lines()
            .filter_map(|l| l.trim_start().strip_prefix("pub const ")?.split_once(':'))
            .map(|c| c.0)
        {
            let is_c_name = ["ASYNC_", "ERR_LIB_", "ERR_R_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            found += usize::from(is_c_name);
            assert!(
                !is_c_name || in_test.contains(name),
                "{name} of {} is not in a header",
                path.display()
            );
        }
    }
    assert!(found >= 20, "only {found}");
}

fn statistics_have_the_same_layout_in_c_and_rust() {
    macro_rules! members {
        ($($name:ident)*) => {
            [$((stringify!($name), std::mem::offset_of!(ossl_async::sys::OSSL_ASYNC_STATS, $name)),)*]
        };
    }
    let members = members! {
        jobs_created jobs_idle jobs_running jobs_paused jobs_abandoned
        starts pauses resumes finishes refusals stack_bytes stack_high_water
    };
    let mut program = [
        include("async"),
        "#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{\n".into(),
    ]
    .concat();
    let mut expected = String::new();
    for (name, offset) in members {
        program += &format!("    printf(\"%zu\\n\", offsetof(OSSL_ASYNC_STATS, {name}));\n");
        expected += &format!("{offset}\n");
    }
    program += "    printf(\"%zu\\n\", sizeof(OSSL_ASYNC_STATS));\n    return 0;\n}\n";
    expected += &format!(
        "{}\n",
        std::mem::size_of::<ossl_async::sys::OSSL_ASYNC_STATS>()
    );
    assert_eq!(Scratch::new("statistics").output_of(&program), expected);
    // The header has them in this order too, and no others.
    let text = header(ASYNC_H);
    let (_, inside) = text
        .split_once("struct ossl_async_stats_st {")
        .expect("the structure is there");
    let declared: Vec<&str> = words(inside.split('}').next().unwrap_or_default())
        .filter(|word| *word != "size_t")
        .collect();
    assert_eq!(declared, members.map(|(name, _)| name));
}

// Rules: B3
fn codes_packed_in_c_are_the_ones_the_rules_list() {
    let entries = [
        ("ASYNC_F_ASYNC_CTX_NEW", "ERR_R_MALLOC_FAILURE", "33064041"),
        (
            "ASYNC_F_ASYNC_INIT_POOL",
            "ASYNC_R_INVALID_POOL_SIZE",
            "33065067",
        ),
        (
            "ASYNC_F_ASYNC_INIT_POOL",
            "ERR_R_MALLOC_FAILURE",
            "33065041",
        ),
        (
            "ASYNC_F_ASYNC_INIT_POOL",
            "ASYNC_R_FAILED_TO_SET_POOL",
            "33065065",
        ),
        (
            "ASYNC_F_ASYNC_INIT_POOL",
            "ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED",
            "33065042",
        ),
        ("ASYNC_F_ASYNC_JOB_NEW", "ERR_R_MALLOC_FAILURE", "33066041"),
        (
            "ASYNC_F_ASYNC_JOB_NEW",
            "ASYNC_R_CANNOT_CREATE_WAIT_PIPE",
            "33066064",
        ),
        (
            "ASYNC_F_ASYNC_PAUSE_JOB",
            "ASYNC_R_FAILED_TO_SWAP_CONTEXT",
            "33067066",
        ),
        (
            "ASYNC_F_ASYNC_START_FUNC",
            "ASYNC_R_FAILED_TO_SWAP_CONTEXT",
            "33068066",
        ),
        (
            "ASYNC_F_ASYNC_START_JOB",
            "ERR_R_MALLOC_FAILURE",
            "33069041",
        ),
        (
            "ASYNC_F_ASYNC_START_JOB",
            "ASYNC_R_FAILED_TO_SWAP_CONTEXT",
            "33069066",
        ),
        (
            "ASYNC_F_ASYNC_START_JOB",
            "ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED",
            "33069042",
        ),
        (
            "ASYNC_F_ASYNC_START_JOB",
            "ERR_R_PASSED_NULL_PARAMETER",
            "33069043",
        ),
        (
            "ASYNC_F_ASYNC_START_JOB",
            "ERR_R_INTERNAL_ERROR",
            "33069044",
        ),
        (
            "ASYNC_F_ASYNC_INIT_THREAD",
            "ASYNC_R_INVALID_POOL_SIZE",
            "33065067",
        ),
        (
            "ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD",
            "ERR_R_MALLOC_FAILURE",
            "3306a041",
        ),
    ];
    let mut program = [
        include("async"),
        include("err"),
        "int main(void)\n{\n    unsigned long e;\n".into(),
    ]
    .concat();
    let mut expected = String::new();
    for (function, reason, code) in entries {
        program += &format!("    e = ERR_PACK(ERR_LIB_ASYNC, {function}, {reason});\n");
        program += "    printf(\"%08lx\", e);\n";
        program += &format!(
            "    printf(\" %d\", ERR_GET_LIB(e) == ERR_LIB_ASYNC && ERR_GET_FUNC(e) == {function}\n"
        );
        program +=
            &format!("           && ERR_GET_REASON(e) == {reason});\n    printf(\"\\n\");\n");
        expected += &format!("{code} 1\n");
    }
    program += "    return 0;\n}\n";
    assert_eq!(Scratch::new("codes").output_of(&program), expected);
}

// Rules: B2, B42
fn headers_declare_exactly_the_functions_the_library_exports() {
    let exported = rust_exports();
    let mut declared = header_functions();
    for (name, ours) in redirected() {
        declared.insert(ours, declared[&name]);
    }
    assert!(declared.contains_key("ASYNC_in_job") && exported.contains_key("ASYNC_in_job"));
    assert_eq!(
        declared, exported,
        "name and number of arguments: headers left, Rust right"
    );
}

/// The public functions of `src/capi`, which `ossl_async::sys` has, and their numbers of arguments.
fn functions_of_sys() -> BTreeMap<String, usize> {
    let parse = |path: &str| {
        let text = fs::read_to_string(Path::new(ROOT).join("src").join(path)).unwrap();
        syn::parse_file(&text).expect(path).items
    };
    /// The path of a `pub use PATH::*;`.
    fn glob(item: &syn::Item) -> Option<String> {
        let syn::Item::Use(item) = item else {
            return None;
        };
        let (mut tree, mut path) = (&item.tree, vec![]);
        while let syn::UseTree::Path(part) = tree {
            path.push(part.ident.to_string());
            tree = &part.tree;
        }
        let is_public = matches!(item.vis, syn::Visibility::Public(_));
        (is_public && matches!(tree, syn::UseTree::Glob(_))).then(|| path.join("::"))
    }
    let of_sys: Vec<_> = parse("sys.rs").iter().filter_map(glob).collect();
    assert_eq!(of_sys, ["crate::capi"]);
    let modules: Vec<_> = parse("capi.rs").iter().filter_map(glob).collect();
    assert!(modules.len() >= 5, "{modules:?}");
    let items = modules
        .iter()
        .flat_map(|name| parse(&format!("capi/{name}.rs")));
    let functions = items.filter_map(|item| match item {
        syn::Item::Fn(function) if matches!(function.vis, syn::Visibility::Public(_)) => {
            let abi = function.sig.abi.and_then(|abi| abi.name);
            assert_eq!(abi.map(|name| name.value()).as_deref(), Some("C"));
            Some((function.sig.ident.to_string(), function.sig.inputs.len()))
        }
        _ => None,
    });
    functions.collect()
}

// Rules: B2, B42
fn sys_has_every_function_of_the_headers() {
    let mut in_sys = functions_of_sys();
    // A symbol that a macro of the header leads to.
    assert_eq!(redirected()["ASYNC_init_thread"], "OSSL_ASYNC_init_thread");
    in_sys.remove("OSSL_ASYNC_init_thread").expect("the symbol");
    assert_eq!(
        header_functions(),
        in_sys,
        "name and number of arguments: headers left, ossl_async::sys right"
    );
}

// Rules: B2
fn only_exported_async_names_are_also_libcryptos() {
    for name in rust_exports().keys() {
        assert!(
            name.starts_with("ASYNC_") || name.starts_with("OSSL_ASYNC_"),
            "{name} could capture libcrypto's calls"
        );
    }
}

// Rules: B2
fn every_familiar_error_call_is_a_macro_for_a_symbol_of_this_library() {
    let mapped: BTreeMap<String, String> = directives(ERR_H)
        .iter()
        .filter_map(|d| d.strip_prefix("define")?.trim().split_once(' '))
        .filter(|(_, value)| value.starts_with("OSSL_ASYNC_"))
        .map(|(name, value)| (value.trim().to_owned(), name.to_owned()))
        .collect();
    let declared: BTreeMap<String, String> = functions_of(ERR_H)
        .into_keys()
        .map(|symbol| {
            (
                symbol.clone(),
                symbol
                    .strip_prefix("OSSL_ASYNC_")
                    .unwrap_or("unmapped")
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(mapped, declared);

    let source = header(ERR_H);
    for name in "get_error peek_error peek_last_error get_error_line clear_error error_string error_string_n \
                 lib_error_string func_error_string reason_error_string print_errors_fp print_errors_cb \
                 load_ASYNC_strings GET_LIB GET_FUNC GET_REASON PACK LIB_ASYNC"
        .split_whitespace()
    {
        assert!(source.contains(&format!("#define ERR_{name}")), "ERR_{name} is missing");
    }
}

// Rules: B2
fn the_five_argument_api_has_a_symbol_of_ours_for_every_name() {
    let async_names = functions_of(ASYNC_H).into_keys();
    let names: BTreeMap<String, String> = async_names
        .filter(|name| name.starts_with("ASYNC_") && !name.starts_with("ASYNC_start_job"))
        .map(|name| (name.clone(), format!("OSSL_{name}")))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    assert_eq!(redirected(), names);
}

// Rules: B2
fn names_have_our_prefix_in_the_five_argument_api_only() {
    let scratch = Scratch::new("macro");
    let names: Vec<String> = functions_of(ASYNC_H).into_keys().collect();
    let own = [OTHER_VERSIONS[2].1, EVERY_VERSION].concat();
    let includes = [
        include("async"),
        include("async") + &own,
        own + &include("async"),
    ];
    for (compiler, mode) in compilers(&C_COMPILERS)
        .iter()
        .flat_map(|c| Mode::ALL.map(|mode| (*c, mode)))
    {
        let expected: Vec<String> = names.iter().map(|name| mode.symbol(name)).collect();
        for includes in &includes {
            let expanded = expansions(&scratch, compiler, &[mode.option()], includes, &names);
            assert_eq!(expanded, expected, "{compiler} {mode:?}\n{includes}");
        }
    }
}

// Rules: B2
fn a_name_that_is_a_macro_already_is_left_alone() {
    let scratch = Scratch::new("mock");
    let names: Vec<String> = functions_of(ASYNC_H).into_keys().collect();
    let mocks: Vec<String> = names.iter().map(|name| format!("mock_{name}")).collect();
    let defines: Vec<String> = names
        .iter()
        .map(|name| format!("-D{name}=mock_{name}"))
        .collect();
    for compiler in compilers(&C_COMPILERS) {
        for mode in Mode::ALL {
            let mut options: Vec<&str> = defines.iter().map(String::as_str).collect();
            options.push(mode.option());
            let expanded = expansions(&scratch, compiler, &options, &include("async"), &names);
            assert_eq!(expanded, mocks, "{compiler} {mode:?}");
        }
    }
}

/// For a library that exports the five-argument call as `ASYNC_start_job`.
// Rules: B2
fn two_options_make_a_plain_symbol_of_the_five_argument_start_too() {
    let scratch = Scratch::new("port");
    let text = [
        &include("async"),
        "int (*start)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t) = ASYNC_start_job;\n",
    ];
    let source = scratch.file("port.c", &text.concat());
    for compiler in compilers(&C_COMPILERS) {
        let output = run(Command::new(compiler)
            .args(["-S", "-o", "-", "-DOSSL_ASYNC_PLAIN_NAMES"])
            .arg("-DASYNC_start_job_2015=ASYNC_start_job")
            .args(ours(false))
            .arg(&source));
        let text = succeeded(compiler, output);
        let symbols: BTreeSet<&str> = words(&text)
            .filter(|word| word.starts_with("ASYNC_"))
            .collect();
        assert_eq!(symbols, BTreeSet::from(["ASYNC_start_job"]), "{compiler}");
    }
}

/// The preprocessor's expansion of each name after the text that includes `async.h`.
fn expansions(
    scratch: &Scratch,
    compiler: &str,
    options: &[&str],
    includes: &str,
    names: &[String],
) -> Vec<String> {
    let source = scratch.file("expand.c", &format!("{includes}MARK {}\n", names.join(" ")));
    let text = succeeded(
        compiler,
        run(Command::new(compiler)
            .args(["-E", "-P"])
            .args(options)
            .args(ours(false))
            .arg(&source)),
    );
    let (_, expanded) = text.split_once("MARK").expect("the mark stays");
    words(expanded).map(str::to_owned).collect()
}

// ---- The ways to include async.h ----

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    FiveArguments,
    SixArguments,
    PlainNames,
}

impl Mode {
    const ALL: [Mode; 3] = [Mode::FiveArguments, Mode::SixArguments, Mode::PlainNames];

    fn option(self) -> &'static str {
        match self {
            Mode::FiveArguments => "-UOSSL_ASYNC_WAIT_CTX_API",
            Mode::SixArguments => "-DOSSL_ASYNC_WAIT_CTX_API",
            Mode::PlainNames => "-DOSSL_ASYNC_PLAIN_NAMES",
        }
    }

    /// The symbol that a function's name stands for.
    fn symbol(self, name: &str) -> String {
        match (self, name) {
            (Mode::FiveArguments | Mode::PlainNames, "ASYNC_start_job") => {
                "ASYNC_start_job_2015".into()
            }
            (Mode::FiveArguments, _) => redirected().remove(name).unwrap_or(name.into()),
            (Mode::SixArguments | Mode::PlainNames, _) => name.into(),
        }
    }
}

// ---- The Rust side ----

/// Every constant of a header, by its Rust path.
fn rust_constants() -> BTreeMap<String, i64> {
    macro_rules! table {
        ($($module:ident: $($name:ident)*;)*) => {
            [$($((stringify!($name), i64::from(ossl_async::$module::$name)),)*)*]
        };
    }
    let table = table! {
        sys: ASYNC_ERR ASYNC_NO_JOBS ASYNC_PAUSE ASYNC_FINISH
            ASYNC_STATUS_UNSUPPORTED ASYNC_STATUS_ERR ASYNC_STATUS_OK ASYNC_STATUS_EAGAIN
            OSSL_BAD_ASYNC_FD
            ERR_LIB_ASYNC
            ASYNC_F_ASYNC_CTX_NEW ASYNC_F_ASYNC_INIT_POOL ASYNC_F_ASYNC_JOB_NEW
            ASYNC_F_ASYNC_PAUSE_JOB ASYNC_F_ASYNC_START_FUNC ASYNC_F_ASYNC_START_JOB
            ASYNC_F_ASYNC_INIT_THREAD ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD
            ASYNC_R_CANNOT_CREATE_WAIT_PIPE ASYNC_R_FAILED_TO_SET_POOL
            ASYNC_R_FAILED_TO_SWAP_CONTEXT ASYNC_R_INVALID_POOL_SIZE ASYNC_R_INIT_FAILED
            ERR_R_MALLOC_FAILURE ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED
            ERR_R_PASSED_NULL_PARAMETER ERR_R_INTERNAL_ERROR;
    };
    table
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Name and number of arguments of every function that Rust gives a C symbol.
fn rust_exports() -> BTreeMap<String, usize> {
    let mut exports = BTreeMap::new();
    for (_, text) in rust_sources() {
        let code: String = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n")
            .collect();
        for after in code.split("#[unsafe(").skip(1) {
            let renamed = after.strip_prefix("export_name");
            if renamed.is_none() && !after.starts_with("no_mangle") {
                continue;
            }
            let (_, function) = after
                .split_once("fn ")
                .expect("a function behind the attribute");
            let name = match renamed {
                Some(rest) => rest.split('"').nth(1).expect("a name in quotes"),
                None => function.split('(').next().unwrap_or_default(),
            };
            // In a macro the name is a parameter.
            if !name.starts_with('$') {
                exports.insert(name.trim().to_owned(), arity(function));
            }
        }
    }
    exports.extend(names("one_name!").map(|([name], arity)| (name, arity)));
    for (names, arity) in names::<2>("two_names!") {
        exports.extend(names.map(|name| (name, arity)));
    }
    assert!(!exports.is_empty(), "no exported function found in src");
    exports
}

/// The functions to which `names.rs` gives `N` symbols each by this macro, and their numbers of
/// arguments.
fn names<const N: usize>(by: &str) -> impl Iterator<Item = ([String; N], usize)> {
    let text = fs::read_to_string(Path::new(ROOT).join("src/capi/names.rs")).unwrap();
    let (_, list) = text.split_once(&format!("\n{by} {{")).expect("the list");
    let (list, _) = list.split_once("\n}").expect("its end");
    let declarations = list.split(';').filter(|part| part.contains("fn "));
    let found: Vec<_> = declarations
        .map(|declaration| {
            let (_, rest) = declaration.split_once("fn ").unwrap();
            let names: Vec<_> = words(rest.split('(').next().unwrap()).collect();
            let names = names.try_into();
            let Ok(names) = names.map(|names: [&str; N]| names.map(str::to_owned)) else {
                panic!("{N} names in {declaration}")
            };
            (names, arity(rest))
        })
        .collect();
    assert!(!found.is_empty(), "{by}");
    found.into_iter()
}

fn rust_sources() -> Vec<(PathBuf, String)> {
    fn collect(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(ROOT).join("src"), &mut found);
    found
}

// ---- The headers as text ----

const ASYNC_H: &str = "csrc/include/openssl/async.h";
const ASYNCERR_H: &str = "csrc/include/openssl/asyncerr.h";
const ERR_H: &str = "csrc/standalone/openssl/err.h";

/// A header without its comments, and with continued lines joined.
fn header(path: &str) -> String {
    let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").expect("a comment that ends").1;
    }
    (code + rest).replace("\\\n", " ")
}

/// The preprocessor directives of a header, without the `#` and the spaces around it.
fn directives(path: &str) -> Vec<String> {
    header(path)
        .lines()
        .filter_map(|line| Some(line.strip_prefix('#')?.trim().to_owned()))
        .collect()
}

/// The macros whose value is a number, and the enumerators.
fn header_constants(path: &str) -> Vec<String> {
    let is_number = |value: &str| value.trim_matches(['(', ')', '-']).parse::<u32>().is_ok();
    let mut names: Vec<String> = directives(path)
        .iter()
        .filter_map(|d| d.strip_prefix("define")?.trim().split_once(' '))
        .filter(|(_, value)| is_number(value.trim()))
        .map(|(name, _)| name.to_owned())
        .collect();
    for line in header(path).lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.split_once('=') {
            assert!(
                is_number(value.trim().trim_end_matches(',')),
                "{path}: {line}"
            );
            names.push(name.trim().to_owned());
        }
    }
    names
}

/// Name and number of arguments of every function that a header declares.
fn functions_of(path: &str) -> BTreeMap<String, usize> {
    let code: String = header(path)
        .lines()
        .filter(|l| !l.starts_with('#') && *l != "extern \"C\" {" && *l != "}")
        .collect::<Vec<_>>()
        .join("\n");
    // A member of a structure is not a declaration of a function.
    let mut depth = 0;
    let code: String = code
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && *c != '}'
        })
        .collect();
    let declarations = code.split(';').map(str::trim).filter(|d| !d.is_empty());
    declarations
        .filter(|d| !d.starts_with("typedef") && !d.starts_with("enum"))
        .map(|declaration| {
            let before = declaration.split('(').next().unwrap_or_default();
            let name = words(before)
                .last()
                .unwrap_or_else(|| panic!("{path}: {declaration}"));
            (name.to_owned(), arity(declaration))
        })
        .collect()
}

/// The names that `async.h` redirects in the five-argument API, and the symbols that they become.
fn redirected() -> BTreeMap<String, String> {
    directives(ASYNC_H)
        .iter()
        .filter_map(|d| d.strip_prefix("define")?.trim().split_once(' '))
        .filter(|(name, value)| name.starts_with("ASYNC_") && value.starts_with("OSSL_ASYNC_"))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn header_functions() -> BTreeMap<String, usize> {
    [ASYNC_H, ASYNCERR_H, ERR_H]
        .iter()
        .flat_map(|path| functions_of(path))
        .collect()
}

/// The number of parameters in the first parentheses of a declaration, C's or Rust's.
fn arity(declaration: &str) -> usize {
    let (_, list) = declaration.split_once('(').expect("a parameter list");
    let (mut depth, mut parameters) = (0, vec![String::new()]);
    for c in list.chars() {
        match c {
            ')' if depth == 0 => break,
            ',' if depth == 0 => parameters.push(String::new()),
            _ => {
                depth += i32::from(c == '(') - i32::from(c == ')');
                parameters.last_mut().unwrap().push(c);
            }
        }
    }
    parameters
        .iter()
        .filter(|p| !["", "void"].contains(&p.trim()))
        .count()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

// ---- Compilers ----

fn include(name: &str) -> String {
    format!("#include <openssl/{name}.h>\n")
}

/// The options that make our headers come first, with or without the standalone `err.h`.
fn ours(standalone: bool) -> Vec<OsString> {
    let dirs: &[&str] = if standalone {
        &["csrc/standalone", "csrc/include"]
    } else {
        &["csrc/include"]
    };
    dirs.iter()
        .map(|dir| format!("-I{ROOT}/{dir}").into())
        .collect()
}

/// Compiles each header as the first of its file, and all of them in several orders, for each
/// standard with each compiler.
fn clean_in_all(scratch: &Scratch, compilers: &[&str], standards: &[&str], extension: &str) {
    let file =
        |name: &str, parts: &[&str]| scratch.file(&format!("{name}.{extension}"), &parts.concat());
    let (async_h, asyncerr_h, err_h) = (&include("async"), &include("asyncerr"), &include("err"));
    let second = "#define OSSL_ASYNC_WAIT_CTX_API\n";
    let plain = "#define OSSL_ASYNC_PLAIN_NAMES\n";
    let without_err = [
        file("async", &[async_h, USE_ASYNC, USE_ASYNCERR]),
        file("asyncerr", &[asyncerr_h, USE_ASYNCERR]),
        file(
            "second",
            &[second, asyncerr_h, async_h, async_h, asyncerr_h, USE_ASYNC],
        ),
        file("plain", &[plain, async_h, async_h, USE_ASYNC]),
    ];
    let with_err = [
        file("err", &[err_h, err_h, USE_ERR]),
        file(
            "err_async",
            &[err_h, async_h, USE_ASYNC, USE_ASYNCERR, USE_ERR],
        ),
        file(
            "async_err",
            &[async_h, err_h, asyncerr_h, USE_ASYNC, USE_ASYNCERR, USE_ERR],
        ),
    ];
    // An empty parameter list in C is not a prototype. The option does not exist for C++.
    let language: &[&str] = if extension == "c" {
        &["-Wstrict-prototypes"]
    } else {
        &[]
    };
    let mut batch = Batch::default();
    for compiler in compilers {
        for standard in standards {
            for (standalone, sources) in [(false, &without_err[..]), (true, &with_err[..])] {
                let mut command = Command::new(compiler);
                command
                    .args(STRICT)
                    .args(language)
                    .arg(format!("-std={standard}"))
                    .args(ours(standalone));
                batch.spawn(command.args(sources));
            }
        }
    }
    batch.all_succeed();
}

/// The candidates that are installed, each compiler under one name only.
fn compilers<'a>(candidates: &[&'a str]) -> Vec<&'a str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for name in candidates {
        let mut places = std::env::split_paths(&path).map(|dir| dir.join(name));
        let program = places.find_map(|place| fs::canonicalize(place).ok());
        if program.is_some_and(|program| known.insert(program)) {
            found.push(*name);
        }
    }
    found
}

/// The directory that has OpenSSL's own `openssl/ssl.h`, as the C compiler finds it.
fn openssl_include_dir() -> Option<PathBuf> {
    let scratch = Scratch::new("find");
    let source = scratch.file("find.c", &include("ssl"));
    let output = run(Command::new("cc").arg("-M").arg(source));
    let text = String::from_utf8(output.stdout).ok()?;
    let dir = text
        .split_whitespace()
        .find_map(|path| path.strip_suffix("/openssl/ssl.h"))?;
    output
        .status
        .success()
        .then(|| fs::canonicalize(dir).unwrap())
}

fn run(command: &mut Command) -> Output {
    command
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

fn succeeded(what: &str, output: Output) -> String {
    assert!(
        output.status.success(),
        "{what}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Compilations that run at the same time.
#[derive(Default)]
struct Batch(Vec<(String, std::process::Child)>);

impl Batch {
    fn spawn(&mut self, command: &mut Command) {
        command
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        self.0.push((format!("{command:?}"), child));
    }

    fn all_succeed(self) {
        assert!(!self.0.is_empty(), "nothing was compiled");
        let mut failures = String::new();
        for (command, child) in self.0 {
            let output = child.wait_with_output().unwrap();
            if !output.status.success() {
                failures += &format!("{command}\n{}\n", String::from_utf8_lossy(&output.stderr));
            }
        }
        assert!(failures.is_empty(), "{failures}");
    }
}

/// A directory for one test, which is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("header-{test}-{}", std::process::id()));
        let _left_by_an_earlier_run = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The output of a C program that includes only our headers.
    fn output_of(&self, program: &str) -> String {
        let (source, binary) = (self.file("program.c", program), self.0.join("program"));
        let mut cc = Command::new("cc");
        cc.args(&STRICT[1..])
            .args(ours(true))
            .arg(source)
            .arg("-o")
            .arg(&binary);
        succeeded("cc", run(&mut cc));
        succeeded("program", run(&mut Command::new(&binary)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _may_stay_behind = fs::remove_dir_all(&self.0);
    }
}
