//! The pipe of a wait fd (W1), and the word of the library's signals.

use super::parts::{Channel, Word};
use crate::platform;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

word!(AtomicU64, std::thread::yield_now);

/// The two ends of a pipe that no signal uses now.
pub struct Ends {
    read: c_int,
    write: c_int,
}

impl Ends {
    /// A new pipe.
    pub fn open() -> Result<Ends, errno::Errno> {
        let [read, write] = platform::open_pipe()?;
        Ok(Ends { read, write })
    }

    /// Closes the pipe.
    pub fn close(self) {
        platform::close(self.read);
        platform::close(self.write);
    }
}

/// The two ends of a pipe (W1). Meaningful only while the signal's PIPE bit is set.
pub struct Pipe {
    read: AtomicI32,
    write: AtomicI32,
}

impl Pipe {
    /// No pipe.
    pub const fn none() -> Pipe {
        Pipe {
            read: AtomicI32::new(-1),
            write: AtomicI32::new(-1),
        }
    }

    /// The end to wait on. If it is already that of a later use, the caller also finds that the use
    /// it asked about has ended.
    pub fn wait_fd(&self) -> c_int {
        self.read.load(Ordering::Acquire)
    }
}

impl Channel for Pipe {
    fn open(&self) -> Result<(), errno::Errno> {
        self.attach(Ends::open()?);
        Ok(())
    }

    fn put(&self) -> bool {
        platform::write_byte(self.write.load(Ordering::Relaxed))
    }

    fn take(&self) {
        platform::read_byte(self.read.load(Ordering::Relaxed));
    }

    fn close(&self) {
        self.detach().close();
    }

    fn renew(&self) -> Result<(), errno::Errno> {
        let Ends { read, write } = Ends::open()?;
        for (new, old) in [(read, &self.read), (write, &self.write)] {
            platform::replace(old.load(Ordering::Relaxed), new);
        }
        Ok(())
    }

    type Ends = Ends;

    fn detach(&self) -> Ends {
        Ends {
            read: self.read.load(Ordering::Relaxed),
            write: self.write.load(Ordering::Relaxed),
        }
    }

    fn attach(&self, Ends { read, write }: Ends) {
        self.read.store(read, Ordering::Release);
        self.write.store(write, Ordering::Relaxed);
    }

    fn process(&self) -> u64 {
        platform::fork_count() + 1
    }
}
