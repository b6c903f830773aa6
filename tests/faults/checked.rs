//! Calls of the library that may meet a fault. Each result is compared at once with what is
//! documented: which failures there are, what they leave unchanged, and that nothing fails without
//! a reason.

use super::common::*;
use super::fault::*;
use super::interpose::{library, outside};
use crate::common::capi::*;
use ossl_async::{Error, StartError, Step, stats};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An entry of `ASYNC_WAIT_CTX_set_wait_fd`.
const NO_WAIT_FD: u32 = 0x3306a041;
/// Stands for a failure that queues no entry.
const NO_ENTRY: u32 = 0;

/// The possible effects of each fault: the entries that it may cause, and whether a call that met
/// it must fail.
///
/// Faults without entries have no effect that a program could see.
const CAUSES: &[(&str, &[u32], bool)] = &[
    // Used for counters, a list of jobs, the slabs' list, arguments, and a wait context. libc
    // itself also allocates, and can do without.
    (
        "malloc",
        &[
            E1_THREAD,
            E3_POOL,
            E5_JOB,
            E9_ARGUMENTS,
            NO_WAIT_FD,
            NO_ENTRY,
        ],
        false,
    ),
    // pthread_setspecific, for keys above the first 32.
    ("calloc", &[E1_THREAD, E3_POOL], false),
    ("realloc", &[NO_WAIT_FD], false),
    // A smaller slab may be enough.
    ("mmap", &[E5_JOB], false),
    // Without a guard there is no signal stack. That each job has its guard is checked for the job.
    ("mprotect", &[E5_JOB], false),
    ("pipe2", &[E6_PIPE, NO_ENTRY], true),
    ("getcontext", &[E11_ENTER, NO_ENTRY], true),
    ("setcontext", &[E11_ENTER], true),
    ("pthread_key_create", &[E1_THREAD, E3_POOL], true),
    ("pthread_setspecific", &[E1_THREAD, E3_POOL], true),
];

/// A call that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Start1,
    Start2,
    StartRust,
    Init1,
    Init2,
    InitRust,
    SetWaitFd,
    NewWaitCtx,
    WaitFd,
    Capable,
    /// Every call that cannot fail: resumes, wakes, queries, freeing.
    Sure,
}

use Call::*;

/// What each call returns with each entry (B19, B9, B10 and the header).
const RESULTS: &[(&[Call], u32, c_int)] = &[
    (&[Start1, Start2, StartRust], E1_THREAD, ASYNC_ERR),
    (&[Start1, Start2, StartRust], E5_JOB, ASYNC_NO_JOBS),
    (&[Start1], E6_PIPE, ASYNC_NO_JOBS),
    (&[Start1, Start2], E9_ARGUMENTS, ASYNC_ERR),
    (&[Start1, Start2, StartRust], E11_ENTER, ASYNC_ERR),
    (&[Init1, Init2, InitRust], E3_POOL, 0),
    (&[Init1, Init2], E5_JOB, 1),
    (&[Init1], E6_PIPE, 1),
    (&[SetWaitFd], NO_WAIT_FD, 0),
    (&[NewWaitCtx, WaitFd, Capable], NO_ENTRY, 0),
];

/// The faults during a call, by name.
struct Watch([usize; FAULTS.len()]);

impl Watch {
    fn begin() -> Watch {
        Watch(FAULTS.map(|(_, fault)| fault.struck()))
    }

    /// Checks a call that has returned: with `failure` (an entry and a result), or with success.
    #[track_caller]
    fn judge(self, call: Call, failure: Option<(u32, c_int)>) {
        let struck: Vec<&str> = FAULTS
            .iter()
            .zip(self.0)
            .filter(|((_, fault), before)| fault.struck() > *before)
            .map(|((name, _), _)| *name)
            .collect();
        let causes = || CAUSES.iter().filter(|(name, ..)| struck.contains(name));
        match failure {
            None => assert!(
                !causes().any(|(_, codes, must)| *must && can_come_to(call, codes)),
                "{call:?} took no notice of {struck:?}"
            ),
            Some((code, result)) => {
                assert!(
                    causes().any(|(_, codes, _)| codes.contains(&code)),
                    "{call:?}: {code:#x} for no reason, or because of {struck:?}"
                );
                assert!(
                    RESULTS
                        .iter()
                        .any(|row| row.0.contains(&call) && (row.1, row.2) == (code, result)),
                    "{call:?} answers {result} with {code:#x}"
                );
            }
        }
    }
}

