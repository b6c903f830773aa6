//! Waiting for a future inside a job that a future runs.

use super::pause::pause;
use crate::jobs::job::{AtEnd, Record, Resume};
use crate::jobs::thread;
use crate::jobs::wanted::Wanted;
use core::ffi::c_void;
use core::fmt;
use core::pin::{Pin, pin};
use core::ptr;
use core::task::{Context, Poll};
use std::panic::{self, AssertUnwindSafe};

/// Why [`wait_for`] could not wait.
///
/// ```
/// use ossl_async::{WaitError, wait_for};
///
/// assert_eq!(wait_for(async { 42 }), Err(WaitError::NoTask)); // this is no job
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitError {
    /// This is no job of a [`JobFuture`](crate::JobFuture), or no job at all.
    NoTask,
    /// Pausing is blocked ([`block_pause`](crate::block_pause)), or the thread unwinds from a panic.
    Blocked,
    /// The job was cancelled or dropped, and is to end.
    Cancelled,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitError::NoTask => "not in a job that a future runs",
            WaitError::Blocked => "the job cannot pause here",
            WaitError::Cancelled => "the job is to end",
        })
    }
}

impl std::error::Error for WaitError {}

/// Waits for a future inside a job that a [`JobFuture`](crate::JobFuture) runs. The job is paused
/// until the future is ready, and other tasks run.
///
/// The poll of the `JobFuture` polls the future with the context of that very poll, on the thread's
/// own stack. So the future may itself run a `JobFuture`, and takes no more of the job's stack than
/// its size. Its output comes back as if the call had blocked. So does its panic.
///
/// ```
/// use ossl_async::{JobFuture, wait_for};
///
/// # async fn answers() {
/// let blocking = || wait_for(async { 42 });
/// // SAFETY: the contract of `Job::start`: where it waits, no frame relies on nested calls.
/// let answer = unsafe { JobFuture::new(blocking) }.await;
/// assert_eq!(answer, Ok(Ok(42)));
/// # }
/// ```
///
/// A wake of the job does not end the wait. The job's next [`pause`] finds it.
///
/// If the `JobFuture` is dropped, the job unwinds, and the future is dropped on the job's stack.
/// With [`OnDrop::Cancel`](crate::OnDrop::Cancel) this returns [`WaitError::Cancelled`] instead.
/// If the future itself runs a `JobFuture` then, that one's job is abandoned: see
/// [`OnDrop`](crate::OnDrop).
///
/// # Errors
///
/// [`WaitError`] has the reasons. If the wait cannot begin, the error comes at once, and the future
/// is dropped. A wait that has begun ends with [`WaitError::Cancelled`] if the job is cancelled.
pub fn wait_for<F: Future>(future: F) -> Result<F::Output, WaitError> {
    let record = thread::this()
        .and_then(|thread| thread.currjob.get())
        .filter(|record| record.task.is_in_use(record.current_use()))
        .filter(|record| !record.at_end.has(AtEnd::LEAVE_QUEUE)) // a queue has no task
        .ok_or(WaitError::NoTask)?;
    let mut waiting = Waiting {
        future: pin!(future),
        result: None,
    };
    let place = ptr::from_mut(&mut waiting);
    let wanted = Wanted {
        place: place.cast(),
        poll: Some(poll_waiting::<F>),
    };
    loop {
        if record.resumed_as.get() != Resume::Normal {
            return Err(WaitError::Cancelled);
        }
        let has_paused = {
            let _wants = Wants::new(record, wanted);
            pause()
        };
        // SAFETY: nobody polls it now, because the job runs.
        match unsafe { (*place).result.take() } {
            Some(Ok(output)) => return Ok(output),
            Some(Err(panic)) => panic::resume_unwind(panic),
            None if !has_paused => return Err(WaitError::Blocked),
            None => (), // it was cancelled, or C code has resumed it
        }
    }
}

/// What the poll needs, in the frame of [`wait_for`].
struct Waiting<'a, F: Future> {
    future: Pin<&'a mut F>,
    result: Option<std::thread::Result<F::Output>>,
}

/// Polls the future. Returns whether there is a result.
///
/// # Safety
///
/// The place is a [`Waiting`] of this type, and its job is paused in [`wait_for`].
unsafe fn poll_waiting<F: Future>(place: *mut c_void, ctx: &mut Context<'_>) -> bool {
    // SAFETY: the caller guarantees it.
    let waiting = unsafe { &mut *place.cast::<Waiting<'_, F>>() };
    if waiting.result.is_none() {
        let future = waiting.future.as_mut();
        match panic::catch_unwind(AssertUnwindSafe(|| future.poll(ctx))) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(output)) => waiting.result = Some(Ok(output)),
            Err(panic) => waiting.result = Some(Err(panic)),
        }
    }
    true
}

/// The job waits for a future while this lives, also if it unwinds.
struct Wants<'a>(&'a Record);

impl Wants<'_> {
    fn new(record: &Record, wanted: Wanted) -> Wants<'_> {
        record.wanted.set(wanted);
        Wants(record)
    }
}

impl Drop for Wants<'_> {
    fn drop(&mut self) {
        self.0.wanted.set(Wanted::NOTHING);
    }
}
