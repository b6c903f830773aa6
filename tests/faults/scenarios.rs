//! What programs do with the library. Each scenario is one function. It continues whatever fails,
//! leaves nothing behind, and can run again.

use super::checked::*;
use super::common::*;
use super::fault::*;
use super::interpose::in_library_until_the_end;
use crate::common::capi::*;
use ossl_async::{Pool, stats};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use Generation::{One, Two};

/// Something that programs do.
pub struct Scenario {
    pub name: &'static str,
    /// The preparation, in which nothing fails. It runs once in a process. Every run of the
    /// scenario is a fork of that process.
    pub before: fn(),
    pub run: fn(),
    /// The functions that it must call. If it calls none of them, the scenario is wrong.
    pub needs: &'static [&'static str],
    /// Whether the stacks are the library's own.
    pub own_stacks: bool,
}

const PLAIN: Scenario = Scenario {
    name: "",
    before: || {},
    run: || {},
    needs: &[],
    own_stacks: true,
};

/// Starts all tasks, and then resumes those that have started. Their stacks are guarded, whatever
/// failed.
#[track_caller]
fn run_all(tasks: &mut [Task]) {
    for task in &mut *tasks {
        if task.start() {
            assert!(task.is_guarded());
        }
    }
    tasks.iter_mut().for_each(Task::finish);
}

#[track_caller]
fn start_all(tasks: &mut [Task]) {
    for task in tasks {
        task.start();
    }
}

fn tasks(generation: Generation, count: usize, pauses: u8) -> Vec<Task> {
    (0..count)
        .map(|n| Task::new(generation, SIZES[n % SIZES.len()], pauses))
        .collect()
}

#[track_caller]
fn free_pool() {
    sure(|| ASYNC_free_pool());
    assert_eq!(stats::thread().idle, 0);
}

// ----------------------------------------------------------------------------- pools and arguments

pub const POOL_OF_THE_FIRST_GENERATION: Scenario = Scenario {
    name: "a pool of the first generation",
    run: || {
        init_pool(One, 5, 3);
        run_all(&mut tasks(One, 5, 3));
        free_pool();
    },
    needs: &["pipe2", "malloc", "mmap", "close"],
    ..PLAIN
};

pub const POOL_OF_THE_SECOND_GENERATION: Scenario = Scenario {
    name: "a pool of the second generation",
    run: || {
        init_pool(Two, 5, 3);
        run_all(&mut tasks(Two, 5, 3));
        free_pool();
    },
    needs: &["malloc", "MADV_NOHUGEPAGE", "MADV_DONTNEED"],
    ..PLAIN
};

pub const NO_POOL: Scenario = Scenario {
    name: "starts without a pool",
    run: || {
        run_all(&mut tasks(One, 3, 2));
        run_all(&mut tasks(Two, 3, 2));
        sure(|| ASYNC_cleanup_thread());
    },
    needs: &["pthread_key_create", "pthread_setspecific"],
    ..PLAIN
};

/// Blocks for arguments are kept, made larger, and freed.
pub const ARGUMENTS: Scenario = Scenario {
    name: "arguments of all sizes on one record",
    run: || {
        init_pool(Two, 1, 1);
        for size in [0, 64, 65, 1000, 16384, 16385, 64, MOST_ARGUMENTS, 4096] {
            for generation in [One, Two] {
                run_all(&mut [Task::new(generation, size, 1)]);
            }
        }
        free_pool();
    },
    needs: &["malloc"],
    ..PLAIN
};

/// A pool that can be replaced, and freed, while jobs are paused (D2, D3).
pub const POOLS_REPLACED: Scenario = Scenario {
    name: "pools replaced and freed under paused jobs",
    run: || {
        init_pool(One, 4, 1);
        let mut first = tasks(One, 2, 1);
        start_all(&mut first);
        init_pool(Two, 3, 2);
        let mut second = tasks(Two, 2, 1);
        start_all(&mut second);
        free_pool();
        first.iter_mut().for_each(Task::finish);
        init_rust_pool(2, 1);
        second.iter_mut().for_each(Task::finish);
        free_pool();
    },
    ..PLAIN
};

// ------------------------------------------------------------------------------------------- slabs

pub const GROWTH: Scenario = Scenario {
    name: "growth over four slabs",
    run: || {
        run_all(&mut tasks(Two, 40, 1));
        free_pool();
    },
    needs: &["mmap", "mincore"],
    ..PLAIN
};

pub const GROWTH_WITH_PIPES: Scenario = Scenario {
    name: "growth with pipes",
    run: || {
        run_all(&mut tasks(One, 20, 1));
        free_pool();
    },
    needs: &["mmap", "pipe2", "close"],
    ..PLAIN
};

