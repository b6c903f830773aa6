//! Dropping a paused job: it unwinds, is cancelled, or is abandoned.

use super::Job;
use crate::jobs::job::Resume;
use crate::jobs::requests::Outcome;
use crate::jobs::{current, dispatch, members};
use crate::rust_api::launch::Port;
use crate::rust_api::on_drop::OnDrop;
use crate::rust_api::unwinding;
use core::ptr;

impl<T> Drop for Job<T> {
    // Rare, and kept out of the code of callers whose jobs end at once.
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        if !self.is_live() {
            drop(self.unseen_panic());
            return;
        }
        // First: after the end of the thread has freed its pool, the drop does nothing else.
        members::leave(self.record());
        match self.on_drop {
            OnDrop::Unwind if unwinding::IS_POSSIBLE => self.end(Resume::Unwinding),
            OnDrop::Cancel => self.end(Resume::Cancelled),
            OnDrop::Unwind | OnDrop::Abandon => current::abandon(self.record()),
        }
    }
}

impl<T> Job<T> {
    /// Resumes the job, which is to end. If it cannot be resumed here, or pauses again, it is
    /// abandoned.
    fn end(&self, how: Resume) {
        let mut port: Port<T> = None;
        let ended = current::is_resumable_here(self.record())
            && matches!(
                dispatch::resume(self.record(), ptr::from_mut(&mut port).cast(), how),
                Ok(Outcome::Finished(_))
            );
        if !ended {
            current::abandon(self.record());
        }
        // The value, the panic or what unwound the job is dropped here.
        drop(port);
    }
}
