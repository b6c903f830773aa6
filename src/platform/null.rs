//! No working `ucontext`: every verb for jobs refuses, so that none is ever made (F15). The names and types are those of
//! `ucontext.rs`; what cannot be reached without a job does nothing, or panics where it could not return.

use super::{Fibre, Work};
use core::cell::Cell;
use core::ffi::{CStr, c_int, c_uint, c_void};
use core::ptr::{self, NonNull};

pub const AVAILABLE: bool = false;

pub fn capable() -> bool {
    false
}

pub fn way() -> &'static str {
    "null"
}

pub unsafe fn enter(_from: &Fibre, _stack: *mut [u8], _entry: extern "C-unwind" fn() -> !) -> bool {
    false
}

pub unsafe fn switch(_from: &Fibre, _to: &Fibre) -> c_int {
    0
}

pub unsafe fn serve(_work: &Work, _back: &Fibre) -> ! {
    unreachable!("no fibre was ever entered")
}

pub unsafe fn forget(_fibre: &Fibre) {}

pub fn page_size() -> usize {
    4096
}

pub fn map(_size: usize) -> Option<NonNull<u8>> {
    None
}

pub fn guards_from_environment() {}

pub fn locks_new_memory() -> bool {
    false
}

pub unsafe fn unmap(_start: NonNull<u8>, _size: usize) {}

pub unsafe fn guard(_start: NonNull<u8>, _size: usize, _mapping: bool) -> bool {
    false
}

pub unsafe fn guard_each(_start: NonNull<u8>, _size: usize, _stride: usize, _count: usize) -> bool {
    false
}

pub unsafe fn populate_each(_start: NonNull<u8>, _size: usize, _stride: usize, _count: usize) {}

pub unsafe fn populate(_start: NonNull<u8>, _size: usize) {}

pub fn prefetch(_address: *const u8) {}

pub unsafe fn give_back(_start: NonNull<u8>, _size: usize) {}

pub fn untouched(range: *mut [u8]) -> usize {
    range.len()
}

pub fn register_job(_stack: *mut [u8], _record: *mut [u8]) -> c_uint {
    0
}

pub unsafe fn deregister_job(_id: c_uint, _stack: *mut [u8], _record: *mut [u8]) {}

// Wait contexts need memory here too (F16).
pub fn allocate(size: usize) -> *mut c_void {
    // SAFETY: malloc has no preconditions.
    unsafe { libc::malloc(size) }
}

pub unsafe fn free(block: *mut c_void) {
    // SAFETY: the caller passes a block of `allocate`'s, or null.
    unsafe { libc::free(block) }
}

pub fn pipe() -> Result<[c_int; 2], errno::Errno> {
    Err(errno::Errno(0))
}

pub fn put_byte(_fd: c_int) -> bool {
    false
}

pub fn take_byte(_fd: c_int) {}

pub fn close(_fd: c_int) {}

pub const THREAD_STATE_MAY_ALLOCATE: bool = false;

thread_local! {
    static STATE: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
    static AT_EXIT: AtExit = const { AtExit(Cell::new(None)) };
}

// The C face has an error queue here too.
pub fn thread_state() -> *mut c_void {
    STATE.get()
}

pub fn set_thread_state(state: *mut c_void) {
    STATE.set(state);
}

/// What to call when the thread ends, and with what.
struct AtExit(Cell<Option<(extern "C" fn(*mut c_void), *mut c_void)>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some((run, state)) = self.0.take() {
            run(state);
        }
    }
}

pub fn at_thread_exit(run: extern "C" fn(*mut c_void), state: *mut c_void) -> bool {
    AT_EXIT
        .try_with(|exit| exit.0.set(Some((run, state))))
        .is_ok()
}

pub fn forget_thread_exit() {
    // Once the thread has ended there is nothing to forget.
    let _ = AT_EXIT.try_with(|exit| exit.0.set(None));
}

pub fn exit_is_awaited() -> bool {
    AT_EXIT
        .try_with(|exit| exit.0.get().is_some())
        .unwrap_or_default()
}

/// There is no job whose exceptions could be kept apart.
#[derive(Clone, Copy)]
pub struct Exceptions;

impl Exceptions {
    pub const NONE: Exceptions = Exceptions;
}

pub fn exceptions() -> *mut Exceptions {
    ptr::null_mut()
}

pub fn at_process_exit(_run: extern "C" fn()) {}

pub fn watch_faults(_look: fn(usize)) {}

#[derive(Clone, Copy)]
pub struct SignalStack;

pub fn signal_stack() -> Option<SignalStack> {
    None
}

pub fn free_signal_stack(_stack: SignalStack) {}

pub fn environment<'a>(_name: &CStr, _buffer: &'a mut [u8]) -> Option<&'a str> {
    None
}

pub fn print_error(_text: &str) {}

