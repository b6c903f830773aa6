//! The server's side of a handshake in `SSL_MODE_ASYNC`, as a future.
//!
//! libssl runs the handshake in a job. When a provider pauses the job, libssl returns
//! `SSL_ERROR_WANT_ASYNC`, and other tasks run. The provider reports by a wait fd of the job, for
//! which tokio waits, or by a callback, which wakes the task from the provider's thread.

use crate::ffi;
use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{Error, ErrorCode, Ssl};
use openssl_sys::SSL;
use std::ffi::{c_int, c_void};
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_openssl::SslStream;

/// How a provider reports that a paused job can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// By a wait fd of the job.
    Fd,
    /// By libssl's callback.
    Callback,
}

/// A connection whose handshake runs in jobs of libssl's.
///
/// libssl does not free a paused job. So a `Handshake` that is given up is [closed](Handshake::close).
/// One that is dropped while its job is paused blocks its thread until the provider is done.
///
/// A paused job can be resumed only on its own thread, so it is not `Send`:
///
/// ```compile_fail,E0277
/// fn send(handshake: async_tls::accept::Handshake) -> impl Send {
///     handshake
/// }
/// ```
pub struct Handshake {
    /// Dropped before `called`, to which libssl has a pointer. None once the handshake is done.
    stream: Option<SslStream<TcpStream>>,
    called: Option<Arc<Notify>>,
    is_paused: bool,
    of_this_thread: PhantomData<*mut ()>,
}

impl Handshake {
    /// A handshake that has not begun, on an accepted connection.
    pub fn new(ssl: Ssl, socket: TcpStream, report: Report) -> Result<Handshake, ErrorStack> {
        let called = (report == Report::Callback).then(|| Arc::new(Notify::new()));
        set_mode(ssl.as_ptr(), ffi::SSL_CTRL_MODE);
        if let Some(called) = &called {
            let arg = Arc::as_ptr(called).cast_mut().cast();
            // SAFETY: the connection is live. `stream` is dropped before `called`, and not while a
            // job is paused: until then the argument is valid.
            let set = unsafe {
                ffi::SSL_set_async_callback(ssl.as_ptr(), call_back) == 1
                    && ffi::SSL_set_async_callback_arg(ssl.as_ptr(), arg) == 1
            };
            if !set {
                return Err(ErrorStack::get());
            }
        }
        Ok(Handshake {
            stream: Some(SslStream::new(ssl, socket)?),
            called,
            is_paused: false,
            of_this_thread: PhantomData,
        })
    }

    /// Makes the handshake. Later reads and writes sign nothing, so they take no jobs.
    pub async fn finish(&mut self) -> io::Result<SslStream<TcpStream>> {
        loop {
            let error = match poll_fn(|ctx| self.poll_libssl(ctx)).await {
                Ok(()) => break,
                Err(error) => error,
            };
            match error.code().as_raw() {
                ffi::SSL_ERROR_WANT_ASYNC => self.reported().await?,
                // The thread's pool has a limit, and all its jobs are in use.
                ffi::SSL_ERROR_WANT_ASYNC_JOB => tokio::task::yield_now().await,
                _ => return Err(io::Error::other(error)),
            }
        }
        let stream = self.stream.take().expect("it is there until here");
        set_mode(stream.ssl().as_ptr(), ffi::SSL_CTRL_CLEAR_MODE);
        Ok(stream)
    }

    /// Gives the handshake up: waits for the provider, if the job is paused, and frees all.
    pub async fn close(mut self) {
        while self.is_paused && self.reported().await.is_ok() {
            let _is_given_up = self.poll_libssl(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Starts or resumes the handshake. It is pending while libssl waits for the socket.
    fn poll_libssl(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let stream = self.stream.as_mut().expect("the handshake is not done");
        let polled = Pin::new(stream).poll_accept(ctx);
        let paused = ErrorCode::from_raw(ffi::SSL_ERROR_WANT_ASYNC);
        self.is_paused = matches!(&polled, Poll::Ready(Err(error)) if error.code() == paused);
        polled
    }

    /// Waits until the provider reports. The job may close its fds when it is resumed, so they have
    /// left the reactor by then.
    async fn reported(&self) -> io::Result<()> {
        if let Some(called) = &self.called {
            called.notified().await;
            return Ok(());
        }
        let register = |fd: RawFd| {
            // SAFETY: the provider keeps its fd open while the job is paused. That is at least until
            // this function ends, which drops the `AsyncFd`.
            unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }
        };
        let fds: Result<Vec<_>, _> = self.wait_fds().into_iter().map(register).collect();
        let fds = fds?;
        if fds.is_empty() {
            tokio::task::yield_now().await; // it lets others run, and waits for nothing
            return Ok(());
        }
        poll_fn(|ctx| {
            let mut polls = fds.iter().map(|fd| fd.poll_read_ready(ctx).map_ok(drop));
            polls.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// The wait fds of the paused job.
    fn wait_fds(&self) -> Vec<RawFd> {
        let stream = self.stream.as_ref().expect("the handshake is not done");
        let ssl = stream.ssl().as_ptr();
        let mut number = 0;
        // SAFETY: the connection is live. Without room, libssl writes the number only; then it
        // writes as many as it has said.
        unsafe {
            ffi::SSL_get_all_async_fds(ssl, ptr::null_mut(), &mut number);
            let mut fds = vec![-1; number];
            ffi::SSL_get_all_async_fds(ssl, fds.as_mut_ptr(), &mut number);
            fds
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        while self.is_paused {
            // A provider that is not done pauses again.
            thread::sleep(Duration::from_millis(1));
            let _is_given_up = self.poll_libssl(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Sets or clears `SSL_MODE_ASYNC`.
fn set_mode(ssl: *mut SSL, command: c_int) {
    // SAFETY: the callers have a live connection. The command takes a number and no pointer.
    unsafe { ffi::SSL_ctrl(ssl, command, ffi::SSL_MODE_ASYNC, ptr::null_mut()) };
}

/// Called on the provider's thread.
unsafe extern "C" fn call_back(_ssl: *mut SSL, arg: *mut c_void) -> c_int {
    // SAFETY: `Handshake::new` has set it, and it lives as long as the job is paused.
    let called = unsafe { &*arg.cast::<Notify>() };
    called.notify_one();
    1
}
