//! The number of forks, and values behind a lock that a forked child can take.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

/// How often this process and its ancestors have forked since the library was loaded.
pub fn fork_count() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

static FORKS: AtomicU64 = AtomicU64::new(0);

/// A value of the whole process behind a lock. A forked child can take the lock, whichever thread
/// held it at the fork.
///
/// All such values share one lock: the handlers that [`REGISTER`] registers know no other.
pub struct ForkSafe<T>(UnsafeCell<T>);

// SAFETY: the value is accessed only with LOCK held.
unsafe impl<T: Send> Sync for ForkSafe<T> {}

static LOCK: Lock = Lock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

struct Lock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made to be shared. Only the pthread functions touch it.
unsafe impl Sync for Lock {}

extern "C" fn lock() {
    // SAFETY: the mutex is initialised statically and is never destroyed.
    unsafe { libc::pthread_mutex_lock(LOCK.0.get()) };
}

extern "C" fn unlock() {
    // SAFETY: as above. The calling thread locked it; in a forked child, the original of this
    // thread did.
    unsafe { libc::pthread_mutex_unlock(LOCK.0.get()) };
}

extern "C" fn unlock_in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    unlock();
}

/// Registers the fork handlers when the library is loaded. Later would be too late: another thread
/// could fork while the first thread that needs the lock registers them.
#[used]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static REGISTER: extern "C" fn() = register;

extern "C" fn register() {
    // SAFETY: the functions have the right type, and libc forgets them if this object is unloaded.
    // Without memory to register them, a fork while a thread holds the lock leaves it locked in the
    // child, as with any mutex.
    unsafe { libc::pthread_atfork(Some(lock), Some(unlock), Some(unlock_in_child)) };
}

impl<T> ForkSafe<T> {
    /// Puts a value behind the lock.
    pub const fn new(value: T) -> ForkSafe<T> {
        ForkSafe(UnsafeCell::new(value))
    }

    /// Calls `f` with the value while the lock is held.
    ///
    /// `f` must not call this again and must not panic. Outside this library it may only make
    /// system calls about memory. An allocator has a lock of its own, and `fork` takes the locks of
    /// all libraries in an order that is not known.
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
        let before = fork_count();
        // SAFETY: the child only compares two numbers, and ends.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit((fork_count() != before + 1).into());
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0);
        }
        assert_eq!(fork_count(), before);
    }
}
