//! What happens when the system refuses something: memory, guards, pipes, contexts, thread-specific keys. This program
//! stands in front of some of libc's functions and lets them fail on demand; resource limits do the rest. Every test
//! runs in a child, which is also a process in which nothing has used the library yet.
#![cfg(not(ossl_async_null))]

mod common;
use common::*;
use ossl_async::capi::*;
use ossl_async::{Error, Job, Pool, StartError};
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// A function of libc that can be made to fail, and counts its calls.
struct Fault {
    /// Calls that will still succeed; negative: all will.
    left: AtomicIsize,
    calls: AtomicUsize,
}

impl Fault {
    const fn new() -> Fault {
        Fault {
            left: AtomicIsize::new(-1),
            calls: AtomicUsize::new(0),
        }
    }

    /// From now on only this many calls succeed.
    fn after(&self, calls: isize) {
        self.left.store(calls, Ordering::Relaxed);
    }

    fn never(&self) {
        self.after(-1);
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }

    /// Whether this call fails.
    fn strikes(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.left.load(Ordering::Relaxed) {
            0 => true,
            left => {
                self.left
                    .store(left.saturating_sub(1).max(-1), Ordering::Relaxed);
                false
            }
        }
    }
}

static MMAP: Fault = Fault::new();
static LIGHT_GUARD: Fault = Fault::new();
static MPROTECT: Fault = Fault::new();
static PIPE: Fault = Fault::new();
static GETCONTEXT: Fault = Fault::new();
static SETCONTEXT: Fault = Fault::new();
/// Reads and writes are interrupted this often before they happen.
static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

const ADVICE_GUARD: c_int = 102;

fn fail(error: c_int) -> c_long {
    errno::set_errno(errno::Errno(error));
    -1
}

fn interrupted() -> bool {
    let left = INTERRUPTIONS.load(Ordering::Relaxed);
    INTERRUPTIONS.store(left.saturating_sub(1), Ordering::Relaxed);
    left > 0
}

// SAFETY (for all of them): the same meaning as libc's, which the linker would have taken otherwise; the calls go on to
// the kernel as they came.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    at: *mut c_void,
    size: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    let stack = flags & libc::MAP_NORESERVE != 0;
    if stack && MMAP.strikes() {
        fail(libc::ENOMEM);
        return libc::MAP_FAILED;
    }
    // SAFETY: as above.
    let result = unsafe { libc::syscall(libc::SYS_mmap, at, size, prot, flags, fd, offset) };
    std::ptr::with_exposed_provenance_mut(result as usize)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn madvise(at: *mut c_void, size: usize, advice: c_int) -> c_int {
    if advice == ADVICE_GUARD && LIGHT_GUARD.strikes() {
        return fail(libc::EINVAL) as c_int;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_madvise, at, size, advice) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mprotect(at: *mut c_void, size: usize, prot: c_int) -> c_int {
    if MPROTECT.strikes() {
        return fail(libc::ENOMEM) as c_int;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_mprotect, at, size, prot) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pipe2(ends: *mut c_int, flags: c_int) -> c_int {
    if PIPE.strikes() {
        return fail(libc::EMFILE) as c_int;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_pipe2, ends, flags) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, size: usize) -> isize {
    if interrupted() {
        return fail(libc::EINTR) as isize;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_read, fd, buffer, size) as isize }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, size: usize) -> isize {
    if interrupted() {
        return fail(libc::EINTR) as isize;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_write, fd, buffer, size) as isize }
}

/// The function that libc has under this name.
fn next<F: Copy>(name: &std::ffi::CStr) -> F {
    // SAFETY: the caller names the type that libc's function has.
    unsafe {
        let function = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
        assert!(!function.is_null());
        std::mem::transmute_copy(&function)
    }
}

