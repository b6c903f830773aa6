//! What belongs to one thread: the dispatcher, the current job, the pause block, the pool. The only
//! thread-local but for what the C face keeps of errors.

use crate::job::Record;
use crate::libcrypto;
use crate::overflow;
use crate::platform::{self, Fibre, SignalStack};
use crate::pool::Pool;
use crate::stats::{self, Counters};
use crate::wake::Use;
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};

/// One thread's state. It needs no memory of its own and no destructor: what must be freed when the thread ends hangs
/// on a pthread key ([`Thread::attach`]), and a call that comes even later finds a thread like new.
pub struct Thread {
    /// What it is as an owner of jobs; none until attached.
    owner: Cell<Option<Owner>>,
    /// The job that runs now.
    pub current: Cell<Option<&'static Record>>,
    /// The calling side of the running job.
    pub dispatcher: Fibre,
    /// How often pausing is blocked (K1).
    pub blocks: Cell<usize>,
    /// Counts how often the blocks were forgotten.
    pub block_epoch: Cell<u64>,
    /// The idle jobs.
    pub pool: Pool,
    /// Numbers for uses of records that this thread has drawn and not given out yet.
    uses: Cell<(u64, u64)>,
    /// The stack that its signal handlers got from the library, if they did.
    signal_stack: Cell<Option<SignalStack>>,
}

/// A thread as the owner of jobs.
#[derive(Clone, Copy)]
pub struct Owner {
    /// Tells threads apart in records. Never 0 and never reused, so that a new thread is never taken for one that has
    /// ended.
    pub number: u64,
    /// Where it counts what it does.
    pub counters: &'static Counters,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            owner: Cell::new(None),
            current: Cell::new(None),
            dispatcher: Fibre::new(),
            blocks: Cell::new(0),
            block_epoch: Cell::new(0),
            pool: Pool::none(),
            uses: Cell::new((0, 0)),
            signal_stack: Cell::new(None),
        }
    };
}

/// The calling thread's state.
///
/// Never inlined, so that no compiler keeps the address of one thread's storage for use on another. A job never
/// changes threads (D8 is refused), so the reference stays right across a pause; it must not outlive the thread.
#[inline(never)]
pub fn this() -> &'static Thread {
    // SAFETY: the value has no destructor, so it lives as long as the thread, and being neither Send nor Sync the
    // reference stays on it.
    THREAD.with(|thread| unsafe { &*core::ptr::from_ref(thread) })
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
static NEXT_USE: AtomicU64 = AtomicU64::new(1);

/// How many use numbers a thread draws at once, so that threads rarely meet at the counter.
const USES_AT_ONCE: u64 = 1 << 16;

impl Thread {
    /// Makes the thread an owner of jobs, if it can be: what it owns when it ends is then freed.
    #[inline(always)]
    pub fn attach(&self) -> Option<Owner> {
        self.owner.get().or_else(|| self.attach_now())
    }

    #[cold]
    fn attach_now(&self) -> Option<Owner> {
        let counters = Counters::take()?;
        if !platform::at_thread_exit(exit) {
            counters.give_back();
            return None;
        }
        self.signal_stack.set(overflow::watch());
        stats::report_if_asked();
        libcrypto::look();
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        self.owner.set(Some(Owner { number, counters }));
        self.owner.get()
    }

    /// The thread as an owner of jobs; none if it never was attached.
    pub fn owner(&self) -> Option<Owner> {
        self.owner.get()
    }

    /// Pausing is not blocked any more (B14).
    pub fn forget_blocks(&self) {
        self.blocks.set(0);
        self.block_epoch.set(self.block_epoch.get() + 1);
    }

    /// A number for one use of a record.
    pub fn new_use(&self) -> Use {
        let (mut next, mut end) = self.uses.get();
        if next == end {
            next = NEXT_USE.fetch_add(USES_AT_ONCE, Ordering::Relaxed);
            end = next + USES_AT_ONCE;
        }
        self.uses.set((next + 1, end));
        Use(next)
    }
}

/// The thread ends: idle jobs, pool and block go. Paused jobs stay where they are, since somebody may still wake them,
/// but nobody can resume them (D15). So does a job that runs, if the thread ends inside one.
extern "C" fn exit(_: *mut c_void) {
    let thread = this();
    thread.forget_blocks();
    thread.current.set(None);
    if let Some(stack) = thread.signal_stack.take() {
        platform::free_signal_stack(stack);
    }
    if let Some(owner) = thread.owner.take() {
        thread.pool.free(owner);
        owner.counters.abandoned.add(owner.counters.stats().paused);
        owner.counters.give_back();
    }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    // Rules: D8, D15
    #[test]
    fn thread_numbers_begin_with_the_first_job_and_are_never_used_again() {
        let number = || {
            std::thread::spawn(|| {
                assert!(this().owner().is_none());
                let number = this().attach().expect("a key").number;
                assert_eq!(this().attach().map(|owner| owner.number), Some(number));
                number
            })
        };
        let numbers: HashSet<u64> = (0..20).map(|_| number().join().unwrap()).collect();
        assert_eq!(numbers.len(), 20);
        assert!(!numbers.contains(&0));
    }

    // Rules: D19, D24
    #[test]
    fn use_numbers_are_never_given_twice_in_any_thread() {
        let draw = || {
            (0..USES_AT_ONCE + 10)
                .map(|_| this().new_use().0)
                .collect::<Vec<u64>>()
        };
        let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(draw)).collect();
        let drawn: Vec<u64> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert!(drawn.iter().all(|number| *number != 0));
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
    }
}
