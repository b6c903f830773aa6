//! Counts the calls of libc that some code makes. This program replaces the functions below, which
//! call libc's own. For children (`alone`), where nothing else runs.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One function: its name, its number of calls, and the address of libc's own.
struct Function {
    name: &'static CStr,
    calls: AtomicUsize,
    next: AtomicUsize,
}

impl Function {
    const fn new(name: &'static CStr) -> Function {
        Function {
            name,
            calls: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
        }
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// The function that libc has under this name.
    fn next(&self) -> usize {
        match self.next.load(Ordering::Relaxed) {
            0 => {
                // SAFETY: asks only.
                let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
                assert!(!found.is_null(), "{:?}", self.name);
                self.next
                    .store(found.expose_provenance(), Ordering::Relaxed);
                found.addr()
            }
            known => known,
        }
    }
}

macro_rules! counted {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty $(, by $own:ident)?;)*) => {
        /// All of them.
        static FUNCTIONS: &[&Function] = &[$(&$name::COUNT),*];
        $(
            mod $name {
                use super::*;

                pub static COUNT: Function = Function::new(
                    // SAFETY: ends in the one NUL.
                    unsafe { CStr::from_bytes_with_nul_unchecked(concat!(stringify!($name), "\0").as_bytes()) }
                );

                // SAFETY: the same meaning as libc's, which the linker would have taken otherwise:
                // the call goes on to it.
                #[unsafe(no_mangle)]
                unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                    COUNT.count();
                    counted!(@ $name($($argument: $type),*) -> $result $(, by $own)?)
                }
            }
        )*
    };
    (@ $name:ident($($argument:ident: $type:ty),*) -> $result:ty, by $own:ident) => {{
        unsafe extern "C" { fn $own($($argument: $type),*) -> $result; }
        // SAFETY: libc's own, under its other name: dlsym may need memory itself.
        unsafe { $own($($argument),*) }
    }};
    (@ $name:ident($($argument:ident: $type:ty),*) -> $result:ty) => {{
        // SAFETY: libc's function has this type.
        unsafe {
            let next: unsafe extern "C" fn($($type),*) -> $result =
                std::mem::transmute(std::ptr::with_exposed_provenance::<c_void>(COUNT.next()));
            next($($argument),*)
        }
    }};
}

counted! {
    malloc(size: usize) -> *mut c_void, by __libc_malloc;
    calloc(count: usize, size: usize) -> *mut c_void, by __libc_calloc;
    realloc(block: *mut c_void, size: usize) -> *mut c_void, by __libc_realloc;
    free(block: *mut c_void) -> (), by __libc_free;
    pthread_mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int;
    pthread_mutex_unlock(mutex: *mut libc::pthread_mutex_t) -> c_int;
    pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    pthread_getspecific(key: libc::pthread_key_t) -> *mut c_void;
    pthread_setspecific(key: libc::pthread_key_t, value: *const c_void) -> c_int;
    mmap(at: *mut c_void, size: usize, prot: c_int, flags: c_int, fd: c_int, offset: libc::off_t) -> *mut c_void;
    munmap(at: *mut c_void, size: usize) -> c_int;
    madvise(at: *mut c_void, size: usize, advice: c_int) -> c_int;
    mprotect(at: *mut c_void, size: usize, prot: c_int) -> c_int;
    mincore(at: *mut c_void, size: usize, flags: *mut u8) -> c_int;
    sysconf(name: c_int) -> c_long;
    secure_getenv(name: *const c_char) -> *mut c_char;
    pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    read(fd: c_int, buffer: *mut c_void, size: usize) -> isize;
    write(fd: c_int, buffer: *const c_void, size: usize) -> isize;
    close(fd: c_int) -> c_int;
    getcontext(context: *mut libc::ucontext_t) -> c_int;
    setcontext(context: *const libc::ucontext_t) -> c_int;
    swapcontext(from: *mut libc::ucontext_t, to: *const libc::ucontext_t) -> c_int;
    pthread_sigmask(how: c_int, set: *const libc::sigset_t, before: *mut libc::sigset_t) -> c_int;
    sigprocmask(how: c_int, set: *const libc::sigset_t, before: *mut libc::sigset_t) -> c_int;
    poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int;
    sched_yield() -> c_int;
    // It is variadic, and numbers are passed in the same way as here. What the caller does not pass
    // is not used.
    syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long;
    usleep(time: c_uint) -> c_int;
}

/// The functions that `work` calls, and how often. Those that it does not call are left out.
pub fn calls(work: impl FnOnce()) -> Vec<(&'static str, usize)> {
    for function in FUNCTIONS {
        function.next();
        function.calls.store(0, Ordering::Relaxed);
    }
    work();
    let counts: [usize; 64] = std::array::from_fn(|at| {
        FUNCTIONS
            .get(at)
            .map_or(0, |function| function.calls.load(Ordering::Relaxed))
    });
    FUNCTIONS
        .iter()
        .zip(counts)
        .filter(|(_, calls)| *calls > 0)
        .map(|(function, calls)| (function.name.to_str().unwrap(), calls))
        .collect()
}
