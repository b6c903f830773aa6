//! The Rust face: safe, typed jobs over the dispatcher. Closures instead of function pointers, values instead of `int`,
//! panics that reach whoever resumed the job.

use crate::dispatch::{self, Argument, Outcome, Resume, Start, StartFailure};
use crate::error::Error;
use crate::job::Record;
use crate::platform;
use crate::stack;
use crate::thread;
use crate::wake::{Pipe, Signal, Use};
use core::any::Any;
use core::ffi::{c_int, c_void};
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ptr;
use core::sync::atomic::AtomicU64;
use std::panic::{self, AssertUnwindSafe};

/// The calling thread's pool of jobs. There is one a thread, shared with C; it comes into being, unlimited, with the
/// first job if not before, and goes with the thread if not before.
#[derive(Debug)]
pub enum Pool {}

impl Pool {
    /// Makes the thread's pool: at most `max_size` jobs, idle and in use together (0: no limit), `init_size` of them at
    /// once. Replaces a pool that is there already: its idle jobs are freed, those in use go on and count against no
    /// pool (D2). If memory runs out there are fewer jobs up front, which is no error (B10): growth is tried again when
    /// jobs are started.
    ///
    /// # Errors
    ///
    /// [`Error::PoolSize`] if `init_size` is above `max_size`, where 0 is zero (B8); [`Error::Pool`];
    /// [`Error::Unavailable`]. What was there before stays.
    pub fn init(max_size: usize, init_size: usize) -> Result<(), Error> {
        dispatch::init_pool(max_size, init_size, false).map(drop)
    }

    /// Frees the thread's pool and its idle jobs, and forgets the thread's pause blocks (B14). Paused jobs can still be
    /// resumed (D3). Without a pool, or inside a job (D4), it has no effect.
    pub fn free() {
        // The one error is the call inside a job, which the sentence above rules out for good.
        let _ = dispatch::free_pool();
    }
}

/// What a job has come to.
#[derive(Debug)]
pub enum Step<T> {
    /// It paused and can be resumed.
    Paused(Job<T>),
    /// It ended with this value.
    Finished(T),
}

