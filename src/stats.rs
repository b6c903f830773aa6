//! What the library counts, by thread and for the whole process.
//!
//! Each thread counts for itself, in a block that only it writes; what is asked for is added up when it is asked for. Blocks are
//! never freed: a thread that ends leaves its counts to the process's and its block to the next thread.

use crate::platform::{self, ForkSafe};
use crate::thread::Thread;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// Counts since the thread's first job, or since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs (records with their stacks) ever made.
    pub created: u64,
    /// Jobs waiting in a pool.
    pub idle: u64,
    /// Jobs running now: one a thread at most.
    pub running: u64,
    /// Jobs paused now.
    pub paused: u64,
    /// Jobs that will never end: paused or running when their thread ended (D15), or paused when their [`Job`](crate::Job) was
    /// dropped. Each
    /// keeps its stack and its wait fd.
    pub abandoned: u64,
    /// Jobs started.
    pub starts: u64,
    /// Pauses that happened.
    pub pauses: u64,
    /// Paused jobs resumed.
    pub resumes: u64,
    /// Functions that returned.
    pub finishes: u64,
    /// Calls that were refused: nested, not resumable, NULL, or freeing inside a job.
    pub refusals: u64,
    /// Bytes of stack that existing jobs have, touched or not.
    pub stack_bytes: u64,
    /// The most that any job had used of its stack when it ended, in bytes, counted in whole pages. 0 unless it is measured:
    /// see [`measure_stacks`].
    pub stack_high_water: u64,
}

/// One count. Only one thread changes it; any may read it.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn zero() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds; the thread whose counter it is only.
    pub fn add(&self, more: u64) {
        self.0
            .store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes away; the thread whose counter it is only.
    pub fn subtract(&self, less: u64) {
        self.0
            .store(self.get().wrapping_sub(less), Ordering::Relaxed);
    }

    /// Makes it at least so much; the thread whose counter it is only.
    pub fn raise(&self, to: u64) {
        self.0.store(self.get().max(to), Ordering::Relaxed);
    }

    /// Adds, from any thread.
    fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// One thread's counts. Alone in its cache lines, two of which processors fetch together: threads that count must not get
/// in each other's way.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub created: Counter,
    pub destroyed: Counter,
    pub abandoned: Counter,
    pub starts: Counter,
    pub pauses: Counter,
    pub resumes: Counter,
    pub finishes: Counter,
    /// Jobs that ran when their thread ended.
    pub cut_short: Counter,
    pub refusals: Counter,
    pub stack_bytes: Counter,
    /// The largest, where all others are sums.
    pub stack_high_water: Counter,
    /// The block made before this one.
    next: AtomicPtr<Counters>,
    /// The free block below this one, while no thread counts here.
    next_free: AtomicPtr<Counters>,
}

/// The block made last; the others hang on it.
static BLOCKS: AtomicPtr<Counters> = AtomicPtr::new(core::ptr::null_mut());

/// The blocks that no thread counts in, so that a new thread need not look for one among all.
static FREE: ForkSafe<Option<&'static Counters>> = ForkSafe::new(None);

/// What threads that have ended leave behind, and what threads without a job are refused.
static OTHERS: Counters = Counters::new();

impl Counters {
    const fn new() -> Counters {
        Counters {
            created: Counter::zero(),
            destroyed: Counter::zero(),
            abandoned: Counter::zero(),
            starts: Counter::zero(),
            pauses: Counter::zero(),
            resumes: Counter::zero(),
            finishes: Counter::zero(),
            cut_short: Counter::zero(),
            refusals: Counter::zero(),
            stack_bytes: Counter::zero(),
            stack_high_water: Counter::zero(),
            next: AtomicPtr::new(core::ptr::null_mut()),
            next_free: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// A block for a thread that begins to have jobs, or none without memory.
    pub fn take() -> Option<&'static Counters> {
        let free = FREE.with(|free| {
            let block = free.take()?;
            *free = follow(&block.next_free);
            Some(block)
        });
        if free.is_some() {
            return free;
        }
        let block = platform::allocate(size_of::<Counters>() + align_of::<Counters>());
        let block = NonNull::new(block)?.cast::<u8>();
        // SAFETY: the block is new, large enough for an aligned place, and never freed.
        let (place, fresh): (NonNull<Counters>, &'static Counters) = unsafe {
            let place = block.add(block.align_offset(align_of::<Counters>())).cast();
            place.write(Counters::new());
            (place, place.as_ref())
        };
        let mut newest = BLOCKS.load(Ordering::Relaxed);
        loop {
            fresh.next.store(newest, Ordering::Relaxed);
            match BLOCKS.compare_exchange(
                newest,
                place.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(fresh),
                Err(other) => newest = other,
            }
        }
    }

    /// The thread ends: its counts go to the process's, and the block to whoever wants it.
    pub fn give_back(&'static self) {
        for (mine, all) in self.each().into_iter().zip(OTHERS.each()) {
            let count = mine.get();
            mine.subtract(count);
            all.add_shared(count);
        }
        let high_water = self.stack_high_water.0.swap(0, Ordering::Relaxed);
        OTHERS
            .stack_high_water
            .0
            .fetch_max(high_water, Ordering::Relaxed);
        FREE.with(|free| {
            let below = free.map_or(core::ptr::null_mut(), |block| {
                core::ptr::from_ref(block).cast_mut()
            });
            self.next_free.store(below, Ordering::Relaxed);
            *free = Some(self);
        });
    }

    /// The counts and what follows from them.
    pub fn stats(&self) -> Stats {
        Stats {
            stack_high_water: self.stack_high_water.get(),
            ..Stats::of(&self.each().map(Counter::get))
        }
    }

    fn each(&self) -> [&Counter; 10] {
        [
            &self.created,
            &self.destroyed,
            &self.abandoned,
            &self.starts,
            &self.pauses,
            &self.resumes,
            &self.finishes,
            &self.cut_short,
            &self.refusals,
            &self.stack_bytes,
        ]
    }
}

impl Stats {
    /// From counts in the order of [`Counters::each`]. While other threads run, counts may be a moment apart, so that a
    /// difference that would be negative is taken for none.
    fn of(
        &[
            created,
            destroyed,
            abandoned,
            starts,
            pauses,
            resumes,
            finishes,
            cut_short,
            refusals,
            stack_bytes,
        ]: &[u64; 10],
    ) -> Stats {
        let paused = pauses.saturating_sub(resumes + abandoned);
        let running = (starts + resumes).saturating_sub(pauses + finishes + cut_short);
        let abandoned = abandoned + cut_short;
        let idle = created.saturating_sub(destroyed + paused + running + abandoned);
        Stats {
            created,
            idle,
            running,
            paused,
            abandoned,
            starts,
            pauses,
            resumes,
            finishes,
            refusals,
            stack_bytes,
            stack_high_water: 0,
        }
    }
}

fn follow(link: &AtomicPtr<Counters>) -> Option<&'static Counters> {
    // SAFETY: blocks are never freed, and are written before they are linked.
    unsafe { link.load(Ordering::Acquire).as_ref() }
}

