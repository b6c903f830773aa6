//! The default library context of a thread, which follows the job (G37 to G39).

use super::found::SET_DEFAULT;
use core::ffi::c_void;
use core::ptr;

/// Sets the thread's default library context and returns the one before; NULL only asks.
type SetDefault = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// A default library context of libcrypto's, or nothing where there is none to follow. The pointer is borrowed (G38).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibCtx(pub *mut c_void);

impl LibCtx {
    /// None: also what to set in order to ask only.
    pub const NONE: LibCtx = LibCtx(ptr::null_mut());

    /// Makes this the thread's default, unless it is none, and returns the one before (G37). None before 3.0.
    pub fn set_default(self) -> LibCtx {
        // SAFETY: libcrypto's function of this name has this type.
        let Some(set_default) = (unsafe { SET_DEFAULT.get::<SetDefault>() }) else {
            return LibCtx::NONE;
        };
        // To ask costs half as much as to set, and most jobs never change it.
        // SAFETY: NULL only asks.
        let before = LibCtx(unsafe { set_default(Self::NONE.0) });
        if self != Self::NONE && self != before {
            // SAFETY: the context is one that libcrypto answered.
            return LibCtx(unsafe { set_default(self.0) });
        }
        before
    }
}
