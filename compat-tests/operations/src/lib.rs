//! What the random walks and the fuzzer have in common: the functions of the second generation, the calls on a wait
//! context, how each is made and what is seen of it, the argument of a start, and the model of wait contexts.
//!
//! A new function of wait contexts is a line of `functions`, a variant of [`ContextCall`] with what makes the call, and
//! what [`Contexts`] says of it. Then the fuzzer gives it a byte, and the walk a weight and its classes of results.

mod argument;
mod contexts;
mod functions;
mod model;

pub use argument::{Argument, Block};
pub use contexts::{Callback, ContextCall, Key, List, Seen};
pub use functions::{CallbackFn, CleanupFn, Functions, Functions3, JobFn};
pub use model::{Cleaned, ContextId, Contexts};

use std::ffi::c_int;

/// What outputs hold before a call.
pub const UNTOUCHED: c_int = 0x5a5a_5a5a;
