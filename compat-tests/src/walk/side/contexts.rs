//! Wait contexts: their entries and their callback.

use super::{Side, at_work};
use crate::walk::event::Event;
use crate::walk::operation::Target;
use crate::walk::table::Table;
use operations::model::Cleaned;
use operations::{ContextCall, Key};
use ossl_async::sys::ASYNC_WAIT_CTX;
use std::ffi::{c_int, c_void};
use std::ptr;

impl Side {
    /// The wait context of a place, which is made if it is not there.
    pub(super) fn make(&self, place: usize) -> *mut ASYNC_WAIT_CTX {
        let context = &self.contexts[place];
        if context.get().is_null() {
            // SAFETY: it has no conditions.
            context.set(unsafe { (self.table.functions.wait_ctx_new)() });
            self.context_ids[place].set(self.model.borrow_mut().contexts.make());
            self.log(Event::New {
                context: self.context(context.get()),
            });
        }
        context.get()
    }

    /// A target's place, and the context there. NULL if there is none.
    pub(super) fn target(&self, target: Target) -> (Option<usize>, *mut ASYNC_WAIT_CTX) {
        let place = match (target, self.running.get()) {
            (Target::Place(place), _) => Some(place.into()),
            (Target::Own, None) => Some(0),
            (Target::Own, Some(running)) => self.context_of(running),
            (Target::Null, _) => None,
        };
        let context = place.map_or(ptr::null_mut(), |place| self.make(place));
        (place, context)
    }

    pub(super) fn free(&self, on: Target) {
        let (place, pointer) = self.target(on);
        let (context, id) = (self.context(pointer), self.context_id(pointer));
        if let Some(id) = id {
            self.model.borrow_mut().contexts.free(id);
        }
        // SAFETY: NULL, or a context that no job uses.
        unsafe { (self.table.functions.wait_ctx_free)(pointer) };
        if let Some(place) = place {
            self.contexts[place].set(ptr::null_mut());
        }
        self.log(Event::Free { context });
        if let Some(id) = id {
            let missing = self.model.borrow_mut().contexts.next_cleanup(id);
            self.expect(&None, &missing);
        }
    }

    pub(super) fn on_context(&self, on: Target, call: ContextCall) {
        let (_, pointer) = self.target(on);
        let id = self.context_id(pointer);
        let want = self.model.borrow_mut().contexts.call(id, call);
        let Table {
            functions,
            functions3,
            ..
        } = &self.table;
        // SAFETY: the context lives, or is NULL in a call that was not left out and so allows it.
        let seen = unsafe { call.make(functions, functions3.as_ref(), pointer, clean_up) };
        self.log(Event::OnContext {
            context: self.context(pointer),
            call,
            seen: seen.clone(),
        });
        self.expect(&seen, &want);
    }
}

/// The cleanup of every entry, which a wait context calls when it is freed.
extern "C" fn clean_up(
    pointer: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    data: *mut c_void,
) {
    let side = at_work();
    // SAFETY: the context is being freed, and is still there.
    let status =
        (side.table.functions3).map(|functions| unsafe { (functions.get_status)(pointer) });
    let data = data.addr();
    let with = Key::of(key, pointer).map(|key| Cleaned { key, fd, data });
    side.log(Event::CleanedUp {
        context: side.context(pointer),
        with,
        status,
    });
    if let Some(id) = side.context_id(pointer) {
        let want = side.model.borrow_mut().contexts.next_cleanup(id);
        side.expect(&with, &want);
    }
}
