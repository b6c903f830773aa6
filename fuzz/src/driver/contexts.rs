//! Wait contexts.

use super::super::model::{Cleaned, ContextId};
use super::super::operation::{Key, Target};
use super::{DEPTH, Driver, Frame, UNTOUCHED, at_work};
use ossl_async::capi::*;
use std::ffi::{c_int, c_void};
use std::ptr;

/// What an output for an address holds before a call.
const UNTOUCHED_ADDRESS: usize = 0x5a5a_5a58;

/// Callbacks. Only their addresses matter, which must differ.
const CALLBACKS: [unsafe extern "C" fn(*mut c_void) -> c_int; 2] = [answer::<0>, answer::<1>];

extern "C" fn answer<const NUMBER: c_int>(_: *mut c_void) -> c_int {
    NUMBER
}

/// Every entry's cleanup.
extern "C" fn clean_up(
    context: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    data: *mut c_void,
) {
    let (key, data) = (key.addr(), data.addr());
    at_work().clean_up(context, Cleaned { key, fd, data });
}

/// A wait context's number and address; none and NULL.
type On = (Option<ContextId>, *mut ASYNC_WAIT_CTX);

impl Driver<'_> {
    pub(super) fn context_address(&self, context: Option<ContextId>) -> *mut ASYNC_WAIT_CTX {
        context.map_or(ptr::null_mut(), |context| {
            self.context_addresses.borrow()[context]
        })
    }

    pub(super) fn target(&self, target: Target, cleaned: Option<ContextId>) -> On {
        let context = match target {
            Target::Place(place) => self.contexts[place].get(),
            Target::Own => self.model.borrow().own_context(),
            Target::Cleaned => cleaned,
        };
        (context, self.context_address(context))
    }

    pub(super) fn new_context(&self, place: usize) {
        if self.contexts[place].get().is_some() {
            return;
        }
        let address = ASYNC_WAIT_CTX_new();
        let context = self.model.borrow_mut().contexts.make();
        if address.is_null() || self.living(address).is_some() {
            self.fail(&format!(
                "a new wait context at {address:?}, where there is none or another"
            ));
        }
        self.context_addresses.borrow_mut().push(address);
        self.contexts[place].set(Some(context));
    }

    /// The wait context that lives at this address.
    fn living(&self, address: *mut ASYNC_WAIT_CTX) -> Option<ContextId> {
        let model = self.model.borrow();
        let addresses = self.context_addresses.borrow();
        (0..addresses.len()).find(|n| addresses[*n] == address && model.contexts.lives(*n))
    }

    pub(super) fn free(&self, (context, address): On) {
        // Nobody uses it from here on but its cleanups, and jobs that were started with it.
        for place in self.contexts.iter().filter(|place| place.get() == context) {
            place.set(None);
        }
        let begins = context.filter(|context| self.model.borrow_mut().contexts.free(*context));
        // SAFETY: NULL, or a context that lives; a second time only in a cleanup, or in a job that was started with it.
        unsafe { ASYNC_WAIT_CTX_free(address) };
        let Some(context) = begins.filter(|_| !self.has_failed()) else {
            return;
        };
        let missing = self.model.borrow_mut().contexts.next_cleanup(context);
        self.expect("a cleanup that was not called", None, missing);
        self.model.borrow_mut().contexts.freed(context);
    }

    /// `ASYNC_WAIT_CTX_free` calls a cleanup, which carries out operations as a job does.
    fn clean_up(&self, address: *mut ASYNC_WAIT_CTX, with: Cleaned) {
        if self.has_failed() {
            return;
        }
        let Some(context) = self.living(address) else {
            return self.fail("a cleanup was called for no wait context");
        };
        let want = self.model.borrow_mut().contexts.next_cleanup(context);
        self.expect("the cleanup that is called", Some(with), want);
        self.invariants();
        let depth = self.depth.get() + 1;
        if depth <= DEPTH {
            self.depth.set(depth);
            self.run(Frame {
                job: None,
                cleaned: Some(context),
            });
            self.depth.set(depth - 1);
        }
    }

    pub(super) fn set_wait_fd(&self, on: On, key: Key, fd: c_int, data: u8, cleanup: bool) {
        let (context, address) = on;
        let key = key_of(key, address);
        let what = Cleaned {
            key: key.addr(),
            fd,
            data: data.into(),
        };
        let want = self
            .model
            .borrow_mut()
            .contexts
            .set_wait_fd(context, what, cleanup);
        let cleanup = cleanup.then_some(clean_up as _);
        let data = ptr::without_provenance_mut(data.into());
        // SAFETY: NULL or a context that lives; the cleanup wants nothing of its arguments.
        let got = unsafe { ASYNC_WAIT_CTX_set_wait_fd(address, key, fd, data, cleanup) };
        self.expect("ASYNC_WAIT_CTX_set_wait_fd", got, want);
    }

    pub(super) fn get_fd(&self, (context, address): On, key: Key, with_fd: bool, with_data: bool) {
        let key = key_of(key, address);
        let (mut fd, mut data) = (UNTOUCHED, ptr::without_provenance_mut(UNTOUCHED_ADDRESS));
        // SAFETY: NULL or a context that lives; outputs that are NULL or can be written.
        let result = unsafe {
            let fd = unless(!with_fd, &mut fd);
            let data = unless(!with_data, &mut data);
            ASYNC_WAIT_CTX_get_fd(address, key, fd, data)
        };
        let found = self.model.borrow_mut().contexts.get_fd(context, key.addr());
        let (want_fd, want_data) = found.unwrap_or((UNTOUCHED, UNTOUCHED_ADDRESS));
        let want = (
            c_int::from(found.is_some()),
            if with_fd { want_fd } else { UNTOUCHED },
            if with_data {
                want_data
            } else {
                UNTOUCHED_ADDRESS
            },
        );
        self.expect("ASYNC_WAIT_CTX_get_fd", (result, fd, data.addr()), want);
    }

    pub(super) fn all_fds(&self, (context, address): On, array: bool, count: bool) {
        let want = self
            .model
            .borrow_mut()
            .contexts
            .all_fds(context)
            .filter(|_| count);
        let mut list = List::new(want.as_ref().map(|fds| (fds.len(), fds)), array);
        // SAFETY: NULL or a context that lives; the array has room for all there should be and more, or is NULL.
        let got = unsafe {
            let count = unless(!count, &mut list.count);
            ASYNC_WAIT_CTX_get_all_fds(address, list.array, count)
        };
        self.expect("ASYNC_WAIT_CTX_get_all_fds", got, want.is_some().into());
        self.expect("its list", list.got(), list.want());
    }

    pub(super) fn changed_fds(&self, (context, address): On, arrays: [bool; 2], counts: [bool; 2]) {
        let want = self.model.borrow_mut().contexts.changed_fds(context);
        let want = want.filter(|_| counts == [true; 2]);
        let list = |n: usize| {
            let want = want.as_ref().map(|lists| (lists[n].0, &lists[n].1));
            List::new(want, arrays[n])
        };
        let (mut added, mut deleted) = (list(0), list(1));
        // SAFETY: as above.
        let got = unsafe {
            let adds = unless(!counts[0], &mut added.count);
            let deletes = unless(!counts[1], &mut deleted.count);
            ASYNC_WAIT_CTX_get_changed_fds(address, added.array, adds, deleted.array, deletes)
        };
        self.expect("ASYNC_WAIT_CTX_get_changed_fds", got, want.is_some().into());
        self.expect("what was added", added.got(), added.want());
        self.expect("what was deleted", deleted.got(), deleted.want());
    }

    pub(super) fn clear_fd(&self, (context, address): On, key: Key) {
        let key = key_of(key, address);
        let want = self
            .model
            .borrow_mut()
            .contexts
            .clear_fd(context, key.addr());
        // SAFETY: NULL or a context that lives.
        let got = unsafe { ASYNC_WAIT_CTX_clear_fd(address, key) };
        self.expect("ASYNC_WAIT_CTX_clear_fd", got, want);
    }

    pub(super) fn set_callback(
        &self,
        (context, address): On,
        callback: Option<usize>,
        argument: u8,
    ) {
        let data = argument.into();
        let want = self
            .model
            .borrow_mut()
            .contexts
            .set_callback(context, callback, data);
        let callback = callback.map(|callback| CALLBACKS[callback]);
        // SAFETY: NULL or a context that lives. Nobody calls the callback.
        let got = unsafe {
            ASYNC_WAIT_CTX_set_callback(address, callback, ptr::without_provenance_mut(data))
        };
        self.expect("ASYNC_WAIT_CTX_set_callback", got, want);
    }

    pub(super) fn get_callback(
        &self,
        (context, address): On,
        with_callback: bool,
        with_argument: bool,
    ) {
        let mut callback = None;
        let mut argument = ptr::without_provenance_mut(UNTOUCHED_ADDRESS);
        // SAFETY: NULL or a context that lives; outputs that are NULL or can be written.
        let result = unsafe {
            let callback = unless(!with_callback, &mut callback);
            let argument = unless(!with_argument, &mut argument);
            ASYNC_WAIT_CTX_get_callback(address, callback, argument)
        };
        let got = callback
            .map(|callback| (CALLBACKS.iter()).position(|known| ptr::fn_addr_eq(*known, callback)));
        let set = self.model.borrow_mut().contexts.get_callback(context);
        let want = (
            c_int::from(set.is_some()),
            set.filter(|_| with_callback)
                .map(|(callback, _)| Some(callback)),
            set.filter(|_| with_argument)
                .map_or(UNTOUCHED_ADDRESS, |(_, argument)| argument),
        );
        let got = (result, got, argument.addr());
        self.expect("ASYNC_WAIT_CTX_get_callback", got, want);
    }

    pub(super) fn set_status(&self, (context, address): On, status: c_int) {
        let want = self.model.borrow_mut().contexts.set_status(context, status);
        // SAFETY: NULL or a context that lives.
        let got = unsafe { ASYNC_WAIT_CTX_set_status(address, status) };
        self.expect("ASYNC_WAIT_CTX_set_status", got, want);
    }

    pub(super) fn get_status(&self, (context, address): On) {
        let want = self.model.borrow_mut().contexts.get_status(context);
        // SAFETY: NULL or a context that lives.
        let got = unsafe { ASYNC_WAIT_CTX_get_status(address) };
        self.expect("ASYNC_WAIT_CTX_get_status", got, want);
    }
}