#[derive(Clone, Copy, Debug)]
pub struct Object;

impl Object {
    pub fn symbol(&self, _name: &CStr) -> *mut c_void {
        ptr::null_mut()
    }
}

pub fn object_like(_prefix: &CStr, _accept: impl Fn(&Object) -> bool) -> Option<Object> {
    None
}

pub fn object_of(_symbol: &CStr) -> Option<Object> {
    None
}

pub fn object_named(_names: &[&CStr], _accept: impl Fn(&Object) -> bool) -> Option<Object> {
    None
}

pub fn seen_by_all(_symbol: &CStr) -> *mut c_void {
    ptr::null_mut()
}

pub fn is_ours(_address: *const c_void) -> bool {
    false
}

pub fn is_called_from(_address: *const c_void) -> bool {
    false
}

pub struct Loads;

impl Loads {
    pub const fn new() -> Loads {
        Loads
    }

    pub fn search<R>(&self, _find: impl FnOnce() -> Option<R>) -> Option<R> {
        None
    }
}

pub fn forks() -> u64 {
    0
}

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
    use std::panic::AssertUnwindSafe;

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
                assert!(!exit_is_awaited() && thread_state().is_null());
                let state = ptr::from_ref(counter).cast_mut().cast();
                assert!(at_thread_exit(count, state) && exit_is_awaited());
                set_thread_state(state);
                assert_eq!(thread_state(), state);
                if forgotten {
                    forget_thread_exit();
                    assert!(!exit_is_awaited());
                }
            };
            std::thread::spawn(work).join().expect("no panic");
            assert_eq!(counter.load(Ordering::Relaxed), calls);
        }
    }

    extern "C-unwind" fn no_job() -> ! {
        unreachable!("no job is ever entered")
    }

    // Rules: F15, F16, F19
    #[test]
    fn every_verb_refuses() {
        const { assert!(!AVAILABLE) };
        assert!(!capable());
        assert_eq!(way(), "null");
        assert_eq!(page_size(), 4096);
        assert!(map(4096).is_none() && !locks_new_memory());
        guards_from_environment();
        let block = allocate(1);
        assert!(!block.is_null());
        assert!(pipe().is_err());
        assert_eq!(forks(), 0);
        assert!(environment(c"PATH", &mut [0; 8]).is_none());
        assert!(object_like(c"libc", |_| true).is_none() && object_of(c"malloc").is_none());
        assert!(Object.symbol(c"malloc").is_null());
        assert!(object_named(&[c"libc.so.6"], |_| true).is_none());
        assert!(seen_by_all(c"malloc").is_null() && !is_ours(ptr::null()));
        assert!(!is_called_from(ptr::null()));
        assert!(Loads::new().search(|| Some(1)).is_none() && exceptions().is_null());
        let _none = Exceptions::NONE;
        const { assert!(!THREAD_STATE_MAY_ALLOCATE) };
        watch_faults(|_| unreachable!("nothing is watched"));
        assert!(signal_stack().is_none());
        free_signal_stack(SignalStack);
        let (mut memory, fibre) = ([0u8; 8], Fibre::new());
        let memory_again: *mut [u8] = &mut memory;
        assert_eq!(untouched(memory_again), 8);
        prefetch(ptr::null());
        assert_eq!(register_job(memory_again, memory_again), 0);
        // SAFETY: nothing is done with any of it.
        unsafe {
            assert!(!enter(&fibre, &mut memory, no_job));
            assert!(!guard(NonNull::from(&mut memory).cast(), 8, false));
            assert_eq!(switch(&fibre, &fibre), 0);
            forget(&fibre);
            deregister_job(0, memory_again, memory_again);
            assert!(!guard_each(NonNull::from(&mut memory).cast(), 8, 8, 1));
            populate_each(NonNull::from(&mut memory).cast(), 8, 8, 1);
            populate(NonNull::from(&mut memory).cast(), 8);
            give_back(NonNull::from(&mut memory).cast(), 8);
            unmap(NonNull::from(&mut memory).cast(), 8);
            free(block);
        }
        extern "C" fn never() {
            unreachable!("nothing is called")
        }
        at_process_exit(never);
        print_error("nothing is printed");
        put_byte(-1);
        take_byte(-1);
        close(-1);
        assert!(fibre.is_new());
        let work = Work {
            fibre,
            function: Cell::new(None),
            argument: Cell::new(ptr::null_mut()),
            result: Cell::new(0),
            resumed: Cell::new(0),
        };
        let serving = AssertUnwindSafe(|| {
            // SAFETY: it only panics.
            unsafe { serve(&work, &Fibre::new()) };
        });
        assert!(std::panic::catch_unwind(serving).is_err());
        assert_eq!(ForkSafe::new(3).with(|value| *value + 1), 4);
    }
}
