//! The counts of each thread, in a block that only this thread writes, and the list of all blocks.
//!
//! Blocks are never freed. When a thread ends, its counts are added to the process's, and its block
//! is free for the next thread.

use crate::platform::{self, ForkSafe};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A thread as the owner of jobs.
#[derive(Clone, Copy)]
pub struct Owner {
    /// Tells threads apart in records. Never 0 and never reused, so a new thread is never taken for
    /// one that has ended.
    pub number: u64,
    /// The thread's counts.
    pub counters: &'static Counters,
}

/// The number of counts that are sums.
pub const COUNTS: usize = 10;

/// One count. Only one thread changes it; any may read it.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn zero() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds. Only the thread that owns the counter may call this.
    pub fn add(&self, more: u64) {
        self.0
            .store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    /// Subtracts. Only the thread that owns the counter may call this.
    pub fn subtract(&self, less: u64) {
        self.0
            .store(self.get().wrapping_sub(less), Ordering::Relaxed);
    }

    /// Makes the count at least `to`. Only the thread that owns the counter may call this.
    pub fn raise(&self, to: u64) {
        self.0.store(self.get().max(to), Ordering::Relaxed);
    }

    /// Adds. Any thread may call this.
    fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// One thread's counts. Processors fetch cache lines in pairs, so each block has a pair of its own.
/// Otherwise threads that count would slow each other down.
#[derive(Debug)]
#[repr(align(128))]
pub struct Counters {
    pub created: Counter,
    pub destroyed: Counter,
    pub abandoned: Counter,
    pub starts: Counter,
    pub pauses: Counter,
    pub resumes: Counter,
    pub finishes: Counter,
    /// Jobs that were running when their thread ended.
    pub cut_short: Counter,
    pub refusals: Counter,
    pub stack_bytes: Counter,
    /// The largest value. All other counts are sums.
    pub stack_high_water: Counter,
    /// The block made before this one.
    next: AtomicPtr<Counters>,
    /// The next free block, while this one is free.
    next_free: AtomicPtr<Counters>,
}

/// The block made last, which begins the list of all blocks.
static BLOCKS: AtomicPtr<Counters> = AtomicPtr::new(core::ptr::null_mut());

/// The blocks that no thread uses. A new thread takes one from here, without a search in all
/// blocks.
static FREE: ForkSafe<Option<&'static Counters>> = ForkSafe::new(None);

/// The counts of threads that have ended, and the refusals of threads without a job.
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

    /// Takes a block for a thread that begins to have jobs. None if there is no memory.
    pub fn take() -> Option<&'static Counters> {
        let free = FREE.with(|free| {
            let block = free.take()?;
            *free = block_at(&block.next_free);
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

    /// Adds the counts of a thread that ends to the process's, and makes the block free.
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

    /// The counts that are sums.
    pub fn each(&self) -> [&Counter; COUNTS] {
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

fn block_at(link: &AtomicPtr<Counters>) -> Option<&'static Counters> {
    // SAFETY: blocks are never freed, and are written before they are linked.
    unsafe { link.load(Ordering::Acquire).as_ref() }
}

fn blocks() -> impl Iterator<Item = &'static Counters> {
    core::iter::successors(block_at(&BLOCKS), move |block| block_at(&block.next))
}

/// All counts of the process: the sums, in the order of [`Counters::each`], and the largest
/// high-water mark.
pub fn of_process() -> ([u64; COUNTS], u64) {
    let mut sums = OTHERS.each().map(Counter::get);
    let mut stack_high_water = OTHERS.stack_high_water.get();
    for block in blocks() {
        stack_high_water = stack_high_water.max(block.stack_high_water.get());
        for (sum, counter) in sums.iter_mut().zip(block.each()) {
            *sum = sum.wrapping_add(counter.get());
        }
    }
    (sums, stack_high_water)
}

/// Counts a call that was refused in a thread that owns no jobs.
pub fn refused_elsewhere() {
    OTHERS.refusals.add_shared(1);
}

#[cfg(test)]
mod tests;
