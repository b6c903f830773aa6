//! What the C++ run-time keeps about exceptions for each thread. The run-time is libstdc++ or
//! libc++abi, if the process has one. The library looks it up and is never linked to it.

use crate::platform::loads::Loads;
use crate::platform::types::{Exceptions, GetExceptions};
use crate::platform::{
    global_symbol, linked_exceptions, loaded_object, object_with_symbol, symbol_of,
};
use core::ffi::c_void;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// The run-time's function, after it was found.
static GET: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static LOADS: Loads = Loads::new();

const NAME: &core::ffi::CStr = c"__cxa_get_globals";

/// Where the run-time keeps the calling thread's exceptions; null if no C++ run-time is found. Not
/// to be called on a job's stack.
pub fn thread_exceptions() -> *mut Exceptions {
    let mut found = GET.load(Ordering::Relaxed);
    if found.is_null() {
        found = find_get_globals();
        if found.is_null() {
            return ptr::null_mut();
        }
        GET.store(found, Ordering::Relaxed);
    }
    // SAFETY: the C++ ABI's function of this name has this type.
    unsafe { mem::transmute::<*mut c_void, GetExceptions>(found)() }
}

fn find_get_globals() -> *mut c_void {
    if let Some(linked) = linked_exceptions() {
        return linked as *mut c_void;
    }
    let search = || {
        let seen = global_symbol(NAME);
        if !seen.is_null() {
            // The reference keeps the object loaded from now on. The program itself is never
            // unloaded.
            let _pinned = object_with_symbol(NAME);
            return Some(seen);
        }
        // It may be in a library whose symbols only some other library sees.
        [c"libstdc++.so.", c"libc++abi.so."]
            .into_iter()
            .find_map(|prefix| loaded_object(prefix, &|object| !symbol_of(object, NAME).is_null()))
            .map(|object| symbol_of(&object, NAME))
    };
    LOADS.search(search).unwrap_or(ptr::null_mut())
}
