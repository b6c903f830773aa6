//! The default library context of a thread, which follows the job (G37 to G39).

use super::found::SET_DEFAULT;
use core::ffi::c_void;
use core::ptr;

/// Sets the thread's default library context and returns the previous one. NULL only asks.
type SetDefault = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// A default library context of libcrypto, or null if there is none. The pointer is borrowed (G38).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibCtx(pub *mut c_void);

impl LibCtx {
    /// No context. Setting it only asks for the current one.
    pub const NONE: LibCtx = LibCtx(ptr::null_mut());

    /// Makes this the thread's default, unless it is null. Returns the previous default (G37), or
    /// null before OpenSSL 3.0.
    pub fn set_default(self) -> LibCtx {
        // SAFETY: libcrypto's function of this name has this type.
        let Some(set_default) = (unsafe { SET_DEFAULT.get::<SetDefault>() }) else {
            return LibCtx::NONE;
        };
        // Asking costs half as much as setting, and most jobs never change the context.
        // SAFETY: NULL only asks.
        let before = LibCtx(unsafe { set_default(Self::NONE.0) });
        if self != Self::NONE && self != before {
            // SAFETY: libcrypto returned the context.
            return LibCtx(unsafe { set_default(self.0) });
        }
        before
    }
}
