//! Calls on a wait context: which there are, how each is made, and what can be observed of it.

use super::UNTOUCHED;
use super::functions::{CallbackFn, CleanupFn, Functions, Functions3};
use ossl_async::sys::ASYNC_WAIT_CTX;
use std::ffi::{c_int, c_void};
use std::fmt::{self, Debug, Formatter};
use std::ptr;

/// What an output for an address or a count holds before a call.
pub(super) const UNTOUCHED_ADDRESS: usize = 0x5a5a_5a58;

/// A key of a wait context's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// One of a few constant addresses, of which 0 is NULL.
    Fixed(u8),
    /// The wait context itself, as OpenSSL's own tests do.
    Context,
}

impl Key {
    fn address(self, context: *mut ASYNC_WAIT_CTX) -> *const c_void {
        match self {
            Key::Fixed(n) => ptr::without_provenance(n.into()),
            Key::Context => context.cast(),
        }
    }

    /// The key that a cleanup of this context was given. None: an unknown key.
    pub fn of(address: *const c_void, context: *mut ASYNC_WAIT_CTX) -> Option<Key> {
        match u8::try_from(address.addr()) {
            Ok(n) => Some(Key::Fixed(n)),
            Err(_) => (address == context.cast()).then_some(Key::Context),
        }
    }
}

/// A call of one of the functions on a wait context. A member that is named after an output says
/// whether that output's pointer is not NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the members are the functions' parameters")]
pub enum ContextCall {
    /// `ASYNC_WAIT_CTX_set_wait_fd`, with or without a cleanup.
    SetWaitFd {
        key: Key,
        fd: c_int,
        data: u8,
        cleanup: bool,
    },
    /// `ASYNC_WAIT_CTX_get_fd`.
    GetFd { key: Key, fd: bool, data: bool },
    /// `ASYNC_WAIT_CTX_get_all_fds`.
    GetAllFds { array: bool, count: bool },
    /// `ASYNC_WAIT_CTX_get_changed_fds`, with outputs for what was added and what was deleted.
    GetChangedFds {
        arrays: [bool; 2],
        counts: [bool; 2],
    },
    /// `ASYNC_WAIT_CTX_clear_fd`.
    ClearFd(Key),
    /// `ASYNC_WAIT_CTX_set_callback`, with one of two callbacks or NULL.
    SetCallback {
        callback: Option<usize>,
        argument: u8,
    },
    /// `ASYNC_WAIT_CTX_get_callback`.
    GetCallback { callback: bool, argument: bool },
    /// `ASYNC_WAIT_CTX_set_status`.
    SetStatus(c_int),
    /// `ASYNC_WAIT_CTX_get_status`.
    GetStatus,
}

/// What a call does: its result, and what its outputs hold after it. The initial value is that of
/// a call without any effect.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it returned.
    pub result: c_int,
    /// A descriptor.
    pub fd: c_int,
    /// An entry's data, or the callback's argument.
    pub data: usize,
    /// All descriptors, or what was added and what was deleted.
    pub lists: [List; 2],
    /// The callback.
    pub callback: Callback,
}

/// A count, and what was written to the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The count.
    pub count: usize,
    /// The array up to the last element that was written.
    pub fds: Vec<c_int>,
}

/// A callback as `get_callback` returned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// The output was not written.
    Untouched,
    /// NULL.
    Null,
    /// The callback of this number, and what it returns.
    Known(usize, c_int),
    /// Another one.
    Unknown,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen {
            result: 0,
            fd: UNTOUCHED,
            data: UNTOUCHED_ADDRESS,
            lists: [const {
                List {
                    count: UNTOUCHED_ADDRESS,
                    fds: Vec::new(),
                }
            }; 2],
            callback: Callback::Untouched,
        }
    }
}

/// The result, and those of the outputs that were written.
impl Debug for Seen {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let nothing = Seen::default();
        write!(to, "{}", self.result)?;
        if self.fd != nothing.fd {
            write!(to, ", fd {}", self.fd)?;
        }
        if self.data != nothing.data {
            write!(to, ", data {:#x}", self.data)?;
        }
        if self.lists != nothing.lists {
            write!(to, ", {:?}", self.lists)?;
        }
        if self.callback != nothing.callback {
            write!(to, ", {:?}", self.callback)?;
        }
        Ok(())
    }
}

impl ContextCall {
    /// Whether its function was added in 3.0.
    pub fn is_of_3(self) -> bool {
        use ContextCall::*;
        matches!(
            self,
            SetCallback { .. } | GetCallback { .. } | SetStatus(_) | GetStatus
        )
    }

