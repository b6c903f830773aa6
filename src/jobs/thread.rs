//! The state of one thread: the dispatcher, the current job, the pause block, the pool, the error
//! queue. It is made when the thread first needs it and freed when the thread ends.

use super::job::Record;
use super::panics::Panics;
use super::pool::Pool;
use super::uses::Uses;
use super::word;
use crate::cxx_runtime;
use crate::error::queue::{Entry, Queue};
use crate::libcrypto;
use crate::platform;
use crate::platform::types::{Exceptions, Fibre, SignalStack};
use crate::report::{self, Counters, Owner, RunningJob, Stats};
use core::cell::Cell;
use core::ffi::{c_char, c_void};
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use std::panic::{self, AssertUnwindSafe};

/// The size of the text of `ERR_error_string`, in bytes.
pub const TEXT_SIZE: usize = 256;

/// One thread's state. [`exit`] frees it.
pub struct Thread {
    /// The thread as an owner of jobs; none before [`attach`].
    owner: Cell<Option<Owner>>,
    /// The job that runs now.
    pub currjob: Cell<Option<&'static Record>>,
    /// Where the thread's own stack is suspended while a job runs.
    pub dispatcher: Fibre,
    /// What the C++ run-time keeps about exceptions for this thread; null if none was found.
    pub exceptions: Cell<*mut Exceptions>,
    /// The number of blocks; pausing is blocked if it is not 0 (K1).
    pub blocked: Cell<usize>,
    /// Changes whenever [`forget_blocks`](Thread::forget_blocks) resets that number. No two states
    /// of threads ever have the same epoch.
    pub block_epoch: Cell<u64>,
    /// The thread's pool.
    pub pool: Pool,
    /// Whether the thread's jobs have ended.
    end: Cell<End>,
    /// The state's number, which is also the owner's.
    number: u64,
    /// Numbers for uses of records.
    pub uses: Uses,
    /// The stack that the library gave to the thread's signal handlers, if it did.
    signal_stack: Cell<Option<SignalStack>>,
    /// The error queue of the C functions.
    pub errors: Queue,
    /// Where `ERR_error_string` writes if its caller gives no buffer.
    pub text: Cell<[c_char; TEXT_SIZE]>,
    /// Panics that no Rust code has received yet.
    pub panics: Panics,
}

/// Whether [`exit`] has run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has not run yet.
    NotYet,
    /// It runs now.
    InProgress,
    /// It has run. The state is freed with the last job.
    Over,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// The calling thread's state, if it has one.
///
/// A function of the shim reads the word, so no compiler keeps its address for use on another
/// thread. A job never changes threads (D8 is refused), so the reference stays right across a
/// pause. It must not be used after the thread has ended its jobs.
#[inline(always)]
pub fn this() -> Option<&'static Thread> {
    // SAFETY: `get_or_create` put the state there. `free_state` takes it out of the word before it
    // frees it.
    word::state().map(|state| unsafe { state.cast().as_ref() })
}

/// [`this`], for functions that signal handlers may call: it allocates nothing and takes no lock.
#[inline(always)]
pub fn this_in_handlers() -> Option<&'static Thread> {
    if platform::THREAD_STATE_MAY_ALLOCATE && !platform::has_thread_exit() {
        // The thread never had a state. Perhaps reading the word would allocate the thread's copy
        // of it.
        return None;
    }
    this()
}

/// Whether the caller is in a job. There the library must use little stack.
pub fn is_in_job() -> bool {
    this().is_some_and(|thread| thread.currjob.get().is_some())
}

/// The calling thread's state, which is made if there is none. None if there is no memory, or no
/// thread-specific key to free it with.
pub fn get_or_create() -> Option<&'static Thread> {
    this().or_else(make_state)
}

#[cold]
#[inline(never)]
fn make_state() -> Option<&'static Thread> {
    let place = NonNull::new(platform::allocate(size_of::<Thread>()))?.cast::<Thread>();
    if !platform::call_at_thread_exit(exit, place.as_ptr().cast()) {
        // SAFETY: the block just made.
        unsafe { platform::free(place.as_ptr().cast()) };
        return None;
    }
    let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
    let fresh = Thread {
        owner: Cell::new(None),
        currjob: Cell::new(None),
        dispatcher: Fibre::new(),
        exceptions: Cell::new(ptr::null_mut()),
        blocked: Cell::new(0),
        block_epoch: Cell::new(number << 32),
        pool: Pool::none(),
        end: Cell::new(if word::has_ended() {
            End::Over
        } else {
            End::NotYet
        }),
        number,
        uses: Uses::none(),
        signal_stack: Cell::new(None),
        errors: Queue::new(),
        text: Cell::new([0; TEXT_SIZE]),
        panics: Panics::none(),
    };
    if let Some(code) = word::kept_code() {
        fresh.errors.push(Entry::of_code(code));
    }
    // SAFETY: the block is new, large enough, and aligned for any type. Nobody else has its
    // address.
    unsafe {
        place.write(fresh);
        word::set_state(place.cast());
        Some(place.as_ref())
    }
}

