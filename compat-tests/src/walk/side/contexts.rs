//! Wait contexts: their entries and their callback.

use super::{Side, UNTOUCHED, at_work};
use crate::walk::event::{Callback, Event, Key};
use crate::walk::operation::{KeyChoice, Target};
use crate::walk::table::WaitCtx;
use std::ffi::{c_int, c_void};
use std::ptr;

/// What an output for an address holds before a call.
const UNTOUCHED_ADDRESS: usize = 0x5a5a_5a58;

impl Side {
    /// The wait context of a place, which is made if it is not there.
    pub(super) fn make(&self, place: usize) -> *mut WaitCtx {
        let context = &self.contexts[place];
        if context.get().is_null() {
            // SAFETY: it has no conditions.
            context.set(unsafe { (self.table.functions.wait_ctx_new)() });
            self.log(Event::New {
                context: self.context(context.get()),
            });
        }
        context.get()
    }

    /// A target's place, and the context there; NULL where there is none.
    pub(super) fn target(&self, target: Target) -> (Option<usize>, *mut WaitCtx) {
        let place = match (target, self.running.get()) {
            (Target::Place(place), _) => Some(place.into()),
            (Target::Own, None) => Some(0),
            (Target::Own, Some(running)) => self.context_of(running),
            (Target::Null, _) => None,
        };
        let context = place.map_or(ptr::null_mut(), |place| self.make(place));
        (place, context)
    }

    /// A key's address.
    pub(super) fn key(&self, key: KeyChoice, context: *mut WaitCtx) -> *const c_void {
        match key {
            KeyChoice::Null => ptr::null(),
            KeyChoice::Fixed(n) => ptr::without_provenance(fixed_key(n)),
            KeyChoice::Context => context.cast(),
        }
    }

    pub(super) fn free(&self, on: Target) {
        let (place, pointer) = self.target(on);
        let context = self.context(pointer);
        // SAFETY: NULL, or a context that no job uses.
        unsafe { (self.table.functions.wait_ctx_free)(pointer) };
        if let Some(place) = place {
            self.contexts[place].set(ptr::null_mut());
        }
        self.log(Event::Free { context });
    }

    pub(super) fn set_wait_fd(
        &self,
        on: Target,
        key: KeyChoice,
        fd: c_int,
        data: u8,
        cleanup: bool,
    ) {
        let (_, pointer) = self.target(on);
        let key = self.key(key, pointer);
        let data = ptr::without_provenance_mut(usize::from(data));
        let cleanup = cleanup.then_some(clean_up as _);
        // SAFETY: the context lives, and its cleanup function stays.
        let result = unsafe { (self.table.functions.set_wait_fd)(pointer, key, fd, data, cleanup) };
        self.log(Event::SetWaitFd {
            context: self.context(pointer),
            key: key_of(key, pointer),
            fd,
            result,
        });
    }

    pub(super) fn get_fd(&self, on: Target, key: KeyChoice) {
        let (_, pointer) = self.target(on);
        let key = self.key(key, pointer);
        let mut fd = UNTOUCHED;
        let mut data = ptr::without_provenance_mut(UNTOUCHED_ADDRESS);
        // SAFETY: the context lives, and the outputs can be written.
        let result = unsafe { (self.table.functions.get_fd)(pointer, key, &mut fd, &mut data) };
        self.log(Event::GetFd {
            context: self.context(pointer),
            key: key_of(key, pointer),
            result,
            fd,
            data: data.addr(),
        });
    }

    pub(super) fn clear_fd(&self, on: Target, key: KeyChoice) {
        let (_, pointer) = self.target(on);
        let key = self.key(key, pointer);
        // SAFETY: the context lives.
        let result = unsafe { (self.table.functions.clear_fd)(pointer, key) };
        self.log(Event::ClearFd {
            context: self.context(pointer),
            key: key_of(key, pointer),
            result,
        });
    }

    pub(super) fn get_all_fds(&self, on: Target, array: bool) {
        let (_, pointer) = self.target(on);
        let get = self.table.functions.get_all_fds;
        let mut count = usize::MAX;
        // SAFETY: the context lives, and without an array the count alone is written.
        let mut result = unsafe { get(pointer, ptr::null_mut(), &mut count) };
        let fds = array.then(|| {
            let mut fds = room_for(count);
            // SAFETY: as before, and the array has room for what was counted.
            result = unsafe { get(pointer, fds.as_mut_ptr(), &mut count) };
            fds
        });
        self.log(Event::GetAllFds {
            context: self.context(pointer),
            result,
            count,
            fds,
        });
    }

