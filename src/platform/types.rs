//! Types that both implementations use, and the C shim.

use core::cell::Cell;
use core::ffi::{c_int, c_uint, c_void};
use core::ptr::{self, NonNull};

/// A fibre, or the dispatcher's side of one. It points to the context that was saved when the fibre
/// was last suspended (F1).
///
/// All zeros is a fibre that has never run.
#[repr(transparent)]
pub struct Fibre(pub Cell<*mut c_void>);

impl Fibre {
    /// A fibre that has never run.
    pub const fn new() -> Fibre {
        Fibre(Cell::new(ptr::null_mut()))
    }

    /// Whether the fibre has never been entered (the opposite of F2's `env_init`).
    pub fn is_new(&self) -> bool {
        self.0.get().is_null()
    }
}

/// A function that a fibre can run, as C has it.
pub type Function = unsafe extern "C" fn(*mut c_void) -> c_int;

/// The work of a fibre, use after use: `struct ossl_async_work` of `csrc/fibre.h`.
#[repr(C)]
pub struct Work {
    /// Where the fibre is suspended.
    pub fibre: Fibre,
    /// The function to call.
    pub func: Cell<Option<Function>>,
    /// Its argument.
    pub funcargs: Cell<*mut c_void>,
    /// The value that it returned last.
    pub ret: Cell<c_int>,
    /// Whether the switch to the fibre resumes a call, and does not begin one. The side that
    /// switches sets it. Only speed depends on it.
    pub resumed: Cell<c_int>,
}

/// What the C++ run-time keeps about exceptions for one thread: `__cxa_eh_globals` of the C++ ABI.
/// All zeros: no exception is being handled, and none is in flight.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Exceptions {
    handled: *mut c_void,
    uncaught: c_uint,
    #[cfg(target_arch = "arm")]
    propagating: *mut c_void,
}

impl Exceptions {
    /// No exceptions.
    pub const NONE: Exceptions = Exceptions {
        handled: ptr::null_mut(),
        uncaught: 0,
        #[cfg(target_arch = "arm")]
        propagating: ptr::null_mut(),
    };
}

/// The C++ run-time's function that returns the address of the calling thread's [`Exceptions`].
pub type GetExceptions = unsafe extern "C" fn() -> *mut Exceptions;

/// A stack that the library has made for a thread's signal handlers: the low end of its mapping.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "without jobs there is none")]
pub struct SignalStack(pub NonNull<u8>);

/// A loaded object: a library, or the program. It stays loaded.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "without jobs none is looked for")]
pub struct Object(pub NonNull<c_void>);
