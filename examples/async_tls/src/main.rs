//! Serves many TLS handshakes at once on one thread, in each way, and prints what was seen.
//!
//! ```text
//! async_tls [HANDSHAKES [WORKERS [MILLISECONDS]]]
//! ```

use async_tls::accept::Report;
use async_tls::identity::{self, KeyType};
use async_tls::run::{Way, run};
use async_tls::{limits, provider};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let mut next = |otherwise| arguments.next().unwrap_or(Ok(otherwise));
    let (handshakes, workers, milliseconds) = (next(1000)?, next(32)?, next(5)?);

    limits::allow_descriptors(u64::from(handshakes) * 3 + 100)?;
    provider::load(workers, Duration::from_millis(milliseconds.into()))?;
    if !provider::is_served_by_ossl_async() {
        return Err("libssl does not call ossl-async".into());
    }
    let (server, client) = identity::make(KeyType::Ec)?;
    println!(
        "{}. Its jobs are ossl-async's.",
        openssl::version::version()
    );
    println!("{handshakes} handshakes at once on one thread, {workers} workers.");
    println!("Each signature takes a worker {milliseconds} ms.\n");
    println!(
        "| | signed while paused | thread blocked | in all | polls of {milliseconds} ms or more \
         | longest poll | most work of a poll | latest tick |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, way) in [
        ("`SSL_MODE_ASYNC`, wait fd", Way::Async(Report::Fd)),
        ("`SSL_MODE_ASYNC`, callback", Way::Async(Report::Callback)),
        ("blocking code in a `JobFuture`", Way::JobFuture),
        ("without a job", Way::Blocking),
    ] {
        let seen = run(way, handshakes as usize, &server, &client)?;
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            seen.counts.paused,
            seen.counts.blocking,
            ms(seen.time),
            seen.polls.long,
            ms(seen.polls.longest),
            ms(seen.polls.most_work),
            ms(seen.latest_tick),
        );
    }
    Ok(())
}
