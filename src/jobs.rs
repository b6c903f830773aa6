//! Jobs: one job, one pool, one thread, and the dispatcher that starts, resumes and pauses jobs.
//!
//! | File | What |
//! |---|---|
//! | [`dispatch`] | start, resume, pause; the diagram of the two stacks |
//! | [`requests`] | the requests to start and to resume a job, and their results |
//! | [`pools`] | what `ASYNC_init_pool` and `ASYNC_free_pool` do |
//! | [`own_context`] | the wait context of a job that Rust has started |
//! | [`block`], [`current`], [`errors`] | of the calling thread: the pause block, the running job, the error queue |
//! | [`thread`], [`word`] | a thread's state, and the thread-local that points to it |
//! | [`pool`], [`idle`] | one thread's jobs, and those that are idle |
//! | [`members`] | one queue: the jobs in it, and which of them were woken |
//! | [`job`] | one job's record |
//! | [`uses`], [`panics`], [`wanted`] | numbers of uses; panics that no Rust code has received yet; futures that jobs wait for |
//!
//! Each file uses only files below it in this table.

pub mod block;
pub mod current;
pub mod dispatch;
pub mod errors;
mod idle;
pub mod job;
pub mod members;
pub mod own_context;
pub mod panics;
mod pool;
pub mod pools;
pub mod requests;
pub mod thread;
mod uses;
pub mod wanted;
mod word;
