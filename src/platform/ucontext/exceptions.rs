//! What the C++ run-time keeps of exceptions for each thread, where there is such a run-time: libstdc++ or libc++abi. It is
//! looked up, never linked.

use super::objects::{Loads, object_like, object_of, seen_by_all};
use core::ffi::{c_uint, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// `__cxa_eh_globals` of the C++ ABI. All zeros: no exception is handled, none in flight.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Exceptions {
    handled: *mut c_void,
    uncaught: c_uint,
    #[cfg(target_arch = "arm")]
    propagating: *mut c_void,
}

impl Exceptions {
    /// None.
    pub const NONE: Exceptions = Exceptions {
        handled: ptr::null_mut(),
        uncaught: 0,
        #[cfg(target_arch = "arm")]
        propagating: ptr::null_mut(),
    };
}

type GetExceptions = unsafe extern "C" fn() -> *mut Exceptions;

unsafe extern "C" {
    fn ossl_async_linked_exceptions() -> Option<GetExceptions>;
}

/// The run-time's function, once it was found.
static GET: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static LOADS: Loads = Loads::new();

const NAME: &core::ffi::CStr = c"__cxa_get_globals";

/// Where the calling thread's exceptions are kept; null where no C++ run-time is found. Not on a job's stack.
pub fn exceptions() -> *mut Exceptions {
    let mut found = GET.load(Ordering::Relaxed);
    if found.is_null() {
        found = find();
        if found.is_null() {
            return ptr::null_mut();
        }
        GET.store(found, Ordering::Relaxed);
    }
    // SAFETY: the C++ ABI's function of this name has this type.
    unsafe { mem::transmute::<*mut c_void, GetExceptions>(found)() }
}

fn find() -> *mut c_void {
    // SAFETY: has no conditions.
    if let Some(linked) = unsafe { ossl_async_linked_exceptions() } {
        return linked as *mut c_void;
    }
    let search = || {
        let seen = seen_by_all(NAME);
        if !seen.is_null() {
            // The object stays loaded from now on, unless it is the program, which does so anyway.
            let _pinned = object_of(NAME);
            return Some(seen);
        }
        // In a library that only some other library sees.
        [c"libstdc++.so.", c"libc++abi.so."]
            .into_iter()
            .find_map(|prefix| object_like(prefix, |object| !object.symbol(NAME).is_null()))
            .map(|object| object.symbol(NAME))
    };
    LOADS.search(search).unwrap_or(ptr::null_mut())
}
