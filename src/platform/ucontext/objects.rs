//! Libraries that are in the process, this one among them.

use super::forks::between_forks;
use core::ffi::{CStr, c_int, c_void};
use core::ptr::{self, NonNull};

/// A loaded object: a library, or the program. It stays loaded.
#[derive(Clone, Copy, Debug)]
pub struct Object(NonNull<c_void>);

impl Object {
    /// The address of a symbol of this object, or of what it depends on; null if there is none.
    pub fn symbol(&self, name: &CStr) -> *mut c_void {
        // SAFETY: the handle is never closed.
        unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) }
    }
}

/// An object that is loaded already, by its whole name.
fn object(name: &CStr) -> Option<Object> {
    // SAFETY: nothing is loaded that is not there; the count that this adds keeps it there.
    NonNull::new(unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) })
        .map(Object)
}

/// A loaded object whose file name begins like this and which is accepted, whether or not the whole process sees its
/// symbols.
///
/// The list of loaded objects is searched, since asking for a name that is not there would search the disk. Needs no
/// memory: it is also called when there is none.
pub fn object_like(prefix: &CStr, accept: impl Fn(&Object) -> bool) -> Option<Object> {
    (0..)
        .map_while(|skip| name_like(prefix, skip))
        .filter_map(|name| object(as_text(&name)?))
        .find(accept)
}

type Name = [u8; 4096];

fn as_text(name: &Name) -> Option<&CStr> {
    CStr::from_bytes_until_nul(name).ok()
}

/// The name of a loaded object whose file name begins like this, after as many others as are to be skipped.
fn name_like(prefix: &CStr, skip: usize) -> Option<Name> {
    struct Search<'a> {
        prefix: &'a [u8],
        skip: usize,
        found: Option<Name>,
    }
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: usize,
        search: *mut c_void,
    ) -> c_int {
        // SAFETY: libc passes an object's description, whose name stays while this runs, and our search.
        let (name, search) = unsafe {
            (
                CStr::from_ptr((*info).dlpi_name),
                &mut *search.cast::<Search<'_>>(),
            )
        };
        let name = name.to_bytes_with_nul();
        let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if file.starts_with(search.prefix) && name.len() <= size_of::<Name>() {
            if search.skip == 0 {
                let copy = search.found.insert([0; size_of::<Name>()]);
                copy[..name.len()].copy_from_slice(name);
                return 1;
            }
            search.skip -= 1;
        }
        0
    }
    let mut search = Search {
        prefix: prefix.to_bytes(),
        skip,
        found: None,
    };
    // glibc holds a lock of its own meanwhile, which it does not release in a forked child as it does the loader's other
    // locks: a child forked at that moment would wait here for ever.
    between_forks(|| {
        // SAFETY: the callback gets what it wants.
        unsafe { libc::dl_iterate_phdr(Some(visit), ptr::from_mut(&mut search).cast()) }
    });
    search.found
}

/// The object whose symbol of this name the process sees first.
pub fn object_of(symbol: &CStr) -> Option<Object> {
    // SAFETY: dladdr fills the structure if it answers non-zero; the name in it lives as long as the object.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
        let mut found: libc::Dl_info = core::mem::zeroed();
        if address.is_null() || libc::dladdr(address, &mut found) == 0 || found.dli_fname.is_null()
        {
            return None;
        }
        object(CStr::from_ptr(found.dli_fname))
    }
}

/// Keeps the object that this code is in loaded for good: the library, or whatever it was linked into, which may be a
/// plugin. Threads carry a destructor of ours to their end.
pub fn pin() {
    // SAFETY: dladdr fills the structure if it answers non-zero; the name in it lives as long as this code. Where it is
    // the program itself dlopen may not find it, and need not.
    unsafe {
        let mut this: libc::Dl_info = core::mem::zeroed();
        if libc::dladdr((pin as fn()) as *const c_void, &mut this) != 0 && !this.dli_fname.is_null()
        {
            libc::dlopen(
                this.dli_fname,
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }
}
