//! The wake protocol (`src/wake.rs` of the library, that very file) in every interleaving of a few threads, and with every
//! value that the memory model lets a load see. What is checked is in `models.rs`; here is what it stands on.

#![cfg(test)]

#[expect(dead_code, reason = "the real pipe is not used here")]
#[macro_use]
#[path = "../../../src/wake.rs"]
mod wake;

mod models;
mod platform;
mod signal;
