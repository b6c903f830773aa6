//! Blocks of the C heap.

use core::ffi::c_void;

/// A block of the C heap, aligned for any type, or null (B44). Free it with [`free`].
pub fn allocate(size: usize) -> *mut c_void {
    // SAFETY: malloc has no preconditions.
    unsafe { libc::malloc(size) }
}

/// Frees a block of [`allocate`]'s; null is allowed.
///
/// # Safety
///
/// The block came from [`allocate`] and is not used any more.
pub unsafe fn free(block: *mut c_void) {
    // SAFETY: the caller vouches for the block.
    unsafe { libc::free(block) }
}
