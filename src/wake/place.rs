//! The place of a task's waker in a record.

use super::parts::Place;
use crate::platform;
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr;
use core::task::{RawWakerVTable, Waker};

/// A waker in its parts, so that all zeros is none.
pub struct WakerPlace {
    data: Cell<*const ()>,
    table: Cell<*const RawWakerVTable>,
}

// SAFETY: wakers may be used on any thread, and only the holder of LOCKED uses the place (`task.rs`).
unsafe impl Sync for WakerPlace {}

impl Place for WakerPlace {
    type Waker = Waker;

    fn exchange(&self, waker: Option<Waker>) -> Option<Waker> {
        let waker = waker.map(ManuallyDrop::new);
        let data = waker.as_ref().map_or(ptr::null(), |waker| waker.data());
        let table = waker.map_or(ptr::null(), |waker| ptr::from_ref(waker.vtable()));
        let (data, table) = (self.data.replace(data), self.table.replace(table));
        // SAFETY: null, or the table of a waker that was put here.
        let table: &'static RawWakerVTable = unsafe { table.as_ref() }?;
        // SAFETY: the parts of one waker, which was not dropped when it was put here.
        Some(unsafe { Waker::new(data, table) })
    }

    fn process(&self) -> u64 {
        platform::fork_count() + 1
    }
}
