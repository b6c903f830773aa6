//! The same without `SSL_MODE_ASYNC`: a blocking `SslStream` in a job of this program's own. Reads
//! and writes of the socket pause it, and so does the provider.

use openssl::ssl::{Ssl, SslStream};
use ossl_async::{JobFuture, OnDrop, wait_for};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use tokio::net::TcpStream;

/// A socket of tokio's that blocks the job which uses it, and not the thread.
pub struct Blocking(pub TcpStream);

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait_for(self.0.readable()).map_err(io::Error::other)??;
                }
                read => return read,
            }
        }
    }
}

impl Write for Blocking {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.try_write(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait_for(self.0.writable()).map_err(io::Error::other)??;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serves a connection by blocking code: the handshake, and eight bytes that go back to the client.
pub fn serve(ssl: Ssl, socket: TcpStream) -> impl Future<Output = io::Result<()>> {
    let blocking = move || -> io::Result<()> {
        let mut stream = SslStream::new(ssl, Blocking(socket))?;
        stream.accept().map_err(io::Error::other)?;
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&bytes)
    };
    // SAFETY: the contract of `Job::start`. The job pauses below frames of three kinds.
    // - The closure and `Blocking`. They have (1) no reference or guard from a thread-local, (2) no
    //   initialiser of one, (3) no scope that lends a pointer to its stack and puts an old value
    //   back, and (4) no scope that changes the thread's state.
    // - libssl, libcrypto and the provider. OpenSSL allows pauses below frames of libssl, which is
    //   what SSL_MODE_ASYNC is for. They are C (5): so the job is cancelled, and never unwound.
    // - The crate `openssl`, which calls `Blocking` from a BIO. It promises nothing. Its code, read
    //   in 0.10.82 (`src/ssl/bio.rs`), calls the stream that the BIO has, inside `catch_unwind`, and
    //   has nothing of (1) to (4).
    // (6) The stacks are the library's own.
    let job = unsafe { JobFuture::new_with(OnDrop::Cancel, blocking) };
    async { job.await.map_err(io::Error::other)? }
}
