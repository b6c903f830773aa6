//! Stack memory: slabs of guarded stacks, each with room on top for its job's record. Who uses a stack, and for what,
//! is not known here.
//!
//! ```text
//! slot, low address                                                                  high address
//! |<-- GUARD: 84 KiB at least -->|<-------------- the stack ---------------->|<- record ->|<-colour->|
//! | every access faults          | grows down from the record  <- first frames | RECORD bytes | unused |
//! ```
//!
//! The record shares the top page with the first frames, so that a job that does little touches one page. The guard
//! is larger than the 80 KiB that the documentation promises: a frame of that size also pushes a return address and
//! saved registers.
//!
//! A cache puts equal offsets of all pages into a few of its sets. So slots are an odd number of pages, and what is used
//! of a slot's top page begins at one of [`COLOURS`](slot::COLOURS) places: a thousand jobs do not crowd each other out.
//!
//! Slots are cut from slabs that are mapped once and never unmapped, and a slot's record stays in its place: a stale
//! handle can always be read. A slot that is given up reads as zeros, and a record of zeros is not live.

pub mod custom;
mod free_list;
mod size;
mod slabs;
mod slot;

pub use size::size;
pub use slabs::{acquire, release, release_memory, set_size, used};
pub use slot::{GUARD, RECORD, Slot};