    /// Makes the call.
    ///
    /// # Safety
    ///
    /// The context lives, or is NULL if the implementation allows that. The cleanup can be called
    /// for this entry.
    pub unsafe fn make(
        self,
        functions: &Functions,
        functions3: Option<&Functions3>,
        context: *mut ASYNC_WAIT_CTX,
        cleanup_function: CleanupFn,
    ) -> Seen {
        let three = || functions3.expect("not called otherwise");
        let none = ptr::null_mut();
        let mut seen = Seen::default();
        let mut found: Option<CallbackFn> = Some(untouched);
        let mut arrays = [Vec::new(), Vec::new()];
        // SAFETY: the caller guarantees the context. Outputs are NULL or can be written. Arrays
        // have room for more than was counted.
        seen.result = unsafe {
            match self {
                ContextCall::SetWaitFd {
                    key,
                    fd,
                    data,
                    cleanup,
                } => {
                    let data = ptr::without_provenance_mut(data.into());
                    let cleanup = cleanup.then_some(cleanup_function);
                    (functions.set_wait_fd)(context, key.address(context), fd, data, cleanup)
                }
                ContextCall::GetFd { key, fd, data } => {
                    let key = key.address(context);
                    let data = output(data, &mut seen.data).cast();
                    (functions.get_fd)(context, key, output(fd, &mut seen.fd), data)
                }
                ContextCall::GetAllFds { array, count } => {
                    let get = functions.get_all_fds;
                    let mut room = 0;
                    get(context, none, &mut room);
                    let array = array_for(room, array, &mut arrays[0]);
                    get(context, array, output(count, &mut seen.lists[0].count))
                }
                ContextCall::GetChangedFds {
                    arrays: wanted,
                    counts,
                } => {
                    let get = functions.get_changed_fds;
                    let mut room = [0; 2];
                    let [adds, deletes] = &mut room;
                    get(context, none, adds, none, deletes);
                    let [added, deleted] = &mut arrays;
                    let added = array_for(room[0], wanted[0], added);
                    let deleted = array_for(room[1], wanted[1], deleted);
                    let [adds, deletes] = &mut seen.lists;
                    let adds = output(counts[0], &mut adds.count);
                    let deletes = output(counts[1], &mut deletes.count);
                    get(context, added, adds, deleted, deletes)
                }
                ContextCall::ClearFd(key) => (functions.clear_fd)(context, key.address(context)),
                ContextCall::SetCallback { callback, argument } => {
                    let callback = callback.map(|number| CALLBACKS[number]);
                    let argument = ptr::without_provenance_mut(argument.into());
                    (three().set_callback)(context, callback, argument)
                }
                ContextCall::GetCallback { callback, argument } => {
                    let argument = output(argument, &mut seen.data).cast();
                    (three().get_callback)(context, output(callback, &mut found), argument)
                }
                ContextCall::SetStatus(status) => (three().set_status)(context, status),
                ContextCall::GetStatus => (three().get_status)(context),
            }
        };
        for (list, array) in seen.lists.iter_mut().zip(arrays) {
            let end = array.iter().rposition(|fd| *fd != UNTOUCHED);
            list.fds = array[..end.map_or(0, |end| end + 1)].to_vec();
        }
        seen.callback = match found {
            None => Callback::Null,
            Some(found) if ptr::fn_addr_eq(found, untouched as CallbackFn) => Callback::Untouched,
            Some(found) => match CALLBACKS
                .iter()
                .position(|one| ptr::fn_addr_eq(*one, found))
            {
                // SAFETY: it is one of those below.
                Some(number) => Callback::Known(number, unsafe {
                    found(ptr::without_provenance_mut(seen.data))
                }),
                None => Callback::Unknown,
            },
        };
        seen
    }
}

/// The callbacks that wait contexts get.
const CALLBACKS: [CallbackFn; 2] = [numbered_callback::<0>, numbered_callback::<1>];

extern "C" fn numbered_callback<const NUMBER: usize>(argument: *mut c_void) -> c_int {
    callback_result(NUMBER, argument.addr())
}

/// What a callback returns for an argument.
pub(super) fn callback_result(number: usize, argument: usize) -> c_int {
    40 + number as c_int * 100 + argument as c_int
}

/// What the output of `get_callback` holds before the call.
extern "C" fn untouched(_: *mut c_void) -> c_int {
    -1
}

/// A pointer to the output, or NULL.
fn output<T>(wanted: bool, output: &mut T) -> *mut T {
    if wanted { output } else { ptr::null_mut() }
}

/// An array for this many descriptors, and a few more if the implementation writes too many. Or
/// NULL.
fn array_for(count: usize, wanted: bool, array: &mut Vec<c_int>) -> *mut c_int {
    if !wanted {
        return ptr::null_mut();
    }
    *array = vec![UNTOUCHED; 2 * count.min(1000) + 64];
    array.as_mut_ptr()
}
