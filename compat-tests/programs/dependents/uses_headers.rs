//! A Rust program with C code of its own, which is compiled against the headers that the crate's
//! build script leads to. Rust and C call the same library. It prints `done`.

use ossl_async::{Job, Step, sys};
use std::ffi::{c_int, c_ulong, c_void};
use std::ptr;

unsafe extern "C" {
    /// Pauses once, and returns the number that its argument leads to, doubled.
    fn doubles(number: *mut c_void) -> c_int;
    /// Runs such a job by the API of 2015.
    fn runs_a_job(number: c_int) -> c_int;
    /// The same by the API of OpenSSL 1.1.0, with a wait context.
    fn runs_a_job_with_context(number: c_int) -> c_int;
    /// Makes a mistake, and returns the code that is queued.
    fn makes_a_mistake() -> c_ulong;
}

fn main() {
    let mut number: c_int = 21;
    let (mut job, mut ret) = (ptr::null_mut(), 0);
    for expected in [sys::ASYNC_PAUSE, sys::ASYNC_FINISH] {
        // SAFETY: places of ours, and a number as the function wants it.
        let got = unsafe {
            let number = (&raw mut number).cast();
            sys::ASYNC_start_job_2015(&mut job, &mut ret, Some(doubles), number, 4)
        };
        assert_eq!(got, expected);
    }
    assert_eq!(ret, 42);
    // SAFETY: the functions are as declared.
    unsafe {
        assert_eq!(runs_a_job(4), 8);
        assert_eq!(runs_a_job_with_context(5), 10);
        assert_eq!(makes_a_mistake(), c_ulong::from(ossl_async::Error::PoolSize.code()));
    }
    // Rust's face has the same pool: all of it was one record.
    // SAFETY: the contract of `Job::start` is about pauses, and there is none.
    assert!(matches!(unsafe { Job::start(|| 7) }, Ok(Step::Finished(7))));
    assert_eq!(ossl_async::stats::thread().created, 1);
    assert_eq!(ossl_async::stats::thread().finishes, 4);
    println!("done");
}
