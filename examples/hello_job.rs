//! The manual page's example in Rust: one job that signals its wait fd and pauses, and a caller that waits for the
//! fd and resumes it. Prints what the manual says.

use ossl_async::{Job, Pool, Step};
use std::os::fd::{AsRawFd, BorrowedFd};

fn job_function(message: &str) -> i32 {
    let Some(this_job) = ossl_async::current() else {
        println!("Not executing within a job - should not happen");
        return 0;
    };
    println!("Executing within a job");
    println!("Passed in message is: {message}");

    // A real program sends the handle to another thread, which calls this when its work is done.
    this_job.wake();
    ossl_async::pause();
    this_job.clear();

    println!("Resumed the job after a pause");
    1
}

/// Waits until the descriptor can be read.
fn wait(fd: BorrowedFd<'_>) -> std::io::Result<()> {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd, which the kernel fills in.
    while unsafe { libc::poll(&mut poll, 1, -1) } < 0 {
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Pool::init(1, 1)?;
    println!("Starting...");

    let message = String::from("Hello world!");
    // SAFETY: the contract of `start`: at its pause the job has a string and a handle of its own,
    // and no frame relies on the calls of the thread being nested.
    let mut step = unsafe { Job::start(move || job_function(&message)) }?;
    let value = loop {
        match step {
            Step::Finished(value) => break value,
            Step::Paused(job) => {
                println!("Job was paused");
                println!("Waiting for the job to be woken up");
                wait(job.wait_fd()?)?;
                step = job.resume()?;
            }
        }
    };

    println!("Job finished with return value {value}");
    println!("Finishing");
    Pool::free();
    Ok(())
}
