//! Blocks of the C heap.

use core::ffi::c_void;

/// Allocates a block of the C heap, aligned for any type (B44). Returns null if there is no memory.
/// [`free`] frees it.
pub fn allocate(size: usize) -> *mut c_void {
    // SAFETY: malloc has no preconditions.
    unsafe { libc::malloc(size) }
}

/// Frees a block from [`allocate`]. Null has no effect.
///
/// # Safety
///
/// The block came from [`allocate`] and is not used any more.
pub unsafe fn free(block: *mut c_void) {
    // SAFETY: the caller guarantees the block.
    unsafe { libc::free(block) }
}
