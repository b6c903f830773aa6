//! Generation 2's wait context: a list of descriptors to wait for, a callback, and a status (7.5
//! and 7.6 of the behaviour reference). It knows no job, but lives until the last job started with
//! it has ended (D26).
//!
//! Like OpenSSL's it has no lock: its owner and the jobs that use it take turns. Only the status
//! may be set from any thread at any time.

use crate::error::Error;
use crate::platform;
use core::cell::{Cell, RefCell};
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

/// The type of an entry's cleanup. It gets context, key, descriptor and custom data. It is called
/// once, if the entry is still there when its context is freed.
pub type Cleanup = unsafe extern "C" fn(*mut WaitCtx, *const c_void, c_int, *mut c_void);

/// The function that an engine calls when a job can be resumed. The library never calls it (G36).
pub type Callback = unsafe extern "C" fn(*mut c_void) -> c_int;

/// A wait context, which is an opaque structure in C.
pub struct WaitCtx {
    /// The number of users. The owner is one until it frees the context. So is each job that was
    /// started with it and has not ended.
    users: AtomicUsize,
    /// Oldest first; C programs see them newest first. No borrow is held while a cleanup runs: it
    /// may call functions of the context.
    entries: RefCell<Vec<Entry>>,
    callback: Cell<Option<Callback>>,
    callback_argument: Cell<*mut c_void>,
    status: AtomicI32,
    /// The owner has begun to free it. Nothing is added any more.
    freed: AtomicBool,
    /// Whether any entry has changed since the last reset.
    changed: Cell<bool>,
}

struct Entry {
    key: *const c_void,
    fd: c_int,
    data: *mut c_void,
    cleanup: Option<Cleanup>,
    change: Change,
}

/// What happened to an entry since the last reset (G28).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It was added.
    Added,
    /// Nothing. It was added before the last reset.
    None,
    /// It was added before the last reset, and cleared since (G24).
    Deleted,
}

impl WaitCtx {
    /// Makes a context (G16); none if there is no memory. The owner ends it with
    /// [`free`](WaitCtx::free).
    pub(crate) fn new() -> Option<NonNull<WaitCtx>> {
        let place = NonNull::new(platform::allocate(size_of::<WaitCtx>()))?.cast::<WaitCtx>();
        let fresh = WaitCtx {
            users: AtomicUsize::new(1),
            entries: RefCell::new(Vec::new()),
            callback: Cell::new(None),
            callback_argument: Cell::new(ptr::null_mut()),
            status: AtomicI32::new(0),
            freed: AtomicBool::new(false),
            changed: Cell::new(false),
        };
        // SAFETY: the block is new, large enough and aligned for any type.
        unsafe { place.write(fresh) };
        Some(place)
    }

    /// Calls the cleanups of all entries that were not cleared, newest first, and gives up the
    /// owner's reference (G17). Jobs that still use the context keep it, empty (D26). If a cleanup
    /// calls it again, it has no effect.
    ///
    /// # Safety
    ///
    /// The context is one of [`new`](WaitCtx::new) that was not freed before, and its cleanups can
    /// be called.
    pub(crate) unsafe fn free(this: NonNull<WaitCtx>) {
        // SAFETY: the owner's reference, given up at the end, keeps it alive.
        let ctx = unsafe { this.as_ref() };
        if ctx.freed.swap(true, Ordering::Relaxed) {
            return;
        }
        loop {
            // Each entry leaves the list before its cleanup runs, because that may clear other
            // entries.
            let newest = ctx.entries.borrow_mut().pop();
            let Some(entry) = newest else { break };
            if let (Some(cleanup), true) = (entry.cleanup, entry.change != Change::Deleted) {
                // SAFETY: the caller of `set` guaranteed the cleanup.
                unsafe { cleanup(this.as_ptr(), entry.key, entry.fd, entry.data) };
            }
        }
        // SAFETY: this is the owner's reference.
        unsafe { WaitCtx::release(this) };
    }

