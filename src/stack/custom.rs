//! Stacks that the program allocates itself (7.8 of the behaviour reference), and the records of
//! their jobs. Those records cannot lie on such a stack: the program takes its memory back, and a
//! stale handle must stay readable.

use super::free_list::FreeList;
use super::slot::RECORD;
use crate::error::Error;
use crate::platform::{self, ForkSafe};
use core::ffi::c_void;
use core::ptr::{self, NonNull};

/// Returns a block for a stack, or null. The number says how large it should be, and may be changed to what it is.
pub type Allocate = unsafe extern "C" fn(*mut usize) -> *mut c_void;
/// Takes such a block back.
pub type Free = unsafe extern "C" fn(*mut c_void);

/// What an allocator is told: OpenSSL's stack size (G41).
const TOLD: usize = 32768;
/// Less than this, in bytes, is no stack.
const LEAST: usize = 8192;
/// Memory mapped at once for records, in bytes.
const CHUNK: usize = 65536;

struct State {
    allocate: Option<Allocate>,
    free: Option<Free>,
    /// A stack has been tried for: the functions stay as they are (G42).
    used: bool,
    /// Records that are free. Has room for all there are.
    records: FreeList,
    /// Records there are.
    total: usize,
}

static STATE: ForkSafe<State> = ForkSafe::new(State::new());

/// The two functions.
#[derive(Clone, Copy)]
pub struct Functions {
    /// Makes stacks.
    pub allocate: Allocate,
    /// Frees stacks.
    pub free: Free,
}

unsafe extern "C" fn default_allocate(size: *mut usize) -> *mut c_void {
    // SAFETY: the caller passes a number.
    platform::allocate(unsafe { size.read() })
}

unsafe extern "C" fn default_free(block: *mut c_void) {
    // SAFETY: the caller passes a block of `default_allocate`'s, or null.
    unsafe { platform::free(block) };
}

impl State {
    const fn new() -> State {
        State {
            allocate: None,
            free: None,
            used: false,
            records: FreeList::none(),
            total: 0,
        }
    }

    fn functions(&self) -> Functions {
        Functions {
            allocate: self.allocate.unwrap_or(default_allocate),
            free: self.free.unwrap_or(default_free),
        }
    }
}

/// Installs functions; none keeps what is there, and the library's own ones bring its own guarded stacks back. False once
/// a stack has been tried for (G40, G42).
///
/// Check and change are one step, so that a stack that another thread makes at this moment has either the old pair or
/// the new one (unlike G44).
pub fn install(allocate: Option<Allocate>, free: Option<Free>) -> bool {
    STATE.with(|state| {
        if !state.used {
            if let Some(allocate) = allocate {
                state.allocate = Some(allocate)
                    .filter(|new| !ptr::fn_addr_eq(*new, default_allocate as Allocate));
            }
            if let Some(free) = free {
                state.free = Some(free).filter(|new| !ptr::fn_addr_eq(*new, default_free as Free));
            }
        }
        !state.used
    })
}

/// The functions that are installed, or the ones on the C heap (G43).
pub fn installed() -> Functions {
    STATE.with(|state| state.functions())
}

/// A stack is about to be made: the functions to make it with, or none for the library's own. They stay from now on.
pub fn functions_to_use() -> Option<Functions> {
    STATE.with(|state| {
        state.used = true;
        (state.allocate.is_some() || state.free.is_some()).then(|| state.functions())
    })
}

/// A stack and a place for its record.
///
/// # Errors
///
/// [`Error::CustomStack`] if the allocator gives none, or too little, [`Error::Job`] without memory for the record.
pub fn acquire(functions: Functions) -> Result<(NonNull<u8>, *mut [u8]), Error> {
    let mut size = TOLD;
    // SAFETY: whoever installed the functions vouched for them. No lock is held.
    let block = unsafe { (functions.allocate)(&mut size) };
    let block = NonNull::new(block).ok_or(Error::CustomStack)?;
    let record = if size < LEAST {
        Err(Error::CustomStack)
    } else {
        STATE.with(State::take_record).ok_or(Error::Job)
    };
    if record.is_err() {
        // SAFETY: as above; the block was just made.
        unsafe { (functions.free)(block.as_ptr()) };
    }
    let stack = ptr::slice_from_raw_parts_mut(block.as_ptr().cast(), size);
    record.map(|record| (record, stack))
}

/// Gives both back.
///
/// # Safety
///
/// They came from [`acquire`], nothing runs on the stack, and the record reads as not live.
pub unsafe fn release(record: NonNull<u8>, stack: *mut [u8]) {
    let functions = installed();
    // SAFETY: the block came from the function's partner: the pair is fixed since then.
    unsafe { (functions.free)(stack.cast()) };
    STATE.with(|state| state.records.push(record));
}

impl State {
    fn take_record(&mut self) -> Option<NonNull<u8>> {
        if self.records.is_empty() {
            let more = CHUNK / RECORD;
            if !self.records.reserve(self.total + more) {
                return None;
            }
            let chunk = platform::map_memory(CHUNK)?;
            for number in 0..more {
                // SAFETY: the offsets stay inside the chunk.
                self.records.push(unsafe { chunk.add(number * RECORD) });
            }
            self.total += more;
        }
        self.records.pop()
    }
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests;
