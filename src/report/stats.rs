//! The statistics of a thread and of the whole process. Sums are made when they are asked for.

use super::counters::{self, COUNTS, Counter, Counters};
use crate::platform;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

/// Counts since the thread's first job, or since the process began.
///
/// ```
/// let counts = ossl_async::stats::process();
/// assert_eq!(counts.running, 0); // no job is running now
/// println!("{counts:?}");
/// ```
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
    /// Jobs that will never end: paused or running when their thread ended ([D15]), or paused when
    /// their [`Job`](crate::Job) was dropped and could not end them
    /// ([`OnDrop`](crate::OnDrop)). Each keeps its stack and its wait fd.
    ///
    /// [D15]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#8-defects-and-undefined-cases-with-the-librarys-behaviour
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
    /// The most that any job had used of its stack when it ended, in bytes and in whole pages. 0
    /// unless it is measured: see [`measure_stacks`].
    pub stack_high_water: u64,
}

impl Stats {
    /// The statistics of one thread.
    pub(crate) fn of_thread(counters: &Counters) -> Stats {
        Stats {
            stack_high_water: counters.stack_high_water.get(),
            ..Stats::of(&counters.each().map(Counter::get))
        }
    }

    /// The statistics from counts in the order of [`Counters::each`]. While other threads run, some
    /// counts may be older than others. So a difference that would be negative counts as 0.
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
        ]: &[u64; COUNTS],
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

/// The counts of this process, all threads together.
pub fn process() -> Stats {
    let (sums, stack_high_water) = counters::of_process();
    Stats {
        stack_high_water,
        ..Stats::of(&sums)
    }
}

static MEASURES_STACKS: AtomicBool = AtomicBool::new(false);

/// Switches measuring on or off, for all threads. While it is on, the stack of each job that ends
/// is measured for [`Stats::stack_high_water`]. It is off at first, because it costs a system call
/// a job. `OSSL_ASYNC_STATS=1` in the environment switches it on at the first job.
///
/// ```
/// use ossl_async::{Job, stats};
/// # if !ossl_async::is_capable() { return }
///
/// stats::measure_stacks(true);
/// // SAFETY: the contract of `start` is about pauses, and there is none.
/// let _ = unsafe { Job::start(|| ()) };
/// assert!(stats::thread().stack_high_water > 0);
/// ```
pub fn measure_stacks(measure: bool) {
    MEASURES_STACKS.store(measure, Ordering::Relaxed);
}

pub fn measures_stacks() -> bool {
    MEASURES_STACKS.load(Ordering::Relaxed)
}

/// If `OSSL_ASYNC_STATS` is 1 in the environment, has the counts printed on standard error when the
/// process ends.
pub fn report_if_asked() {
    static ASKED: AtomicBool = AtomicBool::new(false);

    extern "C" fn report() {
        platform::print_formatted(format_args!("{}\n", process()));
    }
    if !ASKED.swap(true, Ordering::Relaxed) && platform::environment_is(c"OSSL_ASYNC_STATS", c"1") {
        measure_stacks(true);
        platform::call_at_process_exit(report);
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
