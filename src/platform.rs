//! What the library asks of the machine: fibres, memory, pipes, the end of a thread. No policy is
//! here.
//!
//! Only this file chooses the implementation. It has a line for each function of the platform, with
//! what the function returns where there are no jobs. What the function does where there are jobs
//! is in `ucontext/`.

pub mod loads;
pub mod types;

#[cfg(not(ossl_async_null))]
#[path = "platform/ucontext.rs"]
mod imp;
#[cfg(ossl_async_null)]
#[path = "platform/null.rs"]
mod imp;

// Tested in every build, used in some.
#[cfg(all(test, not(ossl_async_null)))]
mod null;
#[cfg(test)]
mod targets;

use core::ffi::{CStr, c_int, c_uint, c_void};
use core::fmt;
use core::ptr::NonNull;
use std::io::Write;
use types::{Fibre, GetExceptions, Object, SignalStack, Work};

// Both implementations have these.
pub use imp::{
    AVAILABLE, ForkSafe, THREAD_STATE_MAY_ALLOCATE, allocate, call_at_thread_exit,
    cancel_thread_exit, free, has_thread_exit, set_thread_state, thread_state,
};

/// Declares functions that only a platform with jobs has. The block of each says what the function
/// returns on other platforms. The compiler compares each signature with the implementation's.
macro_rules! functions {
    () => {};
    (unsafe fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $without:block $($rest:tt)*) => {
        #[cfg(not(ossl_async_null))]
        pub use imp::$name;
        #[cfg(not(ossl_async_null))]
        const _: unsafe fn($($type),*) $(-> $result)? = imp::$name;
        #[cfg(ossl_async_null)]
        #[allow(unused_variables, reason = "nothing is done")]
        pub unsafe fn $name($($argument: $type),*) $(-> $result)? $without
        functions!($($rest)*);
    };
    (fn $name:ident $(<$lifetime:lifetime>)? ($($argument:ident: $type:ty),*) $(-> $result:ty)? $without:block $($rest:tt)*) => {
        #[cfg(not(ossl_async_null))]
        pub use imp::$name;
        #[cfg(not(ossl_async_null))]
        const _: $(for<$lifetime>)? fn($($type),*) $(-> $result)? = imp::$name;
        #[cfg(ossl_async_null)]
        #[allow(unused_variables, reason = "nothing is done")]
        pub fn $name $(<$lifetime>)? ($($argument: $type),*) $(-> $result)? $without
        functions!($($rest)*);
    };
}

// Fibres.
functions! {
    fn is_capable() -> bool { false }
    fn switch_method() -> &'static str { "null" }
    unsafe fn enter(from: &Fibre, stack: *mut [u8], entry: extern "C-unwind" fn() -> !) -> bool { false }
    unsafe fn switch(from: &Fibre, to: &Fibre) -> c_int { 0 }
    unsafe fn leave(from: &Fibre, to: &Fibre) -> c_int { 0 }
    fn return_after_switch(value: c_int) -> c_int { value }
    unsafe fn serve_jobs(work: &Work, back: &Fibre) -> ! { unreachable!("no fibre was ever entered") }
    unsafe fn forget_fibre(fibre: &Fibre) {}
}

// Memory of stacks.
functions! {
    fn page_size() -> usize { 4096 }
    fn map_memory(size: usize) -> Option<NonNull<u8>> { None }
    unsafe fn unmap_memory(start: NonNull<u8>, size: usize) {}
    fn locks_new_memory() -> bool { false }
    fn read_guard_setting() {}
    unsafe fn install_guard(start: NonNull<u8>, size: usize, mapping: bool) -> bool { false }
    unsafe fn install_guards(start: NonNull<u8>, size: usize, stride: usize, count: usize) -> bool { false }
    unsafe fn populate(start: NonNull<u8>, size: usize) {}
    unsafe fn populate_each(start: NonNull<u8>, size: usize, stride: usize, count: usize) {}
    unsafe fn release_memory(start: NonNull<u8>, size: usize) {}
    fn untouched_bytes(range: *mut [u8]) -> usize { range.len() }
    fn prefetch(address: *const u8) {}
    fn register_job(stack: *mut [u8], record: *mut [u8]) -> c_uint { 0 }
    unsafe fn deregister_job(id: c_uint, stack: *mut [u8], record: *mut [u8]) {}
}

// The pipe of a wait fd.
functions! {
    fn open_pipe() -> Result<[c_int; 2], errno::Errno> { Err(errno::Errno(0)) }
    fn write_byte(fd: c_int) -> bool { false }
    fn read_byte(fd: c_int) {}
    fn wait_until_readable(fd: c_int, milliseconds: c_int) {}
    fn replace(fd: c_int, by: c_int) {}
    fn close(fd: c_int) {}
}

// Threads and processes that end or fork, exceptions, faults.
functions! {
    fn call_at_process_exit(run: extern "C" fn()) {}
    fn fork_count() -> u64 { 0 }
    fn linked_exceptions() -> Option<GetExceptions> { None }
    fn watch_faults(on_fault: fn(usize)) {}
    fn install_signal_stack() -> Option<SignalStack> { None }
    fn free_signal_stack(stack: SignalStack) {}
}

// Libraries that are in the process.
functions! {
    fn load_count() -> Option<u64> { Some(0) }
    fn symbol_of(object: &Object, name: &CStr) -> *mut c_void { core::ptr::null_mut() }
    fn object_with_symbol(symbol: &CStr) -> Option<Object> { None }
    fn loaded_object(prefix: &CStr, accept: &dyn Fn(&Object) -> bool) -> Option<Object> { None }
    fn named_object(names: &[&CStr], accept: &dyn Fn(&Object) -> bool) -> Option<Object> { None }
    fn global_symbol(symbol: &CStr) -> *mut c_void { core::ptr::null_mut() }
    fn is_own_code(address: *const c_void) -> bool { false }
    fn is_called_from(address: *const c_void) -> bool { false }
}

// The environment, and standard error.
functions! {
    fn environment_variable<'a>(name: &CStr, buffer: &'a mut [u8]) -> Option<&'a str> { None }
    fn print_error(text: &str) {}
}

/// Whether an environment variable has this value, which must be short. The rules of
/// [`environment_variable`] hold.
pub fn environment_is(name: &CStr, value: &CStr) -> bool {
    environment_variable(name, &mut [0; 16]).is_some_and(|text| text.as_bytes() == value.to_bytes())
}

/// Writes text to standard error as [`print_error`] does. It allocates nothing, and cuts the text
/// off after 512 bytes.
pub fn print_formatted(text: fmt::Arguments<'_>) {
    let mut bytes = [0; 512];
    let mut rest = &mut bytes[..];
    // The only possible error is that the text was cut off.
    let _ = rest.write_fmt(text);
    let left = rest.len();
    // A cut may be inside a character.
    print_error(core::str::from_utf8(&bytes[..bytes.len() - left]).unwrap_or_default());
}
