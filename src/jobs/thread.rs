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

/// Bytes that `ERR_error_string` may fill.
pub const TEXT_SIZE: usize = 256;

/// One thread's state. [`exit`] frees it.
pub struct Thread {
    /// The thread as an owner of jobs; none until [`attach`]ed.
    owner: Cell<Option<Owner>>,
    /// The job that runs now.
    pub currjob: Cell<Option<&'static Record>>,
    /// The calling side of the running job.
    pub dispatcher: Fibre,
    /// What the C++ run-time keeps of exceptions for this thread; null where there is none, as far as is known.
    pub exceptions: Cell<*mut Exceptions>,
    /// How often pausing is blocked (K1).
    pub blocked: Cell<usize>,
    /// Changes whenever the blocks are forgotten, and is never the same in two states.
    pub block_epoch: Cell<u64>,
    /// The idle jobs.
    pub pool: Pool,
    /// Whether the thread still pools jobs.
    end: Cell<End>,
    /// The state's number, and what it is as an owner.
    number: u64,
    /// Numbers for uses of records.
    pub uses: Uses,
    /// The stack that its signal handlers got from the library, if they did.
    signal_stack: Cell<Option<SignalStack>>,
    /// The C face's error queue.
    pub errors: Queue,
    /// Where `ERR_error_string` writes when it is given no buffer.
    pub text: Cell<[c_char; TEXT_SIZE]>,
    /// Panics that nobody has seen yet.
    pub panics: Panics,
}

/// How far the end of a thread's jobs has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has not begun.
    Ahead,
    /// [`exit`] is at work.
    Now,
    /// It has been once: the state goes with the last job.
    Before,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// The calling thread's state, if it has one.
///
/// The word is read by a function of the shim, so no compiler keeps its address for use on another thread. A job never
/// changes threads (D8 is refused), so the reference stays right across a pause. It must not outlive the thread's jobs.
#[inline(always)]
pub fn this() -> Option<&'static Thread> {
    // SAFETY: the state that `get_or_create` put there; `free_state` takes it out of the word before it frees it.
    word::state().map(|state| unsafe { state.cast().as_ref() })
}

/// [`this`], for functions that signal handlers may call: it allocates nothing and takes no lock.
#[inline(always)]
pub fn this_in_handlers() -> Option<&'static Thread> {
    if platform::THREAD_STATE_MAY_ALLOCATE && !platform::has_thread_exit() {
        // The thread never had a state, and may not have got its copy of the word yet.
        return None;
    }
    this()
}

/// Whether the caller is in a job, on whose stack the library must be frugal.
pub fn is_in_job() -> bool {
    this().is_some_and(|thread| thread.currjob.get().is_some())
}

/// The calling thread's state, made if it has none. None if there is no memory, or no thread-specific key to free it with.
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
            End::Before
        } else {
            End::Ahead
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
    // SAFETY: the block is new, large enough, and aligned for any type. Nobody else has its address.
    unsafe {
        place.write(fresh);
        word::set_state(place.cast());
        Some(place.as_ref())
    }
}

/// The calling thread's state as an owner of jobs, made if it has none. None as for [`get_or_create`].
#[cold]
#[inline(never)]
pub fn attach() -> Option<(&'static Thread, Owner)> {
    // Asked for on a job's stack as well, whose thread has long been an owner. The rest takes more stack than we may take there.
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
    /// The thread begins to own jobs.
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

    /// The thread as an owner of jobs; none if it never was attached.
    #[inline(always)]
    pub fn owner(&self) -> Option<Owner> {
        self.owner.get()
    }

    /// Whether idle jobs are kept for later: not once the thread has begun to end its jobs.
    pub fn may_pool(&self) -> bool {
        self.end.get() == End::Ahead
    }

    /// Looks for the C++ run-time, which may have been loaded since. Not in a job: the look-up takes more stack than we may
    /// take there.
    #[inline]
    pub fn find_exceptions(&self) {
        if self.exceptions.get().is_null() && self.currjob.get().is_none() {
            self.exceptions.set(cxx_runtime::thread_exceptions());
        }
    }

    /// Pausing is not blocked any more (B14).
    pub fn forget_blocks(&self) {
        self.blocked.set(0);
        self.block_epoch.set(self.block_epoch.get() + 1);
    }

    /// A job that was not pooled has ended, or could not be started; or a panic that was kept was taken. In a thread that had
    /// ended its jobs before, the state goes with the last one: the caller uses it no more.
    #[cold]
    #[inline(never)]
    pub fn free_if_ended(&self) {
        if self.end.get() != End::Before {
            return;
        }
        let has_jobs = self.owner.get().is_some_and(|owner| {
            let stats = Stats::of_thread(owner.counters);
            stats.running + stats.paused > 0
        });
        if !has_jobs && !self.panics.are_there() {
            // SAFETY: nothing runs on the thread that uses the state, and the caller does so no more.
            unsafe { free_state(NonNull::from(self)) };
        }
    }
}

/// A memory fault at an address, in a signal handler: reports it if it is an overflow of the running job's stack.
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

/// Takes a thread's state out of the word and frees it; the newest error stays in the word.
///
/// # Safety
///
/// It is the calling thread's, and nobody uses it any more.
unsafe fn free_state(place: NonNull<Thread>) {
    // SAFETY: the caller's, until it is freed below.
    let thread = unsafe { place.as_ref() };
    let newest = thread.errors.last().map_or(0, |entry| entry.code);
    word::set_without_state(true, newest);
    platform::cancel_thread_exit();
    if let Some(owner) = thread.owner.take() {
        owner.counters.give_back();
    }
    // A panic's payload may panic when it is dropped, and nobody is left who could be told. If what that panic carries does so too,
    // it is given up.
    // SAFETY: signal handlers find no state any more, and the caller uses it no more.
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| unsafe { place.drop_in_place() }));
    mem::forget(panic::catch_unwind(AssertUnwindSafe(|| drop(dropped))));
    // SAFETY: a block of `get_or_create`'s.
    unsafe { platform::free(place.as_ptr().cast()) };
}

/// The thread ends: idle jobs, pool and block go, and the state. Paused jobs stay where they are, since somebody may still wake
/// them, but nobody can resume them (D15). So does a job that runs, if the thread ends inside one (F11): its frames are gone.
extern "C" fn exit(state: *mut c_void) {
    let Some(place) = NonNull::new(state.cast::<Thread>()) else {
        return;
    };
    // SAFETY: what `get_or_create` registered, and `free_state` has not freed.
    let thread = unsafe { place.as_ref() };
    thread.end.set(End::Now);
    if let Some(owner) = thread.owner.get() {
        if thread.currjob.take().is_some() {
            owner.counters.cut_short.add(1);
        }
        if let Some(stack) = thread.signal_stack.take() {
            platform::free_signal_stack(stack);
        }
        // A program's own function that frees stacks may start jobs meanwhile; they are not pooled.
        thread.pool.free(owner);
        owner
            .counters
            .abandoned
            .add(Stats::of_thread(owner.counters).paused);
    }
    thread.errors.clear();
    // SAFETY: it is the thread's, and the thread runs nothing but this.
    unsafe { free_state(place) };
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
