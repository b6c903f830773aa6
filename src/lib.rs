//! OpenSSL's ASYNC_JOB facility as a library of its own.
//!
//! A *job* is a closure (or a C function) that runs on a stack of its own. It can pause anywhere in
//! its calls, and the call that started it returns. The same thread resumes it later, where it
//! paused. Each thread has a pool of jobs. Any thread may wake a job. Then its [`wait_fd`] becomes
//! readable, a [`WakeQueue`] returns its key, or the task of its [`JobFuture`] is woken.
//!
//! [`wait_fd`]: Job::wait_fd
//!
//! # Blocking code that waits for a future
//!
//! A [`JobFuture`] runs a closure in a job, on any executor. Inside it [`wait_for`] waits for a
//! future as if it blocked. Meanwhile the `JobFuture` is pending.
//!
//! ```
//! use ossl_async::{JobFuture, wait_for};
//! # use std::task::{Context, Poll, Waker};
//! # if !ossl_async::is_capable() { return }
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     let mut future = std::pin::pin!(future);
//! #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("its future is ready"),
//! #     }
//! # }
//!
//! let blocking = || wait_for(async { "done" }); // blocks its caller, and lets other tasks run
//! // SAFETY: the contract of `Job::start`: where it waits, no frame relies on nested calls.
//! let future = unsafe { JobFuture::new(blocking) };
//! assert_eq!(block_on(future), Ok(Ok("done"))); // `block_on` of any executor
//! ```
//!
//! # Start, pause, resume
//!
//! ```
//! use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//!
//! let work = || {
//!     ossl_async::pause();
//!     "done"
//! };
//! // SAFETY: the contract of `start`: at the pause, no frame relies on nested calls.
//! let step = unsafe { Job::start(work) };
//! let Ok(Step::Paused(job)) = step else { panic!("the job pauses first") };
//! let Ok(Step::Finished(text)) = job.resume() else { panic!("and then ends") };
//! assert_eq!(text, "done");
//! ```
//!
//! # A pool with a limit
//!
//! Without a call of [`Pool::init`] the thread's pool has no limit.
//!
//! ```
//! use ossl_async::{Job, Pool, StartError, Step};
//! # if !ossl_async::is_capable() { return }
//!
//! Pool::init(1, 1).unwrap(); // at most one job, which is made now
//! // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
//! let step = unsafe { Job::start(|| drop(ossl_async::pause())) };
//! let Ok(Step::Paused(job)) = step else { panic!() };
//! // SAFETY: the contract of `start` is about pauses, and there is none.
//! assert!(matches!(unsafe { Job::start(|| ()) }, Err(StartError::Full(_))));
//! assert!(matches!(job.resume(), Ok(Step::Finished(()))));
//! Pool::free();
//! ```
//!
//! # Wake a job from another thread
//!
//! A [`WakeHandle`] may be sent to any thread. The thread of the job waits for
//! [`wait_fd`](Job::wait_fd), with `poll` or in its event loop, and then resumes the job.
//!
//! ```
//! # #[cfg(unix)]
//! # fn main() {
//! use ossl_async::{Job, Step};
//! use std::os::fd::AsRawFd;
//! # if !ossl_async::is_capable() { return }
//!
//! // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
//! let step = unsafe { Job::start(|| ossl_async::pause()) };
//! let Ok(Step::Paused(job)) = step else { panic!() };
//!
//! let handle = job.wake_handle();
//! let other = std::thread::spawn(move || handle.wake());
//!
//! let fd = job.wait_fd().unwrap().as_raw_fd();
//! let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
//! // SAFETY: one pollfd, which the kernel fills in.
//! assert_eq!(unsafe { libc::poll(&mut poll, 1, -1) }, 1);
//!
//! job.wake_handle().clear();
//! assert!(matches!(job.resume(), Ok(Step::Finished(true))));
//! other.join().unwrap();
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```
//!
//! # Wait for whichever job is woken first
//!
//! A [`WakeQueue`] waits for any number of jobs at once, and takes one pipe for all of them.
//!
//! ```
//! # #[cfg(unix)]
//! # fn main() -> std::io::Result<()> {
//! use ossl_async::{Job, Step, WakeQueue};
//! use std::collections::HashMap;
//! # if !ossl_async::is_capable() { return Ok(()) }
//!
//! let queue = WakeQueue::new()?;
//! let mut jobs = HashMap::new();
//! for key in 0..1000 {
//!     // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
//!     let step = unsafe { Job::start(move || ossl_async::pause()) };
//!     let Ok(Step::Paused(job)) = step else { panic!() };
//!     queue.add(&job, key).unwrap();
//!     jobs.insert(key, job);
//! }
//! let handle = jobs[&700].wake_handle();
//! let other = std::thread::spawn(move || handle.wake());
//!
//! let key = queue.wait(None)?.expect("it has jobs"); // or Some(limit)
//! assert_eq!(key, 700);
//! let job = jobs.remove(&key).unwrap();
//! assert!(matches!(job.resume(), Ok(Step::Finished(true))));
//! other.join().unwrap();
//! # Ok(())
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```
//!
//! # A job as a future
//!
//! While the job of a [`JobFuture`] is paused, the future is pending. A wake of the job wakes the
//! task, without a descriptor.
//!
//! ```
//! use ossl_async::JobFuture;
//!
//! # async fn answers() {
//! let blocking = || {
//!     let handle = ossl_async::current().expect("in a job");
//!     let thread = std::thread::spawn(move || {
//!         handle.wake();
//!         42
//!     });
//!     ossl_async::pause();
//!     thread.join().unwrap()
//! };
//! // SAFETY: the contract of `Job::start`: at the pause, no frame relies on nested calls.
//! let answer = unsafe { JobFuture::new(blocking) }.await;
//! assert_eq!(answer, Ok(42));
//! # }
//! ```
//!
//! # Keep a job from pausing
//!
//! While the guard of [`block_pause`] lives, [`pause`] does nothing and returns false.
//!
//! ```
//! use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//!
//! let work = || {
//!     let _guard = ossl_async::block_pause();
//!     ossl_async::pause()
//! };
//! // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
//! let step = unsafe { Job::start(work) };
//! assert!(matches!(step, Ok(Step::Finished(false))));
//! ```
//!
//! # Cancel a job
//!
//! [`Job::cancel`] resumes a job and stops it from pausing again.
//!
//! ```
//! use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//!
//! let work = || {
//!     while ossl_async::pause() {} // until it is cancelled
//!     "cancelled"
//! };
//! // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
//! let step = unsafe { Job::start(work) };
//! let Ok(Step::Paused(job)) = step else { panic!() };
//! assert_eq!(job.cancel().unwrap(), "cancelled");
//! ```
//!
//! # The size of stacks
//!
//! A job has 128 KiB of stack, and a guard below it. [`set_stack_size`] sets another size, before
//! the process's first job.
//!
//! ```standalone_crate
//! use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//!
//! ossl_async::set_stack_size(1 << 20).unwrap();
//! // SAFETY: the contract of `start`: at a pause, no frame relies on nested calls.
//! let step = unsafe { Job::start(|| ossl_async::pause()) };
//! let Ok(Step::Paused(job)) = step else { panic!() };
//! assert!(job.stack_used() < ossl_async::stack_size());
//! # drop(job.resume());
//! ```
//!
//! # Statistics
//!
//! ```
//! use ossl_async::{Job, stats};
//! # if !ossl_async::is_capable() { return }
//!
//! let before = stats::thread();
//! // SAFETY: the contract of `start` is about pauses, and there is none.
//! let _ = unsafe { Job::start(|| ()) };
//! assert_eq!(stats::thread().finishes, before.finishes + 1);
//! ```
//!
//! # Jobs and the nesting of calls
//!
//! Rust code may take for granted that the calls of a thread nest: what begins later ends earlier.
//! A job that pauses breaks that. So [`Job::start`] is `unsafe`, with a contract of six points. All
//! else is safe. Six things collide with a pause; [`nesting`] shows each, and what to do instead:
//!
//! - a reference that came through a thread-local;
//! - the initialiser of a `thread_local!`, and its destructor;
//! - a scope that puts a thread-local back at its end;
//! - the same without any thread-local;
//! - threads that borrow from a thread-local;
//! - a value that asks whether its thread unwinds.
//!
//! # What the library does to its process
//!
//! It starts no thread. It prints nothing and installs no signal handler, unless the environment
//! asks for it. With `OSSL_ASYNC_STATS=1` it prints the counts of [`stats`] when the process ends.
//! With `OSSL_ASYNC_OVERFLOW_REPORT=1` it says which job has overflowed its stack, before the
//! process dies of that.
//!
//! # Where the rest is
//!
//! The module `sys`, with the feature `capi`, has what C programs link to, for Rust crates that want
//! C's names. C and Rust share one pool a thread.
//!
//! Comments name rules such as B19, P4 or D5. They are those of the [behaviour reference], which
//! has what OpenSSL's code does, rule by rule, and what this library does where that code
//! misbehaves. README.md has the ten differences that matter most. (The file in the repository:
//! [docs/behaviour.md](https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md).)
//!
//! [behaviour reference]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md

// Both faces use the core. Without the C face, and without the queues, which are for Unix, some of
// its functions are not called.
#![cfg_attr(not(all(feature = "capi", unix)), allow(dead_code, unused_imports))]

mod cxx_runtime;
pub mod error;
mod jobs;
mod libcrypto;
mod platform;
mod report;
mod rust_api;
mod stack;
mod text;
mod wait_ctx;
mod wake;

#[cfg(feature = "capi")]
mod capi;
#[cfg(feature = "capi")]
pub mod sys;

pub use error::Error;
pub use rust_api::{
    BlockPause, Job, JobError, JobFuture, OnDrop, Pool, ResumeError, StartError, Step, WaitError,
    WakeHandle, block_pause, current, in_job, is_capable, nesting, pause, pause_any_job,
    set_stack_size, stack_size, stats, switch_method, wait_for,
};
#[cfg(unix)]
pub use rust_api::{ChangedFds, WakeQueue};