    pub(super) fn get_changed_fds(&self, on: Target, added: bool, deleted: bool) {
        let (_, pointer) = self.target(on);
        let get = self.table.functions.get_changed_fds;
        let (mut adds, mut deletes) = (usize::MAX, usize::MAX);
        let none = ptr::null_mut;
        // SAFETY: the context lives, and without arrays the counts alone are written.
        let mut result = unsafe { get(pointer, none(), &mut adds, none(), &mut deletes) };
        let mut added_fds = added.then(|| room_for(adds));
        let mut deleted_fds = deleted.then(|| room_for(deletes));
        if added || deleted {
            let array =
                |fds: &mut Option<Vec<c_int>>| fds.as_mut().map_or(none(), |fds| fds.as_mut_ptr());
            let (add, delete) = (array(&mut added_fds), array(&mut deleted_fds));
            // SAFETY: as before, and the arrays have room for what was counted.
            result = unsafe { get(pointer, add, &mut adds, delete, &mut deletes) };
        }
        self.log(Event::GetChangedFds {
            context: self.context(pointer),
            result,
            added: adds,
            deleted: deletes,
            added_fds,
            deleted_fds,
        });
    }

    pub(super) fn set_callback(&self, on: Target, set: bool, argument: u8) {
        let (_, pointer) = self.target(on);
        let argument = ptr::without_provenance_mut(usize::from(argument));
        let callback = set.then_some(call_back as _);
        // SAFETY: the context is NULL, which is allowed here, or lives.
        let result = unsafe { (self.functions3().set_callback)(pointer, callback, argument) };
        self.log(Event::SetCallback {
            context: self.context(pointer),
            set,
            result,
        });
    }

    pub(super) fn get_callback(&self, on: Target) {
        let (_, pointer) = self.target(on);
        let mut callback = Some(untouched_callback as _);
        let mut argument = ptr::without_provenance_mut(UNTOUCHED_ADDRESS);
        // SAFETY: the context lives, and the outputs can be written.
        let result =
            unsafe { (self.functions3().get_callback)(pointer, &mut callback, &mut argument) };
        let (callback, answer) = match callback {
            None => (Callback::Null, None),
            Some(function) if function as usize == call_back as *const () as usize => {
                (Callback::Ours, Some(function(argument)))
            }
            Some(function) if function as usize == untouched_callback as *const () as usize => {
                (Callback::Untouched, None)
            }
            Some(_) => (Callback::Unknown, None),
        };
        self.log(Event::GetCallback {
            context: self.context(pointer),
            result,
            callback,
            argument: argument.addr(),
            answer,
        });
    }
}

/// An array for so many descriptors, and a few more that must stay as they are.
fn room_for(count: usize) -> Vec<c_int> {
    vec![UNTOUCHED; count.min(1000) + 4]
}

/// The address of a constant key.
fn fixed_key(n: u8) -> usize {
    0x1000 + usize::from(n)
}

/// A key as logs have it.
fn key_of(key: *const c_void, context: *mut WaitCtx) -> Key {
    match key.addr() {
        0 => Key::Null,
        address if address == context.addr() => Key::Context,
        address @ 0x1000..0x1010 => Key::Fixed((address - 0x1000) as u8),
        _ => Key::Unknown,
    }
}

/// What wait contexts call for their entries when they are freed.
extern "C" fn clean_up(pointer: *mut WaitCtx, key: *const c_void, fd: c_int, data: *mut c_void) {
    let side = at_work();
    // SAFETY: the context is being freed, and is still there.
    let status =
        (side.table.functions3).map(|functions| unsafe { (functions.get_status)(pointer) });
    side.log(Event::CleanedUp {
        context: side.context(pointer),
        key: key_of(key, pointer),
        fd,
        data: data.addr(),
        status,
    });
}

/// What wait contexts get for a callback.
extern "C" fn call_back(argument: *mut c_void) -> c_int {
    40 + argument.addr() as c_int
}

/// What the output of `get_callback` holds before the call.
extern "C" fn untouched_callback(_: *mut c_void) -> c_int {
    -1
}
