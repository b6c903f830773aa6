//! The dispatcher: start, resume, pause. Section 2 of the behaviour reference, without its defects.
//!
//! ```text
//!      the thread's own stack                            the job's stack (src/stack)
//!   ┌───────────────────────────┐                     ┌────────────────────────────┐ high
//!   │ main, ...                 │                     │ record                     │
//!   │ ASYNC_start_job           │   enter, once       │ start_func, for ever       │
//!   │   start / resume          │ ──────────────────> │   call the function        │
//!   │     run ── suspended in   │                     │     ...                    │
//!   │            Thread::       │       switch        │     ASYNC_pause_job        │
//!   │            dispatcher     │ <────────────────── │       pause ── suspended   │
//!   │                           │ ──────────────────> │         in Record::work    │
//!   └───────────────────────────┘                     └────────────────────────────┘ low, then the guard
//! ```
//!
//! Exactly one of the two sides runs. When control returns to the dispatcher, the record's state is
//! Paused, or the function has returned. The dispatcher does all the rest. One stack serves every
//! use of its record: `platform::serve_jobs` waits there for the next function.
//!
//! OpenSSL does not change a record's stored state when the job is resumed or started again (S1).
//! That is why its nested starts go wrong (D5, D6). Here a job that runs is Running, and a thread
//! that runs a job refuses every other start.

use super::current::refused;
use super::job::{Record, Resume, State};
use super::members;
use super::pool::NoJob;
use super::pools;
use super::requests::{Argument, Outcome, Start, StartFailure};
use super::thread::{self, Thread};
use crate::error::Error;
use crate::libcrypto::LibCtx;
use crate::platform;
use crate::platform::types::Fibre;
use crate::report::{self, Owner};
use core::ffi::{c_int, c_void};
use core::ptr;

/// Starts a job. It runs until it pauses or ends.
///
/// This, [`resume`] and [`run`] are inlined into the entry points, so that only one return follows
/// the switch; see [`pause`].
///
/// # Safety
///
/// - The function can be called with the argument: null, a copy of the bytes, or the port.
/// - The bytes can be read. The port stays valid until this returns.
/// - The function does not leave by `longjmp` or an exception. If the thread ends inside it, the
///   only Rust frames on the job's stack are this library's (F11).
/// - The wait context is null or has not been freed.
#[inline(always)]
pub unsafe fn start(what: Start) -> Result<Outcome, StartFailure> {
    if !platform::AVAILABLE {
        return Err(StartFailure::Unavailable);
    }
    let thread = thread::this();
    if thread.is_some_and(|thread| thread.currjob.get().is_some()) {
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
        pools::renew(thread, owner, 0); // B21
    }
    let record = match get_job(thread, owner, what.pipe) {
        Ok(record) => record,
        Err(none) => return Err(not_started(thread, none.into())),
    };

    let (argument, port) = match what.argument {
        Argument::Port(port) => (port, port),
        Argument::Copied(bytes, _) if bytes.is_null() => (ptr::null_mut(), ptr::null_mut()),
        // SAFETY: the caller guarantees the bytes.
        Argument::Copied(bytes, size) => match unsafe { record.copy_arguments(bytes, size) } {
            Some(copy) => (copy, ptr::null_mut()),
            None => {
                thread.pool.release(record, owner);
                return Err(not_started(thread, StartFailure::Error(Error::Arguments)));
            }
        },
    };
    record.work.func.set(what.function);
    record.work.funcargs.set(argument);
    record.work.resumed.set(0);
    record.port.set(port);
    // SAFETY: the caller guarantees that it is null or has not been freed.
    unsafe { record.set_wait_ctx(what.wait_ctx) };
    let this_use = thread.uses.next();
    record.this_use.set(this_use.0);
    record.signal.begin(this_use, what.pipe);
    owner.counters.starts.add(1);
    run(thread, owner, record, LibCtx::NONE.set_default()).map_err(StartFailure::Error)
}

/// A job for a start: an idle one of the thread's pool, or a new one if the limit allows.
#[inline(always)]
fn get_job(thread: &Thread, owner: Owner, pipe: bool) -> Result<&'static Record, NoJob> {
    match thread.pool.reuse(owner, pipe)? {
        Some(record) => Ok(record),
        None => {
            thread.find_exceptions();
            thread.pool.grow(owner, pipe)
        }
    }
}

/// A start failed after the thread was attached.
#[cold]
#[inline(never)]
fn not_started(thread: &Thread, why: StartFailure) -> StartFailure {
    thread.free_if_ended();
    why
}

