//! Measures each hot path by itself, and compares it with the run before:
//!
//! ```sh
//! cargo bench -p compat-tests --bench hot
//! ```
//!
//! `-- --save-baseline NAME` and `-- --baseline NAME` keep and compare runs by name. `-- pause`
//! runs the benchmarks with that word in their names. `compare` compares the library with
//! libcrypto.

mod c;
mod rust;

use core::time::Duration;
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    if ossl_async::is_capable() {
        c::measure(&mut criterion);
        rust::measure(&mut criterion);
    } else {
        println!("This build of the library has no jobs: there is nothing to measure.");
    }
    criterion.final_summary();
}