pub const GROWTH_ON_AN_OLDER_KERNEL: Scenario = Scenario {
    name: "growth without lightweight guards",
    before: || LIGHT_GUARD.after(0),
    run: || {
        init_pool(One, 0, 0);
        run_all(&mut tasks(One, 20, 1));
        free_pool();
    },
    needs: &["mprotect"],
    ..PLAIN
};

/// Locked memory cannot have lightweight guards and cannot be given back.
pub const GROWTH_IN_LOCKED_MEMORY: Scenario = Scenario {
    name: "growth in locked memory",
    before: || {
        LIGHT_GUARD.after(0);
        GIVE_BACK.after(0);
    },
    run: || {
        run_all(&mut tasks(Two, 20, 2));
        free_pool();
        run_all(&mut tasks(One, 5, 1));
        free_pool();
    },
    needs: &["mprotect"],
    ..PLAIN
};

// ---------------------------------------------------------------------------- signals and contexts

/// A write that fails loses its wake (W9). The thread that woke is not told. After the next clear
/// the signal works again.
pub const WAKES: Scenario = Scenario {
    name: "wakes and clears",
    run: || {
        init_pool(One, 2, 1);
        let mut jobs = tasks(One, 2, 2);
        for task in &mut jobs {
            if task.start() {
                let job = task.handle;
                // SAFETY: a job that is paused.
                let fd = sure(|| unsafe { ASYNC_get_wait_fd(job) });
                assert!(!readable(fd));
                let lost = WRITE.struck();
                for _ in 0..2 {
                    // SAFETY: as above.
                    sure(|| unsafe { ASYNC_wake(job) });
                    assert!(readable(fd) || WRITE.struck() > lost);
                    // SAFETY: as above.
                    sure(|| unsafe { ASYNC_clear_wake(job) });
                    assert!(!readable(fd));
                }
                // The job ends signalled, and the next one begins unsignalled (D19).
                // SAFETY: as above.
                sure(|| unsafe { ASYNC_wake(job) });
            }
            task.finish();
        }
        free_pool();
    },
    needs: &["write"],
    ..PLAIN
};

pub const RUST_FACE: Scenario = Scenario {
    name: "the Rust face",
    run: || {
        ask_capable();
        init_rust_pool(3, 2);
        let mut jobs = [start_rust_job(), start_rust_job(), start_rust_job()];
        for job in jobs.iter().flatten() {
            sure(|| job.wake_handle().wake());
            let lost = WRITE.struck();
            if let Some(fd) = wait_fd(job) {
                assert!(readable(fd) || WRITE.struck() > lost);
            }
        }
        if let Some(job) = jobs[0].take() {
            assert_eq!(sure(|| job.cancel()).unwrap(), 300);
        }
        jobs.into_iter().for_each(finish_rust_job);
        assert_eq!(OWN_ENTRIES.load(Ordering::Relaxed), 0);
        // Two records of three may have no pipe yet.
        run_all(&mut tasks(One, 3, 1));
        sure(Pool::free);
    },
    needs: if cfg!(target_arch = "riscv64") {
        &["pipe2", "write"] // see `asks_for_a_context`
    } else {
        &["pipe2", "write", "getcontext"]
    },
    ..PLAIN
};

static CLEANED_UP: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn cleanup(_: *mut ASYNC_WAIT_CTX, _: *const c_void, _: c_int, _: *mut c_void) {
    CLEANED_UP.fetch_add(1, Ordering::Relaxed);
}

pub const WAIT_CONTEXTS: Scenario = Scenario {
    name: "wait contexts",
    run: || {
        let ctx = wait_ctx();
        if ctx.is_null() {
            return;
        }
        CLEANED_UP.store(0, Ordering::Relaxed);
        let mut on_it = [
            Task::on(ctx, 64, 2),
            Task::on(ctx, 0, 1),
            Task::on(ctx, MOST_ARGUMENTS, 1),
        ];
        run_all(&mut on_it[..1]);
        let mut there = 0;
        for key in 0..9 {
            there += usize::from(set_wait_fd(ctx, key, 100 + key as c_int, cleanup));
            let (mut all, mut added, mut deleted) = (0, 0, 0);
            // SAFETY: the context is alive, the outputs are ours.
            sure(|| unsafe {
                ASYNC_WAIT_CTX_get_all_fds(ctx, ptr::null_mut(), &mut all);
                let none = ptr::null_mut();
                ASYNC_WAIT_CTX_get_changed_fds(ctx, none, &mut added, none, &mut deleted);
            });
            assert_eq!((all, added, deleted), (there, there, 0));
        }
        start_all(&mut on_it[1..]);
        for key in [8, 0] {
            // SAFETY: as above.
            let found =
                sure(|| unsafe { ASYNC_WAIT_CTX_clear_fd(ctx, ptr::without_provenance(key)) });
            there -= found as usize;
        }
        // SAFETY: as above. Its jobs keep what they need of it (D26).
        sure(|| unsafe {
            ASYNC_WAIT_CTX_set_status(ctx, 3);
            ASYNC_WAIT_CTX_free(ctx);
        });
        assert_eq!(CLEANED_UP.load(Ordering::Relaxed), there);
        on_it[1..].iter_mut().for_each(Task::finish);
        free_pool();
    },
    needs: &["malloc", "realloc"],
    ..PLAIN
};

