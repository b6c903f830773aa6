//! The wake protocols (`src/wake/protocol.rs` and `task.rs` of the library, those very files) in
//! every interleaving of a few threads, and with every value that the memory model lets a load see.
//! What is checked is in `models.rs` and `tasks.rs`; here is what it stands on.

#[macro_use]
#[path = "../../../../src/wake/parts.rs"]
mod parts;
#[path = "../../../../src/wake/protocol.rs"]
mod protocol;
#[path = "../../../../src/wake/task.rs"]
mod task;

mod models;
mod signal;
mod tasks;
