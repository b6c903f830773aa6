//! The Rust face: safe, typed jobs over the dispatcher. Closures instead of function pointers, values instead of `int`,
//! panics that reach whoever resumed the job.

mod job;
mod launch;
mod pause;
mod pool;
mod settings;
mod start_error;
pub mod stats;
mod wake_handle;

pub use job::{Job, ResumeError, Step};
pub use pause::{BlockPause, block_pause, in_job, pause};
pub use pool::Pool;
pub use settings::{is_capable, set_stack_size, stack_size, switch_method};
pub use start_error::StartError;
pub use wake_handle::{WakeHandle, current};
