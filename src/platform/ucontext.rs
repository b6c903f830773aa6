//! POSIX with a working `ucontext`: the only file that calls the C shim, and libc except for a stream to print to.

use super::Fibre;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::OnceLock;

/// Whether jobs can exist in this build at all.
pub const AVAILABLE: bool = true;

unsafe extern "C" {
    fn ossl_async_fibre_capable() -> c_int;
    fn ossl_async_fibre_enter(
        from: *mut *mut c_void,
        stack: *mut c_void,
        size: usize,
        entry: extern "C" fn() -> !,
    ) -> c_int;
    fn ossl_async_fibre_switch(from: *mut *mut c_void, to: *mut c_void) -> c_int;
    fn ossl_async_fibre_way() -> *const c_char;
    fn ossl_async_fibre_forget(context: *mut c_void);
    fn ossl_async_job_register(
        stack: *mut c_void,
        stack_size: usize,
        record: *mut c_void,
        record_size: usize,
    ) -> c_uint;
    fn ossl_async_job_deregister(
        id: c_uint,
        stack: *mut c_void,
        stack_size: usize,
        record: *mut c_void,
        record_size: usize,
    );
}

/// Whether the running system can make contexts (F19).
pub fn capable() -> bool {
    // SAFETY: the shim's function only fills a variable of its own.
    unsafe { ossl_async_fibre_capable() != 0 }
}

/// How this build switches: `"registers"`, `"setjmp"` or `"swapcontext"`.
pub fn way() -> &'static str {
    // SAFETY: the shim returns a string literal.
    let name = unsafe { CStr::from_ptr(ossl_async_fibre_way()) };
    name.to_str().unwrap_or_default()
}

/// Suspends the caller in `from` and calls `entry` at the top of `stack`. Returns true when somebody switches to
/// `from`, false if the new context could not be entered, in which case nothing has run (F6).
///
/// # Safety
///
/// `stack` is memory that nothing else uses until the fibre has ended for good, and `from` is switched to only on
/// this thread and at most once.
pub unsafe fn enter(from: &Fibre, stack: *mut [u8], entry: extern "C" fn() -> !) -> bool {
    // SAFETY: the caller vouches for the stack and for `from`; `entry` never returns, by its type.
    unsafe { ossl_async_fibre_enter(from.0.as_ptr(), stack.cast(), stack.len(), entry) != 0 }
}

/// Suspends the caller in `from` and goes on where `to` was suspended. Answers 1 when somebody switches to `from`.
///
/// # Safety
///
/// `to` is suspended on this thread and its stack is intact; `from` as for [`enter`].
#[inline(always)]
pub unsafe fn switch(from: &Fibre, to: &Fibre) -> c_int {
    // SAFETY: the caller vouches for `to`; what it points to is the context that `enter` or `switch` saved there.
    unsafe { ossl_async_fibre_switch(from.0.as_ptr(), to.0.get()) }
}

/// Nobody will go on with a fibre: it is new again, and its stack may be used for something else.
///
/// # Safety
///
/// The fibre is new, or suspended with its stack intact.
pub unsafe fn forget(fibre: &Fibre) {
    // SAFETY: the caller vouches for the context that the shim may look at.
    unsafe { ossl_async_fibre_forget(fibre.0.replace(ptr::null_mut())) };
}

/// The size of a page, in bytes.
pub fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("every POSIX system has a page size")
}

const READ_AND_WRITE: c_int = libc::PROT_READ | libc::PROT_WRITE;
/// Memory for stacks: of its addresses only touched pages will cost anything.
const STACK_MEMORY: c_int = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
const NO_FILE: c_int = -1;

/// Maps `size` bytes of zeroed memory for stacks.
pub fn map(size: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new anonymous mapping, at an address of the kernel's choice, affects no other memory.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            READ_AND_WRITE,
            STACK_MEMORY,
            NO_FILE,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    // One touched page must stay one touched page, also where huge pages are the default. Failure means that the
    // system has none.
    #[cfg(target_os = "linux")]
    // SAFETY: the range is the mapping just made; the advice does not change its contents.
    unsafe {
        libc::madvise(address, size, libc::MADV_NOHUGEPAGE);
    }
    NonNull::new(address.cast())
}

