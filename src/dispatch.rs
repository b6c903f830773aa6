//! The dispatcher: start, resume, pause. Section 2 of the behaviour reference, without its defects.
//!
//! ```text
//!      the thread's own stack                            the job's stack (stack.rs)
//!   ┌───────────────────────────┐                     ┌────────────────────────────┐ high
//!   │ main, ...                 │                     │ record                     │
//!   │ ASYNC_start_job           │   enter, once       │ job_main: serve, for ever  │
//!   │   start / resume          │ ──────────────────> │   call the function        │
//!   │     run ── suspended in   │                     │     ...                    │
//!   │            Thread::       │       switch        │     ASYNC_pause_job        │
//!   │            dispatcher     │ <────────────────── │       pause ── suspended   │
//!   │                           │ ──────────────────> │         in Record::work    │
//!   └───────────────────────────┘                     └────────────────────────────┘ low, then the guard
//! ```
//!
//! Exactly one of the two sides runs. The job side comes back with the record's state Paused, or else its function has
//! returned; the dispatcher does all the rest. One stack serves every use of its record: `platform::serve` waits for
//! the next.
//!
//! OpenSSL leaves a record's stored state as it was while the job runs (S1), which is what makes its nested starts go
//! wrong (D5, D6). Here a job that runs is Running, and a thread that runs a job refuses every other start.

use crate::error::Error;
use crate::job::{Function, Record, State};
use crate::libcrypto::{self, LibCtx};
use crate::platform;
use crate::pool::NoJob;
use crate::stats;
use crate::thread::{self, Owner, Thread};
use crate::wait_ctx::WaitCtx;
use core::ffi::{c_int, c_void};
use core::ptr;

/// What a start or a resume came to.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// The function paused; the job can be resumed.
    Paused(&'static Record),
    /// The function returned this.
    Finished(c_int),
}

/// Why a start came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// This build has no jobs (F15).
    Unavailable,
    /// No job is to be had now; with an error where the reason is not the pool's limit (D18).
    NoJob(Option<Error>),
    /// The start was wrong, or could not be done.
    Error(Error),
}

/// A job function's argument.
#[derive(Clone, Copy)]
pub enum Argument {
    /// A private copy of this many bytes at this address; null is passed on as null, whatever the size (B23 to B25).
    Copied(*const c_void, usize),
    /// The pointer itself, and where the Rust face wants the result.
    Port(*mut c_void),
}

/// What to start.
#[derive(Clone, Copy)]
pub struct Start {
    /// The job's function.
    pub function: Option<Function>,
    /// What to pass to it.
    pub argument: Argument,
    /// Whether the job must have a wait fd, as generation 1's must.
    pub pipe: bool,
    /// Generation 2's wait context, or null.
    pub wait_ctx: *mut WaitCtx,
}

/// Makes the thread's pool anew (1.2 and 7.3). Answers with the reason if fewer jobs than asked for could be made.
///
/// `pipes`: whether the jobs made now get a wait fd at once, as generation 1's do.
pub fn init_pool(max_size: usize, init_size: usize, pipes: bool) -> Result<Option<Error>, Error> {
    if init_size > max_size {
        return Err(Error::PoolSize);
    }
    if !platform::AVAILABLE {
        return Err(Error::Unavailable);
    }
    if !pipes && c_int::try_from(max_size).is_err() {
        if !thread::is_in_job() {
            libcrypto::find_in_passing();
        }
        if !libcrypto::allows_pool_of(max_size) {
            return Err(Error::PoolSize); // G2
        }
    }
    if !pipes && !could_be_listed(init_size) {
        return Err(Error::PoolList); // G2
    }
    let (thread, owner) = thread::attach().ok_or(Error::Pool)?;
    if !thread.may_pool() {
        thread.leave_if_ended();
        return Ok(None);
    }
    thread.pool.renew(max_size, thread, owner);
    Ok(thread.pool.fill(thread, owner, init_size, pipes).err())
}

/// Frees the thread's pool and idle jobs, and forgets the pause block (section 1.3). Paused jobs can still be resumed,
/// and are destroyed at their end (D3).
pub fn free_pool() -> Result<(), Error> {
    let Some(thread) = thread::this() else {
        return Ok(());
    };
    if thread.current.get().is_some() {
        return Err(refused(Error::FreeInsideJob));
    }
    if let Some(owner) = thread.owner() {
        thread.pool.free(owner);
    }
    thread.forget_blocks();
    Ok(())
}

