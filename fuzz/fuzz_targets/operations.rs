//! The entry point of libFuzzer, which calls `ossl_async_fuzz::check` for each input.
//!
//! ```sh
//! cargo install cargo-fuzz --locked
//! mkdir -p target/fuzz-corpus # where new inputs go
//! cargo fuzz run -s none operations target/fuzz-corpus fuzz/corpus/operations -- -max_total_time=300
//! ```
//!
//! Without `-s none`, AddressSanitizer checks too, which is ten times slower. On a stable
//! toolchain that needs `RUSTC_BOOTSTRAP=1`. An input that fails goes into
//! `fuzz/corpus/operations`, and `cargo test` replays it.
//!
//! On a busy machine `taskset -c 0` in front is several times faster. A thread and the thread that
//! waits for it then share a processor.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(difference) = ossl_async_fuzz::check(input) {
        panic!("{difference}");
    }
});

/// Options for AddressSanitizer, which otherwise behaves differently from the C library: an
/// allocation that is too large must return NULL (B24, D12, G2).
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"allocator_may_return_null=1".as_ptr()
}