type ContextFunction = unsafe extern "C" fn(*mut libc::ucontext_t) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn getcontext(context: *mut libc::ucontext_t) -> c_int {
    if GETCONTEXT.strikes() {
        return fail(libc::EINVAL) as c_int;
    }
    // SAFETY: as above. It notes this function's frame, which makecontext replaces.
    unsafe { next::<ContextFunction>(c"getcontext")(context) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn setcontext(context: *mut libc::ucontext_t) -> c_int {
    if SETCONTEXT.strikes() {
        return fail(libc::EINVAL) as c_int;
    }
    // SAFETY: as above.
    unsafe { next::<ContextFunction>(c"setcontext")(context) }
}

/// A job that must not be had, with this entry.
#[track_caller]
fn no_job(code: u32) {
    let mut job = pausing(1, 0);
    assert_eq!((job.go(), job.ret), (ASYNC_NO_JOBS, UNWRITTEN));
    assert!(job.handle.is_null());
    assert_eq!(errors(), [code]);
}

/// Exactly this many jobs can be paused at once.
#[track_caller]
fn jobs_to_have(count: usize) {
    let mut jobs: Vec<CJob> = (0..count).map(|_| pausing(1, 0)).collect();
    jobs.iter_mut().for_each(CJob::pause);
    assert_eq!(pausing(1, 0).go(), ASYNC_NO_JOBS);
    assert_eq!(errors(), []);
    jobs.iter_mut().for_each(|job| job.finish(0));
}

/// The first byte below a paused job's stack, going down from its record.
fn below_stack(job: &CJob) -> usize {
    let top = job.handle.expose_provenance() / 4096 * 4096;
    (1..60)
        .map(|page| top - page * 4096)
        .find(|address| !accessible(*address))
        .unwrap_or(0)
}

// Rules: D17, F9, E5, P8, B19, D18, G3, G10
#[test]
fn without_memory_for_a_stack_there_is_no_job_and_later_there_is() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(2, 0), 1);
        MMAP.after(0);
        no_job(E5_JOB);
        no_job(E5_JOB);
        assert!(matches!(
            Job::start(|| ()),
            Err(StartError::Failed(Error::Job, _))
        ));
        MMAP.never();
        jobs_to_have(2);
    });
}

// Rules: B10, P7, D17
#[test]
fn a_pool_that_cannot_be_filled_is_smaller_and_grows_later() {
    alone(|| {
        MMAP.after(0);
        assert_eq!(ASYNC_init_pool(5, 3), 1);
        assert_eq!(errors(), [E5_JOB]);
        assert_eq!(Pool::init(5, 3), Ok(()));
        assert_eq!(errors(), []);
        MMAP.never();
        jobs_to_have(5);
    });
}

// Rules: D17
#[test]
fn a_slab_that_is_too_large_is_tried_smaller_down_to_one_stack() {
    alone(|| {
        // What all slabs but the smallest would need does not fit. Nothing else in this child maps memory.
        let before = limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
        let size: u64 = std::fs::read_to_string("/proc/self/statm")
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        limit(libc::RLIMIT_AS, size * 4096 + 600 * 1024);
        let mut job = pausing(1, 7);
        job.pause();
        let mut other = pausing(1, 8);
        other.pause();
        no_job(E5_JOB);
        limit(libc::RLIMIT_AS, before);
        job.finish(7);
        other.finish(8);
        let mut jobs: Vec<CJob> = (0..30).map(|_| pausing(1, 0)).collect();
        jobs.iter_mut().for_each(CJob::pause);
    });
}

// Rules: D17, F8
#[test]
fn where_lightweight_guards_are_refused_pages_are_protected() {
    alone(|| {
        LIGHT_GUARD.after(0);
        MPROTECT.calls();
        let mut job = pausing(1, 0);
        job.pause();
        assert_eq!(MPROTECT.calls(), 1);
        let end = below_stack(&job);
        assert!((0..80).all(|kib| !accessible(end - kib * 1024)));
        job.finish(0);
        LIGHT_GUARD.never();
        // A stack that is used again has its guard already.
        job.pause();
        assert_eq!(MPROTECT.calls(), 0);
        job.finish(0);
    });
}

// Rules: F8, D17
#[test]
fn a_lightweight_guard_is_asked_for_first_unless_the_build_forbids_it() {
    alone(|| {
        let mut job = pausing(1, 0);
        job.pause();
        let asked = usize::from(!cfg!(ossl_async_mprotect));
        assert_eq!(LIGHT_GUARD.calls(), asked);
        assert_ne!(below_stack(&job), 0);
        job.finish(0);
    });
}

// Rules: F8, D17, F9
#[test]
fn a_stack_that_can_have_no_guard_is_not_used() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(1, 0), 1);
        LIGHT_GUARD.after(0);
        MPROTECT.after(0);
        no_job(E5_JOB);
        no_job(E5_JOB);
        LIGHT_GUARD.never();
        MPROTECT.never();
        let mut job = pausing(1, 1);
        job.pause();
        assert_ne!(
            below_stack(&job),
            0,
            "the stack that was refused before has one now"
        );
        job.finish(1);
        jobs_to_have(1);
    });
}

// Rules: B10, B19, D18, P7, P8
#[test]
fn without_descriptors_there_is_no_job_and_nothing_is_left_behind() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(3, 0), 1);
        let before = descriptors();
        PIPE.after(1);
        let mut job = pausing(1, 1);
        job.pause();
        no_job(E6_PIPE);
        no_job(E6_PIPE);
        assert_eq!(descriptors(), before + 2);
        job.finish(1);
        PIPE.never();
        jobs_to_have(3); // those that failed did not count
        PIPE.after(2);
        assert_eq!(ASYNC_init_pool(4, 4), 1);
        assert_eq!(errors(), [E6_PIPE]);
        assert_eq!(descriptors(), before + 4);
        PIPE.never();
        jobs_to_have(4);
        ASYNC_free_pool();
        assert_eq!(descriptors(), before);
    });
}

