//! What happens when the system refuses something: memory, guards, pipes, contexts, thread-specific keys. This program
//! stands in front of some of libc's functions (`interpose.rs`) and lets them fail on demand (`fault.rs`). Every test
//! runs in a child, which is also a process in which nothing has used the library yet.
//!
//! - `stacks`, `pipes`, `contexts`, `threads`: what each failure is answered with, one at a time.
//! - `sweep`: each call that each scenario (`scenarios.rs`) makes, failing alone and together with all that follow; what
//!   may come of it is the table in `checked.rs`.
//! - `imports`: nothing that the library asks of the system is missing here.
//!
//! What the system refuses by itself is in `tests/limits.rs`.
#![cfg(not(ossl_async_null))]
// A sanitizer stands in front of the same functions, and needs them before it can be called itself.
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