fn can_come_to(call: Call, codes: &[u32]) -> bool {
    RESULTS
        .iter()
        .any(|(calls, code, _)| calls.contains(&call) && codes.contains(code))
}

/// Returns the one entry that a failure has queued.
#[track_caller]
fn only_error() -> u32 {
    let errors = errors();
    assert_eq!(errors.len(), 1, "{errors:x?}");
    errors[0]
}

/// A call that nothing can make fail.
#[track_caller]
pub fn sure<R>(call: impl FnOnce() -> R) -> R {
    let watch = Watch::begin();
    let result = library(call);
    outside(|| {
        assert_eq!(errors(), []);
        watch.judge(Sure, None);
    });
    result
}

/// What a call that failed must not have changed. A job may have been made for the call before
/// something else was missing. That job stays (B27).
fn unchanged(before: stats::Stats, job_stays: bool) {
    let mut now = stats::thread();
    if job_stays {
        now.created = before.created;
        now.idle = before.idle;
        now.stack_bytes = before.stack_bytes;
    }
    assert_eq!(now, before);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    One,
    Two,
}

/// Makes a pool. Returns whether it has all the jobs that were asked for.
#[track_caller]
pub fn init_pool(generation: Generation, max: usize, init: usize) -> bool {
    let (call, function): (Call, extern "C" fn(usize, usize) -> c_int) = match generation {
        Generation::One => (Init1, ASYNC_init_pool),
        Generation::Two => (Init2, ASYNC_init_thread),
    };
    let before = stats::thread();
    let watch = Watch::begin();
    let result = library(|| function(max, init));
    let idle = stats::thread().idle as usize;
    let all = result == 1 && idle == init;
    if all {
        assert_eq!(errors(), []);
        watch.judge(call, None);
    } else {
        watch.judge(call, Some((only_error(), result)));
        assert!(idle < init || result == 0);
        if result == 0 {
            unchanged(before, false);
        }
    }
    all
}

/// The same by the Rust face, which does not tell whether there are fewer jobs (B10).
#[track_caller]
pub fn init_rust_pool(max: usize, init: usize) {
    let before = stats::thread();
    let watch = Watch::begin();
    let result = library(|| ossl_async::Pool::init(max, init));
    assert_eq!(errors(), []);
    if let Err(error) = result {
        watch.judge(InitRust, Some((error.code(), 0)));
        unchanged(before, false);
    } else if stats::thread().idle as usize == init {
        watch.judge(InitRust, None);
    }
}

/// A job of the C face with arguments of some size. It checks them each time it is resumed.
pub struct Task {
    generation: Generation,
    pub handle: *mut ASYNC_JOB,
    ctx: *mut ASYNC_WAIT_CTX,
    ret: c_int,
    arguments: Vec<u8>,
    pauses: u8,
}

/// The largest size of a task's arguments, and the smallest unless it has none.
pub const MOST_ARGUMENTS: usize = 100_000;

/// Sizes of arguments: none, what fits into a record, a block that the record keeps, and one that
/// it does not keep.
pub const SIZES: [usize; 4] = [0, 64, 4096, MOST_ARGUMENTS];

/// The elements of arguments.
static NUMBERS: [u8; MOST_ARGUMENTS] = {
    let mut numbers = [0; MOST_ARGUMENTS];
    let mut n = 0;
    while n < MOST_ARGUMENTS {
        numbers[n] = n as u8;
        n += 1;
    }
    numbers
};

/// A task's function. Its arguments are its number of pauses, and then numbers that it knows.
unsafe extern "C" fn work(argument: *mut c_void) -> c_int {
    if argument.is_null() {
        return ASYNC_pause_job();
    }
    let alignment = 2 * size_of::<usize>();
    assert_eq!(
        argument.addr() % alignment,
        0,
        "aligned as malloc aligns (B44)"
    );
    let bytes = argument.cast::<u8>();
    // SAFETY: every task with arguments has at least 64 bytes of them, which begin with their size
    // and its pauses.
    unsafe {
        let size = bytes.cast::<u32>().read() as usize;
        for _ in 0..bytes.add(4).read() {
            if ASYNC_pause_job() != 1 {
                return -2;
            }
            if std::slice::from_raw_parts(bytes.add(5), size - 5) != &NUMBERS[5..size] {
                return -1;
            }
        }
        size as c_int
    }
}

