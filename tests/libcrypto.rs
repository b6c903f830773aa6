//! With libcrypto in the process, errors reach its queue in its packing, and the default library
//! context follows the job (7.2 and 7.7 of the behaviour reference).
//!
//! A fake stands in for libcrypto, compiled from tests/fake/libcrypto.c; compat-tests has the real
//! one. Every test runs in a child, in which nothing has used the library yet.
#![cfg(not(ossl_async_null))]
// A static program of musl cannot load a library.
#![cfg(not(all(target_env = "musl", target_feature = "crt-static")))]

mod common;
use common::capi::*;
use common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Rust gets no memory for the moment.
static NO_MEMORY: AtomicBool = AtomicBool::new(false);

struct Allocator;

// SAFETY: it is the system's, which may also have nothing to give.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if NO_MEMORY.load(Ordering::Relaxed) {
            return ptr::null_mut();
        }
        // SAFETY: the caller guarantees the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees the block.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// A fake that is loaded.
#[derive(Clone, Copy)]
struct Fake(*mut c_void);

/// Compiles a fake. This is done before the fork, because the children share it.
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

    /// Sets its version, before the library has asked for it.
    fn set_version(&self, version: c_ulong) {
        // SAFETY: a variable of the fake's of this type.
        unsafe {
            self.symbol(c"fake_version")
                .cast::<c_ulong>()
                .write(version)
        };
    }

    /// The entries since the last call of this, as its version packs them.
    fn entries(&self) -> Vec<u32> {
        // SAFETY: variables of the fake's of these types; nothing else runs in this process.
        unsafe {
            let entries = self.symbol(c"fake_entries").cast::<c_int>();
            let count = entries.replace(0) as usize;
            let codes = self.symbol(c"fake_codes").cast::<[u32; 16]>().read();
            codes[..count].to_vec()
        }
    }

    fn set_default(&self, context: usize) -> usize {
        // SAFETY: the fake's function has this type.
        unsafe {
            let function: unsafe extern "C" fn(*mut c_void) -> *mut c_void =
                std::mem::transmute(self.symbol(c"OSSL_LIB_CTX_set0_default"));
            function(ptr::without_provenance_mut(context)).addr()
        }
    }

    /// 1: neither asking nor setting works. 2: setting does not work. 0: both work again.
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
fn an_unchanged_context_is_not_set() {
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
            // No other job got the record.
            let mut other = pausing(0, 8);
            other.finish(8);
            job.finish(7);
        });
    }
}

/// A version of OpenSSL, and its entries when there is no memory (7.2).
struct Version {
    kind: &'static str,
    number: c_ulong,
    list: &'static [u32],
    record: &'static [u32],
    arguments: &'static [u32],
    wait_fd: &'static [u32],
    huge_limit: &'static [u32],
}

const V1_1_0: Version = Version {
    kind: "-DFAKE_1_1",
    number: 0x1010_00cf,
    list: &[0x3306_5041],
    record: &[0x3306_6041],
    arguments: &[0x3306_9041],
    wait_fd: &[],
    huge_limit: &[],
};
const V1_1_1: Version = Version {
    number: 0x1010_1000,
    list: &[0x0f08_1041, 0x3306_5041],
    wait_fd: &[0x3306_a041],
    ..V1_1_0
};
const V3_0: Version = Version {
    kind: "-DFAKE_3_0",
    number: 0x3000_0160,
    list: &[0x078c_0100, 0x198c_0100],
    record: &[0x198c_0100],
    arguments: &[0x198c_0100],
    wait_fd: &[0x198c_0100],
    huge_limit: &[],
};
const V3_2: Version = Version {
    number: 0x3020_0000,
    list: &[0x078c_0100, 0x1988_000f],
    record: &[0x078c_0100],
    arguments: &[0x078c_0100],
    wait_fd: &[0x078c_0100],
    ..V3_0
};
const V3_6: Version = Version {
    number: 0x3060_0000,
    huge_limit: &[0x1980_0067],
    ..V3_2
};

