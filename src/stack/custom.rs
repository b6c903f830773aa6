//! Stacks that the program allocates itself (7.8 of the behaviour reference), and the records of
//! their jobs. Those records cannot lie on such a stack: the program takes its memory back, and a
//! stale handle must stay readable.

use super::free_list::FreeList;
use super::slot::RECORD;
use crate::error::Error;
use crate::platform::{self, ForkSafe};
use core::ffi::c_void;
use core::ptr::{self, NonNull};

/// Returns a block for a stack, or null. The number is the size to allocate. The function may write
/// the real size there.
pub type Allocate = unsafe extern "C" fn(*mut usize) -> *mut c_void;
/// Frees such a block.
pub type Free = unsafe extern "C" fn(*mut c_void);

/// The size that an allocator is asked for: OpenSSL's stack size (G41).
const REQUESTED_SIZE: usize = 32768;
/// The smallest stack that is used, in bytes.
const SMALLEST_SIZE: usize = 8192;
/// How much memory is mapped at once for records, in bytes.
const CHUNK: usize = 65536;

struct State {
    allocate: Option<Allocate>,
    free: Option<Free>,
    /// The process has tried to make a stack, so the functions cannot be changed any more (G42).
    used: bool,
    /// The free records. The list has room for all records.
    records: FreeList,
    /// The number of records.
    total: usize,
}

static STATE: ForkSafe<State> = ForkSafe::new(State::new());

/// The pair of functions.
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
    // SAFETY: the caller passes a block from `default_allocate`, or null.
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

/// Installs functions. None keeps the current one. The library's own functions restore its own
/// guarded stacks. Returns false once the process has tried to make a stack (G40, G42).
///
/// Check and change are one step, unlike in OpenSSL (G44). So a stack that another thread makes at
/// this moment has the old pair or the new one.
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

/// The functions that are installed. If there are none, those that use the C heap (G43).
pub fn installed() -> Functions {
    STATE.with(|state| state.functions())
}

/// The functions to make a stack with, or none for the library's own stacks. From now on they
/// cannot be changed.
pub fn functions_to_use() -> Option<Functions> {
    STATE.with(|state| {
        state.used = true;
        (state.allocate.is_some() || state.free.is_some()).then(|| state.functions())
    })
}

/// Makes a stack, and a place for its record.
///
/// # Errors
///
/// - [`Error::CustomStack`] if the allocator returns null or too little.
/// - [`Error::Job`] if there is no memory for the record.
pub fn acquire(functions: Functions) -> Result<(NonNull<u8>, *mut [u8]), Error> {
    let mut size = REQUESTED_SIZE;
    // SAFETY: the program that installed the functions guarantees them. No lock is held.
    let block = unsafe { (functions.allocate)(&mut size) };
    let block = NonNull::new(block).ok_or(Error::CustomStack)?;
    let record = if size < SMALLEST_SIZE {
        Err(Error::CustomStack)
    } else {
        STATE.with(State::take_record).ok_or(Error::Job)
    };
    if record.is_err() {
        // SAFETY: as above. The block was just made.
        unsafe { (functions.free)(block.as_ptr()) };
    }
    let stack = ptr::slice_from_raw_parts_mut(block.as_ptr().cast(), size);
    record.map(|record| (record, stack))
}

/// Frees the stack and the record's place.
///
/// # Safety
///
/// They came from [`acquire`], nothing runs on the stack, and the record reads as not live.
pub unsafe fn release(record: NonNull<u8>, stack: *mut [u8]) {
    let functions = installed();
    // SAFETY: the block came from the other function of the pair. The pair cannot change since
    // then.
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
