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

// SAFETY: wakers may be used on any thread, and one thread at a time uses the place (`task.rs`).
unsafe impl Sync for WakerPlace {}

impl Place for WakerPlace {
    type Waker = Waker;

    fn put(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        self.data.set(waker.data());
        self.table.set(waker.vtable());
    }

    fn take(&self) -> Option<Waker> {
        // SAFETY: null, or the table of a waker that was put here.
        let table: &'static RawWakerVTable = unsafe { self.table.replace(ptr::null()).as_ref() }?;
        // SAFETY: the parts of one waker, which was not dropped when it was put here, and is taken
        // once.
        Some(unsafe { Waker::new(self.data.get(), table) })
    }

    fn process(&self) -> u64 {
        platform::fork_count() + 1
    }
}