/// `MADV_GUARD_INSTALL` of Linux 6.13: guards by page table entry, without a mapping of their own. Kernels and systems
/// that don't know it refuse the number.
const MADV_GUARD_INSTALL: c_int = 102;

/// Makes every access to `size` bytes at `start` fault. Answers whether it could.
///
/// # Safety
///
/// The range is part of a mapping of [`map`]'s and nothing in it is in use.
pub unsafe fn guard(start: NonNull<u8>, size: usize) -> bool {
    let start = start.as_ptr().cast();
    // SAFETY: the caller vouches for the range. The kernel refuses locked memory, so it is asked each time.
    let light = !cfg!(ossl_async_mprotect)
        && unsafe { libc::madvise(start, size, MADV_GUARD_INSTALL) == 0 };
    // SAFETY: as above.
    light || unsafe { libc::mprotect(start, size, libc::PROT_NONE) == 0 }
}

/// [`guard`]s `count` ranges of `size` bytes, `stride` bytes apart, in one system call. False where that cannot be had; some
/// may be guarded all the same.
///
/// # Safety
///
/// As [`guard`], for each of them.
pub unsafe fn guard_each(start: NonNull<u8>, size: usize, stride: usize, count: usize) -> bool {
    // SAFETY: the caller vouches for the ranges.
    !cfg!(ossl_async_mprotect)
        && unsafe { advise_each(start, size, stride, count, MADV_GUARD_INSTALL) }
}

/// [`populate`]s `count` ranges of `size` bytes, `stride` bytes apart, in one system call.
///
/// # Safety
///
/// As [`populate`], for each of them.
pub unsafe fn populate_each(start: NonNull<u8>, size: usize, stride: usize, count: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller vouches for the ranges.
    unsafe {
        advise_each(start, size, stride, count, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, size, stride, count);
}

/// Advises the kernel of several ranges of this process's memory at once (Linux 6.15 and later). Answers whether it took
/// the advice for all.
///
/// # Safety
///
/// The advice is allowed for each range.
#[cfg(target_os = "linux")]
unsafe fn advise_each(
    start: NonNull<u8>,
    size: usize,
    stride: usize,
    count: usize,
    advice: c_int,
) -> bool {
    /// `PIDFD_SELF_THREAD_GROUP`: this process, without a descriptor for it.
    const THIS_PROCESS: c_int = -10001;
    const MOST: usize = 32;
    let mut ranges = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: size,
    }; MOST];
    let ranges = &mut ranges[..count.min(MOST)];
    for (number, range) in ranges.iter_mut().enumerate() {
        range.iov_base = start.as_ptr().wrapping_add(number * stride).cast();
    }
    // SAFETY: the kernel reads the list; the caller vouches for what is in it.
    let advised = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            THIS_PROCESS,
            ranges.as_ptr(),
            ranges.len(),
            advice,
            0,
        )
    };
    count <= MOST && usize::try_from(advised) == Ok(count * size)
}

#[cfg(not(target_os = "linux"))]
unsafe fn advise_each(_: NonNull<u8>, _: usize, _: usize, _: usize, _: c_int) -> bool {
    false
}

