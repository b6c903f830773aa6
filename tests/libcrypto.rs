//! Where libcrypto is in the process: errors reach its queue in its packing, and the default library context follows the
//! job (7.2 and 7.7 of the behaviour reference). A fake stands in for it, compiled from tests/fake/libcrypto.c; compat-tests has
//! the real one. Every test runs in a child, in which nothing has used the library yet.
#![cfg(not(ossl_async_null))]

mod common;
use common::*;
use ossl_async::capi::*;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::process::Command;
use std::ptr;

/// A fake that is loaded.
#[derive(Clone, Copy)]
struct Fake(*mut c_void);

/// Compiles a fake. Before the fork, since the children share it.
fn compile(name: &str, flags: &[&str]) -> CString {
    let library = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake/libcrypto.c");
    let compiled = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", &library, source,
        ])
        .args(flags)
        .status()
        .expect("cc, which also built the library");
    assert!(compiled.success());
    CString::new(library).unwrap()
}

impl Fake {
    fn load(path: &CStr, scope: c_int) -> Fake {
        // SAFETY: loads the fake.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | scope) };
        assert!(!handle.is_null());
        Fake(handle)
    }

    fn symbol(&self, name: &CStr) -> *mut c_void {
        // SAFETY: the handle is open.
        let symbol = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!symbol.is_null(), "{name:?}");
        symbol
    }

    fn number(&self, name: &CStr) -> c_int {
        // SAFETY: a variable of the fake's of this type.
        unsafe { self.symbol(name).cast::<c_int>().read() }
    }

    fn text(&self, name: &CStr) -> String {
        // SAFETY: a variable of the fake's of this type, set by now.
        let text = unsafe { CStr::from_ptr(self.symbol(name).cast::<*const c_char>().read()) };
        text.to_str().unwrap().to_string()
    }

    fn set_default(&self, context: usize) -> usize {
        // SAFETY: the fake's function has this type.
        unsafe {
            let function: unsafe extern "C" fn(*mut c_void) -> *mut c_void =
                std::mem::transmute(self.symbol(c"OSSL_LIB_CTX_set0_default"));
            function(ptr::without_provenance_mut(context)).addr()
        }
    }

    /// 1: neither asks nor sets; 2: sets nothing; 0: both again.
    fn refuse(&self, what: c_int) {
        // SAFETY: a variable of the fake's of this type.
        unsafe { self.symbol(c"fake_refuses").cast::<c_int>().write(what) };
    }
}

const V3: [&str; 2] = ["-DFAKE_3_0", "-Wl,-soname,fakecrypto.so"];

// Rules: G47, E1
#[test]
fn errors_go_to_the_queue_of_3_0_in_its_packing_and_to_our_own() {
    let path = compile("errors3", &V3);
    alone(|| {
        let fake = Fake::load(&path, libc::RTLD_GLOBAL);
        assert_eq!(ASYNC_init_thread(0, 1), 0);
        assert_eq!(fake.number(c"fake_entries"), 1);
        assert_eq!(
            (fake.number(c"fake_library"), fake.number(c"fake_reason")),
            (51, 103)
        );
        assert_eq!(fake.text(c"fake_function_name"), "ASYNC_init_pool");
        assert_eq!(fake.text(c"fake_file"), "src/capi/start.rs");
        assert!(fake.number(c"fake_line") > 0);
        CJob::new(|| pausing(0, 1).go()).finish(ASYNC_ERR);
        assert_eq!(
            (fake.number(c"fake_entries"), fake.number(c"fake_reason")),
            (2, 0xC0103)
        );
        assert_eq!(errors(), [E2_POOL_SIZE, NESTED]);
    });
}

// Rules: G47
#[test]
fn errors_go_to_the_queue_of_1_1_with_their_function() {
    let path = compile("errors1", &["-DFAKE_1_1"]);
    alone(|| {
        let fake = Fake::load(&path, libc::RTLD_GLOBAL);
        CJob::new(|| pausing(0, 1).go()).finish(ASYNC_ERR);
        assert_eq!(fake.number(c"fake_entries"), 1);
        let codes =
            [c"fake_library", c"fake_function", c"fake_reason"].map(|name| fake.number(name));
        assert_eq!(codes, [51, 105, 68]);
        assert_eq!(fake.text(c"fake_file"), "src/capi/start.rs");
        assert!(fake.number(c"fake_line") > 0);
    });
}

// Rules: G47
#[test]
fn a_fork_of_openssl_is_left_alone() {
    let path = compile("fork3", &["-DFAKE_FORK"]);
    alone(|| {
        let fake = Fake::load(&path, libc::RTLD_GLOBAL);
        CJob::new(|| {
            assert_eq!(pausing(0, 1).go(), ASYNC_ERR);
            1
        })
        .finish(1);
        assert_eq!(fake.number(c"fake_entries"), 0);
        assert_eq!(errors(), [NESTED]);
    });
}

