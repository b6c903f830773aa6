//! The Rust face: typed jobs over the dispatcher. It has closures instead of function pointers and
//! values instead of `int`. A panic of a job reaches the code that resumed it.

mod job;
mod job_error;
mod job_future;
mod launch;
pub mod nesting;
mod on_drop;
mod pause;
mod pool;
mod resume_error;
mod settings;
mod start_error;
pub mod stats;
mod unwinding;
#[cfg(unix)]
mod wait_fds;
mod wait_for;
mod wake_handle;
#[cfg(unix)]
mod wake_queue;

pub use job::{Job, Step};
pub use job_error::JobError;
pub use job_future::JobFuture;
pub use on_drop::OnDrop;
pub use pause::{BlockPause, block_pause, in_job, pause, pause_any_job};
pub use pool::Pool;
pub use resume_error::ResumeError;
pub use settings::{is_capable, set_stack_size, stack_size, switch_method};
pub use start_error::StartError;
#[cfg(unix)]
pub use wait_fds::ChangedFds;
pub use wait_for::{WaitError, wait_for};
pub use wake_handle::{WakeHandle, current};
#[cfg(unix)]
pub use wake_queue::WakeQueue;
