//! The wake protocol (the library's own `src/wake/protocol.rs`) in every interleaving of a few
//! threads, with every value that the memory model lets a load return. `models.rs` has the checks,
//! `signal.rs` what they are built on.

#[macro_use]
#[path = "../../../../src/wake/parts.rs"]
mod parts;
#[path = "../../../../src/wake/protocol.rs"]
mod protocol;

mod models;
mod signal;
