//! What the example says of a job that is dropped while the C parser waits.

#[allow(dead_code, reason = "its main function is not called")]
#[path = "../../../examples/blocking_c_library.rs"]
mod example;

use ossl_async::{JobFuture, OnDrop, stats};
use std::pin::pin;
use std::task::{Context, Waker};
use tokio::sync::mpsc;

// Rules: B32, B33
#[test]
fn a_parse_that_is_dropped_ends_as_if_its_input_had_ended() {
    let (send, chunks) = mpsc::channel(1);
    // SAFETY: as in the example.
    let parses = unsafe { JobFuture::new_with(OnDrop::Cancel, move || example::parse(chunks)) };
    let mut ctx = Context::from_waker(Waker::noop());
    {
        let mut parses = pin!(parses);
        assert!(parses.as_mut().poll(&mut ctx).is_pending());
        send.try_send("[1, ").expect("it reads");
        assert!(parses.as_mut().poll(&mut ctx).is_pending());
        send.try_send("2").expect("it has read that");
        assert!(!send.is_closed());
    }
    assert!(send.is_closed(), "the parser has returned");
    let counts = stats::thread();
    assert_eq!(
        (counts.finishes, counts.paused, counts.abandoned),
        (1, 0, 0)
    );
}
