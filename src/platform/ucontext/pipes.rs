//! The pipe behind a wait fd. No call here is a cancellation point, and only
//! [`wait_until_readable`] blocks.

use core::ffi::c_int;

/// Makes a pipe and returns its ends, to read from and to write to. Both are close-on-exec and
/// never block.
pub fn open_pipe() -> Result<[c_int; 2], errno::Errno> {
    let mut ends = [0; 2];
    match pipe2(&mut ends) {
        0 => Ok(ends),
        _ => Err(errno::errno()),
    }
}

/// Makes a pipe as [`open_pipe`] does. Returns 0 or -1.
#[cfg(not(target_os = "macos"))]
fn pipe2(ends: &mut [c_int; 2]) -> c_int {
    // SAFETY: two descriptors are written to the array.
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }
}

/// The same on macOS, which has no `pipe2`. A program that another thread starts at this moment may
/// inherit the pipe.
#[cfg(target_os = "macos")]
fn pipe2(ends: &mut [c_int; 2]) -> c_int {
    // SAFETY: two descriptors are written to the array. The other calls change these alone.
    unsafe {
        let result = libc::pipe(ends.as_mut_ptr());
        if result == 0 {
            for end in *ends {
                libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC);
                libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK);
            }
        }
        result
    }
}

/// Writes one zero byte. Returns false if the system refuses it. A full pipe is readable, so it
/// counts as success.
pub fn write_byte(fd: c_int) -> bool {
    // SAFETY: one byte is read from a literal.
    let refusal = retry(|| unsafe { libc::write(fd, [0u8].as_ptr().cast(), 1) });
    refusal.is_none_or(|errno| errno.0 == libc::EAGAIN)
}

/// Reads one byte, if there is one.
pub fn read_byte(fd: c_int) {
    let mut byte = [0u8];
    // SAFETY: one byte is written to the array.
    retry(|| unsafe { libc::read(fd, byte.as_mut_ptr().cast(), 1) });
}

/// Waits until there is something to read, or so many milliseconds have passed; for ever if the
/// number is negative. May return earlier, for a signal.
pub fn wait_until_readable(fd: c_int, milliseconds: c_int) {
    let mut waits = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure, which the kernel writes to.
    without_cancellation(|| unsafe {
        libc::poll(&mut waits, 1, milliseconds);
    });
}

/// Repeats a system call that a signal handler interrupted. Returns why it failed, if it did.
///
/// It is no cancellation point: no other thread would finish the work of a thread that was
/// cancelled here.
fn retry(mut call: impl FnMut() -> isize) -> Option<errno::Errno> {
    without_cancellation(|| {
        loop {
            if call() != -1 {
                return None;
            }
            let errno = errno::errno();
            if errno.0 != libc::EINTR {
                return Some(errno);
            }
        }
    })
}

/// Closes a descriptor from [`open_pipe`], and gives another one its number.
pub fn replace(fd: c_int, by: c_int) {
    retry(|| duplicate_to(by, fd) as isize);
    close(by);
}

/// Makes `to` a duplicate of `fd`, close-on-exec. Returns `to` or -1.
#[cfg(not(target_os = "macos"))]
fn duplicate_to(fd: c_int, to: c_int) -> c_int {
    // SAFETY: as for `close`.
    unsafe { libc::dup3(fd, to, libc::O_CLOEXEC) }
}

/// The same on macOS, which has no `dup3`. See `pipe2` above.
#[cfg(target_os = "macos")]
fn duplicate_to(fd: c_int, to: c_int) -> c_int {
    // SAFETY: as for `close`.
    unsafe {
        let result = libc::dup2(fd, to);
        if result >= 0 {
            libc::fcntl(to, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        result
    }
}

/// Closes a descriptor from [`open_pipe`].
pub fn close(fd: c_int) {
    // SAFETY: closing a descriptor touches no memory. The caller makes sure that it is the
    // library's.
    without_cancellation(|| unsafe {
        libc::close(fd);
    });
}

fn without_cancellation<R>(work: impl FnOnce() -> R) -> R {
    const PTHREAD_CANCEL_DISABLE: c_int = 1;
    let (mut before, mut ignored) = (0, 0);
    // SAFETY: both calls write to a local variable.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
    let result = work();
    // SAFETY: as above.
    unsafe { pthread_setcancelstate(before, &mut ignored) };
    result
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}
