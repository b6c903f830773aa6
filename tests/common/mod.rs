//! What the tests share: jobs of the C face made from closures, the error queue, descriptors and
//! mappings, child processes for tests that end or change their process, and settings of
//! AddressSanitizer.

#![allow(dead_code, missing_docs, reason = "each test program uses some of it")]

#[cfg(not(feature = "capi"))]
compile_error!("the tests call the C functions too: cargo test --features capi");

use capi::*;
use ossl_async::{Job, StartError, Step};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// The C functions, as the tests call them.
#[allow(non_snake_case, reason = "C's names")]
pub mod capi {
    pub use ossl_async::sys::*;

    /// Pauses a job of a test's.
    pub fn ASYNC_pause_job() -> i32 {
        // SAFETY: no frame of a test's job relies on nested calls: the closures of the tests keep
        // nothing of a thread-local's and no scope that puts something back.
        unsafe { ossl_async::sys::ASYNC_pause_job() }
    }

    /// Takes a block back.
    pub fn ASYNC_unblock_pause() {
        // SAFETY: no frame of a test's job relies on a block.
        unsafe { ossl_async::sys::ASYNC_unblock_pause() }
    }
}

/// Starts a job of the Rust face.
pub fn start_job<F, T>(closure: F) -> Result<Step<T>, StartError<F>>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    // SAFETY: the closures of the tests keep the contract of `start`: at a pause they hold nothing
    // of a thread-local's, are in no initialiser and in no scope that puts something back.
    unsafe { Job::start(closure) }
}

/// A job of the C face whose function is a closure.
pub struct CJob {
    pub handle: *mut ASYNC_JOB,
    pub ret: c_int,
    closure: *mut Closure,
}

type Closure = Box<dyn FnMut() -> c_int>;

/// A list of closures whose jobs may outlive their tests. It keeps them reachable, so that they do
/// not count as leaked.
struct Kept {
    closure: *mut Closure,
    before: *mut Kept,
}

/// The closure added last. There is no lock, because it could be held at a fork.
static KEPT: AtomicPtr<Kept> = AtomicPtr::new(ptr::null_mut());

fn keep(closure: *mut Closure) {
    let before = ptr::null_mut();
    let kept = Box::into_raw(Box::new(Kept { closure, before }));
    loop {
        let before = KEPT.load(Ordering::Acquire);
        // SAFETY: just made, and not in the list yet.
        unsafe { (*kept).before = before };
        let pushed = KEPT.compare_exchange(before, kept, Ordering::Release, Ordering::Relaxed);
        if pushed.is_ok() {
            return;
        }
    }
}

impl Drop for CJob {
    fn drop(&mut self) {
        if self.handle.is_null() {
            // SAFETY: it came from a box, and the function that uses it has returned.
            drop(unsafe { Box::from_raw(self.closure) });
        } else {
            keep(self.closure); // its handle may have been copied
        }
    }
}

/// The job of a step that must have paused.
pub fn paused<T, E>(step: Result<Step<T>, E>) -> Job<T> {
    match step {
        Ok(Step::Paused(job)) => job,
        Ok(Step::Finished(_)) => panic!("finished"),
        Err(_) => panic!("failed"),
    }
}

/// The value of a step that must have finished.
pub fn finished<T, E>(step: Result<Step<T>, E>) -> T {
    match step {
        Ok(Step::Finished(value)) => value,
        Ok(Step::Paused(_)) => panic!("paused"),
        Err(_) => panic!("failed"),
    }
}

/// The value of `ret` before it is written.
pub const UNWRITTEN: c_int = -12345;

impl CJob {
    pub fn new(closure: impl FnMut() -> c_int + 'static) -> CJob {
        let closure: Closure = Box::new(closure);
        CJob {
            handle: ptr::null_mut(),
            ret: UNWRITTEN,
            closure: Box::into_raw(Box::new(closure)),
        }
    }

    /// Starts or resumes the job.
    pub fn go(&mut self) -> c_int {
        let argument = ptr::from_mut(&mut self.closure).cast();
        // SAFETY: the handle and the result are ours, and `call` gets a copy of the closure's
        // address.
        unsafe {
            ASYNC_start_job_2015(
                &mut self.handle,
                &mut self.ret,
                Some(call),
                argument,
                size_of::<*mut Closure>(),
            )
        }
    }