    /// Takes a reference for a job.
    pub(crate) fn hold(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up the reference of the owner or of a job. The last one frees the memory.
    ///
    /// # Safety
    ///
    /// The caller is the owner, or a job that [`hold`](WaitCtx::hold)s the context. It does not use
    /// the context any more.
    pub(crate) unsafe fn release(this: NonNull<WaitCtx>) {
        // SAFETY: the caller's reference keeps it alive until here.
        if unsafe { this.as_ref() }
            .users
            .fetch_sub(1, Ordering::AcqRel)
            == 1
        {
            // SAFETY: no reference is left, and the block came from `allocate`.
            unsafe {
                this.drop_in_place();
                platform::free(this.as_ptr().cast());
            }
        }
    }

    /// Adds an entry, also if there is one with this key (G19). False if the context is being
    /// freed.
    pub(crate) fn set(
        &self,
        key: *const c_void,
        fd: c_int,
        data: *mut c_void,
        cleanup: Option<Cleanup>,
    ) -> Result<bool, Error> {
        if self.freed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut entries = self.entries.borrow_mut();
        entries.try_reserve(1).map_err(|_| Error::WaitFd)?;
        entries.push(Entry {
            key,
            fd,
            data,
            cleanup,
            change: Change::Added,
        });
        self.changed.set(true);
        Ok(true)
    }

    /// Descriptor and data of the newest entry with a key (G20).
    pub(crate) fn get(&self, key: *const c_void) -> Option<(c_int, *mut c_void)> {
        let entries = self.entries.borrow();
        newest(&entries, key).map(|index| (entries[index].fd, entries[index].data))
    }

    /// Clears the newest entry with a key, and does not call its cleanup. Returns whether there was
    /// one.
    ///
    /// An entry that was added before the last reset counts as deleted until the next reset (G23 to
    /// G25).
    pub(crate) fn clear(&self, key: *const c_void) -> bool {
        let mut entries = self.entries.borrow_mut();
        let Some(index) = newest(&entries, key) else {
            return false;
        };
        if entries[index].change == Change::Added {
            entries.remove(index);
        } else {
            entries[index].change = Change::Deleted;
            self.changed.set(true);
        }
        true
    }

    /// The descriptors that are not deleted, newest first (G21).
    pub(crate) fn all(&self, each: impl FnMut(c_int)) {
        self.visit(|change| change != Change::Deleted, each);
    }

    /// The descriptors added since the last reset, newest first (G22).
    pub(crate) fn added(&self, each: impl FnMut(c_int)) {
        self.visit(|change| change == Change::Added, each);
    }

    /// The descriptors cleared since the last reset, newest first (G22).
    pub(crate) fn deleted(&self, each: impl FnMut(c_int)) {
        self.visit(|change| change == Change::Deleted, each);
    }

    /// Begins counting anew, because a job was resumed (G30).
    pub(crate) fn reset(&self) {
        if self.changed.replace(false) {
            self.forget_changes();
        }
    }

    #[cold]
    fn forget_changes(&self) {
        let mut entries = self.entries.borrow_mut();
        entries.retain(|entry| entry.change != Change::Deleted);
        entries
            .iter_mut()
            .for_each(|entry| entry.change = Change::None);
    }

    /// Sets the callback, or removes it (G33).
    pub(crate) fn set_callback(&self, callback: Option<Callback>, argument: *mut c_void) {
        self.callback.set(callback);
        self.callback_argument.set(argument);
    }

    /// The callback, if one is set, and its argument (G34).
    pub(crate) fn callback(&self) -> Option<(Callback, *mut c_void)> {
        self.callback
            .get()
            .map(|callback| (callback, self.callback_argument.get()))
    }

    /// Sets the status, any number (G35).
    pub(crate) fn set_status(&self, status: c_int) {
        self.status.store(status, Ordering::Release);
    }

    /// The status set last; 0 at first (G35).
    pub(crate) fn status(&self) -> c_int {
        self.status.load(Ordering::Acquire)
    }

    fn visit(&self, wanted: impl Fn(Change) -> bool, each: impl FnMut(c_int)) {
        let entries = self.entries.borrow();
        entries
            .iter()
            .rev()
            .filter(|entry| wanted(entry.change))
            .map(|entry| entry.fd)
            .for_each(each);
    }
}

/// The index of the newest entry with a key that was not cleared.
fn newest(entries: &[Entry], key: *const c_void) -> Option<usize> {
    entries
        .iter()
        .rposition(|entry| entry.key == key && entry.change != Change::Deleted)
}