/// A paused job that will end with a `T`.
///
/// It belongs to the thread that started it and can be resumed only there, so it is neither `Send` nor `Sync`:
///
/// ```compile_fail,E0277
/// fn send(job: ossl_async::Job<()>) -> impl Send {
///     job
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn share(job: &ossl_async::Job<()>) -> impl Send {
///     job
/// }
/// ```
///
/// Dropping it abandons the job: nothing on its stack is dropped, its memory and descriptors stay allocated, it goes on
/// counting against its pool's limit, and [`stats::process`](crate::stats::process) counts it.
#[must_use = "a job that is dropped never ends, and its stack stays allocated"]
pub struct Job<T> {
    record: &'static Record,
    this_use: Use,
    /// The closure's captures lie on the job's stack; whether they may move to another thread is not known.
    result: PhantomData<*mut T>,
}

/// What the frame of a start or a resume shares with the job: where the result goes.
type Port<T> = Option<Result<T, Box<dyn Any + Send>>>;

/// What the frame of a start shares with the job: also the closure, until the job has taken it.
#[repr(C)]
struct Launch<F, T> {
    /// First, so that a pointer to a launch is one to its port.
    port: Port<T>,
    closure: Option<F>,
}

impl<T: 'static> Job<T> {
    /// Starts a job: `closure` runs on a stack of its own until it ends or [`pause`]s.
    ///
    /// # Errors
    ///
    /// [`StartError::Full`] if the pool's limit is reached; [`StartError::Failed`] with [`Error::Job`] or
    /// [`Error::Thread`] if memory is, [`Error::Nested`] inside a job, [`Error::Unavailable`] where there are no jobs.
    /// Each gives the closure back.
    ///
    /// # Panics
    ///
    /// A panic of the closure reappears here, or where the job is resumed.
    pub fn start<F>(closure: F) -> Result<Step<T>, StartError<F>>
    where
        F: FnOnce() -> T + 'static,
    {
        let mut launch = Launch {
            port: None,
            closure: Some(closure),
        };
        let port = ptr::from_mut(&mut launch).cast();
        let what = Start {
            function: Some(job::<F, T>),
            argument: Argument::Port(port),
            pipe: false,
            wait_ctx: ptr::null_mut(),
        };
        // SAFETY: `job::<F, T>` wants a pointer to such a launch, which stays valid until `start` returns; it catches
        // panics.
        match unsafe { dispatch::start(what) } {
            Ok(outcome) => Ok(step(outcome, launch.port)),
            Err(failure) => {
                let closure = launch
                    .closure
                    .expect("a job that did not start has not taken its closure");
                Err(match failure {
                    StartFailure::NoJob(None) => StartError::Full(closure),
                    StartFailure::NoJob(Some(error)) | StartFailure::Error(error) => {
                        StartError::Failed(error, closure)
                    }
                    StartFailure::Unavailable => StartError::Failed(Error::Unavailable, closure),
                })
            }
        }
    }

    /// Goes on with the job where it paused.
    ///
    /// # Errors
    ///
    /// [`Error::Nested`] inside a job, with the job given back. [`Error::NotResumable`] if the thread's jobs have ended with it
    /// (D15), or if C code has resumed the job to its end: the value that it ended with is lost then.
    ///
    /// # Panics
    ///
    /// A panic of the job's closure reappears here, also one that ended the job while C code had resumed it. C sees
    /// such a job finish with 0.
    pub fn resume(self) -> Result<Step<T>, ResumeError<T>> {
        self.go_on(Resume::Normal)
    }

    /// Has the job come to its end without pausing again: resumes it, and from then on [`pause`] answers false in it, at
    /// once. Its closure must do without what it was waiting for and return; a loop that only a pause that worked can end
    /// never ends.
    ///
    /// # Errors
    ///
    /// As [`resume`](Job::resume).
    ///
    /// # Panics
    ///
    /// A panic of the job's closure reappears here.
    pub fn cancel(self) -> Result<T, ResumeError<T>> {
        self.go_on(Resume::Cancelled).map(|step| match step {
            Step::Finished(value) => value,
            Step::Paused(_) => unreachable!("a cancelled job cannot pause"),
        })
    }

    fn go_on(self, how: Resume) -> Result<Step<T>, ResumeError<T>> {
        let mut port: Port<T> = None;
        let resumed = if self.is_live() {
            dispatch::resume(self.record, ptr::from_mut(&mut port).cast(), how)
        } else {
            Err(Error::NotResumable)
        };
        match resumed {
            Ok(outcome) => {
                mem::forget(self);
                Ok(step(outcome, port))
            }
            Err(error) => match self.unseen_panic() {
                Some(payload) => panic::resume_unwind(payload),
                None => Err(ResumeError { job: self, error }),
            },
        }
    }

    /// The descriptor that is ready for reading when somebody has woken the job. The pipe is made when first asked for,
    /// and is readable at once if the job was woken before. Neither read from it nor close it.
    ///
    /// # Errors
    ///
    /// What `pipe2` says, usually that no descriptors are left; `NotFound` if C code has ended the job.
    #[cfg(unix)]
    pub fn wait_fd(&self) -> std::io::Result<std::os::fd::BorrowedFd<'_>> {
        if !self.is_live() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        self.record
            .signal
            .open()
            .map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
        let fd = self
            .record
            .signal
            .channel(Pipe::wait_fd)
            .ok_or(std::io::ErrorKind::NotFound)?;
        // SAFETY: the pipe was just made or is the record's; it is closed when the record is freed, which needs the job
        // to end, and that needs this `Job`.
        Ok(unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) })
    }

    /// The most that the job's stack has been used so far, in bytes, counted in whole pages; by earlier jobs on the same
    /// stack too.
    pub fn stack_used(&self) -> usize {
        if self.is_live() {
            dispatch::stack_used(self.record)
        } else {
            0
        }
    }

    /// A handle for waking the job from anywhere.
    pub fn wake_handle(&self) -> WakeHandle {
        WakeHandle {
            signal: &self.record.signal,
            this_use: self.this_use,
        }
    }
}

