//! Handshakes that are given up while their job is paused. Nothing may be lost, and no thread may
//! use what was freed.

mod common;

use async_tls::accept::Report::{Callback, Fd};
use async_tls::accept::{Handshake, Report};
use async_tls::identity::{self, KeyType};
use async_tls::{blocking, provider, run};
use common::load;
use openssl::ssl::Ssl;
use ossl_async::stats;
use serial_test::serial;
use std::future::Future;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Both ends of a connection: of a server, and of a client that makes its handshake.
struct Connection {
    ssl: Ssl,
    socket: TcpStream,
    client: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn connect(asks: bool) -> Connection {
    let (server, client) = identity::make(KeyType::Ec).expect("a key and a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it listens");
    let client = tokio::task::spawn_local(async move {
        let socket = TcpStream::connect(address).await?;
        if asks {
            run::ask(Ssl::new(&client)?, socket, 1).await
        } else {
            socket.readable().await
        }
    });
    let (socket, _) = listener.accept().await.expect("a connection");
    let ssl = Ssl::new(&server).expect("a connection");
    Connection {
        ssl,
        socket,
        client,
    }
}

/// Runs this on this thread, with the provider loaded.
fn block_on<F: Future>(test: F) -> F::Output {
    load(1);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

/// Waits until another signature was asked for.
async fn asked(before: provider::Counts) {
    while provider::counts().since(before).in_job == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A handshake whose job is paused, and the client.
async fn paused(report: Report) -> (Handshake, tokio::task::JoinHandle<std::io::Result<()>>) {
    let before = provider::counts();
    let Connection {
        ssl,
        socket,
        client,
    } = connect(true).await;
    let mut handshake = Handshake::new(ssl, socket, report).expect("a handshake");
    tokio::select! {
        biased;
        done = handshake.finish() => panic!("the workers are held: {}", done.is_ok()),
        () = asked(before) => {}
    }
    assert_eq!(stats::thread().paused, 1);
    (handshake, client)
}

/// What must hold at the end of each.
fn check_nothing_is_left(before: provider::Counts) {
    let counts = provider::counts().since(before);
    assert_eq!((counts.in_job, counts.done, counts.errors), (1, 1, 0));
    assert_eq!((stats::thread().paused, stats::process().abandoned), (0, 0));
}

#[test]
#[serial]
fn a_handshake_that_is_closed_waits_for_its_signature_and_blocks_nobody() {
    for report in [Fd, Callback] {
        let before = provider::counts();
        block_on(async {
            let hold = provider::hold();
            let (handshake, client) = paused(report).await;
            let close = tokio::task::spawn_local(handshake.close());
            // This thread runs other tasks while the handshake is being closed.
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(stats::thread().paused, 1);
            drop(hold);
            close.await.expect("it is closed");
            let asked = client.await.expect("it does not panic");
            assert!(asked.is_err(), "the connection was closed");
        });
        check_nothing_is_left(before);
        assert_eq!(provider::counts().since(before).blocking, 0);
    }
}

#[test]
#[serial]
fn a_handshake_that_is_dropped_blocks_until_the_provider_is_done() {
    for report in [Fd, Callback] {
        let before = provider::counts();
        block_on(async {
            let hold = provider::hold();
            let (handshake, client) = paused(report).await;
            let release = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                drop(hold);
            });
            drop(handshake);
            release.join().expect("it does not panic");
            assert!(client.await.expect("it does not panic").is_err());
        });
        check_nothing_is_left(before);
        // The drop resumes the job too early. Then the provider pauses it again.
        assert_eq!(provider::counts().since(before).blocking, 0);
    }
}

#[test]
#[serial]
fn a_job_future_that_is_dropped_in_a_signature_waits_for_the_worker() {
    let before = provider::counts();
    block_on(async {
        let hold = provider::hold();
        let Connection {
            ssl,
            socket,
            client,
        } = connect(true).await;
        let mut serving = Box::pin(blocking::serve(ssl, socket));
        tokio::select! {
            biased;
            done = &mut serving => panic!("the workers are held: {done:?}"),
            () = asked(before) => {}
        }
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            drop(hold);
        });
        drop(serving);
        release.join().expect("it does not panic");
        assert!(client.await.expect("it does not panic").is_err());
    });
    check_nothing_is_left(before);
    // The job was cancelled, so its pause could not go on.
    assert_eq!(provider::counts().since(before).blocking, 1);
}

#[test]
#[serial]
fn a_job_future_that_is_dropped_while_it_waits_for_the_client_ends() {
    let before = provider::counts();
    block_on(async {
        let Connection {
            ssl,
            socket,
            client,
        } = connect(false).await;
        let mut serving = Box::pin(blocking::serve(ssl, socket));
        tokio::select! {
            biased;
            done = &mut serving => panic!("the client sends nothing: {done:?}"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(stats::thread().paused, 1);
        drop(serving);
        assert_eq!(stats::thread().paused, 0);
        client.await.expect("no panic").expect("it sees the end");
    });
    assert_eq!(provider::counts().since(before).in_job, 0);
    assert_eq!(stats::process().abandoned, 0);
}

#[test]
#[serial]
fn a_client_that_goes_away_ends_the_handshake() {
    block_on(async {
        for report in [Fd, Callback] {
            let Connection {
                ssl,
                socket,
                client,
            } = connect(false).await;
            client.abort();
            let mut handshake = Handshake::new(ssl, socket, report).expect("a handshake");
            assert!(handshake.finish().await.is_err());
        }
    });
    assert_eq!(stats::thread().paused, 0);
}
