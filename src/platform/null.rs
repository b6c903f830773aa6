//! No working `ucontext`: every verb for jobs refuses, so that none is ever made (F15). The names and types are those of
//! `ucontext.rs`; what cannot be reached without a job does nothing, or panics where it could not return.

use super::{Fibre, Work};
use core::ffi::{CStr, c_int, c_uint, c_void};
use core::ptr::{self, NonNull};

pub const AVAILABLE: bool = false;

pub fn capable() -> bool {
    false
}

pub fn way() -> &'static str {
    "null"
}

pub unsafe fn enter(_from: &Fibre, _stack: *mut [u8], _entry: extern "C" fn() -> !) -> bool {
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

pub unsafe fn guard(_start: NonNull<u8>, _size: usize) -> bool {
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

pub fn at_thread_exit(_run: extern "C" fn(*mut c_void)) -> bool {
    false
}

pub fn exit_is_awaited() -> bool {
    false
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
    use core::cell::Cell;
    use std::panic::AssertUnwindSafe;

    extern "C" fn nothing(_: *mut c_void) {}

    extern "C" fn no_job() -> ! {
        unreachable!("no job is ever entered")
    }

    // Rules: F15, F16, F19
    #[test]
    fn every_verb_refuses() {
        const { assert!(!AVAILABLE) };
        assert!(!capable());
        assert_eq!(way(), "null");
        assert_eq!(page_size(), 4096);
        assert!(map(4096).is_none());
        let block = allocate(1);
        assert!(!block.is_null());
        assert!(pipe().is_err());
        assert_eq!(forks(), 0);
        assert!(environment(c"PATH", &mut [0; 8]).is_none());
        assert!(object_like(c"libc", |_| true).is_none() && object_of(c"malloc").is_none());
        assert!(Object.symbol(c"malloc").is_null());
        assert!(!at_thread_exit(nothing) && !exit_is_awaited());
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
            assert!(!guard(NonNull::from(&mut memory).cast(), 8));
            assert_eq!(switch(&fibre, &fibre), 0);
            forget(&fibre);
            deregister_job(0, memory_again, memory_again);
            assert!(!guard_each(NonNull::from(&mut memory).cast(), 8, 8, 1));
            populate_each(NonNull::from(&mut memory).cast(), 8, 8, 1);
            populate(NonNull::from(&mut memory).cast(), 8);
            give_back(NonNull::from(&mut memory).cast(), 8);
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
