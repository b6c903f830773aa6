//! The libraries in the process, including this one.

use super::forks::fork_count;
use super::heap::{allocate, free};
use crate::platform::types::{GetExceptions, Object};
#[cfg(not(target_os = "macos"))]
use core::ffi::c_int;
use core::ffi::{CStr, c_char, c_void};
use core::ptr::{self, NonNull};

/// The address of a symbol of an object or of the objects that it depends on; null if there is
/// none.
pub fn symbol_of(object: &Object, name: &CStr) -> *mut c_void {
    // SAFETY: the handle is never closed.
    unsafe { libc::dlsym(object.0.as_ptr(), name.as_ptr()) }
}

/// The C++ run-time's function, if the linker or the loader found one (`csrc/exceptions.c`).
pub fn linked_exceptions() -> Option<GetExceptions> {
    // SAFETY: has no conditions.
    unsafe { ossl_async_linked_exceptions() }
}

unsafe extern "C" {
    fn ossl_async_linked_exceptions() -> Option<GetExceptions>;
}

/// A loaded object, by its full name.
fn object(name: &CStr) -> Option<Object> {
    // SAFETY: nothing new is loaded. The call adds a reference, which keeps the object loaded.
    NonNull::new(unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) })
        .map(Object)
}

/// A loaded object whose file name begins with `prefix` and that `accept` accepts. Its symbols need
/// not be visible to the whole process. None if there is no memory for a name.
///
/// It searches the list of loaded objects, because `dlopen` of a name that is not loaded searches
/// the disk.
///
/// It returns none in a forked child of glibc's. glibc holds a lock while it searches the list, and
/// does not release that lock in a child. If another thread searched at the fork, the child would
/// wait for ever. musl takes its lock before each fork.
pub fn loaded_object(prefix: &CStr, accept: &dyn Fn(&Object) -> bool) -> Option<Object> {
    if !can_search() {
        return None;
    }
    // On the heap, because callers may have stacks of only 16 KiB.
    let name = NonNull::new(allocate(NAME_SIZE))?.cast::<c_char>();
    let found = (0..)
        // SAFETY: the block has that size.
        .map_while(|skip| unsafe { copy_matching_name(prefix, skip, name) }.then_some(()))
        // SAFETY: the name was just copied, with its NUL.
        .filter_map(|()| object(unsafe { CStr::from_ptr(name.as_ptr()) }))
        .find(accept);
    // SAFETY: the block was made above.
    unsafe { free(name.as_ptr().cast()) };
    found
}

/// Whether the list of loaded objects can be searched.
fn can_search() -> bool {
    cfg!(target_env = "musl") || fork_count() == 0
}

/// The longest name in bytes, with its NUL.
const NAME_SIZE: usize = 4096;

/// Copies the name of a loaded object whose file name begins with `prefix`. It skips the first
/// `skip` of such objects. Returns false if there is none.
///
/// # Safety
///
/// [`NAME_SIZE`] bytes can be written to `to`.
#[cfg(not(target_os = "macos"))]
unsafe fn copy_matching_name(prefix: &CStr, skip: usize, to: NonNull<c_char>) -> bool {
    struct Search<'a> {
        prefix: &'a [u8],
        skip: usize,
        to: NonNull<c_char>,
    }
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: libc passes an object's description, whose name stays valid during the call, and
        // our search.
        let (name, search) = unsafe {
            (
                CStr::from_ptr((*info).dlpi_name),
                &mut *search.cast::<Search<'_>>(),
            )
        };
        let name = name.to_bytes_with_nul();
        let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if !file.starts_with(search.prefix) || name.len() > NAME_SIZE {
            return 0;
        }
        if search.skip > 0 {
            search.skip -= 1;
            return 0;
        }
        // SAFETY: the name has so many bytes, and there is room for them.
        unsafe { ptr::copy_nonoverlapping(name.as_ptr(), search.to.as_ptr().cast(), name.len()) };
        1
    }
    let mut search = Search {
        prefix: prefix.to_bytes(),
        skip,
        to,
    };
    // SAFETY: the callback gets what it wants.
    unsafe { libc::dl_iterate_phdr(Some(visit), ptr::from_mut(&mut search).cast()) != 0 }
}

