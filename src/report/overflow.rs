//! The report of a job that has overflowed its stack. A process asks for it with
//! `OSSL_ASYNC_OVERFLOW_REPORT=1` in its environment. The guard itself is not here (`stack.rs`).
//! With the report or without it, the access faults, and the process gets the same signal (D22).

use crate::platform;
use crate::platform::types::SignalStack;
use crate::stack::GUARD;
use crate::text::{DECIMAL, HEX, Text};
use core::sync::atomic::{AtomicBool, Ordering};

/// Whether a thread has installed the handlers of faults.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// A job, as the report describes it.
pub struct RunningJob {
    /// Its handle, as a number.
    pub handle: usize,
    /// Its function, as a number.
    pub function: usize,
    /// Its stack.
    pub stack: *mut [u8],
    /// Whether the program's own function made the stack.
    pub has_custom_stack: bool,
}

/// Installs the report for a thread that begins to have jobs, if the environment asks for it.
///
/// The thread gets a signal stack if it has none, because its own stack is the one that has run
/// out. [`platform::free_signal_stack`] frees it when the thread ends. The thread must have asked
/// to be told of its end.
///
/// `on_fault` is called with the address of each fault, in a signal handler. It calls
/// [`report_overflow`] if a job runs there.
pub fn watch_overflows(on_fault: fn(usize)) -> Option<SignalStack> {
    if !platform::environment_is(c"OSSL_ASYNC_OVERFLOW_REPORT", c"1") {
        return None;
    }
    if !WATCHED.swap(true, Ordering::Relaxed) {
        platform::watch_faults(on_fault);
    }
    platform::install_signal_stack()
}

/// Reports a fault at this address if it is an overflow of the running job's stack. Needs no memory
/// and no lock.
pub fn report_overflow(job: &RunningJob, address: usize) {
    if overflows(job.stack, address) {
        let mut room = [0; 512];
        let mut text = Text::new(&mut room);
        describe(job, address, &mut text);
        platform::print_error(text.as_str());
    }
}

/// The bits of a fault's address that the kernel does not know: on s390x, the place in the page.
const UNKNOWN_BITS: usize = if cfg!(target_arch = "s390x") { 4095 } else { 0 };

/// Whether an address is below this stack, in its guard. Only an overflow can reach it.
fn overflows(stack: *mut [u8], address: usize) -> bool {
    // The guard ends at a page, so the last byte of a page in it is in it too.
    let below = (stack.cast::<u8>().addr()).wrapping_sub(address | UNKNOWN_BITS);
    (1..=GUARD).contains(&below)
}

fn describe(job: &RunningJob, address: usize, text: &mut Text<'_>) {
    let low = job.stack.cast::<u8>().addr();
    let size = job.stack.len();
    text.add("ossl-async: stack overflow in job ");
    add_address(text, job.handle);
    text.add(" (function ");
    add_address(text, job.function);
    text.add("): fault at ");
    add_address(text, address);
    text.add(", below its stack ");
    add_address(text, low);
    text.add("-");
    add_address(text, low + size);
    text.add(" of ");
    text.add_number(size, DECIMAL, 1);
    text.add(" bytes\n");
    text.add(if job.has_custom_stack {
        "ossl-async: the program's own function made this stack (ASYNC_set_mem_functions)\n"
    } else {
        "ossl-async: to make stacks larger, set OSSL_ASYNC_STACK_SIZE=bytes in the environment, \
         or call OSSL_ASYNC_set_stack_size in C or ossl_async::set_stack_size in Rust\n"
    });
}

fn add_address(text: &mut Text<'_>, address: usize) {
    text.add("0x");
    text.add_number(address, HEX, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr;

    // Rules: D22
    #[test]
    fn an_overflow_is_an_address_in_the_guard_and_none_beside_it() {
        let low = 0x7000_0000;
        let stack = ptr::slice_from_raw_parts_mut(ptr::without_provenance_mut(low), 128 * 1024);
        for address in [low - 1, low - 4096, low - 80 * 1024, low - GUARD] {
            assert!(overflows(stack, address), "{address:x}");
        }
        for address in [
            0,
            low - GUARD - 1,
            low,
            low + 1,
            low + 64 * 1024,
            usize::MAX,
        ] {
            assert!(!overflows(stack, address), "{address:x}");
        }
    }
}
