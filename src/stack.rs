//! Stack memory: slabs of guarded stacks, each with room at the top for its job's record. This room
//! does not know who uses a stack, and for what.
//!
//! ```text
//! slot, low address                                                                  high address
//! |<-- GUARD: 84 KiB at least -->|<-------------- the stack ---------------->|<- record ->|<-colour->|
//! | every access faults          | grows down from the record  <- first frames | RECORD bytes | unused |
//! ```
//!
//! The record is in the top page together with the first frames. So a job that does little touches
//! one page. The documentation promises a guard of 80 KiB. The guard is larger, because a frame of
//! that size also pushes a return address and saved registers.
//!
//! A cache puts equal offsets of all pages into a few of its sets. So that a thousand jobs do not
//! evict each other, slots are an odd number of pages, and the record is at one of
//! [`COLOURS`](slot::COLOURS) places in its page (cache colouring).
//!
//! Slots are cut from slabs that are mapped once and never unmapped, and a slot's record stays in
//! its place. So a stale handle can always be read. A released slot reads as zeros, and a record of
//! zeros is not live.

pub mod custom;
mod free_list;
mod size;
mod slabs;
mod slot;

pub use size::size;
pub use slabs::{acquire, release, release_memory, set_size, used};
pub use slot::{GUARD, RECORD, Slot};
