//! Wait contexts as 7.5 and 7.6 of the behaviour reference describe them: a list with an add and a del flag each, newest
//! first, and two counters.

use std::ffi::c_int;

/// A wait context's number.
pub type ContextId = usize;

/// The thread's wait contexts, all there ever were.
#[derive(Debug, Default)]
pub struct Contexts(Vec<Context>);

#[derive(Debug)]
struct Context {
    /// Newest first.
    entries: Vec<Entry>,
    numadd: usize,
    numdel: usize,
    callback: Option<usize>,
    argument: usize,
    status: c_int,
    /// `ASYNC_WAIT_CTX_free` was called.
    freed: bool,
    /// That call is under way, or has not come yet.
    owned: bool,
    /// Jobs that were started with it and have not ended (D26).
    jobs: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: usize,
    fd: c_int,
    data: usize,
    cleanup: bool,
    add: bool,
    del: bool,
}

/// What a cleanup is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleaned {
    pub key: usize,
    pub fd: c_int,
    pub data: usize,
}

impl Contexts {
    /// A new one (G16).
    pub fn make(&mut self) -> ContextId {
        self.0.push(Context {
            entries: Vec::new(),
            numadd: 0,
            numdel: 0,
            callback: None,
            argument: 0,
            status: 0,
            freed: false,
            owned: true,
            jobs: 0,
        });
        self.0.len() - 1
    }

    /// One that was freed while a job used it (D26).
    pub fn freed_in_use(&mut self) -> ContextId {
        let context = self.make();
        self.hold(context);
        self.0[context].freed = true;
        self.0[context].owned = false;
        context
    }

    /// A job is started with it.
    pub fn hold(&mut self, context: ContextId) {
        self.0[context].jobs += 1;
    }

    /// A job that was started with it has ended.
    pub fn release(&mut self, context: ContextId) {
        self.0[context].jobs -= 1;
    }

    /// Whether its memory is still there (D26).
    pub fn lives(&self, context: ContextId) -> bool {
        self.0[context].owned || self.0[context].jobs > 0
    }

    /// `ASYNC_WAIT_CTX_free` begins; false: it has no effect, being freed already.
    pub fn free(&mut self, context: ContextId) -> bool {
        !std::mem::replace(&mut self.0[context].freed, true)
    }

    /// The next cleanup that `ASYNC_WAIT_CTX_free` calls: newest first, those not deleted that have one (G17). The entry
    /// is gone when its cleanup runs.
    pub fn next_cleanup(&mut self, context: ContextId) -> Option<Cleaned> {
        let context = &mut self.0[context];
        while !context.entries.is_empty() {
            let entry = context.remove(0);
            if entry.cleanup && !entry.del {
                let Entry { key, fd, data, .. } = entry;
                return Some(Cleaned { key, fd, data });
            }
        }
        None
    }

    /// `ASYNC_WAIT_CTX_free` returns.
    pub fn freed(&mut self, context: ContextId) {
        self.0[context].owned = false;
    }

    /// `ASYNC_WAIT_CTX_set_wait_fd` (G19; D28 for none). Nothing is added to one that is being freed (G18).
    pub fn set_wait_fd(
        &mut self,
        context: Option<ContextId>,
        what: Cleaned,
        cleanup: bool,
    ) -> c_int {
        let Some(context) = self.get(context).filter(|context| !context.freed) else {
            return 0;
        };
        let Cleaned { key, fd, data } = what;
        let (add, del) = (true, false);
        let entry = Entry {
            key,
            fd,
            data,
            cleanup,
            add,
            del,
        };
        context.entries.insert(0, entry);
        context.numadd += 1;
        1
    }

    /// `ASYNC_WAIT_CTX_get_fd`: descriptor and data, if it is 1 (G20).
    pub fn get_fd(&mut self, context: Option<ContextId>, key: usize) -> Option<(c_int, usize)> {
        let context = self.get(context)?;
        let entry = context.entries[context.find(key)?];
        Some((entry.fd, entry.data))
    }

    /// `ASYNC_WAIT_CTX_get_all_fds`: the descriptors (G21).
    pub fn all_fds(&mut self, context: Option<ContextId>) -> Option<Vec<c_int>> {
        Some(self.get(context)?.fds(|entry| !entry.del))
    }

    /// `ASYNC_WAIT_CTX_get_changed_fds`: the two counts, and the two lists (G22).
    pub fn changed_fds(&mut self, context: Option<ContextId>) -> Option<[(usize, Vec<c_int>); 2]> {
        let context = self.get(context)?;
        Some([
            (context.numadd, context.fds(|entry| entry.add && !entry.del)),
            (context.numdel, context.fds(|entry| entry.del && !entry.add)),
        ])
    }

    /// `ASYNC_WAIT_CTX_clear_fd` (G23).
    pub fn clear_fd(&mut self, context: Option<ContextId>, key: usize) -> c_int {
        let Some(context) = self.get(context) else {
            return 0;
        };
        let Some(index) = context.find(key) else {
            return 0;
        };
        if context.entries[index].add {
            context.remove(index); // G25: without a trace
        } else {
            context.entries[index].del = true; // G24
            context.numdel += 1;
        }
        1
    }

    /// A pause ends (G30).
    pub fn reset(&mut self, context: ContextId) {
        let context = &mut self.0[context];
        context.entries.retain(|entry| !entry.del);
        context
            .entries
            .iter_mut()
            .for_each(|entry| entry.add = false);
        (context.numadd, context.numdel) = (0, 0);
    }

    /// `ASYNC_WAIT_CTX_set_callback` (G33).
    pub fn set_callback(
        &mut self,
        context: Option<ContextId>,
        callback: Option<usize>,
        argument: usize,
    ) -> c_int {
        let Some(context) = self.get(context) else {
            return 0;
        };
        (context.callback, context.argument) = (callback, argument);
        1
    }

    /// `ASYNC_WAIT_CTX_get_callback`: callback and argument, if it is 1 (G34).
    pub fn get_callback(&mut self, context: Option<ContextId>) -> Option<(usize, usize)> {
        let context = self.get(context)?;
        Some((context.callback?, context.argument))
    }

    /// `ASYNC_WAIT_CTX_set_status` (G35).
    pub fn set_status(&mut self, context: Option<ContextId>, status: c_int) -> c_int {
        let Some(context) = self.get(context) else {
            return 0;
        };
        context.status = status;
        1
    }

    /// `ASYNC_WAIT_CTX_get_status` (G35).
    pub fn get_status(&mut self, context: Option<ContextId>) -> c_int {
        self.get(context).map_or(0, |context| context.status)
    }

    /// None for NULL: every function then returns 0 and writes nothing (D28).
    fn get(&mut self, context: Option<ContextId>) -> Option<&mut Context> {
        context.map(|context| &mut self.0[context])
    }
}

impl Context {
    /// The newest entry with this key that is not deleted.
    fn find(&self, key: usize) -> Option<usize> {
        (self.entries.iter()).position(|entry| entry.key == key && !entry.del)
    }

    fn remove(&mut self, index: usize) -> Entry {
        let entry = self.entries.remove(index);
        self.numadd -= usize::from(entry.add);
        self.numdel -= usize::from(entry.del);
        entry
    }

    fn fds(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<c_int> {
        let wanted = self.entries.iter().filter(|entry| wanted(entry));
        wanted.map(|entry| entry.fd).collect()
    }
}
