//! What the library asks of OpenSSL's libcrypto, if the process has it: to take errors into its
//! queue, and to let the default library context follow the job (7.2 and 7.7 of the behaviour
//! reference). The library looks libcrypto up and is never linked to it.

mod errors;
mod found;
mod lib_ctx;

pub use errors::push;
pub use found::{
    allows_pool_of, find_libcrypto, find_libcrypto_cheaply, init_own_pool, serves_libssl,
};
pub use lib_ctx::LibCtx;