/// Has a range's pages made now, since they will be written to in a moment: by one call, which costs less than the fault.
/// Where that cannot be had they fault.
///
/// # Safety
///
/// The range is part of a mapping of [`map`]'s, in whole pages.
pub unsafe fn populate(start: NonNull<u8>, size: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller vouches for the range; its contents stay.
    unsafe {
        libc::madvise(start.as_ptr().cast(), size, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, size);
}

/// Gives the memory of a range back to the system; it reads as zeros afterwards. Locked memory is kept as it is.
///
/// # Safety
///
/// The range is part of a mapping of [`map`]'s and its contents are not needed.
pub unsafe fn give_back(start: NonNull<u8>, size: usize) {
    // SAFETY: the caller vouches for the range.
    unsafe {
        libc::madvise(start.as_ptr().cast(), size, libc::MADV_DONTNEED);
    }
}

/// How many bytes at the low end of a range are not in memory, counted in whole pages: never touched, or given back.
pub fn untouched(range: *mut [u8]) -> usize {
    let page = page_size();
    let low = range.cast::<u8>().addr();
    let first = low.next_multiple_of(page);
    let end = low + range.len();
    let mut flags = [0u8; 64];
    let mut at = first;
    while at + page <= end {
        let pages = ((end - at) / page).min(flags.len());
        // SAFETY: the kernel checks the range, and writes a byte for each of its pages.
        let known = unsafe {
            libc::mincore(
                range.cast::<u8>().wrapping_add(at - low).cast(),
                pages * page,
                flags.as_mut_ptr(),
            )
        } == 0;
        let touched = flags[..pages].iter().position(|flag| flag & 1 != 0);
        match touched {
            _ if !known => break,
            Some(index) => return (at + index * page) - low,
            None => at += pages * page,
        }
    }
    at.min(end) - low
}

/// Tells checkers (valgrind, sanitizers) about a job's stack and record; the answer is what [`deregister_job`] wants.
pub fn register_job(stack: *mut [u8], record: *mut [u8]) -> c_uint {
    // SAFETY: the two ranges are only noted by a checker that watches.
    unsafe { ossl_async_job_register(stack.cast(), stack.len(), record.cast(), record.len()) }
}

/// Tells them that they are a job's no longer.
///
/// # Safety
///
/// Nothing will run on the stack any more as what it was.
pub unsafe fn deregister_job(id: c_uint, stack: *mut [u8], record: *mut [u8]) {
    // SAFETY: as above; an unknown number has no effect.
    unsafe {
        ossl_async_job_deregister(id, stack.cast(), stack.len(), record.cast(), record.len());
    }
}

/// A block of the C heap, aligned for any type, or null (B44). Free it with [`free`].
pub fn allocate(size: usize) -> *mut c_void {
    // SAFETY: malloc has no preconditions.
    unsafe { libc::malloc(size) }
}

/// Frees a block of [`allocate`]'s; null is allowed.
///
/// # Safety
///
/// The block came from [`allocate`] and is not used any more.
pub unsafe fn free(block: *mut c_void) {
    // SAFETY: the caller vouches for the block.
    unsafe { libc::free(block) }
}

const CLOSE_ON_EXEC_AND_NONBLOCK: c_int = libc::O_CLOEXEC | libc::O_NONBLOCK;

/// The two ends of a new pipe, to read from and to write to: close-on-exec, and neither ever blocks.
pub fn pipe() -> Result<[c_int; 2], errno::Errno> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors to the array.
    match unsafe { libc::pipe2(ends.as_mut_ptr(), CLOSE_ON_EXEC_AND_NONBLOCK) } {
        0 => Ok(ends),
        _ => Err(errno::errno()),
    }
}

/// Writes one zero byte. A full pipe is as readable as it can be, so that is no failure.
pub fn put_byte(fd: c_int) {
    // SAFETY: one byte is read from a literal.
    retry(|| unsafe { libc::write(fd, [0u8].as_ptr().cast(), 1) });
}

/// Reads one byte, if there is one.
pub fn take_byte(fd: c_int) {
    let mut byte = [0u8];
    // SAFETY: one byte is written to the array.
    retry(|| unsafe { libc::read(fd, byte.as_mut_ptr().cast(), 1) });
}

/// Repeats a system call that a signal handler interrupted. It is no cancellation point: a thread that was cancelled here
/// would leave its work at the pipe to nobody.
fn retry(mut call: impl FnMut() -> isize) {
    without_cancellation(|| while call() == -1 && errno::errno().0 == libc::EINTR {});
}