/// Starts a job, which runs until it pauses or ends.
///
/// This, [`resume`] and [`run`] become part of the entry points, so that one return follows the switch; see [`pause`].
///
/// # Safety
///
/// The function can be called with the argument: null, a copy of the bytes, or the port. The bytes can be read, and the
/// port stays valid until this returns. The function does not leave by `longjmp` or an exception, and where the thread ends inside
/// it, no Rust frame but those of this library is on the job's stack (F11).
/// The wait context is null or has not been freed.
#[inline(always)]
pub unsafe fn start(what: Start) -> Result<Outcome, StartFailure> {
    if !platform::AVAILABLE {
        return Err(StartFailure::Unavailable);
    }
    let thread = thread::this();
    if thread.is_some_and(|thread| thread.current.get().is_some()) {
        return Err(StartFailure::Error(refused(Error::Nested)));
    }
    if what.function.is_none() {
        return Err(StartFailure::Error(refused(Error::NullArgument)));
    }
    let attached = thread.and_then(|thread| Some((thread, thread.owner()?)));
    let (thread, owner) = attached
        .or_else(thread::attach)
        .ok_or(StartFailure::Error(Error::Thread))?;
    if !thread.pool.exists() && thread.may_pool() {
        thread.pool.renew(0, thread, owner); // B21
    }
    let record = match thread.pool.take(thread, owner, what.pipe) {
        Ok(record) => record,
        Err(none) => return Err(not_started(thread, none.into())),
    };

    let (argument, port) = match what.argument {
        Argument::Port(port) => (port, port),
        Argument::Copied(bytes, _) if bytes.is_null() => (ptr::null_mut(), ptr::null_mut()),
        // SAFETY: the caller vouches for the bytes.
        Argument::Copied(bytes, size) => match unsafe { record.copy_arguments(bytes, size) } {
            Some(copy) => (copy, ptr::null_mut()),
            None => {
                thread.pool.release(record, owner);
                return Err(not_started(thread, StartFailure::Error(Error::Arguments)));
            }
        },
    };
    record.work.function.set(what.function);
    record.work.argument.set(argument);
    record.work.resumed.set(0);
    record.port.set(port);
    // SAFETY: the caller vouches for the context.
    unsafe { record.set_wait_ctx(what.wait_ctx, owner) };
    let this_use = thread.new_use();
    record.this_use.set(this_use.0);
    record.signal.begin(this_use, what.pipe);
    owner.counters.starts.add(1);
    run(thread, owner, record, LibCtx::NONE.set_default()).map_err(StartFailure::Error)
}

/// A start came to nothing after the thread was attached.
#[cold]
#[inline(never)]
fn not_started(thread: &Thread, why: StartFailure) -> StartFailure {
    thread.leave_if_ended();
    why
}

impl From<NoJob> for StartFailure {
    fn from(none: NoJob) -> StartFailure {
        StartFailure::NoJob(match none {
            NoJob::Full => None,
            NoJob::Failed(error) => Some(error),
        })
    }
}

/// How a paused job goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// As if it had never paused.
    Normal,
    /// The same, but it cannot pause again: [`pause`] refuses until the job has ended.
    Cancelled,
}

/// Goes on with a paused job. `port` is where the Rust face wants the result; null from C.
#[inline(always)]
pub fn resume(record: &'static Record, port: *mut c_void, how: Resume) -> Result<Outcome, Error> {
    record.prefetch();
    let Some(thread) = thread::this() else {
        return Err(refused(Error::NotResumable));
    };
    if thread.current.get().is_some() {
        return Err(refused(Error::Nested));
    }
    let owner = match thread.owner() {
        Some(owner) if record.is_resumable_by(owner.number) => owner,
        _ => return Err(refused(Error::NotResumable)),
    };
    let libctx = record.libctx.get().set_default();
    if libctx == LibCtx::NONE && record.libctx.get() != LibCtx::NONE {
        return Err(Error::Libctx); // It stays paused (D30).
    }
    // SAFETY: the job holds the context until it ends.
    if let Some(ctx) = unsafe { record.wait_ctx().as_ref() } {
        ctx.reset(); // G13, G30
    }
    record.cancelled.set(how == Resume::Cancelled);
    record.port.set(port);
    record.work.resumed.set(1);
    owner.counters.resumes.add(1);
    run(thread, owner, record, libctx)
}