// -------------------------------------------------------------------------------------- extensions

fn set_environment(name: &CStr, value: &CStr) {
    // SAFETY: nobody else looks at the environment of this child now.
    assert_eq!(unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) }, 0);
}

pub const STATISTICS: Scenario = Scenario {
    name: "statistics, and settings by the environment",
    before: || {
        set_environment(c"OSSL_ASYNC_STATS", c"1");
        set_environment(c"OSSL_ASYNC_STACK_SIZE", c"65536");
    },
    run: || {
        sure(|| OSSL_ASYNC_measure_stacks(1));
        let mut jobs = tasks(Two, 2, 2);
        for task in &mut jobs {
            if task.start() {
                // SAFETY: a paused job.
                let used = sure(|| unsafe { OSSL_ASYNC_get_stack_used(task.handle) });
                assert!(used > 0 && used <= ossl_async::stack_size() + 3 * page_size());
            }
        }
        let mut stats = OSSL_ASYNC_STATS::default();
        let size = size_of_val(&stats);
        // SAFETY: the outputs are ours.
        sure(|| unsafe {
            assert_eq!(OSSL_ASYNC_thread_stats(&mut stats, size), 1);
            assert_eq!(OSSL_ASYNC_process_stats(&mut stats, size), 1);
        });
        assert_eq!(
            stats.jobs_paused,
            jobs.iter().filter(|task| !task.handle.is_null()).count()
        );
        jobs.iter_mut().for_each(Task::finish);
        free_pool();
    },
    needs: &["secure_getenv", "mincore", "atexit"],
    ..PLAIN
};

/// The environment's stack size is invalid, which is reported on standard error.
pub const A_WRONG_STACK_SIZE: Scenario = Scenario {
    name: "a wrong stack size in the environment",
    before: || {
        set_environment(c"OSSL_ASYNC_STACK_SIZE", c"many");
        // SAFETY: the report is not for the person who runs the tests.
        unsafe {
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
            assert!(null >= 0 && libc::dup2(null, libc::STDERR_FILENO) >= 0);
            libc::close(null);
        }
    },
    run: || {
        run_all(&mut tasks(Two, 2, 1));
        free_pool();
    },
    needs: &["secure_getenv", "write"],
    ..PLAIN
};

pub const LARGER_STACKS: Scenario = Scenario {
    name: "stacks of a megabyte",
    before: || assert_eq!(OSSL_ASYNC_set_stack_size(1 << 20), 1),
    run: || {
        run_all(&mut tasks(One, 10, 1));
        free_pool();
    },
    ..PLAIN
};

pub const CANCELLED: Scenario = Scenario {
    name: "cancelled jobs",
    run: || {
        init_pool(One, 2, 2);
        let mut jobs = [Task::new(One, 4096, 2), Task::new(Two, MOST_ARGUMENTS, 2)];
        start_all(&mut jobs);
        jobs.iter_mut().for_each(Task::cancel);
        free_pool();
    },
    ..PLAIN
};

unsafe extern "C" fn allocate(size: *mut usize) -> *mut c_void {
    // SAFETY: the library passes a number.
    unsafe { libc::malloc(*size) }
}

unsafe extern "C" fn release(stack: *mut c_void) {
    // SAFETY: NULL, or a block of `allocate`'s.
    unsafe { libc::free(stack) }
}

pub const STACKS_OF_THE_PROGRAM: Scenario = Scenario {
    name: "stacks of the program's own",
    before: || {
        // SAFETY: the two belong together, and keep to what is asked of them.
        let installed = unsafe { ASYNC_set_mem_functions(Some(allocate), Some(release)) };
        assert_eq!(installed, 1);
    },
    run: || {
        init_pool(One, 4, 2);
        let mut jobs = tasks(One, 2, 2);
        jobs.extend(tasks(Two, 2, 2));
        start_all(&mut jobs);
        jobs.iter_mut().for_each(Task::finish);
        free_pool();
    },
    own_stacks: false,
    needs: &["malloc", "mmap"],
};

// --------------------------------------------------------------------------- threads and processes