    /// As `go`, by the six-argument call.
    pub fn go_with(&mut self, ctx: *mut ASYNC_WAIT_CTX) -> c_int {
        let argument = ptr::from_mut(&mut self.closure).cast();
        let (handle, ret, size) = (&mut self.handle, &mut self.ret, size_of::<*mut Closure>());
        // SAFETY: as above; the tests pass a context that is alive.
        unsafe { ASYNC_start_job(handle, ctx, ret, Some(call), argument, size) }
    }

    /// Starts or resumes the job, which must end with this value.
    #[track_caller]
    pub fn finish(&mut self, value: c_int) {
        assert_eq!(
            (self.go(), self.ret, self.handle),
            (ASYNC_FINISH, value, ptr::null_mut())
        );
    }

    /// Starts or resumes the job, which must pause.
    #[track_caller]
    pub fn pause(&mut self) {
        let before = self.ret;
        assert_eq!(self.go(), ASYNC_PAUSE);
        assert!(!self.handle.is_null());
        assert_eq!(self.ret, before, "a pause does not write the result");
    }

    pub fn wait_fd(&self) -> c_int {
        // SAFETY: the handle is NULL or was issued by the library.
        unsafe { ASYNC_get_wait_fd(self.handle) }
    }

    pub fn wake(&self) {
        // SAFETY: as above.
        unsafe { ASYNC_wake(self.handle) }
    }

    pub fn clear(&self) {
        // SAFETY: as above.
        unsafe { ASYNC_clear_wake(self.handle) }
    }
}

/// The C function of every `CJob`.
pub unsafe extern "C" fn call(argument: *mut c_void) -> c_int {
    // SAFETY: `CJob::go` passes the address of its closure, which is not freed while the job has a
    // handle.
    unsafe { (**argument.cast::<*mut Closure>())() }
}

/// A job that pauses this often and then returns the value.
pub fn pausing(times: u32, value: c_int) -> CJob {
    CJob::new(move || {
        for _ in 0..times {
            assert_eq!(ASYNC_pause_job(), 1);
        }
        value
    })
}

/// No wait context.
pub const NO_CTX: *mut ASYNC_WAIT_CTX = ptr::null_mut();

/// Starts or resumes the job by the six-argument call; it must pause.
#[track_caller]
pub fn pause(job: &mut CJob) {
    assert_eq!(job.go_with(NO_CTX), ASYNC_PAUSE);
}

/// Starts or resumes the job by the six-argument call; it must end with this value.
#[track_caller]
pub fn finish(job: &mut CJob, value: c_int) {
    assert_eq!(
        (job.go_with(NO_CTX), job.ret, job.handle),
        (ASYNC_FINISH, value, ptr::null_mut())
    );
}

/// Checks that no job is available, with this entry.
#[track_caller]
pub fn no_job(code: u32) {
    let mut job = pausing(1, 0);
    assert_eq!((job.go(), job.ret), (ASYNC_NO_JOBS, UNWRITTEN));
    assert!(job.handle.is_null());
    assert_eq!(errors(), [code]);
}

/// Checks that exactly this many jobs can be paused at once.
#[track_caller]
pub fn jobs_to_have(count: usize) {
    let mut jobs: Vec<CJob> = (0..count).map(|_| pausing(1, 0)).collect();
    jobs.iter_mut().for_each(CJob::pause);
    assert_eq!(pausing(1, 0).go(), ASYNC_NO_JOBS);
    assert_eq!(errors(), []);
    jobs.iter_mut().for_each(|job| job.finish(0));
}

/// Returns the codes in the thread's error queue and empties it.
pub fn errors() -> Vec<u32> {
    std::iter::from_fn(|| match OSSL_ASYNC_ERR_get_error() {
        0 => None,
        code => Some(code as u32),
    })
    .collect()
}

/// Whether a descriptor is readable now.
pub fn readable(fd: c_int) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd, which the kernel fills in.
    assert!(unsafe { libc::poll(&mut poll, 1, 0) } >= 0);
    assert_eq!(
        poll.revents & libc::POLLNVAL,
        0,
        "descriptor {fd} is not open"
    );
    poll.revents & libc::POLLIN != 0
}