// Rules: B10, P8
#[test]
fn a_pooled_job_that_gets_no_pipe_stays_in_the_pool() {
    alone(|| {
        Pool::init(1, 1).unwrap(); // without a pipe
        PIPE.after(0);
        no_job(E6_PIPE);
        let Ok(ossl_async::Step::Paused(job)) = Job::start(ossl_async::pause) else {
            panic!("the job is there")
        };
        assert_eq!(
            job.wait_fd().unwrap_err().raw_os_error(),
            Some(libc::EMFILE)
        );
        assert!(matches!(job.resume(), Ok(ossl_async::Step::Finished(true))));
        no_job(E6_PIPE); // the same, with a record that has run before
        PIPE.never();
        jobs_to_have(1);
    });
}

// Rules: B10, D18, B19
#[test]
fn the_descriptor_limit_gives_a_partial_pool_and_no_jobs() {
    alone(|| {
        // The limit is on numbers: no gaps, and none of other tests' descriptors.
        // SAFETY: this child needs none but the standard ones.
        unsafe { libc::close_range(3, c_uint::MAX, 0) };
        let before = limit(libc::RLIMIT_NOFILE, 3 + 5);
        assert_eq!(ASYNC_init_pool(0, 0), 1);
        assert_eq!(ASYNC_init_pool(10, 10), 1);
        assert_eq!(errors(), [E6_PIPE]);
        let mut jobs = [pausing(1, 1), pausing(1, 2)];
        jobs[0].pause();
        jobs[1].pause();
        no_job(E6_PIPE);
        limit(libc::RLIMIT_NOFILE, before);
        let mut job = pausing(1, 3);
        job.pause();
        job.finish(3);
        jobs[0].finish(1);
        jobs[1].finish(2);
    });
}

// Rules: F6, B19, D30
#[test]
fn a_stack_that_cannot_be_entered_is_an_error_and_the_next_start_runs() {
    for fault in [&GETCONTEXT, &SETCONTEXT] {
        if ossl_async::switch_method() == "swapcontext" && std::ptr::eq(fault, &SETCONTEXT) {
            continue; // swapcontext enters by itself
        }
        alone(|| {
            assert_eq!(ASYNC_init_pool(1, 1), 1);
            fault.after(0);
            for _ in 0..2 {
                let mut job = CJob::new(|| panic!("must not run"));
                assert_eq!((job.go(), job.ret), (ASYNC_ERR, UNWRITTEN));
                assert!(job.handle.is_null());
                assert_eq!(errors(), [E11_ENTER]);
                assert_eq!(ASYNC_in_job(), 0);
                let text = String::from("captured");
                let error = Job::start(move || text).unwrap_err();
                assert_eq!(error.error(), Some(Error::Enter));
                assert_eq!(error.into_closure()(), "captured");
            }
            fault.never();
            jobs_to_have(1);
        });
    }
}

// Rules: F2, F3
#[test]
fn contexts_are_made_and_entered_once_in_a_records_life() {
    alone(|| {
        assert_eq!(ASYNC_init_pool(1, 1), 1);
        assert_eq!((GETCONTEXT.calls(), SETCONTEXT.calls()), (0, 0));
        for _ in 0..10 {
            let mut job = pausing(3, 1);
            (0..3).for_each(|_| job.pause());
            job.finish(1);
        }
        let entered = usize::from(ossl_async::switch_method() != "swapcontext");
        assert_eq!((GETCONTEXT.calls(), SETCONTEXT.calls()), (1, entered));
    });
}

// Rules: F19
#[test]
fn a_system_that_cannot_make_contexts_is_not_capable() {
    alone(|| {
        assert!(ossl_async::is_capable());
        GETCONTEXT.after(0);
        assert!(!ossl_async::is_capable());
    });
}

// Rules: W3, W4, D9
#[test]
fn an_interrupted_wake_or_clear_is_tried_again() {
    alone(|| {
        let mut job = pausing(1, 0);
        job.pause();
        INTERRUPTIONS.store(3, Ordering::Relaxed);
        job.wake();
        assert_eq!(INTERRUPTIONS.load(Ordering::Relaxed), 0);
        assert!(readable(job.wait_fd()));
        INTERRUPTIONS.store(3, Ordering::Relaxed);
        job.clear();
        assert_eq!(INTERRUPTIONS.load(Ordering::Relaxed), 0);
        assert!(!readable(job.wait_fd()));
        job.finish(0);
    });
}