fn blocks() -> impl Iterator<Item = &'static Counters> {
    core::iter::successors(follow(&BLOCKS), move |block| follow(&block.next))
}

/// The counts of this process, all threads together.
pub fn process() -> Stats {
    let mut sums = OTHERS.each().map(Counter::get);
    let mut stack_high_water = OTHERS.stack_high_water.get();
    for block in blocks() {
        stack_high_water = stack_high_water.max(block.stack_high_water.get());
        for (sum, counter) in sums.iter_mut().zip(block.each()) {
            *sum = sum.wrapping_add(counter.get());
        }
    }
    Stats {
        stack_high_water,
        ..Stats::of(&sums)
    }
}

/// The counts of the calling thread, since its first job.
pub fn thread() -> Stats {
    crate::thread::this()
        .and_then(Thread::owner)
        .map(|owner| owner.counters.stats())
        .unwrap_or_default()
}

static MEASURES_STACKS: AtomicBool = AtomicBool::new(false);

/// Whether each job that ends has its stack measured, for [`Stats::stack_high_water`], from now on. It costs a system call a
/// job, so it is off unless asked for; `OSSL_ASYNC_STATS=1` in the environment asks for it too.
pub fn measure_stacks(measure: bool) {
    MEASURES_STACKS.store(measure, Ordering::Relaxed);
}

pub(crate) fn measures_stacks() -> bool {
    MEASURES_STACKS.load(Ordering::Relaxed)
}

/// Counts a call that was refused.
#[cold]
pub(crate) fn refused() {
    match crate::thread::this().and_then(Thread::owner) {
        Some(owner) => owner.counters.refusals.add(1),
        None => OTHERS.refusals.add_shared(1),
    }
}

/// Has the counts printed on standard error when the process ends, if `OSSL_ASYNC_STATS` is 1 in its environment.
pub(crate) fn report_if_asked() {
    static ASKED: AtomicBool = AtomicBool::new(false);

    extern "C" fn report() {
        platform::print_formatted(format_args!("{}\n", process()));
    }
    if !ASKED.swap(true, Ordering::Relaxed) && platform::environment_is(c"OSSL_ASYNC_STATS", c"1") {
        measure_stacks(true);
        platform::at_process_exit(report);
    }
}

impl core::fmt::Display for Stats {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Stats {
            created,
            idle,
            running,
            paused,
            abandoned,
            ..
        } = self;
        let Stats {
            starts,
            pauses,
            resumes,
            finishes,
            refusals,
            stack_bytes,
            stack_high_water,
            ..
        } = self;
        write!(
            f,
            "ossl-async: created={created} idle={idle} running={running} paused={paused} abandoned={abandoned}"
        )?;
        write!(
            f,
            " starts={starts} pauses={pauses} resumes={resumes} finishes={finishes} refusals={refusals}"
        )?;
        write!(
            f,
            " stack_bytes={stack_bytes} stack_high_water={stack_high_water}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rules: D15
    #[test]
    fn a_block_is_one_threads_and_then_the_next_ones() {
        let all: Vec<&Counters> = (0..20).map(|_| Counters::take().expect("memory")).collect();
        let mut addresses: Vec<*const Counters> = all
            .iter()
            .map(|block| core::ptr::from_ref(*block))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), all.len());
        let (one, other) = (all[0], all[1]);
        one.starts.add(3);
        one.pauses.add(3);
        assert_eq!(
            (one.stats().starts, one.stats().paused, other.stats().starts),
            (3, 3, 0)
        );
        one.abandoned.add(3);
        one.give_back();
        assert_eq!(one.stats(), Stats::default());
        let before = blocks().count();
        for _ in 0..1000 {
            Counters::take().expect("memory").give_back();
        }
        assert!(blocks().count() < before + 100, "blocks are used again");
        all[1..].iter().for_each(|block| block.give_back());
    }
}
