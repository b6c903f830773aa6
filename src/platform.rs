//! What the library asks of the machine: fibres, memory, pipes, thread exit. No policy lives here.
//!
//! This file chooses the implementation; nothing else in the library does. Both modules expose the same verbs:
//!
//! | Verb | For |
//! |---|---|
//! | [`capable`], [`enter`], [`switch`], [`serve`], [`forget`], [`way`] | fibres (`csrc/fibre.c`) |
//! | [`thread_state`], [`set_thread_state`], [`exceptions`] | what belongs to one thread |
//! | [`page_size`], [`map`], [`unmap`], [`locks_new_memory`], [`guard`], [`guard_each`], [`guards_from_environment`], [`populate`], [`populate_each`], [`give_back`], [`untouched`], [`prefetch`], [`register_job`], [`deregister_job`] | stack memory |
//! | [`allocate`], [`free`] | the copy of a job's arguments |
//! | [`pipe`], [`put_byte`], [`take_byte`], [`close`] | the wait fd |
//! | [`at_thread_exit`], [`forget_thread_exit`], [`exit_is_awaited`], [`at_process_exit`], [`ForkSafe`], [`forks`] | threads and processes that end or fork |
//! | [`watch_faults`], [`signal_stack`], [`free_signal_stack`], [`SignalStack`] | a word about a fault before it is the program's |
//! | [`object_of`], [`object_like`], [`object_named`], [`Object`], [`Loads`], [`seen_by_all`], [`is_ours`], [`is_called_from`] | libraries that are in the process |
//! | [`environment`], [`environment_is`], [`print_error`], [`print_formatted`] | what a user asks for |

use core::cell::Cell;
use core::ffi::{CStr, c_int, c_void};
use core::fmt;
use core::ptr;
use std::io::Write;

#[cfg(not(ossl_async_null))]
#[path = "platform/ucontext.rs"]
mod imp;
#[cfg(ossl_async_null)]
#[path = "platform/null.rs"]
mod imp;

// Tested in every build, used in some.
#[cfg(all(test, not(ossl_async_null)))]
mod null;
#[cfg(test)]
mod targets;

pub use imp::{
    AVAILABLE, Exceptions, ForkSafe, Loads, Object, SignalStack, THREAD_STATE_MAY_ALLOCATE,
    allocate, at_process_exit, at_thread_exit, capable, close, deregister_job, enter, environment,
    exceptions, exit_is_awaited, forget, forget_thread_exit, forks, free, free_signal_stack,
    give_back, guard, guard_each, guards_from_environment, is_called_from, is_ours,
    locks_new_memory, map, object_like, object_named, object_of, page_size, pipe, populate,
    populate_each, prefetch, print_error, put_byte, register_job, seen_by_all, serve,
    set_thread_state, signal_stack, switch, take_byte, thread_state, unmap, untouched,
    watch_faults, way,
};

/// Whether an environment variable has a value, which is short; on the terms of [`environment`].
pub fn environment_is(name: &CStr, value: &CStr) -> bool {
    environment(name, &mut [0; 16]).is_some_and(|text| text.as_bytes() == value.to_bytes())
}

/// Writes text to standard error as [`print_error`] does. Needs no memory; what exceeds 512 bytes is cut off.
pub fn print_formatted(text: fmt::Arguments<'_>) {
    let mut bytes = [0; 512];
    let mut rest = &mut bytes[..];
    // The one failure is the cut.
    let _ = rest.write_fmt(text);
    let left = rest.len();
    // A cut may be inside a character.
    print_error(core::str::from_utf8(&bytes[..bytes.len() - left]).unwrap_or_default());
}

/// A fibre, or the dispatcher's side of one: where its context was saved when it was last suspended (F1).
///
/// All zeros is a fibre that has never run.
#[repr(transparent)]
pub struct Fibre(Cell<*mut c_void>);

impl Fibre {
    /// A fibre that has never run.
    pub const fn new() -> Fibre {
        Fibre(Cell::new(ptr::null_mut()))
    }

    /// Whether the fibre has still to be entered for the first time (F2's `env_init`, the other way round).
    pub fn is_new(&self) -> bool {
        self.0.get().is_null()
    }
}

/// A function that a fibre can run, as C has it.
pub type Function = unsafe extern "C" fn(*mut c_void) -> c_int;

/// What a fibre does in one use after the other: `struct ossl_async_work` of `csrc/fibre.h`.
#[repr(C)]
pub struct Work {
    /// Where it is suspended.
    pub fibre: Fibre,
    /// What to call.
    pub function: Cell<Option<Function>>,
    /// What to call it with.
    pub argument: Cell<*mut c_void>,
    /// What it returned last.
    pub result: Cell<c_int>,
    /// Whether the switch to the fibre goes on with a call, and does not begin one; set by whoever switches. Only speed
    /// depends on it.
    pub resumed: Cell<c_int>,
}
