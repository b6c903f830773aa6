//! No working `ucontext`: every verb refuses, so that no job is ever made (F15). The names and types are those of
//! `ucontext.rs`; what cannot be reached without a job does nothing.

use super::Fibre;
use core::ffi::{c_int, c_uint, c_void};
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

pub unsafe fn switch(_from: &Fibre, _to: &Fibre) {}

pub fn page_size() -> usize {
    4096
}

pub fn map(_size: usize) -> Option<NonNull<u8>> {
    None
}

pub unsafe fn guard(_start: NonNull<u8>, _size: usize) -> bool {
    false
}

pub unsafe fn give_back(_start: NonNull<u8>, _size: usize) {}

pub fn register_stack(_stack: *mut [u8]) -> c_uint {
    0
}

pub fn deregister_stack(_id: c_uint) {}

pub fn allocate(_size: usize) -> *mut c_void {
    ptr::null_mut()
}

pub unsafe fn free(_block: *mut c_void) {}

pub fn pipe() -> Result<[c_int; 2], errno::Errno> {
    Err(errno::Errno(0))
}

pub fn put_byte(_fd: c_int) {}

pub fn take_byte(_fd: c_int) {}

pub fn close(_fd: c_int) {}

pub fn at_thread_exit(_run: extern "C" fn(*mut c_void)) -> bool {
    false
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
