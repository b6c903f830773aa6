//! Counts of handshakes: which thread signed, and what was blocked meanwhile. No test asserts time.

mod common;

use async_tls::accept::Report::{Callback, Fd};
use async_tls::identity::{self, KeyType};
use async_tls::provider;
use async_tls::run::{Figures, Way, run};
use common::load;
use ossl_async::{Pool, stats};
use serial_test::serial;
use std::thread;
use std::time::Duration;

fn figures(way: Way, connections: usize, key_type: KeyType) -> Figures {
    load(connections as u64);
    let (server, client) = identity::make(key_type).expect("a key and a certificate");
    let figures = run(way, connections, &server, &client).expect("the handshakes are made");
    assert_eq!(figures.served, connections);
    assert_eq!(figures.counts.errors, 0);
    let (thread, process) = (stats::thread(), stats::process());
    assert_eq!((thread.paused, process.abandoned), (0, 0));
    figures
}

/// Checks that the thread of the server waited for no signature.
fn check_paused(figures: &Figures, connections: u64) {
    let counts = figures.counts;
    assert_eq!(counts.in_job, connections);
    assert_eq!(counts.paused, connections);
    assert_eq!(counts.done, connections);
    assert_eq!(counts.blocking, 0);
    assert!(figures.jobs >= connections, "{} jobs", figures.jobs);
}

#[test]
#[serial]
fn each_signature_is_made_while_its_job_is_paused_and_reported_by_fd() {
    for key_type in [KeyType::Ec, KeyType::Rsa] {
        let figures = figures(Way::Async(Fd), 100, key_type);
        check_paused(&figures, 100);
        assert_eq!((figures.counts.by_fd, figures.counts.by_callback), (100, 0));
    }
}

#[test]
#[serial]
fn each_signature_is_made_while_its_job_is_paused_and_reported_by_callback() {
    for key_type in [KeyType::Ec, KeyType::Rsa] {
        let figures = figures(Way::Async(Callback), 100, key_type);
        check_paused(&figures, 100);
        assert_eq!((figures.counts.by_fd, figures.counts.by_callback), (0, 100));
    }
}

#[test]
#[serial]
fn blocking_code_in_a_job_future_pauses_for_the_socket_and_for_each_signature() {
    for key_type in [KeyType::Ec, KeyType::Rsa] {
        let pauses = stats::thread().pauses;
        let figures = figures(Way::JobFuture, 100, key_type);
        check_paused(&figures, 100);
        assert_eq!((figures.counts.by_fd, figures.counts.by_callback), (0, 100));
        // All jobs are the program's own, one a connection. Each also waits for the client's part
        // of the handshake.
        assert_eq!(figures.jobs, 100);
        assert!(stats::thread().pauses - pauses >= 200);
    }
}

#[test]
#[serial]
fn without_a_job_each_signature_blocks_its_thread() {
    let figures = figures(Way::Blocking, 100, KeyType::Ec);
    let counts = figures.counts;
    assert_eq!((counts.in_job, counts.paused), (0, 0));
    assert_eq!((counts.blocking, counts.done), (100, 100));
    assert_eq!(figures.jobs, 0);
}

/// The workers begin nothing until all connections have asked for their signature. So each must let
/// the others run while it waits: one that blocked the thread would block it for ever.
#[test]
#[serial]
fn a_thousand_handshakes_wait_for_their_signatures_at_once_on_one_thread() {
    for way in [Way::Async(Fd), Way::Async(Callback), Way::JobFuture] {
        load(1000);
        let before = provider::counts();
        let hold = provider::hold();
        let watch = thread::spawn(move || {
            while provider::counts().since(before).in_job < 1000 {
                thread::sleep(Duration::from_millis(1));
            }
            let counts = provider::counts().since(before);
            drop(hold);
            counts
        });
        let figures = figures(way, 1000, KeyType::Ec);
        let counts = watch.join().expect("it does not panic");
        assert_eq!((counts.in_job, counts.done), (1000, 0), "{way:?}");
        assert_eq!(figures.most_at_once, 1000, "{way:?}");
        check_paused(&figures, 1000);
    }
}

/// libssl says that no job is free, and the handshake is tried again.
#[test]
#[serial]
fn more_handshakes_than_the_pool_has_jobs_are_made_one_after_the_other() {
    Pool::init(10, 0).expect("a pool");
    for report in [Fd, Callback] {
        check_paused(&figures(Way::Async(report), 100, KeyType::Ec), 100);
    }
    assert!(stats::thread().created <= 10);
}
