//! The argument of a start, and the caller's memory that it lies in.

use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;

/// A size that no allocator has.
const HUGE: usize = usize::MAX / 2;

/// What a start is given for the job's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// NULL, and the size that is said (B25, D13).
    Null(usize),
    /// So many bytes; with 0 of them it is not NULL all the same (D11).
    Bytes(usize),
    /// A few bytes, and a size that no allocator has (B27).
    Huge,
}

/// The caller's bytes during a start.
pub struct Block {
    bytes: Vec<u8>,
    before: Vec<u8>,
    /// What the start is given.
    pub argument: *mut c_void,
    /// The size that is said.
    pub size: usize,
}

impl Block {
    /// For an argument; the bytes count up from `first`.
    pub fn new(argument: Argument, first: u8) -> Block {
        let length = match argument {
            Argument::Bytes(length @ 1..) => length,
            _ => 16, // so that there is an address for no bytes too
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

    /// Whether the call that was given them has left them alone. Into the black box the optimiser may not look.
    pub fn is_untouched(&self) -> bool {
        *black_box(&self.bytes) == self.before
    }
}

impl Drop for Block {
    /// Whatever looks at the caller's bytes from now on finds out (B23).
    fn drop(&mut self) {
        self.bytes.fill(0xee);
        black_box(&self.bytes);
    }
}
