//! What belongs to one thread: the dispatcher, the current job, the pause block, the pool, the error queue. It is made when
//! the thread first owns something and freed when the thread ends.
//!
//! The one thread-local is a word in `csrc/thread.c`:
//!
//! | Word | The thread |
//! |---|---|
//! | 0 | has no state |
//! | odd | has the state at the address below: one test tells, on every hot path |
//! | even | has no state; bit 1: it has ended its jobs; above: the code of its newest error, or 0 |
//!
//! A thread that has ended its jobs may start more, in the destructor of another key, and nobody knows whether there will be
//! a later chance to free anything. So nothing is pooled for it, and the state goes with the last job. An error without a
//! state to queue it in, because of that or because there is no memory, is kept in the word: the newest one only.

use crate::error_queue::{Entry, Queue};
use crate::job::Record;
use crate::libcrypto;
use crate::overflow;
use crate::panics::Panics;
use crate::platform::{self, Exceptions, Fibre, SignalStack};
use crate::pool::Pool;
use crate::stats::{self, Counters};
use crate::wake::Use;
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
    pub current: Cell<Option<&'static Record>>,
    /// The calling side of the running job.
    pub dispatcher: Fibre,
    /// What the C++ run-time keeps of exceptions for this thread; null where there is none, as far as is known.
    pub exceptions: Cell<*mut Exceptions>,
    /// How often pausing is blocked (K1).
    pub blocks: Cell<usize>,
    /// Changes whenever the blocks are forgotten, and is never the same in two states.
    pub block_epoch: Cell<u64>,
    /// The idle jobs.
    pub pool: Pool,
    /// Whether the thread still pools jobs.
    end: Cell<End>,
    /// The state's number, and what it is as an owner.
    number: u64,
    /// Numbers for uses of records that this thread has drawn and not given out yet.
    uses: Cell<(u64, u64)>,
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

/// A thread as the owner of jobs.
#[derive(Clone, Copy)]
pub struct Owner {
    /// Tells threads apart in records. Never 0 and never reused, so that a new thread is never taken for one that has
    /// ended.
    pub number: u64,
    /// Where it counts what it does.
    pub counters: &'static Counters,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
static NEXT_USE: AtomicU64 = AtomicU64::new(1);

/// How many use numbers a thread draws at once, so that threads rarely meet at the counter.
const USES_AT_ONCE: u64 = 1 << 16;

/// Bits of a word.
const HAS_STATE: usize = 1;
const HAS_ENDED: usize = 1 << 1;
const CODE_SHIFT: u32 = 2;

/// The calling thread's state, if it has one.
///
/// The word is read by a function of the shim, so no compiler keeps its address for use on another thread. A job never
/// changes threads (D8 is refused), so the reference stays right across a pause. It must not outlive the thread's jobs.
#[inline(always)]
pub fn this() -> Option<&'static Thread> {
    let word = platform::thread_state();
    if word.addr() & HAS_STATE != 0 {
        // SAFETY: the state that `make` put there; `unmake` takes it out of the word before it frees it.
        unsafe { Some(&*word.wrapping_byte_sub(HAS_STATE).cast::<Thread>()) }
    } else {
        None
    }
}

/// [`this`], for functions that signal handlers may call: it allocates nothing and takes no lock.
#[inline(always)]
pub fn this_in_handlers() -> Option<&'static Thread> {
    if platform::THREAD_STATE_MAY_ALLOCATE && !platform::exit_is_awaited() {
        // The thread never had a state, and may not have got its copy of the word yet.
        return None;
    }
    this()
}

/// Whether the caller is in a job, on whose stack the library must be frugal.
pub fn is_in_job() -> bool {
    this().is_some_and(|thread| thread.current.get().is_some())
}

/// The calling thread's state, made if it has none. None if there is no memory, or no thread-specific key to free it with.
pub fn make() -> Option<&'static Thread> {
    this().or_else(make_now)
}

