//! The argument of a start, and the caller's memory that it lies in.

use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;

/// A size that no allocator has.
const HUGE: usize = usize::MAX / 2;

/// The argument of a start, which the job's function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// NULL, and the size that is given (B25, D13).
    Null(usize),
    /// This many bytes. With 0 of them the pointer is still not NULL (D11).
    Bytes(usize),
    /// A few bytes, and a size that no allocator has (B27).
    Huge,
}

/// The caller's memory during a start.
pub struct Block {
    bytes: Vec<u8>,
    before: Vec<u8>,
    /// The pointer that is passed to the start.
    pub argument: *mut c_void,
    /// The size that is passed.
    pub size: usize,
}

impl Block {
    /// Memory for an argument. Its bytes count up from `first`.
    pub fn new(argument: Argument, first: u8) -> Block {
        let length = match argument {
            Argument::Bytes(length @ 1..) => length,
            _ => 16, // so that 0 bytes have an address too
        };
        let bytes = (0..length).map(|n| first.wrapping_add(n as u8));
        let mut bytes: Vec<u8> = bytes.collect();
        let before = bytes.clone();
        let address = bytes.as_mut_ptr().cast();
        let (argument, size) = match argument {
            Argument::Null(size) => (ptr::null_mut(), size),
            Argument::Bytes(length) => (address, length),
            Argument::Huge => (address, HUGE),
        };
        Block {
            bytes,
            before,
            argument,
            size,
        }
    }

    /// The bytes as they were before the start.
    pub fn before(&self) -> &[u8] {
        &self.before
    }

    /// Whether the call has left the caller's bytes unchanged. The optimiser cannot look into the
    /// black box.
    pub fn is_untouched(&self) -> bool {
        *black_box(&self.bytes) == self.before
    }
}

impl Drop for Block {
    /// Overwrites the bytes, so that a later use of the caller's memory is noticed (B23).
    fn drop(&mut self) {
        self.bytes.fill(0xee);
        black_box(&self.bytes);
    }
}
