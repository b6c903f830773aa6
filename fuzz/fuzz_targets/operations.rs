//! libFuzzer's door to `ossl_async_fuzz::check`: any input, each on a thread of its own.
//!
//! ```sh
//! cargo install cargo-fuzz --locked
//! mkdir -p target/fuzz-corpus # where new inputs go
//! cargo fuzz run -s none operations target/fuzz-corpus fuzz/corpus/operations -- -max_total_time=300
//! ```
//!
//! Without `-s none` it is AddressSanitizer's turn too, ten times slower; on a stable toolchain that needs `RUSTC_BOOTSTRAP=1`.
//! An input that was found goes into `fuzz/corpus/operations`, and `cargo test` replays it.
//!
//! On a busy machine `taskset -c 0` in front is several times faster, because a thread and the one that waits for it then
//! share a processor.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(difference) = ossl_async_fuzz::check(input) {
        panic!("{difference}");
    }
});

/// What AddressSanitizer is to do where it would not do what the C library does: sizes that no allocator has get NULL (B24,
/// D12, G2).
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"allocator_may_return_null=1".as_ptr()
}