impl Task {
    pub fn new(generation: Generation, size: usize, pauses: u8) -> Task {
        let mut arguments = NUMBERS[..size].to_vec();
        if size > 0 {
            arguments[..4].copy_from_slice(&(size as u32).to_ne_bytes());
            arguments[4] = pauses;
        }
        Task {
            generation,
            handle: ptr::null_mut(),
            ctx: ptr::null_mut(),
            ret: UNWRITTEN,
            arguments,
            pauses: if size == 0 { 1 } else { pauses },
        }
    }

    /// A task of the second generation on a wait context.
    pub fn on(ctx: *mut ASYNC_WAIT_CTX, size: usize, pauses: u8) -> Task {
        let mut task = Task::new(Generation::Two, size, pauses);
        task.ctx = ctx;
        task
    }

    fn go(&mut self) -> c_int {
        let mut arguments: *mut c_void = self.arguments.as_mut_ptr().cast();
        let size = self.arguments.len();
        if size == 0 {
            arguments = ptr::null_mut();
        }
        let (job, ret, work) = (&mut self.handle, &mut self.ret, Some(work as _));
        // SAFETY: all of it is ours, and alive.
        library(|| unsafe {
            match self.generation {
                Generation::One => ASYNC_start_job_2015(job, ret, work, arguments, size),
                Generation::Two => ASYNC_start_job(job, self.ctx, ret, work, arguments, size),
            }
        })
    }

    /// Starts the task, which pauses. Returns whether it has started.
    #[track_caller]
    pub fn start(&mut self) -> bool {
        let call = match self.generation {
            Generation::One => Start1,
            Generation::Two => Start2,
        };
        let before = stats::thread();
        let watch = Watch::begin();
        let result = self.go();
        assert_eq!(self.ret, UNWRITTEN);
        assert!(ASYNC_get_current_job().is_null());
        if result == ASYNC_PAUSE {
            assert_eq!(errors(), []);
            watch.judge(call, None);
            assert!(!self.handle.is_null());
            return true;
        }
        let code = only_error();
        watch.judge(call, Some((code, result)));
        assert!(self.handle.is_null());
        unchanged(before, [E9_ARGUMENTS, E11_ENTER].contains(&code));
        false
    }

    /// Resumes it to its end, if it has started.
    #[track_caller]
    pub fn finish(&mut self) {
        if self.handle.is_null() {
            return;
        }
        for _ in 1..self.pauses {
            self.resume(ASYNC_PAUSE);
            assert!(!self.handle.is_null());
            assert_eq!(self.ret, UNWRITTEN);
        }
        self.resume(ASYNC_FINISH);
        let size = self.arguments.len();
        assert!(self.handle.is_null());
        assert_eq!(self.ret, if size == 0 { 1 } else { size as c_int });
    }

    #[track_caller]
    fn resume(&mut self, expected: c_int) {
        let watch = Watch::begin();
        assert_eq!(self.go(), expected);
        assert_eq!(errors(), []);
        watch.judge(Sure, None);
    }

    /// Cancels it, if it has started.
    #[track_caller]
    pub fn cancel(&mut self) {
        if self.handle.is_null() {
            return;
        }
        // SAFETY: all of it is ours.
        let result = sure(|| unsafe { OSSL_ASYNC_cancel_job(&mut self.handle, &mut self.ret) });
        assert_eq!(result, ASYNC_FINISH);
        assert!(self.handle.is_null());
    }

    /// Whether the 80 KiB below its stack fault.
    #[track_caller]
    pub fn is_guarded(&self) -> bool {
        is_guarded(self.handle, mapped)
    }
}

