//! A future that a job waits for. It lies on the job's stack, and the side that resumes the job polls
//! it.

use core::ffi::c_void;
use core::ptr;
use core::task::Context;

/// Polls it. Returns whether the job can go on.
pub type PollFn = unsafe fn(*mut c_void, &mut Context<'_>) -> bool;

/// What a paused job waits for. All zeros is nothing.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The argument of `poll`, on the job's stack.
    pub place: *mut c_void,
    /// How to poll it; none if the job waits for no future.
    pub poll: Option<PollFn>,
}

impl Wanted {
    /// Nothing.
    pub const NOTHING: Wanted = Wanted {
        place: ptr::null_mut(),
        poll: None,
    };
}