/// Closes a descriptor of [`pipe`]'s.
pub fn close(fd: c_int) {
    // SAFETY: closing a descriptor touches no memory; that it is ours is the caller's business.
    without_cancellation(|| unsafe {
        libc::close(fd);
    });
}

fn without_cancellation(work: impl FnOnce()) {
    const PTHREAD_CANCEL_DISABLE: c_int = 1;
    let (mut before, mut ignored) = (0, 0);
    // SAFETY: both calls write to a variable of ours.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
    work();
    // SAFETY: as above.
    unsafe { pthread_setcancelstate(before, &mut ignored) };
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// Has `run` called when the calling thread ends, after C++ and Rust thread-local destructors, once. It may be asked
/// for again then. Answers false if the process has no thread-specific key left, or no memory for one.
///
/// A pthread key and not a Rust destructor: those run before other libraries' key destructors, which may still call
/// in, and on the main thread before `atexit`.
pub fn at_thread_exit(run: extern "C" fn(*mut c_void)) -> bool {
    // SAFETY: any non-null value makes the destructor run; it is not used as an address.
    key(run).is_some_and(|key| unsafe {
        libc::pthread_setspecific(key, ptr::without_provenance(1)) == 0
    })
}

/// The process's key, plus one; 0 before it was made.
static KEY: AtomicUsize = AtomicUsize::new(0);

fn key(run: extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
    let mut known = KEY.load(Ordering::Acquire);
    if known == 0 {
        pin();
        let mut made: libc::pthread_key_t = 0;
        // SAFETY: the key is written to a variable of ours; the function was just pinned.
        if unsafe {
            libc::pthread_key_create(&mut made, Some(run as unsafe extern "C" fn(*mut c_void)))
        } != 0
        {
            return None;
        }
        known = made as usize + 1;
        if let Err(others) = KEY.compare_exchange(0, known, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: nobody else has seen the key just made.
            unsafe { libc::pthread_key_delete(made) };
            known = others;
        }
    }
    Some((known - 1) as libc::pthread_key_t)
}

/// Whether the calling thread has asked for [`at_thread_exit`] and has not got there. Touches no thread-local of the
/// library, whose memory may have to be allocated when a thread first does so: signal handlers can ask.
pub fn exit_is_awaited() -> bool {
    let known = KEY.load(Ordering::Acquire);
    // SAFETY: a key that was made is never deleted.
    known != 0
        && unsafe { !libc::pthread_getspecific((known - 1) as libc::pthread_key_t).is_null() }
}

/// Has `run` called when the process ends by `exit`.
pub fn at_process_exit(run: extern "C" fn()) {
    // SAFETY: the function stays loaded: a thread has been attached, which pins it.
    unsafe { libc::atexit(run) };
}

/// The value of an environment variable, copied to `buffer`, cut off where that ends and where it is no longer text.
/// Never in a program that runs with more rights than its user.
pub fn environment<'a>(name: &CStr, buffer: &'a mut [u8]) -> Option<&'a str> {
    // SAFETY: the name ends in a NUL; the answer is NULL or a string that the environment keeps.
    let value = unsafe {
        let found = secure_getenv(name.as_ptr());
        if found.is_null() {
            return None;
        }
        CStr::from_ptr(found).to_bytes()
    };
    let copied = value.len().min(buffer.len());
    buffer[..copied].copy_from_slice(&value[..copied]);
    let text = match core::str::from_utf8(&buffer[..copied]) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    core::str::from_utf8(&buffer[..text]).ok()
}