fn take_every_key() -> Vec<libc::pthread_key_t> {
    let mut keys = vec![];
    let mut key = 0;
    // SAFETY: keys of our own.
    while unsafe { libc::pthread_key_create(&mut key, None) } == 0 {
        keys.push(key);
    }
    keys
}

// Rules: B9, B18, B19, P10
#[test]
fn a_thread_that_cannot_be_cleaned_up_after_gets_no_jobs() {
    alone(|| {
        let keys = take_every_key();
        let mut job = pausing(1, 5);
        assert_eq!((job.go(), job.ret), (ASYNC_ERR, UNWRITTEN));
        assert_eq!(errors(), [E1_THREAD]);
        assert_eq!(ASYNC_init_pool(1, 1), 0);
        assert_eq!(errors(), [E3_POOL]);
        assert_eq!(Pool::init(1, 1), Err(Error::Pool));
        assert!(matches!(
            Job::start(|| ()),
            Err(StartError::Failed(Error::Thread, _))
        ));
        assert_eq!((ASYNC_in_job(), ASYNC_pause_job()), (0, 1));
        ASYNC_free_pool();
        // SAFETY: a key of our own.
        unsafe { libc::pthread_key_delete(keys[0]) };
        job.pause();
        job.finish(5);
        assert_eq!(
            take_every_key().len(),
            0,
            "one key is all that the library takes"
        );
    });
}

/// Uses the library as another library's key destructor might, after or before ours has run.
extern "C" fn late(_: *mut c_void) {
    assert!(ASYNC_get_current_job().is_null());
    assert_eq!((ASYNC_pause_job(), ASYNC_in_job()), (1, 0));
    let mut job = pausing(1, 3);
    job.pause();
    job.finish(3);
    assert_eq!(ASYNC_init_pool(2, 2), 1);
}

fn late_key() {
    let mut key = 0;
    // SAFETY: the destructor has the right type, and the value is not used as an address.
    unsafe {
        assert_eq!(libc::pthread_key_create(&mut key, Some(late)), 0);
        assert_eq!(
            libc::pthread_setspecific(key, std::ptr::without_provenance(1)),
            0
        );
    }
}

// Rules: D15, F10, D1, G6
#[test]
fn a_thread_that_ends_takes_its_idle_jobs_with_it_also_when_it_is_called_late() {
    for ours_first in [true, false] {
        alone(|| {
            let before = descriptors();
            let kept = std::thread::spawn(move || {
                let use_it = || {
                    assert_eq!(ASYNC_init_pool(0, 0), 1);
                    let mut jobs: Vec<CJob> = (0..5).map(|_| pausing(1, 0)).collect();
                    jobs.iter_mut().for_each(CJob::pause);
                    jobs[1..].iter_mut().for_each(|job| job.finish(0));
                    jobs[0].wait_fd()
                };
                if ours_first {
                    let fd = use_it();
                    late_key();
                    fd
                } else {
                    late_key();
                    use_it()
                }
            })
            .join()
            .unwrap();
            assert_eq!(descriptors(), before + 2, "one paused job is left");
            assert!(open(kept));
        });
    }
}

// Rules: D15, K5
#[test]
fn a_call_after_the_threads_state_is_gone_finds_a_fresh_thread() {
    extern "C" fn check(_: *mut c_void) {
        let mut job = pausing(1, 4);
        job.pause(); // neither blocked nor limited
        job.finish(4);
    }
    alone(|| {
        std::thread::spawn(|| {
            assert_eq!(ASYNC_init_pool(1, 0), 1);
            let mut paused = pausing(1, 0);
            paused.pause();
            CJob::new(|| 0).go(); // the limit is reached
            ASYNC_free_pool();
            CJob::new(|| {
                ASYNC_block_pause();
                0
            })
            .finish(0);
            let mut key = 0;
            // SAFETY: as in `late_key`; a key made later is destroyed later.
            unsafe {
                assert_eq!(libc::pthread_key_create(&mut key, Some(check)), 0);
                assert_eq!(
                    libc::pthread_setspecific(key, std::ptr::without_provenance(1)),
                    0
                );
            }
        })
        .join()
        .unwrap();
    });
}

// Rules: F10, D15
#[test]
fn many_threads_at_once_find_one_key() {
    alone(|| {
        let keys = take_every_key();
        // SAFETY: keys of our own. Two are left: one for the library, one to lose the race with.
        unsafe {
            libc::pthread_key_delete(keys[0]);
            libc::pthread_key_delete(keys[1]);
        }
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    // A loser of the race may find no key for the moment, never a wrong one.
                    let mut job = pausing(1, 2);
                    match job.go() {
                        ASYNC_PAUSE => job.finish(2),
                        result => assert_eq!((result, errors()), (ASYNC_ERR, vec![E1_THREAD])),
                    }
                });
            }
        });
        assert_eq!(take_every_key().len(), 1, "the loser's key is given back");
    });
}
