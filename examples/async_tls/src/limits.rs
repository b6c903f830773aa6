//! How many descriptors the process may have.

use std::io;

/// Raises the limit to this number, if it is lower.
pub fn allow_descriptors(number: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it writes such a record.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if got == 0 && limit.rlim_cur >= number {
        return Ok(());
    }
    limit.rlim_cur = number;
    // SAFETY: it reads the record.
    if got == 0 && unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