unsafe extern "C" {
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// Writes to standard error, past whatever the program's streams hold.
pub fn print_error(text: &str) {
    // SAFETY: the bytes are the string's.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

/// The signals of an access to memory that cannot be had.
const FAULTS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Who looks at faults first, and what the process does about each of [`FAULTS`] otherwise.
struct FaultWatch {
    look: fn(usize),
    previous: [libc::sigaction; 2],
}

static WATCH: OnceLock<FaultWatch> = OnceLock::new();

/// From now on has `look` called with the address of each memory fault of the process, in the signal handler; then what
/// would have happened otherwise happens. Once a process, by a thread that has asked for [`at_thread_exit`].
pub fn watch_faults(look: fn(usize)) {
    let previous = FAULTS.map(|signal| {
        // SAFETY: asks only; a structure of zeros is a valid one.
        unsafe {
            let mut action: libc::sigaction = core::mem::zeroed();
            libc::sigaction(signal, ptr::null(), &mut action);
            action
        }
    });
    let watch = WATCH.get_or_init(|| FaultWatch { look, previous });
    for (signal, previous) in FAULTS.iter().zip(&watch.previous) {
        let ours = in_front_of(previous);
        // SAFETY: the handler stays loaded: the thread's key has pinned it. It does what the previous one would.
        unsafe { libc::sigaction(*signal, &ours, ptr::null_mut()) };
    }
}

/// The action that stands in front of another one. Mask and flags are the other's, so that the kernel does for both what
/// it did for that one: blocks signals, restarts system calls, forgets a handler that wanted to be called once.
fn in_front_of(previous: &libc::sigaction) -> libc::sigaction {
    let mut ours = *previous;
    if matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        // SAFETY: zeros are an empty mask and no flags.
        ours = unsafe { core::mem::zeroed() };
        ours.sa_flags = libc::SA_RESTART;
    }
    ours.sa_sigaction = (handle_fault as *const ()).expose_provenance();
    ours.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    ours
}

/// The handler of [`FAULTS`]. It can be unwound through: a handler that it calls may be left in any way.
unsafe extern "C-unwind" fn handle_fault(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    let Some(watch) = WATCH.get() else { return };
    // SAFETY: the kernel passes a description of the signal.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr()) };
    // Other numbers are of signals that somebody sent. They have no address, and do not come again by themselves.
    let is_fault = (1..0x10000).contains(&code);
    if is_fault {
        let errno = errno::errno();
        (watch.look)(address.addr());
        errno::set_errno(errno);
    }
    let previous = &watch.previous[usize::from(signal != FAULTS[0])];
    let handler = ptr::with_exposed_provenance::<()>(previous.sa_sigaction);
    match previous.sa_sigaction {
        libc::SIG_IGN if !is_fault => {}
        // The kernel does not let anybody ignore a fault.
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: the default action is always there.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            if !is_fault {
                // SAFETY: the signal is blocked until this handler returns, and then ends the process.
                unsafe { libc::raise(signal) };
            }
        }
        _ if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = unsafe extern "C-unwind" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: whoever installed it said that it has this type.
            unsafe { core::mem::transmute::<*const (), Handler>(handler)(signal, info, context) }
        }
        _ => {
            type Handler = unsafe extern "C-unwind" fn(c_int);
            // SAFETY: as above.
            unsafe { core::mem::transmute::<*const (), Handler>(handler)(signal) }
        }
    }
}

/// A stack for a thread's signal handlers that the library has made: the low end of its mapping.
#[derive(Clone, Copy)]
pub struct SignalStack(NonNull<u8>);

/// Its size, in bytes, without the page below that faults: room for the kernel's frame and for a crash handler of the
/// program's that does not know that it runs here.
const SIGNAL_STACK: usize = 64 * 1024;

/// The alternate signal stack of the calling thread, as the kernel describes it.
fn alternate() -> libc::stack_t {
    // SAFETY: asks only; a structure of zeros is a valid one.
    unsafe {
        let mut stack: libc::stack_t = core::mem::zeroed();
        libc::sigaltstack(ptr::null(), &mut stack);
        stack
    }
}