impl<T> Job<T> {
    /// The panic that the job has ended with where C code resumed it.
    #[cold]
    #[inline(never)]
    fn unseen_panic(&self) -> Option<Box<dyn Any + Send>> {
        let thread = thread::this()?;
        let payload = thread.panics.take(self.this_use)?;
        if thread.current.get().is_none() {
            thread.leave_if_ended();
        }
        Some(payload)
    }

    /// Whether the record is still in this job's use: C code that got hold of the handle could have ended the job.
    fn is_live(&self) -> bool {
        self.record.signal.is_in_use(self.this_use)
    }
}

impl<T> Drop for Job<T> {
    // Rare, and kept out of whoever starts jobs that end at once.
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        if self.is_live() {
            dispatch::abandon(self.record);
        } else {
            drop(self.unseen_panic());
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("use", &self.this_use.0)
            .finish_non_exhaustive()
    }
}

/// The function of every job that Rust starts: the closure, with its panics caught, since nothing may unwind through
/// the base of a fibre.
unsafe extern "C" fn job<F: FnOnce() -> T, T>(launch: *mut c_void) -> c_int {
    // SAFETY: `Job::start` passes its launch, which is valid until the job first pauses, and that is not before the
    // closure has been taken out of it here.
    let closure = unsafe { (*launch.cast::<Launch<F, T>>()).closure.take() };
    let result = panic::catch_unwind(AssertUnwindSafe(closure.expect("a job is started once")));
    let port = dispatch::current()
        .map_or(ptr::null_mut(), |record| record.port.get())
        .cast::<Port<T>>();
    // SAFETY: null, or what `start` or `resume` of this very job passed last; it waits in that call and holds a port
    // of this type.
    match unsafe { port.as_mut() } {
        Some(port) => *port = Some(result),
        None => end_under_c(result.err()),
    }
    0
}

/// C code resumed a job of Rust's, which has ended. C takes no value and no panic; a panic is kept for the [`Job`].
#[cold]
fn end_under_c(panic: Option<Box<dyn Any + Send>>) {
    if let (Some(panic), Some(thread), Some(record)) = (panic, thread::this(), dispatch::current())
    {
        thread.panics.keep(record.current_use(), panic);
    }
}

/// What an outcome means to Rust.
fn step<T>(outcome: Outcome, port: Port<T>) -> Step<T> {
    match outcome {
        Outcome::Paused(record) => Step::Paused(Job {
            record,
            this_use: record.current_use(),
            result: PhantomData,
        }),
        Outcome::Finished(_) => match port.expect("a job that ends leaves its result") {
            Ok(value) => Step::Finished(value),
            Err(payload) => panic::resume_unwind(payload),
        },
    }
}

/// A job could not be started. The closure comes back.
pub enum StartError<F> {
    /// The pool's limit is reached: try again when a job has ended.
    Full(F),
    /// Something else is in the way.
    Failed(Error, F),
}

impl<F> StartError<F> {
    /// The closure that was not run.
    pub fn into_closure(self) -> F {
        match self {
            StartError::Full(closure) | StartError::Failed(_, closure) => closure,
        }
    }

    /// The error; none if the pool is full.
    pub fn error(&self) -> Option<Error> {
        match self {
            StartError::Full(_) => None,
            StartError::Failed(error, _) => Some(*error),
        }
    }
}

impl<F> fmt::Debug for StartError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Full(_) => f.write_str("Full(..)"),
            StartError::Failed(error, _) => write!(f, "Failed({error:?}, ..)"),
        }
    }
}

impl<F> fmt::Display for StartError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Full(_) => f.write_str("all jobs of the pool are in use"),
            StartError::Failed(error, _) => error.fmt(f),
        }
    }
}

impl<F> std::error::Error for StartError<F> {}

/// A job could not be resumed. The job comes back.
#[non_exhaustive]
pub struct ResumeError<T> {
    /// The job, as it was.
    pub job: Job<T>,
    /// Why.
    pub error: Error,
}

