//! Wait contexts as 7.5 and 7.6 of the behaviour reference describe them. Each has a list, newest
//! entry first, and two counters. Each entry has an add and a del flag.

use crate::contexts::{Callback, ContextCall, Key, List, Seen, callback_result};
use std::ffi::c_int;

/// A wait context's number.
pub type ContextId = usize;

/// All wait contexts that the thread ever had.
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
    /// Whether `ASYNC_WAIT_CTX_free` was called.
    freed: bool,
    /// Whether that call is running, or has not been made yet.
    owned: bool,
    /// Jobs that were started with it and have not ended (D26).
    jobs: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    fd: c_int,
    data: usize,
    cleanup: bool,
    add: bool,
    del: bool,
}

/// The arguments of a cleanup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as the entry was set")]
pub struct Cleaned {
    pub key: Key,
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

    /// A context that was freed while a job used it (D26).
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

    /// `ASYNC_WAIT_CTX_free` begins. False: it has no effect, because the context was already
    /// freed.
    pub fn free(&mut self, context: ContextId) -> bool {
        !std::mem::replace(&mut self.0[context].freed, true)
    }

    /// The next cleanup that `ASYNC_WAIT_CTX_free` calls: newest entry first, and only for entries
    /// that are not deleted and have one (G17). The entry is removed before its cleanup runs.
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

    /// What a call does. For NULL every function returns 0 and writes nothing (D28).
    pub fn call(&mut self, context: Option<ContextId>, call: ContextCall) -> Seen {
        context
            .and_then(|context| self.0[context].call(call))
            .unwrap_or_default()
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
}

impl Context {
    /// None: the call returns 0 and writes nothing.
    fn call(&mut self, call: ContextCall) -> Option<Seen> {
        let mut seen = Seen {
            result: 1,
            ..Seen::default()
        };
        match call {
            // G19. No entry can be added to a context that is being freed (G18).
            ContextCall::SetWaitFd { .. } if self.freed => return None,
            ContextCall::SetWaitFd {
                key,
                fd,
                data,
                cleanup,
            } => {
                let (data, add, del) = (data.into(), true, false);
                let entry = Entry {
                    key,
                    fd,
                    data,
                    cleanup,
                    add,
                    del,
                };
                self.entries.insert(0, entry);
                self.numadd += 1;
            }
            // G20
            ContextCall::GetFd { key, fd, data } => {
                let entry = self.entries[self.find(key)?];
                if fd {
                    seen.fd = entry.fd;
                }
                if data {
                    seen.data = entry.data;
                }
            }
            // G21
            ContextCall::GetAllFds { count: false, .. } => return None,
            ContextCall::GetAllFds { array, .. } => {
                let fds = self.fds(|entry| !entry.del);
                seen.lists[0] = List::new(fds.len(), fds, array);
            }
            // G22
            ContextCall::GetChangedFds { arrays, counts } => {
                if counts != [true; 2] {
                    return None;
                }
                let added = self.fds(|entry| entry.add && !entry.del);
                let deleted = self.fds(|entry| entry.del && !entry.add);
                seen.lists = [
                    List::new(self.numadd, added, arrays[0]),
                    List::new(self.numdel, deleted, arrays[1]),
                ];
            }
            // G23
            ContextCall::ClearFd(key) => {
                let index = self.find(key)?;
                if self.entries[index].add {
                    self.remove(index); // G25: without a trace
                } else {
                    self.entries[index].del = true; // G24
                    self.numdel += 1;
                }
            }
            // G33
            ContextCall::SetCallback { callback, argument } => {
                (self.callback, self.argument) = (callback, argument.into());
            }
            // G34
            ContextCall::GetCallback { callback, argument } => {
                let number = self.callback?;
                if argument {
                    seen.data = self.argument;
                }
                if callback {
                    seen.callback = Callback::Known(number, callback_result(number, seen.data));
                }
            }
            // G35
            ContextCall::SetStatus(status) => self.status = status,
            ContextCall::GetStatus => seen.result = self.status,
        }
        Some(seen)
    }

    /// The newest entry with this key that is not deleted.
    fn find(&self, key: Key) -> Option<usize> {
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

impl List {
    fn new(count: usize, fds: Vec<c_int>, array: bool) -> List {
        let fds = if array { fds } else { Vec::new() };
        List { count, fds }
    }
}
