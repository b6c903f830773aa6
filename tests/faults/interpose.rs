//! This program's own version of some of libc's functions. The linker uses it for every call in the
//! process. Each function fails when its [`Fault`](super::fault::Fault) says so. Otherwise it calls
//! the kernel or libc.
//!
//! The heap, descriptors and keys have other users in this process. So those functions fail, and
//! are counted, only while the calling thread is [`in_library`].

use super::common::{Ending, alone, in_child, page_size};
use super::fault::*;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static IN_LIBRARY: Cell<bool> = const { Cell::new(false) };
}

/// Makes a call of the library, during which memory and the like may fail.
pub fn library<R>(call: impl FnOnce() -> R) -> R {
    let before = IN_LIBRARY.replace(true);
    let result = call();
    IN_LIBRARY.set(before);
    result
}

/// Leaves the library for a moment, for example in a job's function.
pub fn outside<R>(work: impl FnOnce() -> R) -> R {
    let before = IN_LIBRARY.replace(false);
    let result = work();
    IN_LIBRARY.set(before);
    result
}

/// Counts what the library does from here to the end of the thread.
pub fn in_library_until_the_end() {
    IN_LIBRARY.set(true);
}

fn in_library() -> bool {
    IN_LIBRARY.get()
}

fn fail(error: c_int) -> c_long {
    errno::set_errno(errno::Errno(error));
    -1
}

/// libc's function of this name.
fn next<F: Copy>(name: &CStr) -> F {
    // SAFETY: the caller names the type that libc's function has.
    outside(|| unsafe {
        let function = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
        assert!(!function.is_null());
        std::mem::transmute_copy(&function)
    })
}

// ------------------------------------------------------------------------------ the library's lock

thread_local! {
    /// The number of the library's locks that the thread holds. The standard library uses no locks
    /// of this kind.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Ends the process if the thread holds a lock of the library. An allocator, the loader and a
/// stream have locks of their own, and `fork` takes all of them in an order that is not known
/// (D16).
pub fn no_lock_is_held(called: &str) {
    if HELD.get() == 0 {
        return;
    }
    for part in ["with a lock of the library held: ", called, "\n"] {
        // SAFETY: the string's bytes.
        unsafe { libc::syscall(libc::SYS_write, 2, part.as_ptr(), part.len()) };
    }
    // SAFETY: has no conditions.
    unsafe { libc::_exit(104) }
}

type Lock = unsafe extern "C" fn(*mut libc::pthread_mutex_t) -> c_int;

// SAFETY (for both): they do what libc's do, and call libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    // SAFETY: as above.
    let result = unsafe { next::<Lock>(c"pthread_mutex_lock")(mutex) };
    HELD.set(HELD.get() + 1);
    result
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_mutex_unlock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    HELD.set(HELD.get() - 1);
    // SAFETY: as above.
    unsafe { next::<Lock>(c"pthread_mutex_unlock")(mutex) }
}

// Rules: D16
#[test]
fn what_calls_out_with_the_librarys_lock_held_is_noticed() {
    let ending = in_child(|| {
        let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
        // SAFETY: a mutex of our own.
        unsafe { pthread_mutex_lock(&mut mutex) };
        drop(std::hint::black_box(Box::new(1)));
    });
    assert_eq!(ending, Ending::Exit(104));
    alone(|| drop(std::hint::black_box(Box::new(1))));
}

// ---------------------------------------------------------------------------------------- the heap

/// The blocks that the library has allocated and that are not freed, by address: a hash table of
/// small buckets.
static OURS: [[AtomicUsize; 16]; 1024] = [const { [const { AtomicUsize::new(0) }; 16] }; 1024];
static OURS_COUNT: AtomicUsize = AtomicUsize::new(0);

/// The number of blocks of the heap that the library holds.
pub fn blocks() -> usize {
    OURS_COUNT.load(Ordering::Relaxed)
}

