//! The wake protocol (`src/wake/protocol.rs` of the library, that very file) in every interleaving of a few threads, and with
//! every value that the memory model lets a load see. What is checked is in `models.rs`; here is what it stands on.

#[macro_use]
#[path = "../../../../src/wake/parts.rs"]
mod parts;
#[path = "../../../../src/wake/protocol.rs"]
mod protocol;

mod models;
mod signal;