/// The calling thread's state as an owner of jobs, which is made if there is none. None as for
/// [`get_or_create`].
#[cold]
#[inline(never)]
pub fn attach() -> Option<(&'static Thread, Owner)> {
    // This part is also called on a job's stack, where the thread is an owner already. The rest
    // takes too much stack for that.
    this()
        .and_then(|thread| Some((thread, thread.owner.get()?)))
        .or_else(attach_now)
}

#[cold]
#[inline(never)]
fn attach_now() -> Option<(&'static Thread, Owner)> {
    let thread = get_or_create()?;
    let owner = thread.begin();
    if owner.is_none() {
        thread.free_if_ended();
    }
    owner.map(|owner| (thread, owner))
}

impl Thread {
    /// Makes the thread an owner of jobs.
    fn begin(&self) -> Option<Owner> {
        let counters = Counters::take()?;
        let number = self.number;
        self.owner.set(Some(Owner { number, counters }));
        if self.may_pool() {
            self.signal_stack
                .set(report::watch_overflows(report_overflow));
        }
        report::report_if_asked();
        libcrypto::find_libcrypto();
        self.find_exceptions();
        self.owner.get()
    }

    /// The thread as an owner of jobs; none before [`attach`].
    #[inline(always)]
    pub fn owner(&self) -> Option<Owner> {
        self.owner.get()
    }

    /// Whether jobs that have ended are pooled. Not after [`exit`] has begun.
    pub fn may_pool(&self) -> bool {
        self.end.get() == End::NotYet
    }

    /// Looks for the C++ run-time, which may have been loaded since the last time. It does nothing
    /// inside a job: looking takes too much stack.
    #[inline]
    pub fn find_exceptions(&self) {
        if self.exceptions.get().is_null() && self.currjob.get().is_none() {
            self.exceptions.set(cxx_runtime::thread_exceptions());
        }
    }

    /// Resets the number of blocks to 0 (B14).
    pub fn forget_blocks(&self) {
        self.blocked.set(0);
        self.block_epoch.set(self.block_epoch.get() + 1);
    }

    /// Frees the state if the thread has ended its jobs and this was the last use of the state.
    /// Called when a job that was not pooled has ended or could not be started, and when a kept
    /// panic was taken. The caller does not use the state afterwards.
    #[cold]
    #[inline(never)]
    pub fn free_if_ended(&self) {
        if self.end.get() != End::Over {
            return;
        }
        let has_jobs = self.owner.get().is_some_and(|owner| {
            let stats = Stats::of_thread(owner.counters);
            stats.running + stats.paused > 0
        });
        if !has_jobs && !self.panics.has_any() {
            // SAFETY: no job is left, and the caller does not use the state any more.
            unsafe { free_state(NonNull::from(self)) };
        }
    }
}

/// In a signal handler: reports a memory fault if it is an overflow of the running job's stack.
fn report_overflow(address: usize) {
    let Some(job) = this_in_handlers().and_then(|thread| thread.currjob.get()) else {
        return;
    };
    let function = job.work.func.get();
    let job = RunningJob {
        handle: job.handle().addr(),
        function: function.map_or(0, |function| (function as *const ()).addr()),
        stack: job.stack(),
        has_custom_stack: job.has_custom_stack(),
    };
    report::report_overflow(&job, address);
}

/// Takes a thread's state out of the word and frees it. The newest error stays in the word.
///
/// # Safety
///
/// It is the calling thread's state, and nothing uses it any more.
unsafe fn free_state(place: NonNull<Thread>) {
    // SAFETY: the caller guarantees the state, which is freed below.
    let thread = unsafe { place.as_ref() };
    let newest = thread.errors.last().map_or(0, |entry| entry.code);
    word::set_without_state(true, newest);
    platform::cancel_thread_exit();
    if let Some(owner) = thread.owner.take() {
        owner.counters.give_back();
    }
    // A panic's payload may panic when it is dropped, and no caller is left to receive that panic.
    // If its payload panics too, that one is leaked. SAFETY: signal handlers find no state any
    // more, and the caller does not use it again.
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| unsafe { place.drop_in_place() }));
    mem::forget(panic::catch_unwind(AssertUnwindSafe(|| drop(dropped))));
    // SAFETY: `get_or_create` allocated the block.
    unsafe { platform::free(place.as_ptr().cast()) };
}

/// Frees the idle jobs, the pool and the state when the thread ends. Paused jobs stay, because
/// other threads may still wake them, but nobody can resume them (D15). So does a job that runs, if
/// the thread ends inside it (F11): its frames are gone.
extern "C" fn exit(state: *mut c_void) {
    let Some(place) = NonNull::new(state.cast::<Thread>()) else {
        return;
    };
    // SAFETY: `get_or_create` registered it, and `free_state` has not freed it.
    let thread = unsafe { place.as_ref() };
    thread.end.set(End::InProgress);
    if let Some(owner) = thread.owner.get() {
        if thread.currjob.take().is_some() {
            owner.counters.cut_short.add(1);
        }
        if let Some(stack) = thread.signal_stack.take() {
            platform::free_signal_stack(stack);
        }
        // The program's function that frees stacks may start jobs. They are not pooled.
        thread.pool.free(owner);
        owner
            .counters
            .abandoned
            .add(Stats::of_thread(owner.counters).paused);
    }
    thread.errors.clear();
    // SAFETY: it is this thread's state, and the thread runs nothing else.
    unsafe { free_state(place) };
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
