//! Many connections at once: a server on this thread, and its clients on another.

use crate::accept::{Handshake, Report};
use crate::blocking;
use crate::measure::{Lateness, Lengths, Polls};
use crate::provider::{self, Counts};
use openssl::ssl::{Ssl, SslContext};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio_openssl::SslStream;

/// The last resort by the clock.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// How a server makes its handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In `SSL_MODE_ASYNC`.
    Async(Report),
    /// By blocking code in a [`JobFuture`](ossl_async::JobFuture).
    JobFuture,
    /// Without a job: each signature blocks the thread.
    Blocking,
}

/// What was seen of a server.
#[derive(Debug)]
pub struct Figures {
    /// Connections that were served.
    pub served: usize,
    /// The most that were open at once.
    pub most_at_once: usize,
    /// From the first connection to the end.
    pub time: Duration,
    /// The polls of the connections' tasks.
    pub polls: Lengths,
    /// How late the latest tick was of a task that wakes each millisecond.
    pub latest_tick: Duration,
    /// The provider's counts.
    pub counts: Counts,
    /// How many jobs of ossl-async were started.
    pub jobs: u64,
}

/// Serves this many connections, which are all open at once.
pub fn run(
    way: Way,
    connections: usize,
    server: &SslContext,
    client: &SslContext,
) -> io::Result<Figures> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let set = LocalSet::new();
    let client = client.clone();
    let serving = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let clients = thread::spawn(move || connect_all(address, connections, &client));
        let figures = serve_all(way, connections, listener, server).await;
        clients.join().expect("the clients do not panic")?;
        figures
    };
    set.block_on(&runtime, async {
        tokio::time::timeout(TIME_LIMIT, serving).await?
    })
}

async fn serve_all(
    way: Way,
    connections: usize,
    listener: TcpListener,
    server: &SslContext,
) -> io::Result<Figures> {
    let (polls, lateness) = (Polls::new(provider::busy()), Lateness::default());
    let (open, mut most_at_once) = (Rc::new(Cell::new(0)), 0);
    let (counts, jobs) = (provider::counts(), ossl_async::stats::thread().starts);
    let ticker = tokio::task::spawn_local(lateness.clone().tick());
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..connections {
        let (socket, _) = listener.accept().await?;
        let ssl = Ssl::new(server)?;
        let open = open.clone();
        open.set(open.get() + 1);
        most_at_once = most_at_once.max(open.get());
        tasks.spawn_local(polls.of(async move {
            let served = serve(way, ssl, socket).await;
            open.set(open.get() - 1);
            served
        }));
    }
    let mut served = 0;
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)??;
        served += 1;
    }
    let time = begin.elapsed();
    ticker.abort();
    Ok(Figures {
        served,
        most_at_once,
        time,
        polls: polls.lengths(),
        latest_tick: lateness.latest(),
        counts: provider::counts().since(counts),
        jobs: ossl_async::stats::thread().starts - jobs,
    })
}

/// One connection: a handshake, and eight bytes that go back to the client.
async fn serve(way: Way, ssl: Ssl, socket: TcpStream) -> io::Result<()> {
    let mut stream = match way {
        Way::Async(report) => Handshake::new(ssl, socket, report)?.finish().await?,
        Way::JobFuture => return blocking::serve(ssl, socket).await,
        Way::Blocking => {
            let mut stream = SslStream::new(ssl, socket)?;
            let accepted = Pin::new(&mut stream).accept().await;
            accepted.map_err(io::Error::other)?;
            stream
        }
    };
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes).await?;
    stream.write_all(&bytes).await
}

/// All clients, on a runtime of their own. They begin their handshakes when all are connected.
fn connect_all(address: SocketAddr, connections: usize, client: &SslContext) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut sockets = Vec::new();
        for _ in 0..connections {
            sockets.push(TcpStream::connect(address).await?);
        }
        let mut tasks = JoinSet::new();
        for (number, socket) in sockets.into_iter().enumerate() {
            tasks.spawn_local(ask(Ssl::new(client)?, socket, number));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok(())
    })
}

/// One client: a handshake, and eight bytes that come back.
pub async fn ask(ssl: Ssl, socket: TcpStream, number: usize) -> io::Result<()> {
    let mut stream = SslStream::new(ssl, socket)?;
    let connected = Pin::new(&mut stream).connect().await;
    connected.map_err(io::Error::other)?;
    let question = number.to_ne_bytes();
    stream.write_all(&question).await?;
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, question, "the server returns what it was sent");
    Ok(())
}
