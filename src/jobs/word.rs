//! The one thread-local, a word in `csrc/thread.c`, and what its bits mean:
//!
//! | Word | The thread |
//! |---|---|
//! | 0 | has no state |
//! | odd | has the state at the address below: every hot path tests only this bit |
//! | even | has no state; bit 1: it has ended its jobs; above: the code of its newest error, or 0 |
//!
//! A thread that has ended its jobs may start more, in the destructor of another key. Perhaps no
//! destructor follows that could free anything. So nothing is pooled for such a thread, and its
//! state is freed with its last job. If an error cannot be queued, the word keeps it: the newest
//! one only. That happens when the thread has ended its jobs, or when there is no memory for a
//! state.

use crate::platform;
use core::ffi::c_void;
use core::ptr::{self, NonNull};

const HAS_STATE: usize = 1;
const HAS_ENDED: usize = 1 << 1;
const CODE_SHIFT: u32 = 2;

/// The address of the calling thread's state, if it has one.
#[inline(always)]
pub fn state() -> Option<NonNull<c_void>> {
    let word = platform::thread_state();
    if word.addr() & HAS_STATE != 0 {
        // SAFETY: an odd word is an address plus 1 (`set_state`), so the difference is not null.
        Some(unsafe { NonNull::new_unchecked(word.wrapping_byte_sub(HAS_STATE)) })
    } else {
        None
    }
}

/// Notes that the calling thread has a state, at this even address.
pub fn set_state(state: NonNull<c_void>) {
    platform::set_thread_state(state.as_ptr().wrapping_byte_add(HAS_STATE));
}

/// Notes that the calling thread has no state, whether it has ended its jobs, and the code of its
/// newest error, or 0.
pub fn set_without_state(has_ended: bool, code: u32) {
    let ended = if has_ended { HAS_ENDED } else { 0 };
    let word = ((code as usize) << CODE_SHIFT) | ended;
    platform::set_thread_state(ptr::without_provenance_mut(word));
}

/// Whether the calling thread has no state and has ended its jobs.
pub fn has_ended() -> bool {
    platform::thread_state().addr() & (HAS_STATE | HAS_ENDED) == HAS_ENDED
}

/// The code of an error that is kept in the word.
pub fn kept_code() -> Option<u32> {
    let word = platform::thread_state().addr();
    let code = (word >> CODE_SHIFT) as u32;
    (word & HAS_STATE == 0 && code != 0).then_some(code)
}