/// Resumes a paused job. `port` is where the Rust API wants the result; it is null from C.
#[inline(always)]
pub fn resume(record: &'static Record, port: *mut c_void, how: Resume) -> Result<Outcome, Error> {
    record.prefetch();
    let Some(thread) = thread::this() else {
        return Err(refused(Error::NotResumable));
    };
    if thread.currjob.get().is_some() {
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
    record.resumed_as.set(how);
    record.port.set(port);
    record.work.resumed.set(1);
    owner.counters.resumes.add(1);
    run(thread, owner, record, libctx)
}

/// How a face pauses a job.
pub struct Pausing {
    /// What to return if nothing can be paused.
    pub skipped: c_int,
    /// What to return if the job may not pause.
    pub refused: c_int,
    /// `platform::switch` or `platform::leave`, which go to the dispatcher.
    pub go: unsafe fn(&Fibre, &Fibre) -> c_int,
}

/// Pauses the running job and returns 1 when it is resumed.
///
/// Returns `skipped` at once if nothing can be paused: outside a job, and while pausing is blocked
/// (B31). Also while the thread unwinds from a panic, because Rust counts panics by thread and not
/// by stack. Returns `refused` at once in a job that was cancelled, and in one that the caller,
/// by `allows`, does not want to pause.
///
/// The switch must come last, and this function must have no frame of its own: it is inlined into
/// the entry point. Then the processor returns straight to the caller of the entry point. Each
/// return on a stack that was switched to costs as much as the switch.
#[inline(always)]
pub fn pause(how: Pausing, allows: impl FnOnce(&'static Record) -> bool) -> c_int {
    let Pausing {
        skipped,
        refused,
        go,
    } = how;
    let Some(thread) = thread::this() else {
        return skipped;
    };
    let Some(record) = thread.currjob.get() else {
        return skipped;
    };
    if record.resumed_as.get() == Resume::Cancelled || !allows(record) {
        return refused;
    }
    if thread.blocked.get() != 0 || std::thread::panicking() {
        return skipped;
    }
    record.set_state(State::Paused);
    // SAFETY: the dispatcher suspended itself in `run` on this thread, which is where this job
    // runs.
    unsafe { go(&record.work.fibre, &thread.dispatcher) }
}

/// Runs a job until it pauses or ends. `libctx` is the thread's default library context outside the
/// job, which is set again afterwards (G37).
#[inline(always)]
fn run(
    thread: &Thread,
    owner: Owner,
    record: &'static Record,
    libctx: LibCtx,
) -> Result<Outcome, Error> {
    record.set_state(State::Running);
    thread.currjob.set(Some(record));
    let exceptions = thread.exceptions.get();
    if !exceptions.is_null() {
        if record.work.resumed.get() == 0 {
            record.begin_exceptions();
        }
        record.exchange_exceptions(exceptions);
    }
    // SAFETY: nothing else uses the record's stack. The job side switches to the dispatcher on this
    // thread only. A record that is not new was suspended on this thread, which `is_resumable_by`
    // or the pool's `release` has made sure of.
    let entered = unsafe {
        if record.work.fibre.is_new() {
            platform::enter(&thread.dispatcher, record.stack(), start_func)
        } else {
            platform::switch(&thread.dispatcher, &record.work.fibre);
            true
        }
    };
    thread.currjob.set(None);
    if !exceptions.is_null() {
        record.exchange_exceptions(exceptions);
    }
    let left = libctx.set_default();

    if record.state() == State::Paused {
        record.libctx.set(left);
        owner.counters.pauses.add(1);
        return Ok(Outcome::Paused(record));
    }
    if entered && report::measures_stacks() {
        owner
            .counters
            .stack_high_water
            .raise(record.stack_used() as u64);
    }
    let result = record.work.ret.get();
    record.set_state(State::Idle);
    record.signal.end();
    record.resumed_as.set(Resume::Normal);
    if !record.at_end.is_nothing() {
        members::end_use(record);
    }
    record.clear_wait_ctx();
    if entered {
        owner.counters.finishes.add(1);
    } else {
        owner.counters.starts.subtract(1);
    }
    if !thread.pool.release(record, owner) {
        thread.free_if_ended();
    }
    if entered {
        Ok(Outcome::Finished(result))
    } else {
        Err(Error::Enter)
    }
}

/// The bottom of every job's stack (2.3). If a thread ends inside a job (F11), this frame is
/// unwound. So it holds nothing that has a destructor.
extern "C-unwind" fn start_func() -> ! {
    let (thread, record) = thread::this()
        .and_then(|thread| Some((thread, thread.currjob.get()?)))
        .expect("the dispatcher sets the current job before it switches");
    // SAFETY: the caller of `start` guarantees the function and its argument. The dispatcher is
    // suspended in `run` on this thread, and keeps the record until the fibre is given up.
    unsafe { platform::serve_jobs(&record.work, &thread.dispatcher) }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