impl<T> fmt::Debug for ResumeError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeError")
            .field("job", &self.job)
            .field("error", &self.error)
            .finish()
    }
}

impl<T> fmt::Display for ResumeError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for ResumeError<T> {}

/// Wakes one job: from any thread, at any time, also from a signal handler. Once that job has ended the handle has no
/// effect, whatever its memory is used for by then.
#[derive(Clone)]
pub struct WakeHandle {
    signal: &'static Signal<AtomicU64, Pipe>,
    this_use: Use,
}

impl WakeHandle {
    /// Makes the job's wait fd readable, until the next [`clear`](WakeHandle::clear).
    pub fn wake(&self) {
        self.signal.wake(Some(self.this_use));
    }

    /// Makes the job's wait fd unreadable. Never blocks.
    pub fn clear(&self) {
        self.signal.clear(Some(self.this_use));
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeHandle")
            .field("use", &self.this_use.0)
            .finish_non_exhaustive()
    }
}

/// Inside a job: a handle for waking it. Outside: none.
pub fn current() -> Option<WakeHandle> {
    dispatch::current().map(|record| WakeHandle {
        signal: &record.signal,
        this_use: record.current_use(),
    })
}

/// Pauses the job that this is called in, until its thread resumes it, and answers true. False, at once, where nothing
/// can be paused: outside a job, in one that was [cancelled](Job::cancel), while pausing is blocked (B31), or while the
/// thread unwinds from a panic.
///
/// A pause is a call that may take arbitrarily long and, if the job is abandoned, for ever. What other code on the thread
/// may do meanwhile is everything: two things that Rust takes for granted do not survive that, and must not be paused in.
/// One is the initialiser of a `thread_local!`, which another job could enter too. The other is a scope in which other
/// threads borrow from this one's thread-local storage (`LocalKey::with` around `std::thread::scope`), if the job may
/// be abandoned there and the thread end.
pub fn pause() -> bool {
    dispatch::pause(0, 0) != 0
}

/// Whether this is called inside a job (B42).
pub fn in_job() -> bool {
    dispatch::current().is_some()
}

/// Whether jobs can be made here at all: not on systems without a working `ucontext` (F15, F19).
pub fn is_capable() -> bool {
    platform::capable()
}

/// Sets the stack that jobs have at least, in bytes, from 32768 to 2^30 (the default is 131072), before the process's first
/// job is made. Goes before `OSSL_ASYNC_STACK_SIZE` in the environment, which has bytes too.
///
/// # Errors
///
/// [`Error::StackSize`] if it is out of range, too late, or there are no jobs in this build.
pub fn set_stack_size(bytes: usize) -> Result<(), Error> {
    stack::set_size(bytes)
}

/// The stack that jobs have at least, in bytes. What the environment says counts from the first job on.
pub fn stack_size() -> usize {
    stack::size()
}

/// How this build switches stacks: `"registers"`, `"setjmp"`, `"swapcontext"`, or `"null"` where there are no jobs.
pub fn switch_method() -> &'static str {
    platform::way()
}

/// Keeps the thread's jobs from pausing until the guard is dropped: for sections in which a lock is held. Guards nest.
/// Outside a job nothing is blocked, as there is nothing to pause (B40).
///
/// The block is the thread's (K1): a guard that outlives its job, because the job returned it or forgot it, goes on
/// blocking the thread's other jobs until it is dropped.
pub fn block_pause() -> BlockPause {
    BlockPause {
        blocked: dispatch::block_pause(),
        thread_bound: PhantomData,
    }
}

/// Pausing is blocked while this lives; see [`block_pause`].
#[derive(Debug)]
#[must_use = "pausing is blocked only while the guard lives"]
pub struct BlockPause {
    /// When it was blocked; none outside a job.
    blocked: Option<u64>,
    thread_bound: PhantomData<*mut ()>,
}

impl Drop for BlockPause {
    fn drop(&mut self) {
        if let Some(epoch) = self.blocked {
            dispatch::take_block_back(epoch);
        }
    }
}