/// Runs `work` in another thread, whose end the library also handles.
#[track_caller]
fn in_thread(work: extern "C" fn(*mut c_void) -> *mut c_void) {
    let mut thread = 0;
    // SAFETY: the function has the type that is wanted, and the thread is joined.
    unsafe {
        let made = libc::pthread_create(&mut thread, ptr::null(), work, ptr::null_mut());
        assert_eq!(made, 0);
        assert_eq!(libc::pthread_join(thread, ptr::null_mut()), 0);
    }
}

extern "C" fn thread(_: *mut c_void) -> *mut c_void {
    init_pool(One, 4, 2);
    run_all(&mut tasks(One, 3, 1));
    run_all(&mut tasks(Two, 2, 2));
    in_library_until_the_end();
    ptr::null_mut()
}

pub const THREADS: Scenario = Scenario {
    name: "threads that come and go",
    run: || {
        in_thread(thread);
        in_thread(thread);
    },
    needs: &["pthread_setspecific"],
    ..PLAIN
};

/// Each thread gets a stack for its signal handlers, if it can.
pub const OVERFLOW_REPORTS: Scenario = Scenario {
    name: "threads whose overflows are to be reported",
    before: || set_environment(c"OSSL_ASYNC_OVERFLOW_REPORT", c"1"),
    run: || {
        in_thread(thread);
        in_thread(thread);
    },
    needs: &["mmap", "sigaltstack", "secure_getenv"],
    ..PLAIN
};

/// With the first 32 keys taken, those of a thread need memory.
pub const MANY_KEYS: Scenario = Scenario {
    name: "threads of a program with many keys",
    before: || {
        for _ in 0..40 {
            let mut key = 0;
            // SAFETY: a key of our own.
            assert_eq!(unsafe { libc::pthread_key_create(&mut key, None) }, 0);
        }
    },
    run: || in_thread(thread),
    needs: &["calloc"],
    ..PLAIN
};

static INHERITED: AtomicPtr<Task> = AtomicPtr::new(ptr::null_mut());

/// Each run of a scenario is a fork, and the preparation is the parent's.
pub const FORKED_CHILD: Scenario = Scenario {
    name: "a forked child with its parent's jobs",
    before: || {
        assert!(init_pool(One, 8, 3));
        let mut task = Task::new(One, 4096, 2);
        assert!(task.start());
        // SAFETY: a paused job.
        unsafe { ASYNC_wake(task.handle) };
        INHERITED.store(Box::into_raw(Box::new(task)), Ordering::Relaxed);
    },
    run: || {
        let inherited = INHERITED.swap(ptr::null_mut(), Ordering::Relaxed);
        run_all(&mut tasks(One, 3, 1));
        if !inherited.is_null() {
            // SAFETY: the box of `before`, in this process's copy.
            unsafe { Box::from_raw(inherited) }.finish();
        }
        run_all(&mut tasks(Two, 5, 1));
        free_pool();
    },
    needs: &["pipe2"],
    ..PLAIN
};

// --------------------------------------------------------------------------------------- idle jobs

/// As in src/jobs/idle.rs: the number of idle jobs that always stay in memory, and the finishes in
/// a round.
const KEPT: usize = 1024;
const ROUND: usize = 65536;
/// The number of idle jobs whose memory is to be given back.
const COOLED: usize = 10;
const PEAK: usize = KEPT + COOLED + 1;

/// Pauses that many jobs at once.
#[track_caller]
fn peak() {
    let mut jobs: Vec<Task> = (0..PEAK).map(|_| Task::new(Two, 0, 1)).collect();
    start_all(&mut jobs);
    jobs.iter_mut().for_each(Task::finish);
}

unsafe extern "C" fn at_once(_: *mut c_void) -> c_int {
    7
}

/// Starts jobs that end at once.
#[track_caller]
fn little_work(times: usize) {
    let (mut job, mut ret) = (ptr::null_mut(), 0);
    for _ in 0..times {
        // SAFETY: the outputs are ours; the function wants no argument.
        let result = sure(|| unsafe {
            let (none, size) = (ptr::null_mut(), 0);
            ASYNC_start_job(
                &mut job,
                ptr::null_mut(),
                &mut ret,
                Some(at_once),
                none,
                size,
            )
        });
        assert_eq!(result, ASYNC_FINISH);
    }
}

pub const COOLING: Scenario = Scenario {
    name: "idle jobs that cool and are wanted again",
    before: || {
        peak();
        // Until just before the end of the first round in which that many were not needed.
        little_work(2 * ROUND - PEAK);
    },
    run: || {
        little_work(COOLED + 5);
        peak();
    },
    needs: &["MADV_DONTNEED", "malloc", "realloc"],
    ..PLAIN
};
