//! Every call of every scenario fails once, alone and together with all that follow. Each time is
//! in a new process. The process must get what is documented (`checked.rs`), and the next call must
//! work. It then runs the scenario without faults. At the end it holds no more than a process
//! without faults.

use super::checked::{Generation, Task, sure};
use super::common::*;
use super::fault::{FAULTS, Fault, MMAP};
use super::interpose::{blocks, keys, slabs, small_mappings};
use super::scenarios::{self, Scenario};
use crate::common::capi::*;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a process holds when a scenario has run and all pools are freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    blocks: usize,
    keys: usize,
    descriptors: usize,
    small_mappings: usize,
    /// Stacks that are not used and can never be used again.
    lost_stacks: usize,
}

/// What the children report, in memory that all of them share.
#[derive(Default)]
struct Told {
    /// The calls of each function in one run.
    calls: [AtomicUsize; FAULTS.len()],
    /// What is held after runs without faults.
    blocks: AtomicUsize,
    keys: AtomicUsize,
    descriptors: AtomicUsize,
    small_mappings: AtomicUsize,
    /// The number of runs with a fault.
    runs: AtomicUsize,
    /// The number of calls that failed in them.
    struck: AtomicUsize,
}

impl Told {
    fn new() -> &'static Told {
        // SAFETY: a new mapping of our own, for ever; zeros are valid, and the content is atomic.
        unsafe {
            let place = libc::mmap(
                ptr::null_mut(),
                size_of::<Told>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(place, libc::MAP_FAILED);
            &*place.cast()
        }
    }

    fn set_held(&self, held: Held) {
        assert_eq!(held.lost_stacks, 0);
        self.blocks.store(held.blocks, Ordering::Relaxed);
        self.keys.store(held.keys, Ordering::Relaxed);
        self.descriptors.store(held.descriptors, Ordering::Relaxed);
        self.small_mappings
            .store(held.small_mappings, Ordering::Relaxed);
    }

    fn held(&self) -> Held {
        Held {
            blocks: self.blocks.load(Ordering::Relaxed),
            keys: self.keys.load(Ordering::Relaxed),
            descriptors: self.descriptors.load(Ordering::Relaxed),
            small_mappings: self.small_mappings.load(Ordering::Relaxed),
            lost_stacks: 0,
        }
    }
}

/// Uses every stack at once, and returns how many seem to be missing.
fn lost_stacks() -> usize {
    let (all, before) = (slabs(), MMAP.total());
    let mut tasks = vec![];
    while MMAP.total() == before {
        let mut task = Task::new(Generation::Two, 0, 1);
        assert!(task.start());
        tasks.push(task);
    }
    let mut pages: Vec<usize> = tasks
        .iter()
        .map(|task| task.handle.addr() / page_size())
        .collect();
    pages.sort_unstable();
    let apart = pages.windows(2).map(|pair| pair[1] - pair[0]);
    let slot = apart.min().expect("a slab has several stacks") * page_size();
    let had = tasks.len() - 1; // The last one needed new memory.
    tasks.iter_mut().for_each(Task::finish);
    sure(|| ASYNC_free_pool());
    all / slot - had
}

/// What is held now.
fn held(scenario: &Scenario) -> Held {
    sure(|| ASYNC_free_pool());
    Held {
        blocks: blocks(),
        keys: keys(),
        descriptors: descriptors(),
        small_mappings: small_mappings(),
        lost_stacks: if scenario.own_stacks {
            lost_stacks()
        } else {
            0
        },
    }
}

/// With faults switched off, the next call works, and so does the whole scenario.
fn goes_on(scenario: &Scenario) {
    for generation in [Generation::One, Generation::Two] {
        let mut task = Task::new(generation, 64, 1);
        assert!(task.start());
        task.finish();
    }
    (scenario.run)();
    (scenario.run)();
}

/// One run without a fault. It counts the calls, and what is held at the end.
fn count(scenario: &Scenario, told: &Told) {
    let before = FAULTS.map(|(_, fault)| fault.total());
    (scenario.run)();
    for (((name, fault), before), calls) in FAULTS.iter().zip(before).zip(&told.calls) {
        calls.store(fault.total() - before, Ordering::Relaxed);
        assert!(
            fault.total() > before || !scenario.needs.contains(name),
            "{name} is not called"
        );
    }
    goes_on(scenario);
    told.set_held(held(scenario));
}

/// One run in which a call fails after this many others, and optionally all that follow it.
fn fail(scenario: &Scenario, told: &Told, fault: &Fault, calls: usize, and_all_later: bool) {
    let (before, made_before) = (fault.struck(), fault.total());
    if and_all_later {
        fault.after(calls as isize);
    } else {
        fault.once_after(calls as isize);
    }
    (scenario.run)();
    fault.never();
    let struck = fault.struck() - before;
    // If this function always fails in the scenario, calls that succeed here make later ones
    // unnecessary.
    let made = fault.total() - made_before;
    assert!(struck > 0 || made <= calls);
    assert!(struck <= 1 || and_all_later);
    told.struck.fetch_add(struck, Ordering::Relaxed);
    goes_on(scenario);
    assert_eq!(held(scenario), told.held());
}