/// Gives the calling thread an alternate signal stack. None if it has one, or there is no memory for it.
pub fn signal_stack() -> Option<SignalStack> {
    if alternate().ss_flags & libc::SS_DISABLE == 0 {
        return None;
    }
    let page = page_size();
    let low = map(page + SIGNAL_STACK)?;
    // SAFETY: the mapping just made, whose first page becomes the guard.
    let installed = unsafe {
        let mut stack = alternate();
        stack.ss_sp = low.add(page).as_ptr().cast();
        stack.ss_size = SIGNAL_STACK;
        stack.ss_flags = 0;
        guard(low, page) && libc::sigaltstack(&stack, ptr::null_mut()) == 0
    };
    if !installed {
        // SAFETY: the mapping just made, which nobody knows.
        unsafe { libc::munmap(low.as_ptr().cast(), page + SIGNAL_STACK) };
    }
    installed.then_some(SignalStack(low))
}

/// Frees a stack of [`signal_stack`]'s, of the calling thread; unless it has another one by now, whose maker may want to
/// put the old one back, or runs on it.
pub fn free_signal_stack(stack: SignalStack) {
    let page = page_size();
    let mut now = alternate();
    // SAFETY: the address is in the mapping.
    let ours = unsafe { stack.0.add(page) };
    if now.ss_flags & libc::SS_DISABLE == 0 && now.ss_sp == ours.as_ptr().cast() {
        now.ss_flags = libc::SS_DISABLE;
        // SAFETY: the kernel refuses while the thread runs there; otherwise nothing uses it any more.
        unsafe {
            if libc::sigaltstack(&now, ptr::null_mut()) == 0 {
                libc::munmap(stack.0.as_ptr().cast(), page + SIGNAL_STACK);
            }
        }
    }
}

/// A loaded object: a library, or the program. It stays loaded.
#[derive(Clone, Copy, Debug)]
pub struct Object(NonNull<c_void>);

impl Object {
    /// The address of a symbol of this object, or of what it depends on; null if there is none.
    pub fn symbol(&self, name: &CStr) -> *mut c_void {
        // SAFETY: the handle is never closed.
        unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) }
    }
}

/// An object that is loaded already, by its whole name.
fn object(name: &CStr) -> Option<Object> {
    // SAFETY: nothing is loaded that is not there; the count that this adds keeps it there.
    NonNull::new(unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) })
        .map(Object)
}

/// A loaded object whose file name begins like this and which is accepted, whether or not the whole process sees its
/// symbols.
///
/// The list of loaded objects is searched, since asking for a name that is not there would search the disk. Needs no
/// memory: it is also called when there is none.
pub fn object_like(prefix: &CStr, accept: impl Fn(&Object) -> bool) -> Option<Object> {
    (0..)
        .map_while(|skip| name_like(prefix, skip))
        .filter_map(|name| object(as_text(&name)?))
        .find(accept)
}

type Name = [u8; 4096];

fn as_text(name: &Name) -> Option<&CStr> {
    CStr::from_bytes_until_nul(name).ok()
}

/// The name of a loaded object whose file name begins like this, after as many others as are to be skipped.
fn name_like(prefix: &CStr, skip: usize) -> Option<Name> {
    struct Search<'a> {
        prefix: &'a [u8],
        skip: usize,
        found: Option<Name>,
    }
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: libc passes an object's description, whose name stays while this runs, and our search.
        let (name, search) = unsafe {
            (
                CStr::from_ptr((*info).dlpi_name),
                &mut *search.cast::<Search<'_>>(),
            )
        };
        let name = name.to_bytes_with_nul();
        let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if file.starts_with(search.prefix) && name.len() <= size_of::<Name>() {
            if search.skip == 0 {
                let copy = search.found.insert([0; size_of::<Name>()]);
                copy[..name.len()].copy_from_slice(name);
                return 1;
            }
            search.skip -= 1;
        }
        0
    }
    let mut search = Search {
        prefix: prefix.to_bytes(),
        skip,
        found: None,
    };
    // SAFETY: the callback gets what it wants.
    unsafe { libc::dl_iterate_phdr(Some(visit), ptr::from_mut(&mut search).cast()) };
    search.found
}