/// Pauses the running job and answers 1 when it goes on. Answers `skipped` at once where nothing can be paused: outside a
/// job, while pausing is blocked (B31), and while the thread unwinds from a panic, since Rust counts panics by thread and not
/// by stack. Answers `refused` at once in a job that was cancelled.
///
/// Nothing may follow the switch, and no frame of the library be left: then the processor goes straight back to whoever
/// paused. Each return on a stack that was switched to costs as much as the switch.
#[inline(always)]
pub fn pause(skipped: c_int, refused: c_int) -> c_int {
    let Some(thread) = thread::this() else {
        return skipped;
    };
    let Some(record) = thread.current.get() else {
        return skipped;
    };
    if record.cancelled.get() {
        return refused;
    }
    if thread.blocks.get() != 0 || std::thread::panicking() {
        return skipped;
    }
    record.set_state(State::Paused);
    // SAFETY: the dispatcher suspended itself in `run` on this thread, which is where this job runs.
    unsafe { platform::switch(&record.work.fibre, &thread.dispatcher) }
}

/// The job that the calling thread is in. Signal handlers may ask.
pub fn current() -> Option<&'static Record> {
    thread::this_in_handlers()?.current.get()
}

/// The most that has been used so far of the stack of a job that runs or is paused on this thread, in bytes; else 0.
pub fn stack_used(record: &Record) -> usize {
    let is_mine = thread::this().is_some_and(|thread| {
        let runs = thread.current.get();
        let owner = thread.owner();
        owner.is_some_and(|owner| record.is_resumable_by(owner.number))
            || runs.is_some_and(|current| ptr::eq(current, record))
    });
    if is_mine { record.stack_used() } else { 0 }
}

/// Keeps the thread's jobs from pausing, once more, and answers the block's epoch for [`take_block_back`]; none outside a
/// job, where nothing is blocked (B40).
pub fn block_pause() -> Option<u64> {
    let thread = thread::this()?;
    thread.current.get()?;
    thread.blocks.set(thread.blocks.get() + 1);
    Some(thread.block_epoch.get())
}

/// Takes back one block wherever the thread is now, unless [`free_pool`] has forgotten it already.
pub fn take_block_back(epoch: u64) {
    if let Some(thread) = thread::this().filter(|thread| thread.block_epoch.get() == epoch) {
        thread.blocks.set(thread.blocks.get().saturating_sub(1));
    }
}

/// Takes back one [`block_pause`], inside a job (K2, K3).
pub fn unblock_pause() {
    if let Some(thread) = thread::this().filter(|thread| thread.current.get().is_some()) {
        thread.blocks.set(thread.blocks.get().saturating_sub(1));
    }
}

/// Gives up a paused job for ever: its stack and wait fd stay as they are, and nothing can resume or wake it. No effect
/// unless it is one of this thread's.
pub fn abandon(record: &'static Record) {
    let Some(thread) = thread::this() else { return };
    let owner = thread
        .owner()
        .filter(|owner| record.is_resumable_by(owner.number));
    if let Some(owner) = owner {
        owner.counters.abandoned.add(1);
        record.set_state(State::Abandoned);
        record.signal.end();
        thread.leave_if_ended();
    }
}

/// The error of a start or resume without a place for the handle.
#[cold]
pub fn refuse_null() -> Error {
    refused(if current().is_some() {
        Error::Nested
    } else {
        Error::NullArgument
    })
}

/// Counts an error that is the caller's.
#[cold]
#[inline(never)]
fn refused(error: Error) -> Error {
    stats::refused();
    error
}

/// Whether there is memory for a list of so many jobs. Our pool needs none, but generation 2 refuses a number that is out
/// of all proportion before it makes the first job.
fn could_be_listed(jobs: usize) -> bool {
    let bytes = jobs.saturating_mul(size_of::<*mut Record>()).max(1);
    // Compilers leave out an allocation that is only freed again.
    let list = core::hint::black_box(platform::allocate(bytes));
    // SAFETY: the block just made, or null.
    unsafe { platform::free(list) };
    !list.is_null()
}