fn sweep(scenario: &Scenario) {
    let told = Told::new();
    // For machines where all of them would take hours.
    let every =
        std::env::var("OSSL_ASYNC_FAULTS_EVERY").map_or(1, |n| n.parse().expect("a number"));
    let ending = in_child(|| {
        limit_life(6 * CLOCK_SECONDS); // for thousands of children, one after the other
        (scenario.before)();
        alone(|| count(scenario, told));
        let mut failed = vec![];
        for ((name, fault), calls) in FAULTS.iter().zip(&told.calls) {
            for call in (0..calls.load(Ordering::Relaxed)).step_by(every) {
                for and_all_later in [false, true] {
                    told.runs.fetch_add(1, Ordering::Relaxed);
                    let ending = in_child(|| fail(scenario, told, fault, call, and_all_later));
                    if ending != Ending::Exit(0) {
                        failed.push((name, call, and_all_later, ending));
                    }
                }
            }
        }
        assert!(
            failed.is_empty(),
            "function, calls before, and all later, end: {failed:?}"
        );
    });
    assert_eq!(ending, Ending::Exit(0), "{}", scenario.name);

    // For all scenarios of this process.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static STRUCK: AtomicUsize = AtomicUsize::new(0);
    let add = |all: &AtomicUsize, more: &AtomicUsize| {
        let more = more.load(Ordering::Relaxed);
        (more, all.fetch_add(more, Ordering::Relaxed) + more)
    };
    let (runs, all_runs) = add(&RUNS, &told.runs);
    let (struck, all_struck) = add(&STRUCK, &told.struck);
    println!(
        "{}: survived {struck} failed calls in {runs} processes; {all_struck} in {all_runs} so far",
        scenario.name
    );
}

/// One test for each scenario.
macro_rules! sweeps {
    ($($(#[$rules:meta])* $test:ident: $scenario:ident;)*) => {
        $(
            $(#[$rules])*
            #[test]
            fn $test() {
                sweep(&scenarios::$scenario);
            }
        )*
    };
}

sweeps! {
    // Rules: B7, B10, B19, B20, B27, D17, D18, P7, P8
    a_pool_of_the_first_generation_survives_every_fault: POOL_OF_THE_FIRST_GENERATION;
    // Rules: G1, G2, G3, G10, B19, B20, B27
    a_pool_of_the_second_generation_survives_every_fault: POOL_OF_THE_SECOND_GENERATION;
    // Rules: B18, B19, B20, B21
    starts_without_a_pool_survive_every_fault: NO_POOL;
    // Rules: B19, B23, B27
    arguments_of_all_sizes_survive_every_fault: ARGUMENTS;
    // Rules: D2, D3, B8, B9
    pools_replaced_under_paused_jobs_survive_every_fault: POOLS_REPLACED;
    // Rules: D17, D18, D20, P8, D22
    growth_survives_every_fault: GROWTH;
    // Rules: D17, D18, P8, D1, B10
    growth_with_pipes_survives_every_fault: GROWTH_WITH_PIPES;
    // Rules: D17, D22, F8
    growth_without_lightweight_guards_survives_every_fault: GROWTH_ON_AN_OLDER_KERNEL;
    // Rules: D17, D22, F8
    growth_in_locked_memory_survives_every_fault: GROWTH_IN_LOCKED_MEMORY;
    // Rules: W3, W4, W9, D9, D19
    wakes_and_clears_survive_every_fault: WAKES;
    // Rules: B10, B19, B36, F19, D18
    the_rust_face_survives_every_fault: RUST_FACE;
    // Rules: G16, G17, G19, G21, G22, D26
    wait_contexts_survive_every_fault: WAIT_CONTEXTS;
    // Rules: D17
    statistics_survive_every_fault: STATISTICS;
    // Rules: D17
    a_wrong_setting_survives_every_fault: A_WRONG_STACK_SIZE;
    // Rules: D17, D22
    larger_stacks_survive_every_fault: LARGER_STACKS;
    // Rules: B23, P8
    cancelled_jobs_survive_every_fault: CANCELLED;
    // Rules: G10, G41, G42
    stacks_of_the_programs_own_survive_every_fault: STACKS_OF_THE_PROGRAM;
    // Rules: D15, B18, G6
    threads_survive_every_fault: THREADS;
    // Rules: D22, D15
    threads_that_report_overflows_survive_every_fault: OVERFLOW_REPORTS;
    // Rules: D15, B18
    threads_of_a_program_with_many_keys_survive_every_fault: MANY_KEYS;
    // Rules: D16
    a_forked_child_survives_every_fault: FORKED_CHILD;
    // Rules: P4, P5, D20
    idle_jobs_that_cool_survive_every_fault: COOLING;
}
