//! Generation 1: the wait fd and its signal, from a wake until the next clear.

#[macro_use]
pub mod parts;
mod pipe;
mod protocol;

pub use pipe::{Ends, Pipe};
pub use protocol::{Signal, Use};