/// How often objects were loaded into the process. None where [`loaded_object`] cannot search.
#[cfg(not(target_os = "macos"))]
pub fn load_count() -> Option<u64> {
    unsafe extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _: usize,
        count: *mut c_void,
    ) -> c_int {
        // SAFETY: libc passes an object's description and the address of `count`.
        unsafe { count.cast::<u64>().write((*info).dlpi_adds) };
        1
    }
    if !can_search() {
        return None;
    }
    let mut count = 0;
    // SAFETY: the callback gets what it wants.
    unsafe { libc::dl_iterate_phdr(Some(first), ptr::from_mut(&mut count).cast()) };
    Some(count)
}

/// The same on macOS.
///
/// # Safety
///
/// As above.
#[cfg(target_os = "macos")]
unsafe fn copy_matching_name(prefix: &CStr, skip: usize, to: NonNull<c_char>) -> bool {
    // SAFETY: an index that is too large gives NULL.
    let names = (0..).map_while(|index| unsafe {
        let name = _dyld_get_image_name(index);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes_with_nul())
    });
    let matches = |name: &&[u8]| {
        let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        file.starts_with(prefix.to_bytes()) && name.len() <= NAME_SIZE
    };
    let Some(name) = names.filter(|name| matches(name)).nth(skip) else {
        return false;
    };
    // SAFETY: the name has so many bytes, and there is room for them.
    unsafe { ptr::copy_nonoverlapping(name.as_ptr(), to.as_ptr().cast(), name.len()) };
    true
}

/// The same on macOS: how many objects are loaded. They are rarely unloaded there.
#[cfg(target_os = "macos")]
pub fn load_count() -> Option<u64> {
    // SAFETY: has no conditions.
    can_search().then(|| unsafe { _dyld_image_count() }.into())
}

#[cfg(target_os = "macos")]
unsafe extern "C" {
    fn _dyld_get_image_name(index: u32) -> *const c_char;
    fn _dyld_image_count() -> u32;
}

/// The address of the first symbol of this name that the dynamic linker finds, or null.
pub fn global_symbol(symbol: &CStr) -> *mut c_void {
    // SAFETY: has no conditions.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) }
}

/// The object that an address is in, as the loader describes it. All zeros if it knows none.
pub fn description(address: *const c_void) -> libc::Dl_info {
    // SAFETY: zeros are a valid description. dladdr fills it in, or does not change it.
    unsafe {
        let mut found: libc::Dl_info = core::mem::zeroed();
        libc::dladdr(address, &mut found);
        found
    }
}

/// Whether an address is in this library, or in the object that the library was linked into.
pub fn is_own_code(address: *const c_void) -> bool {
    let ours = description((pin as fn()) as *const c_void).dli_fbase;
    !address.is_null() && !ours.is_null() && description(address).dli_fbase == ours
}

/// The object that has the first symbol of this name that the dynamic linker finds.
pub fn object_with_symbol(symbol: &CStr) -> Option<Object> {
    let address = global_symbol(symbol);
    let file = description(address).dli_fname;
    if address.is_null() || file.is_null() {
        return None;
    }
    // SAFETY: the name lives as long as the object.
    object(unsafe { CStr::from_ptr(file) })
}

/// A loaded object of one of these names. The search includes the disk. Only in a forked child where
/// [`loaded_object`] cannot search.
pub fn named_object(names: &[&CStr], accept: &dyn Fn(&Object) -> bool) -> Option<Object> {
    if can_search() {
        return None;
    }
    names.iter().filter_map(|name| object(name)).find(accept)
}

/// Keeps the object that has this code loaded for ever: the library, or the program or plugin that
/// it was linked into. Threads call a destructor of the library when they end.
pub fn pin() {
    // If this is the program itself, dlopen may not find it. It is never unloaded anyway.
    let file = description((pin as fn()) as *const c_void).dli_fname;
    if !file.is_null() {
        let how = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: the name lives as long as this code.
        unsafe { libc::dlopen(file, how) };
    }
}
