//! The C library: all C functions of the crate `ossl-async`, and nothing else.

pub use core_library::sys::*;