/// Whether a descriptor is open.
pub fn open(fd: c_int) -> bool {
    // SAFETY: asks only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// Whether a byte can be read. The kernel reads it, so there is no signal if not.
pub fn accessible(address: usize) -> bool {
    let mut ends = [0; 2];
    // SAFETY: a pipe of our own; the kernel checks the address.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let written = libc::write(ends[1], ptr::with_exposed_provenance(address), 1);
        libc::close(ends[0]);
        libc::close(ends[1]);
        written == 1
    }
}

/// Where the guard below a paused job's stack ends: above it is what the job can use. None if there
/// is no guard. `readable` tells whether a byte can be read.
pub fn end_of_guard(handle: *mut ASYNC_JOB, readable: fn(usize) -> bool) -> Option<usize> {
    let page = page_size();
    let top = handle.expose_provenance() / page * page;
    let least = (ossl_async::stack_size() / page).saturating_sub(1).max(1);
    let mut below = (least..least + 5).map(|pages| top - pages * page);
    below.find(|page| !readable(*page)).map(|low| low + page)
}

/// Whether none of the 80 KiB below a paused job's stack can be read. A byte in 16 KiB is tried.
pub fn is_guarded(handle: *mut ASYNC_JOB, readable: fn(usize) -> bool) -> bool {
    let Some(end) = end_of_guard(handle, readable) else {
        return false;
    };
    (end - 80 * 1024..end)
        .step_by(16 * 1024)
        .all(|byte| !readable(byte))
}

/// The size of a page, in bytes. It differs between kernels: 64 KiB on most of ppc64le.
pub fn page_size() -> usize {
    // SAFETY: asks only.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Whether guards take no mappings of their own: this build asks the kernel for such guards, and
/// the kernel has them. It tries one on its own page. If reading the page then faults, the kernel
/// really has done it.
pub fn has_light_guards() -> bool {
    const MADV_GUARD_INSTALL: c_int = 102;
    const SIZE: usize = 65536; // one page or more, on any machine
    // SAFETY: a new mapping that nobody else uses.
    let seen = unsafe {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        let memory = libc::mmap(ptr::null_mut(), SIZE, access, kind, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        assert!(accessible(memory.expose_provenance()));
        let advised = libc::madvise(memory, SIZE, MADV_GUARD_INSTALL) == 0;
        let faults = !accessible(memory.expose_provenance());
        libc::munmap(memory, SIZE);
        advised && faults
    };
    let wanted = std::env::var_os("OSSL_ASYNC_GUARD").is_none_or(|value| value.is_empty());
    seen && wanted && !cfg!(ossl_async_mprotect)
}

/// How many of the wanted jobs a process can have at once. Guards by `mprotect` take two mappings
/// each, of usually 65,530. With addresses of 32 bits there is room for some 10,000 stacks.
pub fn possible_jobs(wanted: usize) -> usize {
    let mappings = if has_light_guards() { wanted } else { 20_000 };
    let addresses = if usize::BITS == 32 { 5_000 } else { wanted };
    wanted.min(mappings).min(addresses)
}

/// The number of descriptors of the process. Exact only in a child, where no other thread opens
/// any.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// The resident memory of this process that is not of files, such as code that runs for the first
/// time. In bytes. Counted page by page: the sum in `statm` lags behind, by up to 64 pages a thread.
pub fn resident_memory() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<usize>().unwrap() * 1024
}

/// From now on the kernel gives this process no huge pages. One that covers a block and memory
/// beside it leaves the part beside it resident when the block is freed.
pub fn refuse_huge_pages() {
    // SAFETY: it affects no contents of memory.
    let refused = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    assert_eq!(refused, 0);
}

/// How many mappings the process has.
pub fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count()
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    Exit(c_int),
    Signal(c_int),
}

static IN_CHILD: AtomicBool = AtomicBool::new(false);
/// Set before the first fork, because another thread may hold the hook's lock at a fork.
static HOOK: Once = Once::new();

