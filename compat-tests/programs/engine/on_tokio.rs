//! Digests by an engine of OpenSSL's, on tokio. The engine (`slow_sha256.c`) signals by descriptors
//! alone: it adds one to the wait context of each job, and its cleanup closes that when the job has
//! ended. The argument is the engine's file. Prints counts.

use ossl_async::{JobFuture, OnDrop, stats};
use ossl_async_tokio::FdJob;
use std::env;
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::fs;
use std::ptr;

#[link(name = "crypto")]
unsafe extern "C" {
    fn ENGINE_by_id(id: *const c_char) -> *mut c_void;
    fn ENGINE_ctrl_cmd_string(
        engine: *mut c_void,
        name: *const c_char,
        argument: *const c_char,
        optional: c_int,
    ) -> c_int;
    fn ENGINE_init(engine: *mut c_void) -> c_int;
    fn ENGINE_finish(engine: *mut c_void) -> c_int;
    fn ENGINE_free(engine: *mut c_void) -> c_int;
    fn EVP_MD_CTX_new() -> *mut c_void;
    fn EVP_MD_CTX_free(ctx: *mut c_void);
    fn EVP_sha256() -> *const c_void;
    fn EVP_DigestInit_ex(ctx: *mut c_void, kind: *const c_void, engine: *mut c_void) -> c_int;
    fn EVP_DigestUpdate(ctx: *mut c_void, data: *const c_void, length: usize) -> c_int;
    fn EVP_DigestFinal_ex(ctx: *mut c_void, digest: *mut u8, length: *mut c_uint) -> c_int;
}

const JOBS: usize = 200;
const DIGESTS_OF_EACH: usize = 5;

/// The digest of a text, by this engine or by libcrypto itself. Blocks until it is there.
fn sha256(text: &str, engine: *mut c_void) -> [u8; 32] {
    let (mut digest, mut length) = ([0; 32], 0);
    // SAFETY: as OpenSSL's manual says; there is room for the digest.
    unsafe {
        let ctx = EVP_MD_CTX_new();
        assert_eq!(EVP_DigestInit_ex(ctx, EVP_sha256(), engine), 1);
        assert_eq!(EVP_DigestUpdate(ctx, text.as_ptr().cast(), text.len()), 1);
        assert_eq!(EVP_DigestFinal_ex(ctx, digest.as_mut_ptr(), &mut length), 1);
        EVP_MD_CTX_free(ctx);
    }
    assert_eq!(length, 32);
    digest
}

fn load(file: &str) -> *mut c_void {
    let file = CString::new(file).expect("a path");
    // SAFETY: as OpenSSL's manual says.
    unsafe {
        let engine = ENGINE_by_id(c"dynamic".as_ptr());
        assert!(!engine.is_null(), "libcrypto has engines");
        let path = ENGINE_ctrl_cmd_string(engine, c"SO_PATH".as_ptr(), file.as_ptr(), 0);
        let loaded = ENGINE_ctrl_cmd_string(engine, c"LOAD".as_ptr(), ptr::null(), 0);
        assert_eq!((path, loaded, ENGINE_init(engine)), (1, 1, 1));
        engine
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

fn main() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().build().expect("a runtime");
    let set = tokio::task::LocalSet::new();
    let engine = load(&env::args().nth(1).expect("the engine's file"));
    let before = descriptors();
    set.block_on(&runtime, async {
        let jobs: Vec<_> = (0..JOBS)
            .map(|job| {
                let texts = (0..DIGESTS_OF_EACH).map(move |digest| format!("{job} {digest}"));
                let work = move || -> Vec<_> { texts.map(|text| sha256(&text, engine)).collect() };
                // SAFETY: the contract of `Job::start`. The job pauses in the engine, below frames
                // of libcrypto, which allow that: engines pause in OpenSSL's jobs as well. C cannot
                // be unwound, and a dropped job would be cancelled.
                let job = unsafe { JobFuture::new_with(OnDrop::Cancel, work) };
                tokio::task::spawn_local(FdJob::new(job))
            })
            .collect();
        for (job, task) in jobs.into_iter().enumerate() {
            let digests = task.await.expect("no panic").expect("a job");
            for (number, digest) in digests.into_iter().enumerate() {
                assert_eq!(digest, sha256(&format!("{job} {number}"), ptr::null_mut()));
            }
        }
    });
    let counts = stats::thread();
    println!(
        "on_tokio: jobs={JOBS} digests={} pauses={} descriptors_left={}",
        JOBS * DIGESTS_OF_EACH,
        counts.pauses,
        descriptors() - before
    );
    assert_eq!((counts.paused, counts.abandoned), (0, 0));
    // SAFETY: each takes back what `load` took; then the engine prints its counts.
    unsafe {
        ENGINE_finish(engine);
        ENGINE_free(engine);
    }
}
