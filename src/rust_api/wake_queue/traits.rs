//! A queue's descriptor, and what is printed of a queue.

use super::WakeQueue;
use core::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The descriptor that is readable while a job is woken. See [In an event
/// loop](WakeQueue#in-an-event-loop).
impl AsFd for WakeQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the pipe is closed when this is dropped. A `wait` in a child puts another pipe
        // behind the same number.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl AsRawFd for WakeQueue {
    fn as_raw_fd(&self) -> RawFd {
        self.members().wait_fd()
    }
}

impl fmt::Debug for WakeQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeQueue")
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}
