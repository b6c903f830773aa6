//! Wait contexts.

use super::super::operation::Target;
use super::{DEPTH, Driver, Frame, at_work};
use operations::model::{Cleaned, ContextId};
use operations::{ContextCall, Functions, Functions3, Key};
use ossl_async::sys::*;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Every entry's cleanup.
extern "C" fn clean_up(
    context: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    data: *mut c_void,
) {
    let driver = at_work();
    let data = data.addr();
    match Key::of(key, context) {
        Some(key) => driver.clean_up(context, Cleaned { key, fd, data }),
        None => driver.fail("a cleanup was called with an unknown key"),
    }
}

/// A wait context's number and address, or none and NULL.
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
                "a new wait context at {address:?}, which is NULL or another one's address"
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
        // From here on, only its cleanups use it, and jobs that were started with it.
        for place in self.contexts.iter().filter(|place| place.get() == context) {
            place.set(None);
        }
        let begins = context.filter(|context| self.model.borrow_mut().contexts.free(*context));
        // SAFETY: NULL, or a context that lives. It is freed a second time only in a cleanup, or
        // in a job that was started with it.
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
            return self.fail("a cleanup was called for an unknown wait context");
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

    pub(super) fn on_context(&self, (context, address): On, call: ContextCall) {
        let want = self.model.borrow_mut().contexts.call(context, call);
        let (functions, three) = (&Functions::LINKED, Some(&Functions3::LINKED));
        // SAFETY: NULL, or a context that lives. The cleanup accepts any arguments.
        let got = unsafe { call.make(functions, three, address, clean_up) };
        self.expect("the call on the wait context", got, want);
    }
}