#[cold]
#[inline(never)]
fn make_now() -> Option<&'static Thread> {
    let place = NonNull::new(platform::allocate(size_of::<Thread>()))?.cast::<Thread>();
    if !platform::at_thread_exit(exit, place.as_ptr().cast()) {
        // SAFETY: the block just made.
        unsafe { platform::free(place.as_ptr().cast()) };
        return None;
    }
    let word = platform::thread_state().addr();
    let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
    let fresh = Thread {
        owner: Cell::new(None),
        current: Cell::new(None),
        dispatcher: Fibre::new(),
        exceptions: Cell::new(ptr::null_mut()),
        blocks: Cell::new(0),
        block_epoch: Cell::new(number << 32),
        pool: Pool::none(),
        end: Cell::new(if word & HAS_ENDED != 0 {
            End::Before
        } else {
            End::Ahead
        }),
        number,
        uses: Cell::new((0, 0)),
        signal_stack: Cell::new(None),
        errors: Queue::new(),
        text: Cell::new([0; TEXT_SIZE]),
        panics: Panics::none(),
    };
    if let Some(code) = code_in(word) {
        fresh.errors.push(Entry::of_code(code));
    }
    // SAFETY: the block is new, large enough, and aligned for any type. Nobody else has its address.
    unsafe {
        place.write(fresh);
        platform::set_thread_state(place.as_ptr().cast::<c_void>().wrapping_byte_add(HAS_STATE));
        Some(place.as_ref())
    }
}

/// The calling thread's state as an owner of jobs, made if it has none. None as for [`make`].
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
    let thread = make()?;
    let owner = thread.begin();
    if owner.is_none() {
        thread.leave_if_ended();
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
            self.signal_stack.set(overflow::watch());
        }
        stats::report_if_asked();
        libcrypto::find();
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
        if self.exceptions.get().is_null() && self.current.get().is_none() {
            self.exceptions.set(platform::exceptions());
        }
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

    /// A job that was not pooled has ended, or could not be started; or a panic that was kept was taken. In a thread that had
    /// ended its jobs before, the state goes with the last one: the caller uses it no more.
    #[cold]
    #[inline(never)]
    pub fn leave_if_ended(&self) {
        if self.end.get() != End::Before {
            return;
        }
        let has_jobs = self.owner.get().is_some_and(|owner| {
            let stats = owner.counters.stats();
            stats.running + stats.paused > 0
        });
        if !has_jobs && !self.panics.are_there() {
            // SAFETY: nothing runs on the thread that uses the state, and the caller does so no more.
            unsafe { unmake(NonNull::from(self)) };
        }
    }
}

/// Takes a thread's state out of the word and frees it; the newest error stays in the word.
///
/// # Safety
///
/// It is the calling thread's, and nobody uses it any more.
unsafe fn unmake(place: NonNull<Thread>) {
    // SAFETY: the caller's, until it is freed below.
    let thread = unsafe { place.as_ref() };
    let newest = thread.errors.last().map_or(0, |entry| entry.code);
    set_word(HAS_ENDED, newest);
    platform::forget_thread_exit();
    if let Some(owner) = thread.owner.take() {
        owner.counters.give_back();
    }
    // A panic's payload may panic when it is dropped, and nobody is left who could be told. If what that panic carries does so too,
    // it is given up.
    // SAFETY: signal handlers find no state any more, and the caller uses it no more.
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| unsafe { place.drop_in_place() }));
    mem::forget(panic::catch_unwind(AssertUnwindSafe(|| drop(dropped))));
    // SAFETY: a block of `make`'s.
    unsafe { platform::free(place.as_ptr().cast()) };
}

fn set_word(bits: usize, code: u32) {
    let word = ((code as usize) << CODE_SHIFT) | bits;
    platform::set_thread_state(ptr::without_provenance_mut(word));
}

/// The code in a word that is no address.
fn code_in(word: usize) -> Option<u32> {
    let code = (word >> CODE_SHIFT) as u32;
    (word & HAS_STATE == 0 && code != 0).then_some(code)
}

