//! Jobs in an event loop on mio. A provider signals by a descriptor or by a callback, and the loop
//! waits for both.
//!
//! `cargo run -p examples --example with_mio`

mod provider;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ossl_async::{Job, Step};
use std::collections::BTreeSet;
use std::error::Error;
use std::os::fd::{AsRawFd, RawFd};

/// A paused job, and its descriptors in the loop.
struct Waiting {
    job: Job<u32>,
    fds: Vec<RawFd>,
}

impl Waiting {
    /// Registers all that can end the pause. If jobs had a descriptor in common, this would have to
    /// count its users: `epoll` takes it once.
    fn new(job: Job<u32>, poll: &Poll, token: Token) -> Result<Waiting, Box<dyn Error>> {
        let mut fds = job.wait_fds();
        fds.push(job.wait_fd()?.as_raw_fd()); // readable when the job is woken: by the callback
        for fd in &fds {
            poll.registry()
                .register(&mut SourceFd(fd), token, Interest::READABLE)?;
        }
        Ok(Waiting { job, fds })
    }

    /// Takes the descriptors out before the job goes on: it may close them.
    fn resume(self, poll: &Poll) -> Result<Step<u32>, Box<dyn Error>> {
        for fd in &self.fds {
            poll.registry().deregister(&mut SourceFd(fd))?;
        }
        self.job.wake_handle().clear();
        Ok(self.job.resume()?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut waiting: Vec<Option<Waiting>> = vec![];
    let mut results = vec![None; 6];

    let mut note = |poll: &Poll, index, step| match step {
        Step::Paused(job) => Waiting::new(job, poll, Token(index)).map(Some),
        Step::Finished(square) => {
            results[index] = Some(square);
            Ok(None)
        }
    };
    for (index, number) in (1..=6).enumerate() {
        let work = move || match number % 2 {
            0 => provider::square_by_callback(number),
            _ => provider::square_by_descriptor(number),
        };
        // SAFETY: the contract of `Job::start`: at its pauses the provider has plain values of its
        // own, and no frame relies on nested calls.
        let step = unsafe { Job::start(work) }?;
        waiting.push(note(&poll, index, step)?);
    }

    let mut events = Events::with_capacity(64);
    while waiting.iter().any(Option::is_some) {
        poll.poll(&mut events, None)?;
        let ready: BTreeSet<usize> = events.iter().map(|event| event.token().0).collect();
        for index in ready {
            if let Some(paused) = waiting[index].take() {
                let step = paused.resume(&poll)?;
                waiting[index] = note(&poll, index, step)?;
            }
        }
    }
    for (number, square) in (1..).zip(results.into_iter().flatten()) {
        println!("{number} * {number} = {square}");
    }
    Ok(())
}
