//! Measures jobs as futures, side by side with futures that have no stack and with corosensei:
//!
//! ```sh
//! cargo bench -p compat-tests --bench futures
//! ```
//!
//! Each contestant lets other tasks run ten times, and wakes its own task each time. The goal: a
//! `JobFuture` costs at most twice the bare job plus what the `async fn` costs on the same executor.

mod contestants;

use core::time::Duration;
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    if ossl_async::is_capable() {
        contestants::measure(&mut criterion);
    } else {
        println!("This build of the library has no jobs: there is nothing to measure.");
    }
    criterion.final_summary();
}