/// Of versions that behave alike, the oldest and the newest.
const VERSIONS: [Version; 9] = [
    V1_1_0,
    V1_1_1,
    Version {
        number: 0x1010_117f, // 1.1.1w
        ..V1_1_1
    },
    V3_0,
    Version {
        number: 0x3010_0080, // 3.1.8
        ..V3_0
    },
    V3_2,
    Version {
        number: 0x3050_0090, // 3.5.9
        ..V3_2
    },
    V3_6,
    Version {
        number: 0x4000_0030, // 4.0.3
        ..V3_6
    },
];

// Rules: G48, D12, E3, E5, E9
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "what a sanitizer reserves exceeds any limit of the address space"
)]
fn each_version_has_its_own_entries_for_memory_that_is_not_there() {
    let most = c_int::MAX as usize;
    for version in VERSIONS {
        let path = compile("entries", &[version.kind]);
        alone(|| {
            let fake = Fake::load(&path, libc::RTLD_GLOBAL);
            fake.set_version(version.number);
            let context = ASYNC_WAIT_CTX_new();
            let (mut job, mut byte) = (pausing(0, 1), 0u8);
            let (mut handle, mut ret) = (ptr::null_mut(), UNWRITTEN);

            // Sixteen gigabytes of list.
            let before = limit(libc::RLIMIT_AS, 1 << 30);
            assert_eq!(ASYNC_init_thread(most, most), 0);
            assert_eq!(fake.entries(), version.list, "{:x}", version.number);
            assert_eq!(errors(), [E3_POOL]);

            assert_eq!(ASYNC_init_thread(1, 0), 1);
            limit(libc::RLIMIT_AS, 1);
            let result = job.go_with(NO_CTX);
            limit(libc::RLIMIT_AS, before);
            assert_eq!(result, ASYNC_NO_JOBS);
            assert_eq!(fake.entries(), version.record, "{:x}", version.number);
            assert_eq!(errors(), [E5_JOB]);

            let args = ptr::from_mut(&mut byte).cast();
            limit(libc::RLIMIT_AS, 1 << 30);
            // SAFETY: no allocator has so many bytes, so that they are not looked at.
            let result = unsafe {
                let size = isize::MAX as usize;
                ASYNC_start_job(&mut handle, NO_CTX, &mut ret, Some(never), args, size)
            };
            limit(libc::RLIMIT_AS, before);
            assert_eq!((result, ret), (ASYNC_ERR, UNWRITTEN));
            assert_eq!(fake.entries(), version.arguments, "{:x}", version.number);
            assert_eq!(errors(), [E9_ARGUMENTS]);

            NO_MEMORY.store(true, Ordering::Relaxed);
            // SAFETY: the context lives.
            let result = unsafe {
                let null = ptr::null_mut();
                ASYNC_WAIT_CTX_set_wait_fd(context, null, 1, null, None)
            };
            NO_MEMORY.store(false, Ordering::Relaxed);
            assert_eq!(result, 0);
            assert_eq!(fake.entries(), version.wait_fd, "{:x}", version.number);
            assert_eq!(errors(), [0x3306_a041]);
            // SAFETY: no job has it.
            unsafe { ASYNC_WAIT_CTX_free(context) };
        });
    }
}

extern "C" fn never(_: *mut c_void) -> c_int {
    unreachable!()
}

