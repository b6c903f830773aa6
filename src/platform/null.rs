//! The implementation of other systems: no job is ever made (F15, F16). This file has what the error
//! queue and wait contexts need on such a platform too. What all other functions of the platform
//! return without jobs is in `platform.rs`.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;

/// Whether jobs can exist in this build at all.
pub const AVAILABLE: bool = false;

/// Whether the first access of a thread to its state may allocate.
pub const THREAD_STATE_MAY_ALLOCATE: bool = false;

/// A block of the C heap, or null.
pub fn allocate(size: usize) -> *mut c_void {
    // SAFETY: malloc has no preconditions.
    unsafe { libc::malloc(size) }
}

/// Frees a block from [`allocate`]. Null has no effect.
///
/// # Safety
///
/// The block came from [`allocate`] and is not used any more.
pub unsafe fn free(block: *mut c_void) {
    // SAFETY: the caller guarantees the block.
    unsafe { libc::free(block) }
}

thread_local! {
    static STATE: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
    static AT_EXIT: AtExit = const { AtExit(Cell::new(None)) };
}

// The error queue of the C functions needs these two here too.
pub fn thread_state() -> *mut c_void {
    STATE.get()
}

pub fn set_thread_state(state: *mut c_void) {
    STATE.set(state);
}

/// The function to call when the thread ends, and its argument.
struct AtExit(Cell<Option<(extern "C" fn(*mut c_void), *mut c_void)>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some((run, state)) = self.0.take() {
            run(state);
        }
    }
}

pub fn call_at_thread_exit(run: extern "C" fn(*mut c_void), state: *mut c_void) -> bool {
    AT_EXIT
        .try_with(|exit| exit.0.set(Some((run, state))))
        .is_ok()
}

pub fn cancel_thread_exit() {
    // When the thread has ended there is nothing to cancel.
    let _ = AT_EXIT.try_with(|exit| exit.0.set(None));
}

pub fn has_thread_exit() -> bool {
    AT_EXIT
        .try_with(|exit| exit.0.get().is_some())
        .unwrap_or_default()
}

/// A value of the whole process behind a lock.
pub struct ForkSafe<T>(std::sync::Mutex<T>);

impl<T> ForkSafe<T> {
    pub const fn new(value: T) -> ForkSafe<T> {
        ForkSafe(std::sync::Mutex::new(value))
    }

    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicU32, Ordering};

    extern "C" fn count(counter: *mut c_void) {
        // SAFETY: the test below passes one.
        unsafe { counter.cast::<AtomicU32>().as_ref() }
            .expect("a counter")
            .fetch_add(1, Ordering::Relaxed);
    }

    // Rules: F15
    #[test]
    fn what_is_to_be_done_when_a_thread_ends_is_done_once_or_forgotten() {
        for (forgotten, calls) in [(false, 1), (true, 0)] {
            static COUNTERS: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
            let counter = &COUNTERS[usize::from(forgotten)];
            let work = move || {
                assert!(!has_thread_exit() && thread_state().is_null());
                let state = ptr::from_ref(counter).cast_mut().cast();
                assert!(call_at_thread_exit(count, state) && has_thread_exit());
                set_thread_state(state);
                assert_eq!(thread_state(), state);
                if forgotten {
                    cancel_thread_exit();
                    assert!(!has_thread_exit());
                }
            };
            std::thread::spawn(work).join().expect("no panic");
            assert_eq!(counter.load(Ordering::Relaxed), calls);
        }
    }

    // Rules: F15, F16
    #[test]
    fn memory_and_locks_are_there_without_jobs() {
        const { assert!(!AVAILABLE && !THREAD_STATE_MAY_ALLOCATE) };
        let block = allocate(1);
        assert!(!block.is_null());
        // SAFETY: the block was just made.
        unsafe { free(block) };
        static VALUE: ForkSafe<u32> = ForkSafe::new(3);
        assert_eq!(VALUE.with(|value| *value + 1), 4);
    }
}