/// [`make`], but nothing is made for a thread that has ended its jobs, since nobody may come who frees it.
pub fn make_unless_ended() -> Option<&'static Thread> {
    this().or_else(|| {
        let word = platform::thread_state().addr();
        if word & HAS_ENDED == 0 { make() } else { None }
    })
}

/// Queues an error for the calling thread.
pub fn push_error(entry: Entry) {
    match make_unless_ended() {
        Some(thread) => thread.errors.push(entry),
        None => set_word(platform::thread_state().addr() & HAS_ENDED, entry.code),
    }
}

/// What `look` finds in the calling thread's error queue; where there is none, in one that has the error that is kept in the
/// word, if any, which is then taken out of it if `look` has.
pub fn with_errors<R>(look: impl FnOnce(&Queue) -> R) -> R {
    if let Some(thread) = this() {
        return look(&thread.errors);
    }
    let word = platform::thread_state().addr();
    let queue = Queue::new();
    if let Some(code) = code_in(word) {
        queue.push(Entry::of_code(code));
    }
    let found = look(&queue);
    if queue.first().is_none() && code_in(word).is_some() {
        set_word(word & HAS_ENDED, 0);
    }
    found
}

/// The thread ends: idle jobs, pool and block go, and the state. Paused jobs stay where they are, since somebody may still wake
/// them, but nobody can resume them (D15). So does a job that runs, if the thread ends inside one (F11): its frames are gone.
extern "C" fn exit(state: *mut c_void) {
    let Some(place) = NonNull::new(state.cast::<Thread>()) else {
        return;
    };
    // SAFETY: what `make` registered, and `unmake` has not freed.
    let thread = unsafe { place.as_ref() };
    thread.end.set(End::Now);
    if let Some(owner) = thread.owner.get() {
        if thread.current.take().is_some() {
            owner.counters.cut_short.add(1);
        }
        if let Some(stack) = thread.signal_stack.take() {
            platform::free_signal_stack(stack);
        }
        // A program's own function that frees stacks may start jobs meanwhile; they are not pooled.
        thread.pool.free(owner);
        owner.counters.abandoned.add(owner.counters.stats().paused);
    }
    thread.errors.clear();
    // SAFETY: it is the thread's, and the thread runs nothing but this.
    unsafe { unmake(place) };
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
                assert!(this().is_none());
                let (thread, owner) = attach().expect("a key");
                assert_eq!(thread.owner().map(|owner| owner.number), Some(owner.number));
                owner.number
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
            let thread = make().expect("a key");
            (0..USES_AT_ONCE + 10)
                .map(|_| thread.new_use().0)
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

    // Rules: B5, D15
    #[test]
    fn an_error_without_a_state_is_kept_in_the_word_and_goes_to_the_queue_that_comes_later() {
        let work = || {
            let code = |queue: &Queue| queue.last().map(|entry| entry.code);
            assert_eq!(with_errors(code), None);
            set_word(0, 0x33069042);
            assert!(this().is_none());
            assert_eq!(with_errors(code), Some(0x33069042));
            assert_eq!(
                with_errors(Queue::pop).map(|entry| entry.code),
                Some(0x33069042)
            );
            assert_eq!(with_errors(code), None);
            set_word(HAS_ENDED, 0);
            push_error(Entry::of_code(0x33066041));
            push_error(Entry::of_code(0x33066042));
            assert!(this().is_none(), "nothing is made for an error alone");
            assert_eq!(with_errors(code), Some(0x33066042));
            let thread = make().expect("a key");
            assert!(!thread.may_pool());
            assert_eq!(with_errors(code), Some(0x33066042));
            thread.leave_if_ended();
            assert!(this().is_none());
            assert_eq!(with_errors(code), Some(0x33066042));
            with_errors(Queue::clear);
            assert_eq!(with_errors(code), None);
        };
        std::thread::spawn(work).join().unwrap();
    }
}
