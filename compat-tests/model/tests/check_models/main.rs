//! The wake protocols (the library's own `src/wake/protocol.rs`, `task.rs` and `woken.rs`) in every
//! interleaving of a few threads, with every value that the memory model lets a load return.
//! `models.rs`, `tasks.rs` and `queues.rs` have the checks, `signal.rs` what they are built on.

#[macro_use]
#[path = "../../../../src/wake/parts.rs"]
mod parts;
#[path = "../../../../src/wake/plain.rs"]
mod plain;
#[path = "../../../../src/wake/protocol.rs"]
mod protocol;
#[path = "../../../../src/wake/task.rs"]
mod task;
#[path = "../../../../src/wake/woken.rs"]
mod woken;

mod models;
mod queues;
mod signal;
mod tasks;