// Rules: G47
#[test]
fn a_library_that_only_some_of_the_process_sees_is_found_by_its_name() {
    for name in ["libcrypto.so.3", "libcrypto.so.1.1"] {
        std::fs::create_dir_all(format!("{}/by-name/{name}", env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let soname = format!("-Wl,-soname,{name}");
        let path = compile(&format!("by-name/{name}/{name}"), &["-DFAKE_3_0", &soname]);
        alone(|| {
            let fake = Fake::load(&path, libc::RTLD_LOCAL);
            assert_eq!(ASYNC_init_thread(0, 1), 0);
            assert_eq!(fake.number(c"fake_entries"), 1);
            fake.set_default(0x1000);
            let mut job = CJob::new(move || {
                fake.set_default(0x2000);
                ASYNC_pause_job();
                1
            });
            job.pause();
            assert_eq!(
                fake.set_default(0),
                0x1000,
                "its context follows the job too"
            );
            job.finish(1);
        });
    }
}

// Rules: G47
#[test]
fn a_fork_that_was_loaded_first_does_not_hide_openssl() {
    let paths = [
        ("libcrypto.so.54", "-DFAKE_FORK"),
        ("libcrypto.so.3", "-DFAKE_3_0"),
    ]
    .map(|(name, kind)| {
        std::fs::create_dir_all(format!("{}/beside/{name}", env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let soname = format!("-Wl,-soname,{name}");
        compile(&format!("beside/{name}/{name}"), &[kind, &soname])
    });
    alone(|| {
        let [fork, openssl] = paths
            .each_ref()
            .map(|path| Fake::load(path, libc::RTLD_LOCAL));
        assert_eq!(ASYNC_init_thread(0, 1), 0);
        assert_eq!(
            (
                fork.number(c"fake_entries"),
                openssl.number(c"fake_entries")
            ),
            (0, 1)
        );
    });
}

// Rules: G47
#[test]
fn without_libcrypto_errors_are_our_own() {
    alone(|| {
        assert_eq!(ASYNC_init_thread(0, 1), 0);
        assert_eq!(errors(), [E2_POOL_SIZE]);
    });
}

// Rules: G37, G38
#[test]
fn the_default_library_context_is_each_sides_own_across_pauses() {
    let path = compile("context", &V3);
    // Loaded before the thread's first job, and between two of them.
    for before in [true, false] {
        alone(|| {
            let load = || Fake::load(&path, libc::RTLD_GLOBAL);
            if !before {
                CJob::new(|| 1).finish(1);
                ASYNC_free_pool();
            }
            let fake = load();
            let global = fake.set_default(0);
            fake.set_default(0x1000);
            let mut job = CJob::new(move || {
                assert_eq!(
                    fake.set_default(0),
                    0x1000,
                    "a job begins with the thread's"
                );
                for mine in [0x2000, 0x3000, 0x4000] {
                    fake.set_default(mine);
                    ASYNC_pause_job();
                    assert_eq!(fake.set_default(0), mine);
                }
                1
            });
            for theirs in [0x1000, 0x1001, 0x1002] {
                fake.set_default(theirs);
                job.pause();
                assert_eq!(fake.set_default(0), theirs, "not what the job set");
            }
            fake.set_default(global);
            job.finish(1);
            assert_eq!(fake.set_default(0), global);
        });
    }
}

// Rules: G37
#[test]
fn a_context_that_nobody_changes_is_not_set() {
    let path = compile("unchanged", &V3);
    alone(|| {
        let fake = Fake::load(&path, libc::RTLD_GLOBAL);
        let mut job = pausing(2, 1);
        job.pause();
        job.pause();
        job.finish(1);
        assert_eq!(fake.number(c"fake_sets"), 0);
        let mut changes = CJob::new(move || {
            fake.set_default(0x2000);
            ASYNC_pause_job();
            1
        });
        changes.pause();
        assert_eq!(fake.number(c"fake_sets"), 2, "the job's own, and back");
        changes.finish(1);
        assert_eq!(fake.number(c"fake_sets"), 4, "to the job's, and back");
    });
}

// Rules: G39, D30
#[test]
fn a_job_whose_context_cannot_be_reinstated_stays_paused() {
    let path = compile("refuses", &V3);
    for refused in [1, 2] {
        alone(|| {
            let fake = Fake::load(&path, libc::RTLD_GLOBAL);
            let mut job = CJob::new(move || {
                fake.set_default(0x2000);
                assert_eq!(ASYNC_pause_job(), 1);
                assert_eq!(fake.set_default(0), 0x2000);
                7
            });
            job.pause();
            let handle = job.handle;
            fake.refuse(refused);
            assert_eq!(
                (job.go(), job.ret, job.handle),
                (ASYNC_ERR, UNWRITTEN, handle)
            );
            assert_eq!(errors(), [0x33069044]);
            assert_eq!(fake.number(c"fake_reason"), 0xC0103);
            fake.refuse(0);
            // The record was not given to anybody else.
            let mut other = pausing(0, 8);
            other.finish(8);
            job.finish(7);
        });
    }
}