/// Whether a byte can be read. The kernel tries it.
fn mapped(address: usize) -> bool {
    let mut byte = 0u8;
    let here = libc::iovec {
        iov_base: ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    let there = libc::iovec {
        iov_base: ptr::with_exposed_provenance_mut(address),
        iov_len: 1,
    };
    // SAFETY: one byte is written to a variable of ours; the kernel checks the other address.
    unsafe { libc::process_vm_readv(libc::getpid(), &here, 1, &there, 1, 0) == 1 }
}

/// Starts a job of the Rust face that pauses once and ends with 300. None if it cannot be started.
#[track_caller]
pub fn start_rust_job() -> Option<ossl_async::Job<usize>> {
    let captured = [3u8; 100];
    let before = stats::thread();
    let watch = Watch::begin();
    let started = library(|| {
        start_job(move || {
            ossl_async::pause();
            outside(use_own_wait_ctx);
            captured
                .iter()
                .map(|byte| usize::from(*byte))
                .sum::<usize>()
        })
    });
    assert_eq!(errors(), []);
    match started {
        Ok(Step::Paused(job)) => {
            watch.judge(StartRust, None);
            Some(job)
        }
        Ok(Step::Finished(_)) => panic!("it pauses"),
        Err(StartError::Full(_)) => panic!("the pool is not full"),
        Err(StartError::Failed(error, closure)) => {
            let result = match error {
                Error::Job => ASYNC_NO_JOBS,
                _ => ASYNC_ERR,
            };
            watch.judge(StartRust, Some((error.code(), result)));
            unchanged(before, error == Error::Enter);
            // The closure is returned as it was. Outside a job it does not pause.
            assert_eq!(closure(), 300);
            None
        }
    }
}

/// Resumes a job of [`start_rust_job`] to its end.
#[track_caller]
pub fn finish_rust_job(job: Option<ossl_async::Job<usize>>) {
    if let Some(job) = job {
        assert!(matches!(sure(|| job.resume()), Ok(Step::Finished(300))));
    }
}

/// Makes the wait fd of a Rust job, and returns it, or none.
#[track_caller]
pub fn wait_fd(job: &ossl_async::Job<usize>) -> Option<c_int> {
    let watch = Watch::begin();
    let fd = library(|| job.wait_fd().map(|fd| std::os::fd::AsRawFd::as_raw_fd(&fd)));
    watch.judge(WaitFd, fd.is_err().then_some((NO_ENTRY, 0)));
    fd.map_err(|error| assert_eq!(error.raw_os_error(), Some(libc::EMFILE)))
        .ok()
}

/// A wait context, or NULL.
#[track_caller]
pub fn wait_ctx() -> *mut ASYNC_WAIT_CTX {
    let watch = Watch::begin();
    let ctx = library(|| ASYNC_WAIT_CTX_new());
    assert_eq!(errors(), []);
    watch.judge(NewWaitCtx, ctx.is_null().then_some((NO_ENTRY, 0)));
    ctx
}

/// How many entries of contexts of Rust jobs were added, and not cleaned up yet.
pub static OWN_ENTRIES: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn clean_own(_: *mut ASYNC_WAIT_CTX, _: *const c_void, _: c_int, _: *mut c_void) {
    OWN_ENTRIES.fetch_sub(1, Ordering::Relaxed);
}

/// In a Rust job: asks for its wait context, which that makes, and adds to it.
#[track_caller]
fn use_own_wait_ctx() {
    if !ossl_async::in_job() {
        return;
    }
    let watch = Watch::begin();
    // SAFETY: the running job's handle.
    let ctx = library(|| unsafe { ASYNC_get_wait_ctx(ASYNC_get_current_job()) });
    watch.judge(NewWaitCtx, ctx.is_null().then_some((NO_ENTRY, 0)));
    if !ctx.is_null() && set_wait_fd(ctx, 1, 7, clean_own) {
        OWN_ENTRIES.fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds a descriptor to a wait context. Returns whether it is there.
#[track_caller]
pub fn set_wait_fd(
    ctx: *mut ASYNC_WAIT_CTX,
    key: usize,
    fd: c_int,
    cleanup: unsafe extern "C" fn(*mut ASYNC_WAIT_CTX, *const c_void, c_int, *mut c_void),
) -> bool {
    let watch = Watch::begin();
    let (key, data) = (ptr::without_provenance(key), ptr::null_mut());
    // SAFETY: the context is alive.
    let result =
        library(|| unsafe { ASYNC_WAIT_CTX_set_wait_fd(ctx, key, fd, data, Some(cleanup)) });
    let failure = (result == 0).then(|| (only_error(), result));
    watch.judge(SetWaitFd, failure);
    result == 1
}

/// Calls `ASYNC_is_capable`.
#[track_caller]
pub fn ask_capable() {
    let watch = Watch::begin();
    let capable = library(|| ASYNC_is_capable());
    assert_eq!(errors(), []);
    watch.judge(Capable, (capable == 0).then_some((NO_ENTRY, 0)));
}
