//! What the library uses of OpenSSL's libcrypto, if the process has it. The library queues errors
//! there, and lets the default library context follow the job (7.2 and 7.7 of the behaviour
//! reference). It looks libcrypto up and is never linked to it.

mod errors;
mod found;
mod lib_ctx;

pub use errors::push;
pub use found::{
    allows_pool_of, find_libcrypto, find_libcrypto_cheaply, init_own_pool, serves_libssl,
};
pub use lib_ctx::LibCtx;
