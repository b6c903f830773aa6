//! The report of a job that has overflowed its stack, for those who ask for it with `OSSL_ASYNC_OVERFLOW_REPORT=1` in the
//! environment. The overflow itself is the guard's business (`stack.rs`): with or without the report the access faults,
//! and the process gets the signal that it would have got (D22).

use crate::job::Record;
use crate::platform::{self, ForkSafe, SignalStack};
use crate::stack;
use crate::thread;

/// Whether faults are watched; none until the first thread wants to know.
static WATCHED: ForkSafe<Option<bool>> = ForkSafe::new(None);

/// A thread begins to have jobs: if the report is wanted, faults are watched from now on, and the thread gets a stack to
/// handle them on if it has none, since its own is the one that has run out. To be given back with
/// [`platform::free_signal_stack`] when the thread ends, which it must have asked to be told of.
pub fn watch() -> Option<SignalStack> {
    let watched = WATCHED.with(|watched| {
        *watched.get_or_insert_with(|| {
            let wanted = platform::environment_is(c"OSSL_ASYNC_OVERFLOW_REPORT", c"1");
            if wanted {
                platform::watch_faults(report);
            }
            wanted
        })
    });
    watched.then(platform::signal_stack).flatten()
}

/// Something has faulted at an address. Runs in a signal handler: it needs no memory and no lock.
fn report(address: usize) {
    // A thread that never had a job may not have got its copy of the library's thread-locals yet: no time to ask for it.
    if !platform::exit_is_awaited() {
        return;
    }
    if let Some(job) = thread::this().current.get() {
        if overflows(job.stack(), address) {
            platform::print_error(text_about(job, address).as_str());
        }
    }
}

/// Whether an address is one that only an overflow of this stack explains: below it, in its guard.
fn overflows(stack: *mut [u8], address: usize) -> bool {
    let below = stack.cast::<u8>().addr().wrapping_sub(address);
    (1..=stack::GUARD).contains(&below)
}

fn text_about(job: &'static Record, address: usize) -> Text {
    let low = job.stack().cast::<u8>().addr();
    let size = job.stack().len();
    let function = job
        .work
        .function
        .get()
        .map_or(0, |f| (f as *const ()).addr());
    let mut text = Text::new();
    text.add("ossl-async: stack overflow in job ");
    text.add_hex(job.handle().addr());
    text.add(" (function ");
    text.add_hex(function);
    text.add("): fault at ");
    text.add_hex(address);
    text.add(", below its stack ");
    text.add_hex(low);
    text.add("-");
    text.add_hex(low + size);
    text.add(" of ");
    text.add_decimal(size);
    text.add(" bytes\n");
    text.add(if job.has_custom_stack() {
        "ossl-async: this stack was made by the program's own function (ASYNC_set_mem_functions)\n"
    } else {
        "ossl-async: for larger stacks: OSSL_ASYNC_STACK_SIZE=bytes in the environment, \
         OSSL_ASYNC_set_stack_size(size_t) in C, ossl_async::set_stack_size in Rust\n"
    });
    text
}

/// A text that is put together without memory or the formatting machinery. What is too much is left out.
struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    fn new() -> Text {
        Text {
            bytes: [0; 512],
            length: 0,
        }
    }

    fn add(&mut self, text: &str) {
        let free = &mut self.bytes[self.length..];
        let count = text.len().min(free.len());
        free[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
    }

    fn add_hex(&mut self, number: usize) {
        self.add("0x");
        self.add_number(number, 16);
    }

    fn add_decimal(&mut self, number: usize) {
        self.add_number(number, 10);
    }

    fn add_number(&mut self, number: usize, base: usize) {
        if number >= base {
            self.add_number(number / base, base);
        }
        let digit = number % base;
        self.add(&"0123456789abcdef"[digit..=digit]);
    }

    /// The text: all of it is ASCII.
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
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
        for address in [low - 1, low - 4096, low - 80 * 1024, low - stack::GUARD] {
            assert!(overflows(stack, address), "{address:x}");
        }
        for address in [
            0,
            low - stack::GUARD - 1,
            low,
            low + 1,
            low + 64 * 1024,
            usize::MAX,
        ] {
            assert!(!overflows(stack, address), "{address:x}");
        }
    }

    // Rules: D22
    #[test]
    fn a_text_has_numbers_in_both_bases_and_ends_where_its_room_ends() {
        let mut text = Text::new();
        for number in [0, 9, 10, 16, 131_072, usize::MAX] {
            text.add_decimal(number);
            text.add(" ");
            text.add_hex(number);
            text.add("\n");
        }
        assert_eq!(
            text.as_str(),
            format!(
                "0 0x0\n9 0x9\n10 0xa\n16 0x10\n131072 0x20000\n{} {:#x}\n",
                usize::MAX,
                usize::MAX
            )
        );
        for _ in 0..100 {
            text.add("0123456789");
        }
        assert_eq!(text.as_str().len(), 512);
    }
}
