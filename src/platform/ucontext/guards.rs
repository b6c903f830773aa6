//! Guards: memory below a stack. Every access to it faults.

use super::environment::{environment_variable, print_error};
use super::memory::{advise_each, is_in_memory, is_unreadable, release_memory};
use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// `MADV_GUARD_INSTALL` of Linux 6.13: guards in the page table, without a mapping of their own.
/// Older kernels and other systems refuse the number.
const MADV_GUARD_INSTALL: c_int = 102;

/// What is known about these guards.
static LIGHT_GUARDS: AtomicU8 = AtomicU8::new(if cfg!(ossl_async_mprotect) {
    REFUSED
} else {
    UNTRIED
});
/// No guard was made yet.
const UNTRIED: u8 = 0;
/// A guard was made, and it was seen to fault.
const SEEN: u8 = 1;
/// They are not available, or not wanted.
const REFUSED: u8 = 2;

/// Reads `OSSL_ASYNC_GUARD` from the environment. With `mprotect`, no lightweight guards are made.
/// Any other value is reported on standard error, once, and ignored.
pub fn read_guard_setting() {
    static REPORTED: AtomicBool = AtomicBool::new(false);

    match environment_variable(c"OSSL_ASYNC_GUARD", &mut [0; 16]) {
        None | Some("") => {}
        Some("mprotect") => LIGHT_GUARDS.store(REFUSED, Ordering::Relaxed),
        Some(_) if REPORTED.swap(true, Ordering::Relaxed) => {}
        Some(_) => print_error("ossl-async: OSSL_ASYNC_GUARD is ignored: expected mprotect\n"),
    }
}

/// Makes every access to `size` bytes at `start` fault. Returns whether it could.
///
/// A lightweight guard costs less. With `mapping`, the guard is a mapping of its own, if one more
/// mapping is possible. Then debuggers can copy what lies beside it.
///
/// # Safety
///
/// The range is part of a mapping from [`map_memory`](super::memory::map_memory), and nothing in it
/// is in use.
pub unsafe fn install_guard(start: NonNull<u8>, size: usize, mapping: bool) -> bool {
    // SAFETY: the caller guarantees the range.
    unsafe {
        (mapping && install_guard_by_mprotect(start, size))
            || install_light_guard(start, size)
            || (!mapping && install_guard_by_mprotect(start, size))
    }
}

/// As [`install_guard`], with the kernel's lightweight guards.
///
/// The first one that the process makes is checked, because user-mode emulators report success for
/// advice that they do not know.
///
/// # Safety
///
/// As [`install_guard`].
unsafe fn install_light_guard(start: NonNull<u8>, size: usize) -> bool {
    if LIGHT_GUARDS.load(Ordering::Relaxed) == REFUSED {
        return false;
    }
    // SAFETY: the caller guarantees the range. The kernel refuses it in locked memory, so each
    // guard asks again.
    if unsafe { libc::madvise(start.as_ptr().cast(), size, MADV_GUARD_INSTALL) } != 0 {
        return false;
    }
    if LIGHT_GUARDS.load(Ordering::Relaxed) == UNTRIED {
        let state = if is_unreadable(start) { SEEN } else { REFUSED };
        LIGHT_GUARDS.store(state, Ordering::Relaxed);
    }
    LIGHT_GUARDS.load(Ordering::Relaxed) == SEEN
}

/// As [`install_guard`], with a mapping of its own.
///
/// # Safety
///
/// As [`install_guard`].
unsafe fn install_guard_by_mprotect(start: NonNull<u8>, size: usize) -> bool {
    let address = start.as_ptr().cast();
    // SAFETY: the caller guarantees the range.
    unsafe {
        if is_in_memory(start) {
            // It was never used but is in memory, so it is locked. Memory that nothing can use must
            // not be locked.
            libc::munlock(address, size);
            release_memory(start, size);
        }
        libc::mprotect(address, size, libc::PROT_NONE) == 0
    }
}

/// Does what [`install_guard`] does for `count` ranges of `size` bytes, `stride` bytes apart, in
/// one system call. Returns false if that is not possible; some ranges may be guarded even so.
///
/// # Safety
///
/// As [`install_guard`], for each range.
pub unsafe fn install_guards(start: NonNull<u8>, size: usize, stride: usize, count: usize) -> bool {
    // SAFETY: the caller guarantees the ranges. The first guard of the process is made alone, to be
    // checked.
    unsafe {
        (LIGHT_GUARDS.load(Ordering::Relaxed) == SEEN || install_light_guard(start, size))
            && advise_each(start, size, stride, count, MADV_GUARD_INSTALL)
    }
}
