//! What each test does first.

use async_tls::{limits, provider};
use std::time::Duration;

/// Loads the provider, with descriptors for this many connections at once: two sockets and a wait
/// fd for each.
///
/// A handshake that waits for ever would wait without using the processor. So the process ends
/// after ten minutes, as a last resort. The tests take seconds.
pub fn load(connections: u64) {
    // SAFETY: it takes a number. The signal has its default action.
    unsafe { libc::alarm(600) };
    limits::allow_descriptors(connections * 3 + 100).expect("so many descriptors");
    provider::load(8, Duration::from_millis(1)).expect("the provider loads");
    assert!(provider::is_served_by_ossl_async());
}
