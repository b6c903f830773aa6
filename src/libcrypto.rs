//! What is asked of OpenSSL's libcrypto where it is in the process: to take our errors into its queue, and to let the
//! default library context follow the job (7.2 and 7.7 of the behaviour reference). It is looked up, never linked.

mod errors;
mod found;
mod lib_ctx;

pub use errors::push;
pub use found::{
    allows_pool_of, find_libcrypto, find_libcrypto_cheaply, init_own_pool, serves_libssl,
};
pub use lib_ctx::LibCtx;