/// Replaces one value in the bucket of a block, if it is there.
fn replace_ours(block: *mut c_void, old: usize, new: usize) -> bool {
    let bucket = (block.addr() as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    OURS[bucket as usize].iter().any(|place| {
        place
            .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    })
}

fn note(block: *mut c_void) -> *mut c_void {
    if in_library() && !block.is_null() {
        assert!(
            replace_ours(block, 0, block.addr()),
            "the table is too small"
        );
        OURS_COUNT.fetch_add(1, Ordering::Relaxed);
    }
    block
}

fn forget(block: *mut c_void) {
    if !block.is_null() && blocks() > 0 && replace_ours(block, block.addr(), 0) {
        OURS_COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

fn no_memory() -> *mut c_void {
    fail(libc::ENOMEM);
    ptr::null_mut()
}

unsafe extern "C" {
    // glibc's own names for its heap, which stay reachable.
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
    fn __register_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
        object: *mut c_void,
    ) -> c_int;
    fn __cxa_atexit(run: extern "C" fn(), argument: *mut c_void, object: *mut c_void) -> c_int;
}

// SAFETY (for all of them): they do what libc's do, which the linker would use otherwise. The calls
// go to the kernel or to libc unchanged.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    no_lock_is_held("malloc");
    if in_library() && MALLOC.strikes() {
        return no_memory();
    }
    // SAFETY: as above.
    note(unsafe { __libc_malloc(size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    no_lock_is_held("calloc");
    if in_library() && CALLOC.strikes() {
        return no_memory();
    }
    // SAFETY: as above.
    note(unsafe { __libc_calloc(count, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    no_lock_is_held("realloc");
    if in_library() && REALLOC.strikes() {
        return no_memory();
    }
    forget(block);
    // SAFETY: as above.
    note(unsafe { __libc_realloc(block, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    no_lock_is_held("aligned_alloc");
    if in_library() && ALIGNED.strikes() {
        return no_memory();
    }
    // SAFETY: as above.
    note(unsafe { __libc_memalign(alignment, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: as above.
    unsafe {
        let block = aligned_alloc(alignment, size);
        if block.is_null() {
            return libc::ENOMEM;
        }
        to.write(block);
        0
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(block: *mut c_void) {
    no_lock_is_held("free");
    forget(block);
    // SAFETY: as above.
    unsafe { __libc_free(block) }
}

// ------------------------------------------------------------------------------- memory for stacks

static SLABS: AtomicUsize = AtomicUsize::new(0);
static SMALL_MAPPINGS: AtomicUsize = AtomicUsize::new(0);

/// The memory that the library has mapped for stacks, in bytes. It unmaps none.
pub fn slabs() -> usize {
    SLABS.load(Ordering::Relaxed)
}

/// The mappings that the library holds for other uses: signal stacks, records without stacks.
pub fn small_mappings() -> usize {
    SMALL_MAPPINGS.load(Ordering::Relaxed)
}

/// A mapping of this size is not for jobs' stacks: with their guards those are larger.
fn is_small(size: usize) -> bool {
    size <= 64 * 1024 + page_size()
}

#[unsafe(no_mangle)]
#[allow(clippy::useless_conversion, reason = "with 32 bits it is none")]
unsafe extern "C" fn mmap(
    at: *mut c_void,
    size: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    let stack = flags & libc::MAP_NORESERVE != 0;
    if stack && MMAP.strikes() {
        fail(libc::ENOMEM);
        return libc::MAP_FAILED;
    }
    // By libc's other name, because system calls that map differ between processors.
    // SAFETY: as above.
    let result = unsafe { libc::mmap64(at, size, prot, flags, fd, offset.into()) };
    if stack && result != libc::MAP_FAILED {
        if is_small(size) {
            SMALL_MAPPINGS.fetch_add(1, Ordering::Relaxed);
        } else {
            SLABS.fetch_add(size, Ordering::Relaxed);
        }
    }
    result
}

#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(at: *mut c_void, size: usize) -> c_int {
    if in_library() {
        assert!(is_small(size), "a stack is never unmapped");
        SMALL_MAPPINGS.fetch_sub(1, Ordering::Relaxed);
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_munmap, at, size) as c_int }
}

const MADV_GUARD_INSTALL: c_int = 102;

/// Whether advice to the kernel fails, for one range or for many.
fn advice_fails(advice: c_int) -> bool {
    let fault = match advice {
        MADV_GUARD_INSTALL => Some(&LIGHT_GUARD),
        libc::MADV_NOHUGEPAGE => Some(&NO_HUGE_PAGES),
        libc::MADV_POPULATE_WRITE => Some(&POPULATE),
        libc::MADV_DONTNEED => Some(&GIVE_BACK),
        _ => None,
    };
    fault.is_some_and(Fault::strikes)
}

/// The library makes one system call in this way, `process_madvise`. The standard library makes
/// some too.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    type Syscall =
        unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if number == libc::SYS_process_madvise && advice_fails(d as c_int) {
        return fail(libc::EINVAL);
    }
    if NEXT.load(Ordering::Relaxed) == 0 {
        NEXT.store(next(c"syscall"), Ordering::Relaxed);
    }
    // SAFETY: libc's function of this name, which takes as many arguments as the call has.
    unsafe {
        let next: Syscall = std::mem::transmute(NEXT.load(Ordering::Relaxed));
        next(number, a, b, c, d, e, f)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn madvise(at: *mut c_void, size: usize, advice: c_int) -> c_int {
    if advice_fails(advice) {
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
unsafe extern "C" fn mincore(at: *mut c_void, size: usize, pages: *mut u8) -> c_int {
    if MINCORE.strikes() {
        return fail(libc::EAGAIN) as c_int;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_mincore, at, size, pages) as c_int }
}

// ------------------------------------------------------------------------------------------- pipes

/// How many times reads and writes are interrupted before they succeed.
pub static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

fn interrupted() -> bool {
    let left = INTERRUPTIONS.load(Ordering::Relaxed);
    INTERRUPTIONS.store(left.saturating_sub(1), Ordering::Relaxed);
    left > 0
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
    no_lock_is_held("write");
    if interrupted() {
        return fail(libc::EINTR) as isize;
    }
    // A write to a pipe may need a page in the kernel.
    if in_library() && WRITE.strikes() {
        return fail(libc::ENOMEM) as isize;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_write, fd, buffer, size) as isize }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    let strikes = in_library() && CLOSE.strikes();
    // SAFETY: as above.
    let result = unsafe { libc::syscall(libc::SYS_close, fd) as c_int };
    // The descriptor is closed even so, as in Linux.
    if strikes {
        fail(libc::EINTR) as c_int
    } else {
        result
    }
}

// ---------------------------------------------------------------------------------------- contexts

type ContextFunction = unsafe extern "C" fn(*mut libc::ucontext_t) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn getcontext(context: *mut libc::ucontext_t) -> c_int {
    no_lock_is_held("getcontext");
    if GETCONTEXT.strikes() {
        return fail(libc::EINVAL) as c_int;
    }
    // SAFETY: as above. It saves this function's frame, which makecontext replaces.
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

// ----------------------------------------------------------------------------- threads and process

static KEYS: AtomicUsize = AtomicUsize::new(0);

/// The thread-specific keys that the library holds.
pub fn keys() -> usize {
    KEYS.load(Ordering::Relaxed)
}

thread_local! {
    /// What happens once while the thread makes a key, as if another thread had been faster.
    pub static BEFORE_A_KEY: Cell<Option<fn()>> = const { Cell::new(None) };
}

type Destructor = Option<unsafe extern "C" fn(*mut c_void)>;
type KeyCreate = unsafe extern "C" fn(*mut c_uint, Destructor) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_key_create(key: *mut c_uint, destructor: Destructor) -> c_int {
    no_lock_is_held("pthread_key_create");
    let ours = in_library();
    if ours && KEY_CREATE.strikes() {
        return libc::EAGAIN;
    }
    if let Some(meanwhile) = BEFORE_A_KEY.take() {
        outside(meanwhile);
    }
    // SAFETY: as above.
    let result = unsafe { next::<KeyCreate>(c"pthread_key_create")(key, destructor) };
    KEYS.fetch_add((ours && result == 0).into(), Ordering::Relaxed);
    result
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_key_delete(key: c_uint) -> c_int {
    KEYS.fetch_sub(in_library().into(), Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { next::<unsafe extern "C" fn(c_uint) -> c_int>(c"pthread_key_delete")(key) }
}

type SetSpecific = unsafe extern "C" fn(c_uint, *const c_void) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setspecific(key: c_uint, value: *const c_void) -> c_int {
    if in_library() && SETSPECIFIC.strikes() {
        return libc::ENOMEM;
    }
    // SAFETY: as above.
    unsafe { next::<SetSpecific>(c"pthread_setspecific")(key, value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigaltstack(new: *const libc::stack_t, old: *mut libc::stack_t) -> c_int {
    // SAFETY: NULL, or the caller's. A query cannot fail, and neither can removing a stack.
    let is_new = unsafe { new.as_ref() }.is_some_and(|new| new.ss_flags & libc::SS_DISABLE == 0);
    if is_new && in_library() && SIGNAL_STACK.strikes() {
        return fail(libc::ENOMEM) as c_int;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_sigaltstack, new, old) as c_int }
}

/// In a process's environment: fork handlers cannot be registered, from the time the process is
/// loaded.
pub const NO_FORK_HANDLERS: &CStr = c"FAULTS_NO_FORK_HANDLERS";

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_atfork(
    prepare: Option<unsafe extern "C" fn()>,
    parent: Option<unsafe extern "C" fn()>,
    child: Option<unsafe extern "C" fn()>,
) -> c_int {
    // SAFETY: as above; no object means the program's own.
    unsafe {
        if libc::getenv(NO_FORK_HANDLERS.as_ptr()).is_null() {
            __register_atfork(prepare, parent, child, ptr::null_mut())
        } else {
            libc::ENOMEM
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn atexit(run: extern "C" fn()) -> c_int {
    no_lock_is_held("atexit");
    if in_library() && ATEXIT.strikes() {
        return -1;
    }
    // SAFETY: as above; the function ignores the argument that it is passed.
    unsafe { __cxa_atexit(run, ptr::null_mut(), ptr::null_mut()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn secure_getenv(name: *const c_char) -> *const c_char {
    no_lock_is_held("secure_getenv");
    if in_library() && ENVIRONMENT.strikes() {
        return ptr::null();
    }
    // SAFETY: as above; this process has no more rights than its user.
    unsafe { libc::getenv(name) }
}
