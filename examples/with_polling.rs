//! Jobs in an event loop on `polling`, the reactor below smol. A provider signals by a descriptor
//! or by a callback, and the loop waits for both.
//!
//! `cargo run -p examples --example with_polling`

mod provider;

use ossl_async::{Job, Step};
use polling::{Event, Events, Poller};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Registers all that can end the pause. If jobs had a descriptor in common, this would have to
/// count its users: `epoll` takes it once.
fn register(poller: &Poller, key: usize, job: &Job<u32>) -> Result<Vec<RawFd>, Box<dyn Error>> {
    let mut fds = job.wait_fds();
    fds.push(job.wait_fd()?.as_raw_fd()); // readable when the job is woken: by the callback
    for &fd in &fds {
        // SAFETY: `remove` takes it out again before the job goes on, and so before it is closed.
        unsafe { poller.add(fd, Event::readable(key)) }?;
    }
    Ok(fds)
}

fn remove(poller: &Poller, fds: &[RawFd]) -> Result<(), Box<dyn Error>> {
    for &fd in fds {
        // SAFETY: the job is paused, and leaves its descriptors open until it goes on.
        poller.delete(unsafe { BorrowedFd::borrow_raw(fd) })?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let poller = Poller::new()?;
    let mut waiting = BTreeMap::new();
    let mut results = BTreeMap::new();

    let mut steps = vec![];
    for number in 1..=6 {
        let work = move || match number % 2 {
            0 => provider::square_by_callback(number),
            _ => provider::square_by_descriptor(number),
        };
        // SAFETY: the contract of `Job::start`: at its pauses the provider has plain values of its
        // own, and no frame relies on nested calls.
        steps.push((number as usize, unsafe { Job::start(work) }?));
    }

    let mut events = Events::new();
    loop {
        for (number, step) in steps.drain(..) {
            match step {
                Step::Paused(job) => {
                    let fds = register(&poller, number, &job)?;
                    waiting.insert(number, (job, fds));
                }
                Step::Finished(square) => {
                    results.insert(number, square);
                }
            }
        }
        if waiting.is_empty() {
            break;
        }
        events.clear();
        poller.wait(&mut events, None)?;
        let ready: BTreeSet<usize> = events.iter().map(|event| event.key).collect();
        for number in ready {
            if let Some((job, fds)) = waiting.remove(&number) {
                remove(&poller, &fds)?;
                job.wake_handle().clear();
                steps.push((number, job.resume()?));
            }
        }
    }
    for (number, square) in results {
        println!("{number} * {number} = {square}");
    }
    Ok(())
}