/// The object whose symbol of this name the process sees first.
pub fn object_of(symbol: &CStr) -> Option<Object> {
    // SAFETY: dladdr fills the structure if it answers non-zero; the name in it lives as long as the object.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
        let mut found: libc::Dl_info = core::mem::zeroed();
        if address.is_null() || libc::dladdr(address, &mut found) == 0 || found.dli_fname.is_null()
        {
            return None;
        }
        object(CStr::from_ptr(found.dli_fname))
    }
}

/// Keeps the object that this code is in loaded for good: the library, or whatever it was linked into, which may be a
/// plugin. Threads carry a destructor of ours to their end.
fn pin() {
    // SAFETY: dladdr fills the structure if it answers non-zero; the name in it lives as long as this code. Where it is
    // the program itself dlopen may not find it, and need not.
    unsafe {
        let mut this: libc::Dl_info = core::mem::zeroed();
        if libc::dladdr((pin as fn()) as *const c_void, &mut this) != 0 && !this.dli_fname.is_null()
        {
            libc::dlopen(
                this.dli_fname,
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }
}

/// How often this process and those it descends from have forked since the library was loaded.
pub fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

static FORKS: AtomicU64 = AtomicU64::new(0);

/// A value of the whole process behind a lock that a forked child can take, whoever held it at the fork.
///
/// All such values share one lock: the handlers that [`REGISTER`] registers know no other.
pub struct ForkSafe<T>(UnsafeCell<T>);

// SAFETY: the value is reached only with LOCK held.
unsafe impl<T: Send> Sync for ForkSafe<T> {}

static LOCK: Lock = Lock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

struct Lock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made to be shared; only the pthread functions touch it.
unsafe impl Sync for Lock {}

extern "C" fn lock() {
    // SAFETY: the mutex is initialised statically and lives for ever.
    unsafe { libc::pthread_mutex_lock(LOCK.0.get()) };
}

extern "C" fn unlock() {
    // SAFETY: as above; the calling thread locked it (in a forked child: its copy of that thread).
    unsafe { libc::pthread_mutex_unlock(LOCK.0.get()) };
}

extern "C" fn unlock_in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    unlock();
}

/// Registers the fork handlers when the library is loaded: later, another thread could fork while the first one that
/// needs the lock is about to register them.
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER: extern "C" fn() = register;

extern "C" fn register() {
    // SAFETY: the functions have the type that is wanted, and libc forgets them if this object is unloaded. Without memory for them a fork that
    // meets the lock leaves it locked in the child, as it would any mutex.
    unsafe { libc::pthread_atfork(Some(lock), Some(unlock), Some(unlock_in_child)) };
}

impl<T> ForkSafe<T> {
    /// Puts a value behind the lock.
    pub const fn new(value: T) -> ForkSafe<T> {
        ForkSafe(UnsafeCell::new(value))
    }

    /// Calls `f` with the value, alone. `f` must not call back in here, and it must not panic.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        lock();
        // SAFETY: the lock is held, so this is the only reference.
        let result = f(unsafe { &mut *self.0.get() });
        unlock();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rules: D16
    #[test]
    fn a_fork_safe_value_is_one_threads_at_a_time() {
        static VALUE: ForkSafe<u64> = ForkSafe::new(0);
        let count = || {
            for _ in 0..300 {
                VALUE.with(|value| {
                    let before = *value;
                    std::thread::yield_now();
                    *value = before + 1;
                });
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(count))));
        VALUE.with(|value| assert_eq!(*value, 1200));
    }

    // Rules: D16
    #[test]
    fn a_forked_child_knows_that_it_is_one() {
        let before = forks();
        // SAFETY: the child only compares two numbers, and ends.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit((forks() != before + 1).into());
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0);
        }
        assert_eq!(forks(), before);
    }
}
