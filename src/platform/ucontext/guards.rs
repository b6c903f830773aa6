//! Guards: memory below a stack. Every access to it faults.

use super::environment::{environment_variable, print_error};
use super::memory::{advise_each, is_in_memory, is_unreadable, release_memory};
use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// `MADV_GUARD_INSTALL` of Linux 6.13: guards by page table entry, without a mapping of their own. Kernels and systems
/// that don't know it refuse the number.
const MADV_GUARD_INSTALL: c_int = 102;

/// What is known of those guards.
static LIGHT_GUARDS: AtomicU8 = AtomicU8::new(if cfg!(ossl_async_mprotect) {
    REFUSED
} else {
    UNTRIED
});
/// None was made yet.
const UNTRIED: u8 = 0;
/// One was made, and is one.
const SEEN: u8 = 1;
/// They are not to be had, or not wanted.
const REFUSED: u8 = 2;

/// Takes the environment's `OSSL_ASYNC_GUARD`: with `mprotect` no lightweight guard is asked for. Any other value is reported on
/// standard error, once, and otherwise ignored.
pub fn read_guard_setting() {
    static REPORTED: AtomicBool = AtomicBool::new(false);

    match environment_variable(c"OSSL_ASYNC_GUARD", &mut [0; 16]) {
        None | Some("") => {}
        Some("mprotect") => LIGHT_GUARDS.store(REFUSED, Ordering::Relaxed),
        Some(_) if REPORTED.swap(true, Ordering::Relaxed) => {}
        Some(_) => print_error("ossl-async: OSSL_ASYNC_GUARD: expected mprotect, or nothing\n"),
    }
}

/// Makes every access to `size` bytes at `start` fault. Returns whether it could. A lightweight guard costs less;
/// with a `mapping` of its own, if there may be one more, debuggers can copy what lies around it.
///
/// # Safety
///
/// The range is part of a mapping of [`map_memory`](super::memory::map_memory)'s and nothing in it is in use.
pub unsafe fn install_guard(start: NonNull<u8>, size: usize, mapping: bool) -> bool {
    // SAFETY: the caller vouches for the range.
    unsafe {
        (mapping && install_guard_by_mprotect(start, size))
            || install_light_guard(start, size)
            || (!mapping && install_guard_by_mprotect(start, size))
    }
}

/// As [`install_guard`], by the kernel's lightweight guards. The first that the process makes is looked at: user-mode emulators claim
/// that they take an advice that they do not know.
///
/// # Safety
///
/// As [`install_guard`].
unsafe fn install_light_guard(start: NonNull<u8>, size: usize) -> bool {
    if LIGHT_GUARDS.load(Ordering::Relaxed) == REFUSED {
        return false;
    }
    // SAFETY: the caller vouches for the range. The kernel refuses locked memory, so it is asked each time.
    if unsafe { libc::madvise(start.as_ptr().cast(), size, MADV_GUARD_INSTALL) } != 0 {
        return false;
    }
    if LIGHT_GUARDS.load(Ordering::Relaxed) == UNTRIED {
        let state = if is_unreadable(start) { SEEN } else { REFUSED };
        LIGHT_GUARDS.store(state, Ordering::Relaxed);
    }
    LIGHT_GUARDS.load(Ordering::Relaxed) == SEEN
}

/// As [`install_guard`], by a mapping of its own.
///
/// # Safety
///
/// As [`install_guard`].
unsafe fn install_guard_by_mprotect(start: NonNull<u8>, size: usize) -> bool {
    let address = start.as_ptr().cast();
    // SAFETY: the caller vouches for the range.
    unsafe {
        if is_in_memory(start) {
            // Nobody has used it, so it is locked: what nobody can use must not be.
            libc::munlock(address, size);
            release_memory(start, size);
        }
        libc::mprotect(address, size, libc::PROT_NONE) == 0
    }
}

/// [`install_guard`]s `count` ranges of `size` bytes, `stride` bytes apart, in one system call. False where that cannot be had; some
/// may be guarded all the same.
///
/// # Safety
///
/// As [`install_guard`], for each of them.
pub unsafe fn install_guards(start: NonNull<u8>, size: usize, stride: usize, count: usize) -> bool {
    // SAFETY: the caller vouches for the ranges. Until the first guard was looked at, one is made alone.
    unsafe {
        (LIGHT_GUARDS.load(Ordering::Relaxed) == SEEN || install_light_guard(start, size))
            && advise_each(start, size, stride, count, MADV_GUARD_INSTALL)
    }
}
