//! What the random walks and the fuzzer share: the functions of the second generation, the calls
//! on a wait context, how each call is made and what can be observed of it, the argument of a
//! start, and the model.
//!
//! The fuzzer compares the library with the model. The walks compare libcrypto with it too, so
//! they find a rule that the model has wrong.
//!
//! To add a function of wait contexts, add a line in `functions`, a variant of [`ContextCall`],
//! the call itself, and its result in [`model::Contexts`]. Then add a byte for it to the fuzzer's
//! input, and a weight and its classes of results to the walk.

mod argument;
mod contexts;
mod functions;
#[allow(missing_docs, reason = "the behaviour reference describes it")]
pub mod model;

pub use argument::{Argument, Block};
pub use contexts::{Callback, ContextCall, Key, List, Seen};
pub use functions::{CallbackFn, CleanupFn, Functions, Functions3, JobFn};

use std::ffi::c_int;

/// What outputs hold before a call.
pub const UNTOUCHED: c_int = 0x5a5a_5a5a;
