//! What happens when the system refuses something: memory, guards, pipes, contexts, thread-specific
//! keys. This program replaces some of libc's functions (`interpose.rs`) and makes them fail on
//! demand (`fault.rs`). Every test runs in a child, in which nothing has used the library yet.
//!
//! - `stacks`, `pipes`, `contexts`, `threads`: what the library returns for each single failure.
//! - `sweep`: each call of each scenario (`scenarios.rs`) fails, alone and together with all that
//!   follow. The table in `checked.rs` has the allowed effects.
//! - `imports`: no function that the library imports is missing here.
//!
//! `tests/limits.rs` has what the system itself refuses.
#![cfg(all(not(ossl_async_null), target_env = "gnu"))]
// A sanitizer replaces the same functions, and needs them before it can be called itself.
#![cfg(not(ossl_async_sanitizer))]

mod checked;
#[path = "../common/mod.rs"]
mod common;
mod contexts;
mod fault;
mod imports;
mod interpose;
mod pipes;
mod scenarios;
mod stacks;
mod sweep;
mod threads;
