//! POSIX systems with jobs: those with a working `ucontext`, and Linux with musl. Only `fibres.rs`,
//! `thread_state.rs`, `checkers.rs` and `objects.rs` call the C shim. All use of libc is in these
//! files too, except for a stream to print to.

#[path = "ucontext/caller.rs"]
mod caller;
#[path = "ucontext/checkers.rs"]
mod checkers;
#[path = "ucontext/environment.rs"]
mod environment;
#[path = "ucontext/faults.rs"]
mod faults;
#[path = "ucontext/fibres.rs"]
mod fibres;
#[path = "ucontext/forks.rs"]
mod forks;
#[path = "ucontext/guards.rs"]
mod guards;
#[path = "ucontext/heap.rs"]
mod heap;
#[path = "ucontext/memory.rs"]
mod memory;
#[path = "ucontext/objects.rs"]
mod objects;
#[path = "ucontext/pipes.rs"]
mod pipes;
#[path = "ucontext/process.rs"]
mod process;
#[path = "ucontext/thread_state.rs"]
mod thread_state;

pub use caller::is_called_from;
pub use checkers::{deregister_job, register_job};
pub use environment::{environment_variable, print_error};
pub use faults::{free_signal_stack, install_signal_stack, watch_faults};
pub use fibres::{
    enter, forget_fibre, is_capable, leave, return_after_switch, serve_jobs, switch, switch_method,
};
pub use forks::{ForkSafe, fork_count};
pub use guards::{install_guard, install_guards, read_guard_setting};
pub use heap::{allocate, free};
pub use memory::{
    locks_new_memory, map_memory, page_size, populate, populate_each, prefetch, release_memory,
    unmap_memory, untouched_bytes,
};
pub use objects::{
    global_symbol, is_own_code, linked_exceptions, load_count, loaded_object, named_object,
    object_with_symbol, symbol_of,
};
pub use pipes::{close, open_pipe, read_byte, replace, wait_until_readable, write_byte};
pub use process::{call_at_process_exit, call_at_thread_exit, cancel_thread_exit, has_thread_exit};
pub use thread_state::{THREAD_STATE_MAY_ALLOCATE, set_thread_state, thread_state};

/// Whether jobs can exist in this build at all.
pub const AVAILABLE: bool = true;
