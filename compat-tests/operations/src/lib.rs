//! What the random walks and the fuzzer have in common: the functions of the second generation, the calls
//! on a wait context, how each is made and what is seen of it, the argument of a start, and the model.
//!
//! The fuzzer compares the library with the model. The walks compare libcrypto with it too, so a rule that
//! the model has wrong is found there.
//!
//! To add a function of wait contexts: a line in `functions`, a variant of [`ContextCall`] with how the
//! call is made, and what it comes to in [`model::Contexts`]. Then give it a byte in the fuzzer's input,
//! and a weight and its classes of results in the walk.

mod argument;
mod contexts;
mod functions;
#[allow(
    missing_docs,
    reason = "what it speaks of is the behaviour reference's"
)]
pub mod model;

pub use argument::{Argument, Block};
pub use contexts::{Callback, ContextCall, Key, List, Seen};
pub use functions::{CallbackFn, CleanupFn, Functions, Functions3, JobFn};

use std::ffi::c_int;

/// What outputs hold before a call.
pub const UNTOUCHED: c_int = 0x5a5a_5a5a;
