//! Jobs: what belongs to one job, one pool, one thread, and the dispatcher that starts, resumes and pauses them.
//!
//! | File | What |
//! |---|---|
//! | [`dispatch`] | start, resume, pause; the drawing of the two stacks |
//! | [`requests`] | what a start and a resume are asked, and what they come to |
//! | [`pools`] | what `ASYNC_init_pool` and `ASYNC_free_pool` do |
//! | [`block`], [`current`], [`errors`] | the pause block, the running job, the error queue of the calling thread |
//! | [`thread`], [`word`] | a thread's state, and the thread-local that points to it |
//! | [`pool`], [`idle`] | one thread's jobs, and those that are idle |
//! | [`job`] | one job's record |
//! | [`uses`], [`panics`] | numbers of uses; panics that nobody has seen yet |
//!
//! Each file uses only files that stand below it.

pub mod block;
pub mod current;
pub mod dispatch;
pub mod errors;
mod idle;
pub mod job;
pub mod panics;
mod pool;
pub mod pools;
pub mod requests;
pub mod thread;
mod uses;
mod word;
