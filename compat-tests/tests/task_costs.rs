//! What a job costs as a task of an executor, in memory and allocations.

use compat_tests::need_jobs;
use ossl_async::{JobFuture, stats};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::process::ExitCode;
use std::rc::Rc;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};

fn main() -> ExitCode {
    compat_tests::tests![
        a_paused_task_takes_one_page_more_than_a_task_without_a_job,
        a_pause_allocates_nothing
    ]
    .run()
}

thread_local! {
    /// How many blocks this thread has allocated.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: it is the system's allocator, which counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller guarantees the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees the block.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// Bytes of this process that are resident and of no file, page tables aside.
fn anonymous_memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux has it");
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("in KiB") * 1024
}

const TASKS: u64 = 100_000;

/// Bytes of memory for each of many tasks of a `LocalSet`, all of them pending.
fn memory_of_each<F: Future<Output: 'static> + 'static>(task: impl Fn() -> F) -> u64 {
    let set = LocalSet::new();
    // SAFETY: it has no conditions. What was freed before does not count.
    unsafe { libc::malloc_trim(0) };
    let before = anonymous_memory();
    set.block_on(&runtime(), async {
        for _ in 0..TASKS {
            spawn_local(task());
        }
        // Tasks have their turns in order.
        spawn_local(async {}).await.expect("no panic");
    });
    (anonymous_memory() - before) / TASKS
}

// Rules: P4
fn a_paused_task_takes_one_page_more_than_a_task_without_a_job() {
    need_jobs();
    let without = memory_of_each(std::future::pending::<bool>);
    let with = memory_of_each(|| {
        // SAFETY: the contract of `Job::start`: at the pause, no frame relies on nested calls.
        unsafe { JobFuture::new(ossl_async::pause) }
    });
    println!("{TASKS} tasks: {without} bytes each without a job, {with} with one");
    assert_eq!(
        (stats::thread().created, stats::thread().paused),
        (TASKS, 0)
    );
    assert!(
        with <= without + 4096 + 64,
        "{without} bytes, and {with} with a job"
    );
}

fn a_pause_allocates_nothing() {
    need_jobs();
    let pauses_of = |count: usize| async move {
        let before = Rc::new(Cell::new(0));
        let theirs = before.clone();
        let pauses = move || {
            let handle = ossl_async::current().expect("in a job");
            let pause = || {
                handle.wake();
                ossl_async::pause()
            };
            pause(); // what is allocated once is there now
            theirs.set(ALLOCATED.get());
            (0..count).filter(|_| pause()).count()
        };
        // SAFETY: the contract of `Job::start`: at a pause, no frame relies on nested calls.
        let paused = unsafe { JobFuture::new(pauses) }.await;
        assert_eq!(paused, Ok(count));
        ALLOCATED.get() - before.get()
    };
    assert_eq!(runtime().block_on(pauses_of(1000)), 0);
    let set = LocalSet::new();
    let allocated = set.block_on(&runtime(), async { spawn_local(pauses_of(1000)).await });
    assert_eq!(allocated.expect("no panic"), 0);
}