fn key_of(key: Key, context: *mut ASYNC_WAIT_CTX) -> *const c_void {
    match key {
        Key::Fixed(0) => ptr::null(),
        Key::Fixed(n) => ptr::without_provenance(n.into()),
        Key::Context => context.cast(),
    }
}

/// The output, or NULL.
fn unless<T>(null: bool, output: &mut T) -> *mut T {
    if null { ptr::null_mut() } else { output }
}

/// A count and an array as outputs, and what they should be then.
struct List {
    count: usize,
    /// `fds`, or NULL.
    array: *mut c_int,
    fds: Vec<c_int>,
    want: (usize, Vec<c_int>),
}

impl List {
    /// `want`: count and descriptors; none if nothing is to be written.
    fn new(want: Option<(usize, &Vec<c_int>)>, array: bool) -> List {
        let length = want.map_or(0, |(_, fds)| fds.len());
        // The library may be wrong by a few.
        let mut fds = vec![UNTOUCHED; 2 * length + 64];
        let mut wanted = fds.clone();
        if let Some((_, fds)) = want.filter(|_| array) {
            wanted[..fds.len()].copy_from_slice(fds);
        }
        List {
            count: UNTOUCHED_ADDRESS,
            array: if array {
                fds.as_mut_ptr()
            } else {
                ptr::null_mut()
            },
            fds,
            want: (want.map_or(UNTOUCHED_ADDRESS, |(count, _)| count), wanted),
        }
    }

    fn got(&self) -> (usize, &[c_int]) {
        (self.count, written(&self.fds))
    }

    fn want(&self) -> (usize, &[c_int]) {
        (self.want.0, written(&self.want.1))
    }
}

/// An array without the end that nobody has written to.
fn written(fds: &[c_int]) -> &[c_int] {
    let end = fds.iter().rposition(|fd| *fd != UNTOUCHED);
    &fds[..end.map_or(0, |end| end + 1)]
}
