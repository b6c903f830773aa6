//! What can be made to fail: one [`Fault`] for each function of libc that `interpose.rs` replaces.

use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};

/// A function of libc, or one use of it, that can be made to fail, and counts its calls.
pub struct Fault {
    /// The names under which the library may import it.
    pub imports: &'static [&'static str],
    /// The number of calls that still succeed before one fails. If negative, all succeed.
    left: AtomicIsize,
    /// Whether all later ones fail too.
    more: AtomicBool,
    calls: AtomicUsize,
    total: AtomicUsize,
    struck: AtomicUsize,
}

impl Fault {
    const fn of(imports: &'static [&'static str]) -> Fault {
        Fault {
            imports,
            left: AtomicIsize::new(-1),
            more: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            struck: AtomicUsize::new(0),
        }
    }

    /// From now on only this many calls succeed.
    pub fn after(&self, calls: isize) {
        self.more.store(true, Ordering::Relaxed);
        self.left.store(calls, Ordering::Relaxed);
    }

    /// After this many calls one fails.
    pub fn once_after(&self, calls: isize) {
        self.more.store(false, Ordering::Relaxed);
        self.left.store(calls, Ordering::Relaxed);
    }

    /// All calls succeed.
    pub fn never(&self) {
        self.left.store(-1, Ordering::Relaxed);
    }

    /// The calls since this was called last.
    pub fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }

    /// All calls so far.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// All calls that failed so far.
    pub fn struck(&self) -> usize {
        self.struck.load(Ordering::Relaxed)
    }

    /// Whether this call fails.
    pub fn strikes(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 || (left == 0 && !self.more.load(Ordering::Relaxed)) {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        if left == 0 {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        left == 0
    }
}

pub static MALLOC: Fault = Fault::of(&["malloc"]);
pub static CALLOC: Fault = Fault::of(&["calloc"]);
pub static REALLOC: Fault = Fault::of(&["realloc"]);
pub static ALIGNED: Fault = Fault::of(&["posix_memalign", "aligned_alloc"]);
pub static MMAP: Fault = Fault::of(&["mmap"]);
pub static NO_HUGE_PAGES: Fault = Fault::of(&["madvise"]);
pub static LIGHT_GUARD: Fault = Fault::of(&["madvise", "syscall"]);
pub static POPULATE: Fault = Fault::of(&["madvise", "syscall"]);
pub static GIVE_BACK: Fault = Fault::of(&["madvise"]);
pub static MPROTECT: Fault = Fault::of(&["mprotect"]);
pub static MINCORE: Fault = Fault::of(&["mincore"]);
pub static PIPE: Fault = Fault::of(&["pipe2"]);
pub static WRITE: Fault = Fault::of(&["write"]);
pub static CLOSE: Fault = Fault::of(&["close"]);
pub static GETCONTEXT: Fault = Fault::of(&["getcontext"]);
pub static SETCONTEXT: Fault = Fault::of(&["setcontext"]);
pub static KEY_CREATE: Fault = Fault::of(&["pthread_key_create"]);
pub static SETSPECIFIC: Fault = Fault::of(&["pthread_setspecific"]);
pub static ENVIRONMENT: Fault = Fault::of(&["secure_getenv"]);
pub static SIGNAL_STACK: Fault = Fault::of(&["sigaltstack"]);
pub static ATEXIT: Fault = Fault::of(&["atexit", "__cxa_atexit"]);

/// All faults, each with a name to report.
pub static FAULTS: [(&str, &Fault); 21] = [
    ("malloc", &MALLOC),
    ("calloc", &CALLOC),
    ("realloc", &REALLOC),
    ("posix_memalign", &ALIGNED),
    ("mmap", &MMAP),
    ("MADV_NOHUGEPAGE", &NO_HUGE_PAGES),
    ("MADV_GUARD_INSTALL", &LIGHT_GUARD),
    ("MADV_POPULATE_WRITE", &POPULATE),
    ("MADV_DONTNEED", &GIVE_BACK),
    ("mprotect", &MPROTECT),
    ("mincore", &MINCORE),
    ("pipe2", &PIPE),
    ("write", &WRITE),
    ("close", &CLOSE),
    ("getcontext", &GETCONTEXT),
    ("setcontext", &SETCONTEXT),
    ("pthread_key_create", &KEY_CREATE),
    ("pthread_setspecific", &SETSPECIFIC),
    ("sigaltstack", &SIGNAL_STACK),
    ("secure_getenv", &ENVIRONMENT),
    ("atexit", &ATEXIT),
];