// Rules: G2, G4
#[test]
fn a_limit_above_what_an_int_holds_is_refused_as_libcrypto_3_6_does() {
    let int_max = c_int::MAX as usize;
    for version in VERSIONS {
        let path = compile("limits", &[version.kind]);
        alone(|| {
            let fake = Fake::load(&path, libc::RTLD_GLOBAL);
            fake.set_version(version.number);
            for max in [int_max + 1, int_max + 3, usize::MAX] {
                assert_eq!(ASYNC_init_thread(1, 0), 1);
                let refused = !version.huge_limit.is_empty();
                assert_eq!(ASYNC_init_thread(max, 1), c_int::from(!refused));
                assert_eq!(fake.entries(), version.huge_limit, "{:x}", version.number);
                let expected: &[u32] = if refused { &[E2_POOL_SIZE] } else { &[] };
                assert_eq!(errors(), expected);
                // A refused call leaves the pool as it was.
                let mut jobs = [pausing(1, 1), pausing(1, 2)];
                pause(&mut jobs[0]);
                let second = jobs[1].go_with(NO_CTX);
                assert_eq!(second, if refused { ASYNC_NO_JOBS } else { ASYNC_PAUSE });
                finish(&mut jobs[0], 1);
                if !refused {
                    finish(&mut jobs[1], 2);
                }
            }
            assert_eq!(ASYNC_init_thread(int_max, 1), 1);
            // The functions of 2015 have no such limit.
            assert_eq!(ASYNC_init_pool(usize::MAX, 1), 1);
            assert_eq!(errors(), []);
        });
    }
}

// Rules: G2
#[test]
fn without_libcrypto_a_limit_is_any_number() {
    alone(|| {
        for max in [c_int::MAX as usize + 1, usize::MAX] {
            assert_eq!(ASYNC_init_thread(max, 1), 1);
            assert_eq!(errors(), []);
        }
    });
}

// Rules: G48, G3, G10
#[test]
fn a_stack_function_that_returns_null_leaves_nothing_on_libcryptos_queue() {
    unsafe extern "C" fn none(_: *mut usize) -> *mut c_void {
        ptr::null_mut()
    }
    unsafe extern "C" fn not_called(_: *mut c_void) {
        // SAFETY: ends the child.
        unsafe { libc::_exit(9) }
    }
    for version in VERSIONS {
        let path = compile("stacks", &[version.kind]);
        alone(|| {
            let fake = Fake::load(&path, libc::RTLD_GLOBAL);
            fake.set_version(version.number);
            // SAFETY: they can be called so.
            let installed = unsafe { ASYNC_set_mem_functions(Some(none), Some(not_called)) };
            assert_eq!(installed, 1);
            assert_eq!(pausing(0, 1).go_with(NO_CTX), ASYNC_NO_JOBS);
            assert_eq!(ASYNC_init_thread(1, 1), 1, "a pool with fewer jobs");
            assert_eq!(fake.entries(), []);
            assert_eq!(errors(), [E5_JOB, E5_JOB]);
        });
    }
}

// Rules: B21, G1
#[test]
fn libcrypto_gets_a_pool_of_its_own_when_it_asks_for_one_and_then_only() {
    let path = compile("pools", &V3);
    alone(|| {
        let fake = Fake::load(&path, libc::RTLD_GLOBAL);
        let pools = || {
            [
                fake.number(c"fake_own_pools"),
                fake.number(c"fake_other_pools"),
            ]
        };
        assert_eq!(ASYNC_init_thread(3, 0), 1);
        assert_eq!(ASYNC_init_thread(0, 1), 0);
        assert_eq!(ASYNC_init_pool(0, 0), 1);
        assert_eq!(OSSL_ASYNC_init_thread(0, 0), 1);
        pausing(0, 1).finish(1);
        assert_eq!(ASYNC_init_thread(0, 0), 1);
        assert_eq!(pools(), [0, 0], "it has not asked");
        type InitThread = extern "C" fn(usize, usize) -> c_int;
        // SAFETY: the fake's function has this type.
        let start: extern "C" fn(InitThread) -> c_int =
            unsafe { std::mem::transmute(fake.symbol(c"fake_start")) };
        assert_eq!(start(ASYNC_init_thread), 1);
        assert_eq!(pools(), [1, 0]);
        ASYNC_cleanup_thread();
        assert_eq!(pools(), [1, 0], "nothing else is sent back");
        assert_eq!(errors(), [E2_POOL_SIZE]);
    });
}