/// Runs `work` in a forked child. The child ends with 0 when `work` returns, with 101 when it
/// panics, and with 102 when LeakSanitizer finds a leak. A child that hangs is ended:
/// [`limit_life`].
///
/// While another thread of the parent begins or ends, it holds a lock of the standard library. A
/// child of that very moment waits for ever where it makes a thread of its own. So a child that
/// waits for ever is killed, and there is another one.
pub fn in_child(work: impl FnOnce()) -> Ending {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IN_CHILD.load(Ordering::Relaxed) {
                return before(info);
            }
            // The test's captured output is lost with the child, so its messages go to the
            // terminal.
            let message = format!("in a child: {info}\n");
            // SAFETY: writes a string of ours.
            unsafe { libc::write(2, message.as_ptr().cast(), message.len()) };
        }));
    });
    for _ in 0..3 {
        let beside_main_only = threads() == 2;
        // SAFETY: the child uses nothing that another thread may have held at the fork except
        // malloc, which glibc keeps usable, and what is said above.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                limit(libc::RLIMIT_CORE, 0);
                limit_life(CLOCK_SECONDS);
                IN_CHILD.store(true, Ordering::Relaxed);
                let panicked = std::panic::catch_unwind(AssertUnwindSafe(work)).is_err();
                let status = if panicked {
                    101
                } else if beside_main_only && has_leak() {
                    102
                } else {
                    0
                };
                // SAFETY: ends the child without running the parent's exit handlers.
                unsafe { libc::_exit(status) }
            }
            child => {
                if let Some(ending) = wait_unless_stuck(child) {
                    return ending;
                }
            }
        }
    }
    panic!("three children have waited for ever");
}

/// Waits for a child's end. None if it was killed because it waited for ever: all its threads slept
/// and used no processor time for half a minute by the clock.
fn wait_unless_stuck(child: libc::pid_t) -> Option<Ending> {
    const HALF_A_MINUTE: c_int = 30_000;
    // SAFETY: they take and return numbers. Where the kernel has no such descriptors it is -1.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) };
    let pidfd = c_int::try_from(pidfd).ok().filter(|fd| *fd >= 0);
    // SAFETY: just made.
    let pidfd = pidfd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let mut before = None;
    while let Some(pidfd) = &pidfd {
        let mut wait = libc::pollfd {
            fd: pidfd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor, which is open.
        match unsafe { libc::poll(&mut wait, 1, HALF_A_MINUTE) } {
            0 => {}
            1 => break,
            _ => continue, // a signal
        }
        let now = processor_time_of_sleeper(child);
        if now.is_some() && now == before {
            // SAFETY: our own child, which was not waited for.
            unsafe { libc::kill(child, libc::SIGKILL) };
            wait_for(child);
            return None;
        }
        before = now;
    }
    Some(wait_for(child))
}

/// The processor time that a process has used, if all its threads sleep now.
fn processor_time_of_sleeper(process: libc::pid_t) -> Option<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        // After the name: the state, and in the 12th and 13th place times.
        let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
        if fields[0] != "S" {
            return None;
        }
        sum += fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    }
    Some(sum)
}

/// The processor time that a child may use, in seconds. Children need less than ten, even on a busy
/// machine, where they take minutes by the clock.
pub const PROCESSOR_SECONDS: u64 = 120;

/// The longest time that a child may live by the clock, in seconds. This is for a child that waits
/// for ever, and so uses no processor time.
pub const CLOCK_SECONDS: u32 = 600;

/// Bounds the life of a child. SIGXCPU ends it after its processor time, SIGALRM after so many
/// seconds by the clock. The time of its own children does not count.
pub fn limit_life(clock_seconds: u32) {
    limit(libc::RLIMIT_CPU, PROCESSOR_SECONDS);
    // SAFETY: only this process's time.
    unsafe { libc::alarm(clock_seconds) };
}

/// Runs `work` in a child, which must succeed.
#[track_caller]
pub fn alone(work: impl FnOnce()) {
    assert_eq!(in_child(work), Ending::Exit(0));
}

pub fn wait_for(child: libc::pid_t) -> Ending {
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    if libc::WIFSIGNALED(status) {
        Ending::Signal(libc::WTERMSIG(status))
    } else {
        Ending::Exit(libc::WEXITSTATUS(status))
    }
}

/// Limits the process's address space. Not under AddressSanitizer, which reserves terabytes.
pub fn limit_memory(bytes: u64) {
    if !cfg!(ossl_async_sanitizer) {
        limit(libc::RLIMIT_AS, bytes);
    }
}

/// The name of a resource that can be limited.
#[cfg(target_env = "gnu")]
pub type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
pub type Resource = c_int;