/// Lets a job run until it pauses or ends. `libctx` is the thread's default library context outside the job, to go back
/// to then (G37).
#[inline(always)]
fn run(
    thread: &Thread,
    owner: Owner,
    record: &'static Record,
    libctx: LibCtx,
) -> Result<Outcome, Error> {
    record.set_state(State::Running);
    thread.current.set(Some(record));
    let exceptions = thread.exceptions.get();
    if !exceptions.is_null() {
        if record.work.resumed.get() == 0 {
            record.begin_exceptions();
        }
        record.exchange_exceptions(exceptions);
    }
    // SAFETY: the stack is the record's, which nothing else uses, and the job side switches to the dispatcher on this
    // thread only. A record that is not new was suspended on this thread: `is_resumable_by`, or the pool's `release`.
    let entered = unsafe {
        if record.work.fibre.is_new() {
            platform::enter(&thread.dispatcher, record.stack(), job_main)
        } else {
            platform::switch(&thread.dispatcher, &record.work.fibre);
            true
        }
    };
    thread.current.set(None);
    if !exceptions.is_null() {
        record.exchange_exceptions(exceptions);
    }
    let left = libctx.set_default();

    if record.state() == State::Paused {
        record.libctx.set(left);
        owner.counters.pauses.add(1);
        return Ok(Outcome::Paused(record));
    }
    if entered && stats::measures_stacks() {
        owner
            .counters
            .stack_high_water
            .raise(record.stack_used() as u64);
    }
    let result = record.work.result.get();
    record.set_state(State::Idle);
    record.signal.end();
    record.cancelled.set(false);
    record.drop_arguments();
    record.clear_wait_ctx(owner);
    if entered {
        owner.counters.finishes.add(1);
    } else {
        owner.counters.starts.subtract(1);
    }
    thread.pool.finish(record, thread, owner);
    if entered {
        Ok(Outcome::Finished(result))
    } else {
        Err(Error::Enter)
    }
}

/// The bottom of every job's stack (2.3). A thread may end inside a job (F11): then this frame is unwound through, so nothing
/// here has a destructor.
extern "C-unwind" fn job_main() -> ! {
    let (thread, record) = thread::this()
        .and_then(|thread| Some((thread, thread.current.get()?)))
        .expect("the dispatcher sets the current job before it switches");
    // SAFETY: whoever calls `start` vouches for the function and its argument, and the dispatcher suspends itself in `run`
    // on this thread, which keeps the record until the fibre is given up.
    unsafe { platform::serve(&record.work, &thread.dispatcher) }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests {
    use super::*;

    unsafe extern "C" fn look_around(_: *mut c_void) -> c_int {
        let record = current().expect("inside a job");
        for _ in 0..2 {
            assert_eq!(record.state(), State::Running);
            assert_eq!(pause(0, 0), 1);
        }
        8
    }

    // Rules: S1, S2
    #[test]
    fn a_job_goes_from_idle_to_running_to_paused_and_so_on_to_idle() {
        // SAFETY: the function wants no argument.
        let started = unsafe {
            start(Start {
                function: Some(look_around),
                argument: Argument::Copied(ptr::null(), 0),
                pipe: false,
                wait_ctx: ptr::null_mut(),
            })
        };
        let Ok(Outcome::Paused(record)) = started else {
            panic!("it pauses")
        };
        assert_eq!(record.state(), State::Paused);
        assert!(matches!(
            resume(record, ptr::null_mut(), Resume::Normal),
            Ok(Outcome::Paused(_))
        ));
        assert_eq!(record.state(), State::Paused);
        assert!(matches!(
            resume(record, ptr::null_mut(), Resume::Normal),
            Ok(Outcome::Finished(8))
        ));
        assert_eq!(record.state(), State::Idle);
    }

    // Rules: D15
    #[test]
    fn an_abandoned_job_is_neither_resumable_nor_woken() {
        // SAFETY: as above.
        let started = unsafe {
            start(Start {
                function: Some(look_around),
                argument: Argument::Copied(ptr::null(), 0),
                pipe: true,
                wait_ctx: ptr::null_mut(),
            })
        };
        let Ok(Outcome::Paused(record)) = started else {
            panic!("it pauses")
        };
        let this_use = record.current_use();
        assert!(record.signal.is_in_use(this_use));
        abandon(record);
        assert_eq!(record.state(), State::Abandoned);
        assert!(!record.signal.is_in_use(this_use));
        let before = stats::thread().abandoned;
        abandon(record);
        assert_eq!((before, stats::thread().abandoned), (1, 1), "once");
        assert!(matches!(
            resume(record, ptr::null_mut(), Resume::Normal),
            Err(Error::NotResumable)
        ));
    }
}
