//! The descriptors of one paused job in the reactor.
//!
//! What is registered is a duplicate, for two reasons. The reactor must be able to rely on it until
//! it is taken out, and C code may close its own at any time. And `epoll` takes a descriptor once,
//! while jobs may have one in common.

use crate::FdJobError;
use std::fmt;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a job waits for.
#[derive(Default)]
pub struct Registered(Vec<Waited>);

/// One descriptor of it.
struct Waited {
    /// As code in the job has named it.
    fd: RawFd,
    /// Its duplicate in the reactor. None if it can always be read.
    duplicate: Option<AsyncFd<OwnedFd>>,
}

impl Registered {
    /// Whether nothing is registered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all out of the reactor.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Registers these. If that fails, none is registered.
    pub fn add(&mut self, fds: &[RawFd]) -> Result<(), FdJobError> {
        for &fd in fds {
            match register(fd) {
                Ok(duplicate) => self.0.push(Waited { fd, duplicate }),
                Err(error) => {
                    self.clear();
                    return Err(FdJobError::Fd { fd, error });
                }
            }
        }
        Ok(())
    }

    /// Whether one can be read. If not, the task is woken when one can. If the reactor refuses,
    /// because its runtime has ended, none stays registered with it.
    pub fn poll_readable(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), FdJobError>> {
        let polled = self.poll_each(ctx);
        if let Poll::Ready(Err(_)) = polled {
            self.clear();
        }
        polled
    }

    fn poll_each(&self, ctx: &mut Context<'_>) -> Poll<Result<(), FdJobError>> {
        for waited in &self.0 {
            if waited.poll_readable(ctx)?.is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }
}

impl Waited {
    fn poll_readable(&self, ctx: &mut Context<'_>) -> Poll<Result<(), FdJobError>> {
        if let Some(duplicate) = &self.duplicate {
            let fd = self.fd;
            // It is not cleared: the next resume takes it out of the reactor.
            drop(
                ready!(duplicate.poll_read_ready(ctx))
                    .map_err(|error| FdJobError::Fd { fd, error })?,
            );
        }
        Poll::Ready(Ok(()))
    }
}

/// Registers a duplicate of a descriptor. None if it can always be read.
fn register(fd: RawFd) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    // SAFETY: it takes any number. If that is no open descriptor, it is an error.
    let duplicate = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if duplicate < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made, and nothing else has it.
    let duplicate = unsafe { OwnedFd::from_raw_fd(duplicate) };
    // SAFETY: it is open until the `AsyncFd` that owns it is dropped, and always the same.
    match unsafe { AsyncFd::register_with_interest(duplicate, Interest::READABLE) } {
        Ok(registered) => Ok(Some(registered)),
        Err(refused) => match io::Error::from(refused) {
            // By epoll: such a file has no events.
            error if error.raw_os_error() == Some(libc::EPERM) => Ok(None),
            error => Err(error),
        },
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fds = self.0.iter().map(|waited| waited.fd);
        f.debug_list().entries(fds).finish()
    }
}
