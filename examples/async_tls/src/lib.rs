//! A TLS 1.3 server on tokio whose private-key operations pause a job of ossl-async, by wait fd and
//! by callback.
//!
//! To have this in a server of your own, copy `accept.rs` and `ffi.rs` (or `blocking.rs`, which needs
//! no other file), and load your own provider in place of `provider.rs`. The other files measure.

pub mod accept;
pub mod blocking;
mod ffi;
pub mod identity;
pub mod limits;
pub mod measure;
pub mod provider;
pub mod run;
