//! The descriptors of a wait context, for the program that waits for them.

use crate::jobs::job::Record;
use crate::wait_ctx::WaitCtx;
use std::os::fd::RawFd;

/// What has changed in a job's descriptors since it was started or resumed last
/// ([`Job::changed_wait_fds`](crate::Job::changed_wait_fds)). Each list has the newest first.
///
/// A descriptor that was deleted and added again is in both. So a program that keeps a set of them
/// takes the deleted ones out first ([G46]).
///
/// ```
/// use ossl_async::ChangedFds;
/// use std::collections::HashSet;
/// use std::os::fd::RawFd;
///
/// fn follow(set: &mut HashSet<RawFd>, changed: &ChangedFds) {
///     for fd in &changed.deleted {
///         set.remove(fd);
///     }
///     set.extend(&changed.added);
/// }
/// # let mut set = HashSet::from([3]);
/// # follow(&mut set, &ChangedFds::default());
/// # assert_eq!(set.len(), 1);
/// ```
///
/// [G46]: https://github.com/ossl-async/ossl-async/blob/main/docs/behaviour.md#75-async_wait_ctx-data-model
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedFds {
    /// Those that were added.
    pub added: Vec<RawFd>,
    /// Those that were there before, and were deleted.
    pub deleted: Vec<RawFd>,
}

/// All descriptors of a job that has not ended (G21).
pub(super) fn all(record: &Record) -> Vec<RawFd> {
    context(record).map_or_else(Vec::new, |ctx| list(|each| ctx.all(each)))
}

/// Those that have changed (G22).
pub(super) fn changed(record: &Record) -> ChangedFds {
    context(record).map_or_else(ChangedFds::default, |ctx| ChangedFds {
        added: list(|each| ctx.added(each)),
        deleted: list(|each| ctx.deleted(each)),
    })
}

fn context(record: &Record) -> Option<&WaitCtx> {
    // SAFETY: the job has not ended, and holds the context until then.
    unsafe { record.wait_ctx().as_ref() }
}

fn list(visit: impl FnOnce(&mut dyn FnMut(RawFd))) -> Vec<RawFd> {
    let mut fds = vec![];
    visit(&mut |fd| fds.push(fd));
    fds
}