/// Sets a resource's soft limit and returns the old one.
#[allow(
    clippy::unnecessary_cast,
    reason = "a limit has as many bits as a long"
)]
pub fn limit(resource: Resource, soft: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls use our variable only.
    unsafe {
        assert_eq!(libc::getrlimit(resource, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = (soft as libc::rlim_t).min(limit.rlim_max);
        assert_eq!(libc::setrlimit(resource, &limit), 0);
        before as u64
    }
}

/// The options that AddressSanitizer asks a program for, if the tests are compiled for it.
#[unsafe(no_mangle)]
extern "C" fn __asan_default_options() -> *const c_char {
    // - An allocation that fails returns NULL, as malloc does.
    // - Faults end the process by their signal, because some tests check that.
    // - Locals are not on the heap. LeakSanitizer does not search those of paused jobs, and some
    //   tests check how deep a stack is.
    c"allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:detect_stack_use_after_return=0"
        .as_ptr()
}

/// The options that LeakSanitizer asks for. In a forked child it does not search by itself. Blocks
/// of the parent's other threads would seem leaked there, because those threads' stacks belong to
/// no thread of the child.
#[unsafe(no_mangle)]
extern "C" fn __lsan_is_turned_off() -> c_int {
    (IN_CHILD.load(Ordering::Relaxed) && !LOOKS_FOR_LEAKS.load(Ordering::Relaxed)).into()
}

static LOOKS_FOR_LEAKS: AtomicBool = AtomicBool::new(false);

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(usize::MAX, Iterator::count)
}

/// The control block of the main thread. The thread's thread-locals are beside it.
static MAIN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_main() {
    // SAFETY: has no conditions.
    MAIN.store(unsafe { libc::pthread_self() } as usize, Ordering::Relaxed);
}

#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_MAIN: extern "C" fn() = note_main;

/// Has LeakSanitizer search, if the tests are compiled for it. This is for the child of a process
/// whose only other thread is the main one, as with `--test-threads=1`.
///
/// LeakSanitizer takes neither of the two for a thread of the child. So it is told where their
/// stacks and thread-locals are.
fn has_leak() -> bool {
    limit(libc::RLIMIT_AS, u64::MAX); // some tests have limited it
    let find = |name: &CStr| {
        // SAFETY: the name ends.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    };
    let (Some(look), Some(register)) = (
        find(c"__lsan_do_recoverable_leak_check"),
        find(c"__lsan_register_root_region"),
    ) else {
        return false;
    };
    // SAFETY: has no conditions.
    let threads = [
        MAIN.load(Ordering::Relaxed),
        unsafe { libc::pthread_self() } as usize,
    ];
    for (range, name) in ranges() {
        if threads.iter().any(|thread| range.contains(thread)) || name == "[stack]" {
            // SAFETY: the function has this type, and the memory stays.
            unsafe {
                let register: unsafe extern "C" fn(usize, usize) = std::mem::transmute(register);
                register(range.start, range.len());
            }
        }
    }
    LOOKS_FOR_LEAKS.store(true, Ordering::Relaxed);
    // SAFETY: the function has this type, and only looks at memory.
    unsafe {
        let look: unsafe extern "C" fn() -> c_int = std::mem::transmute(look);
        look() != 0
    }
}

/// The process's mappings, and what they are called.
fn ranges() -> Vec<(Range<usize>, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text| usize::from_str_radix(text, 16).expect("an address");
    maps.lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').expect("a range and more");
            let (start, end) = range.split_once('-').expect("start and end");
            let name = rest.split(' ').next_back().unwrap_or_default();
            (number(start)..number(end), name.to_owned())
        })
        .collect()
}

// The codes of section 8's clean refusals, and of B3.
pub const NESTED: u32 = 0x33069044;
pub const NOT_RESUMABLE: u32 = 0x33069042;
pub const NULL_ARGUMENT: u32 = 0x33069043;
pub const FREE_INSIDE_JOB: u32 = 0x33065042;
pub const E1_THREAD: u32 = 0x33064041;
pub const E2_POOL_SIZE: u32 = 0x33065067;
pub const E3_POOL: u32 = 0x33065041;
pub const E4_NOT_SET: u32 = 0x33065065;
pub const E5_JOB: u32 = 0x33066041;
pub const E6_PIPE: u32 = 0x33066064;
pub const E9_ARGUMENTS: u32 = 0x33069041;
pub const E11_ENTER: u32 = 0x33069044;
