//! Memory for stacks. Their guards are in `guards.rs`.

use core::ffi::c_int;
use core::ptr::{self, NonNull};

/// The size of a page, in bytes.
pub fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("every POSIX system has a page size")
}

const READ_AND_WRITE: c_int = libc::PROT_READ | libc::PROT_WRITE;
/// Flags of memory for stacks. Only touched pages take memory.
const STACK_MEMORY: c_int = libc::MAP_PRIVATE | libc::MAP_ANON | NOT_RESERVED;
#[cfg(target_os = "linux")]
const NOT_RESERVED: c_int = libc::MAP_NORESERVE;
/// FreeBSD never reserves memory.
#[cfg(not(target_os = "linux"))]
const NOT_RESERVED: c_int = 0;
const NO_FILE: c_int = -1;

/// Maps `size` bytes of zeroed memory for stacks.
pub fn map_memory(size: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new anonymous mapping, at an address of the kernel's choice, affects no other
    // memory.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            READ_AND_WRITE,
            STACK_MEMORY,
            NO_FILE,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    // One touched page must not become a huge page, also where huge pages are the default. The call
    // fails only if the system has none.
    #[cfg(target_os = "linux")]
    // SAFETY: the range is the mapping just made; the advice does not change its contents.
    unsafe {
        libc::madvise(address, size, libc::MADV_NOHUGEPAGE);
    }
    NonNull::new(address.cast())
}

/// Unmaps a mapping from [`map_memory`].
///
/// # Safety
///
/// It is the whole mapping, and nothing uses it any more.
pub unsafe fn unmap_memory(start: NonNull<u8>, size: usize) {
    // SAFETY: the caller guarantees the range.
    unsafe { libc::munmap(start.as_ptr().cast(), size) };
}

/// Whether every page of a new mapping has memory at once and keeps it, as after
/// `mlockall(MCL_FUTURE)`.
pub fn locks_new_memory() -> bool {
    let page = page_size();
    let Some(probe) = map_memory(page) else {
        return false;
    };
    let locked = is_in_memory(probe);
    // SAFETY: the mapping was just made.
    unsafe { unmap_memory(probe, page) };
    locked
}

/// Whether a page is in memory.
pub fn is_in_memory(page: NonNull<u8>) -> bool {
    let mut flag = 0u8;
    // SAFETY: the kernel checks the page, and writes one byte.
    let known = unsafe { libc::mincore(page.as_ptr().cast(), 1, (&raw mut flag).cast()) } == 0;
    known && flag & 1 != 0
}

/// Does what [`populate`] does for `count` ranges of `size` bytes, `stride` bytes apart, in one
/// system call.
///
/// # Safety
///
/// As [`populate`], for each range.
pub unsafe fn populate_each(start: NonNull<u8>, size: usize, stride: usize, count: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller guarantees the ranges.
    unsafe {
        advise_each(start, size, stride, count, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, size, stride, count);
}

/// Whether a page cannot be read, as the system says.
pub fn is_unreadable(page: NonNull<u8>) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the kernel reads the page or refuses. The contents stay.
    return unsafe {
        libc::madvise(page.as_ptr().cast(), page_size(), libc::MADV_POPULATE_READ) == -1
            && errno::errno().0 == libc::EFAULT
    };
    #[cfg(not(target_os = "linux"))]
    {
        let _ = page;
        false
    }
}

/// Gives the kernel the same advice for several ranges of memory at once (Linux 6.15 and later).
/// Returns whether it took the advice for all.
///
/// Not under valgrind, which prints a warning about a system call that it does not know.
///
/// # Safety
///
/// The advice is allowed for each range.
#[cfg(target_os = "linux")]
pub unsafe fn advise_each(
    start: NonNull<u8>,
    size: usize,
    stride: usize,
    count: usize,
    advice: c_int,
) -> bool {
    /// `PIDFD_SELF_THREAD_GROUP`: this process, without a descriptor for it.
    const THIS_PROCESS: c_int = -10001;
    const MOST: usize = 32;
    if super::checkers::under_valgrind() {
        return false;
    }
    let mut ranges = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: size,
    }; MOST];
    let ranges = &mut ranges[..count.min(MOST)];
    for (number, range) in ranges.iter_mut().enumerate() {
        range.iov_base = start.as_ptr().wrapping_add(number * stride).cast();
    }
    // SAFETY: the kernel reads the list. The caller guarantees the ranges in it.
    let advised = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            THIS_PROCESS,
            ranges.as_ptr(),
            ranges.len(),
            advice,
            0,
        )
    };
    count <= MOST && usize::try_from(advised) == Ok(count * size)
}

#[cfg(not(target_os = "linux"))]
pub unsafe fn advise_each(_: NonNull<u8>, _: usize, _: usize, _: usize, _: c_int) -> bool {
    false
}

/// Gives the pages of a range memory now, because they will soon be written to. One call costs less
/// than a fault. If the system cannot do that, they fault later.
///
/// # Safety
///
/// The range is part of a mapping from [`map_memory`], in whole pages.
pub unsafe fn populate(start: NonNull<u8>, size: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller guarantees the range. Its contents stay.
    unsafe {
        libc::madvise(start.as_ptr().cast(), size, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, size);
}

/// Prefetches the cache line of an address, on x86-64, where Rust has a function for it. It is only
/// a hint, and the address may be any.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: an address that cannot be read has no effect.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Gives the memory of a range back to the system. The range reads as zeros afterwards. Locked
/// memory is not given back and keeps its contents.
///
/// # Safety
///
/// The range is part of a mapping from [`map_memory`], and its contents are not needed.
pub unsafe fn release_memory(start: NonNull<u8>, size: usize) {
    // SAFETY: the caller guarantees the range.
    unsafe {
        libc::madvise(start.as_ptr().cast(), size, libc::MADV_DONTNEED);
    }
}

/// How many bytes at the low end of a range are not in memory, in whole pages: they were never
/// touched, or were given back. The first page may begin below the range, where nothing is.
pub fn untouched_bytes(range: *mut [u8]) -> usize {
    let page = page_size();
    let start = range.cast::<u8>();
    let low = start.addr();
    let end = low + range.len();
    let mut flags = [0u8; 64];
    let mut at = low - low % page;
    while at + page <= end {
        let pages = ((end - at) / page).min(flags.len());
        // SAFETY: the kernel checks the range, and writes one byte for each page.
        let known = unsafe {
            libc::mincore(
                start.with_addr(at).cast(),
                pages * page,
                flags.as_mut_ptr().cast(),
            )
        } == 0;
        if !known {
            break;
        }
        let touched = flags[..pages].iter().position(|flag| flag & 1 != 0);
        at += touched.unwrap_or(pages) * page;
        if touched.is_some() {
            break;
        }
    }
    at.saturating_sub(low)
}
