//! One implementation as a table of its functions, looked up in its shared object. Also the proof
//! that the functions lie in that object.

use super::event::Failure;
use crate::{is_wanted, version_in, wanted_version};
use operations::{Functions, Functions3};
use ossl_async::sys::ASYNC_JOB;
use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::marker::{PhantomData, PhantomPinned};
use std::mem;
use std::path::{Path, PathBuf};
use std::ptr;

/// What an `OSSL_LIB_CTX *` points to.
#[repr(C)]
pub struct Libctx(PhantomData<(*mut (), PhantomPinned)>, [u8; 0]);

operations::functions! {
    /// libcrypto's default library context (3.0). Both implementations use the same one.
    LibctxFunctions {
        new c"OSSL_LIB_CTX_new" () -> *mut Libctx;
        set0_default c"OSSL_LIB_CTX_set0_default" (*mut Libctx) -> *mut Libctx;
        get0_global_default c"OSSL_LIB_CTX_get0_global_default" () -> *mut Libctx;
    }
}

/// One implementation's error queue of the calling thread.
#[derive(Clone, Copy)]
pub struct Queue {
    get: unsafe extern "C" fn() -> c_ulong,
    clear: unsafe extern "C" fn(),
    packing: Packing,
}

/// How a queue packs its codes (7.2 of the behaviour reference).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    /// Library, function, reason: up to 1.1.1, and ossl-async.
    Function,
    /// Library, reason: 3.0 and later.
    Plain,
}

impl Queue {
    fn look_up(
        object: &Object,
        get: &CStr,
        clear: &CStr,
        packing: Packing,
    ) -> Result<Queue, String> {
        let (get, clear) = (object.symbol(get)?, object.symbol(clear)?);
        // SAFETY: these are the prototypes of `ERR_get_error` and `ERR_clear_error`, and of
        // ossl-async's functions.
        let (get, clear) = unsafe {
            (
                mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_ulong>(get),
                mem::transmute::<*mut c_void, unsafe extern "C" fn()>(clear),
            )
        };
        Ok(Queue {
            get,
            clear,
            packing,
        })
    }

    /// Takes every entry out, oldest first.
    pub fn take(&self) -> impl Iterator<Item = Failure> {
        // SAFETY: `ERR_get_error` has no conditions.
        let next = || u32::try_from(unsafe { (self.get)() }).ok();
        std::iter::from_fn(move || next().filter(|code| *code != 0)).map(|code| self.failure(code))
    }

    /// What a code of this queue means.
    fn failure(&self, code: u32) -> Failure {
        match self.packing {
            Packing::Function => Failure::new(code >> 24, code & 0xfff),
            Packing::Plain => {
                let library = code >> 23 & 0xff;
                match code & 0x7f_ffff {
                    // The allocator's own entry (3.2 and later) stands for the entry that ASYNC
                    // would have queued.
                    0xc0100 if library == 15 => Failure::new(51, 65),
                    // The reasons that all libraries share have numbers of their own since 3.0.
                    reason @ 0xc0100..=0xc0103 => Failure::new(library, reason - 0xc0100 + 65),
                    reason => Failure::new(library, reason),
                }
            }
        }
    }

    /// Forgets every entry.
    pub fn clear(&self) {
        // SAFETY: `ERR_clear_error` has no conditions.
        unsafe { (self.clear)() };
    }
}

/// One implementation.
#[derive(Clone, Copy)]
pub struct Table {
    /// Its name in traces.
    pub name: &'static str,
    /// The functions of every version.
    pub functions: Functions,
    /// Those of 3.0, if the version has them.
    pub functions3: Option<Functions3>,
    /// Its error queue.
    pub queue: Queue,
}

/// Whether this is more jobs than an `int` holds. 3.6 and later do not accept that as a limit
/// (G2).
pub fn exceeds_int(jobs: usize) -> bool {
    c_int::try_from(jobs).is_err()
}

/// libcrypto, and what else the walk needs of it.
#[derive(Clone, Copy)]
pub struct Libcrypto {
    /// Its ASYNC functions.
    pub table: Table,
    /// Its default library context, with 3.0 and later.
    pub libctx: Option<LibctxFunctions>,
    /// Its version, as `OpenSSL_version_num` returns it.
    pub version: c_ulong,
}

impl Libcrypto {
    /// Whether a start with arguments of size 0 runs the function with NULL, as this library does.
    /// Only observed behaviour counts (B24, D11): older versions fail, with an entry or without.
    pub fn runs_with_no_bytes(&self) -> bool {
        let digits = |shift: u32| self.version >> shift & 0xff;
        let (major, minor, patch) = (self.version >> 28, digits(20), digits(4));
        match (major, minor) {
            (3, 0) => patch >= 22,
            (3, 5) => patch >= 9,
            (3, 6) => patch >= 5,
            (4, 0) => patch >= 3,
            _ => major >= 4,
        }
    }

    /// Whether a pool may have more jobs than an `int` holds (G2).
    pub fn takes_huge_limits(&self) -> bool {
        self.version < 0x3060_0000
    }

    /// The system's libcrypto: the newest, or that of the version which is wanted
    /// ([`wanted_version`]). The error says why it cannot be used.
    pub fn of_the_system() -> Result<Libcrypto, String> {
        const NAMES: [&CStr; 3] = [c"libcrypto.so.4", c"libcrypto.so.3", c"libcrypto.so.1.1"];
        let mut others = vec![];
        for object in NAMES
            .iter()
            .filter_map(|name| Object::open(name, DEEPBIND).ok())
        {
            let version = object.openssl_version()?;
            if is_wanted(&version) {
                return Libcrypto::look_up(&object);
            }
            others.push(version);
        }
        match wanted_version() {
            None => Err(format!("none of {NAMES:?} is installed")),
            Some(wanted) => {
                panic!("OSSL_ASYNC_OPENSSL_VERSION={wanted}, but libcrypto is one of {others:?}")
            }
        }
    }

    fn look_up(object: &Object) -> Result<Libcrypto, String> {
        let version = object.symbol(c"OpenSSL_version_num")?;
        // SAFETY: this is its prototype.
        let version: unsafe extern "C" fn() -> c_ulong = unsafe { mem::transmute(version) };
        let base = base_of(version as *const c_void).ok_or("dladdr does not know libcrypto")?;
        // SAFETY: `OpenSSL_version_num` has no conditions.
        let version = unsafe { version() };
        if version < 0x1010_1000 {
            return Err(format!(
                "libcrypto {version:#x} is older than 1.1.1: its clear_fd crashes (G26)"
            ));
        }
        let packing = if version < 0x3000_0000 {
            Packing::Function
        } else {
            Packing::Plain
        };
        let table = Table {
            name: "libcrypto",
            functions: object.functions()?,
            functions3: object.functions3().ok(),
            queue: Queue::look_up(object, c"ERR_get_error", c"ERR_clear_error", packing)?,
        };
        table.assert_lies_at(base.0);
        // SAFETY: it is libcrypto.
        let libctx = unsafe { LibctxFunctions::look_up(|name| object.symbol(name)) }.ok();
        for (symbol, address) in libctx.iter().flat_map(LibctxFunctions::addresses) {
            let at = base_of(address).map(|(at, _)| at);
            assert_eq!(at, Some(base.0), "{symbol:?} lies elsewhere");
        }
        Ok(Libcrypto {
            table,
            libctx,
            version,
        })
    }
}

impl Table {
    /// Whether it can run jobs here.
    pub fn is_capable(&self) -> bool {
        // SAFETY: it has no conditions.
        unsafe { (self.functions.is_capable)() != 0 }
    }

    /// ossl-async as its users get it: the shared library of the release build.
    pub fn ossl_async(library: &Path) -> Table {
        let name =
            CString::new(library.as_os_str().as_encoded_bytes()).expect("a path has no NUL byte");
        let object = Object::open(&name, 0).unwrap_or_else(|why| panic!("{why}"));
        let table = Table::look_up_ossl_async(&object)
            .unwrap_or_else(|why| panic!("{}: {why}", library.display()));
        let (base, file) =
            base_of(table.functions.start_job as *const c_void).expect("dladdr knows it");
        assert_eq!(
            file.canonicalize().expect("a loaded library is a file"),
            library.canonicalize().expect("the library was built")
        );
        table.assert_lies_at(base);
        table
    }

    fn look_up_ossl_async(object: &Object) -> Result<Table, String> {
        Ok(Table {
            name: "ossl-async",
            functions: object.functions()?,
            functions3: Some(object.functions3()?),
            queue: Queue::look_up(
                object,
                c"OSSL_ASYNC_ERR_get_error",
                c"OSSL_ASYNC_ERR_clear_error",
                Packing::Function,
            )?,
        })
    }

    /// Fails unless every function of the table lies in the object that begins here.
    fn assert_lies_at(&self, base: usize) {
        let three = self.functions3.map(|functions| functions.addresses());
        let all = self
            .functions
            .addresses()
            .into_iter()
            .chain(three.into_iter().flatten());
        for (symbol, address) in all {
            let (at, file) =
                base_of(address).unwrap_or_else(|| panic!("{symbol:?} is in no object"));
            assert_eq!(
                at,
                base,
                "{}: {symbol:?} lies in {}",
                self.name,
                file.display()
            );
        }
    }
}

/// Proves that two implementations in one process do not know each other's jobs. libcrypto calls
/// some of its ASYNC functions through the dynamic linker, which could resolve them to the other
/// one. Call this first: it also initialises the libraries, because a pause before that goes wrong
/// (D29).
pub fn assert_separate(one: &Table, other: &Table) {
    /// What the job saw: its own implementation's current job and the other's.
    struct Seen {
        tables: [Table; 2],
        current: [*mut ASYNC_JOB; 2],
    }

    extern "C" fn look(argument: *mut c_void) -> c_int {
        // SAFETY: the argument is a copy of the pointer below, whose target outlives the job.
        let seen = unsafe { &mut **argument.cast::<*mut Seen>() };
        // SAFETY: these functions have no conditions.
        unsafe {
            seen.current = seen.tables.map(|table| (table.functions.get_current_job)());
            (seen.tables[0].functions.pause_job)();
            (seen.tables[1].functions.pause_job)();
        }
        7
    }

    for tables in [[*one, *other], [*other, *one]] {
        let (functions, name) = (tables[0].functions, tables[0].name);
        let mut seen = Seen {
            tables,
            current: [ptr::null_mut(); 2],
        };
        let mut argument: *mut Seen = &raw mut seen;
        let (mut job, mut ret) = (ptr::null_mut(), 0);
        // SAFETY: the pointers are good. The job runs until it ends before their targets go away.
        unsafe {
            let context = (functions.wait_ctx_new)();
            let mut start = || {
                let argument = (&raw mut argument).cast();
                let size = mem::size_of::<*mut Seen>();
                (functions.start_job)(&mut job, context, &mut ret, Some(look), argument, size)
            };
            // Without a pool: a start makes one, through `ASYNC_init_thread`.
            let results = [start(), start()];
            (functions.wait_ctx_free)(context);
            (functions.cleanup_thread)();
            let (pause, finish) = (2, 3);
            assert_eq!(
                results,
                [pause, finish],
                "{name}: only its own pause pauses its job"
            );
        }
        assert_eq!(ret, 7, "{name}");
        let [own, foreign] = seen.current;
        assert!(!own.is_null(), "{name}: its job is its current job");
        assert!(
            foreign.is_null(),
            "{} reports {name}'s job as its own",
            tables[1].name
        );
    }
}

/// With this flag libcrypto prefers its own functions to those of the same name that the process
/// found first.
#[cfg(target_env = "gnu")]
const DEEPBIND: c_int = libc::RTLD_DEEPBIND;
/// Elsewhere `assert_separate` finds out whether it was needed.
#[cfg(not(target_env = "gnu"))]
const DEEPBIND: c_int = 0;

/// A loaded shared object. It stays for the life of the process.
struct Object(*mut c_void);

impl Object {
    fn open(name: &CStr, flags: c_int) -> Result<Object, String> {
        // SAFETY: the name is a C string, and what these libraries do on loading has no conditions.
        let handle =
            unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | flags) };
        if !handle.is_null() {
            return Ok(Object(handle));
        }
        // SAFETY: `dlerror` has no conditions.
        let why = unsafe { libc::dlerror() };
        Err(text(why))
    }

    /// The version of a libcrypto, such as `3.5.9`.
    fn openssl_version(&self) -> Result<String, String> {
        let function = self.symbol(c"OpenSSL_version")?;
        // SAFETY: this is its prototype.
        let function: unsafe extern "C" fn(c_int) -> *const c_char =
            unsafe { mem::transmute(function) };
        // SAFETY: `OPENSSL_VERSION` is 0, and the text is libcrypto's own.
        Ok(version_in(&text(unsafe { function(0) })).to_owned())
    }

    fn functions(&self) -> Result<Functions, String> {
        // SAFETY: an object that has a function of such a name means OpenSSL's.
        unsafe { Functions::look_up(|name| self.symbol(name)) }
    }

    fn functions3(&self) -> Result<Functions3, String> {
        // SAFETY: as above.
        unsafe { Functions3::look_up(|name| self.symbol(name)) }
    }

    fn symbol(&self, name: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: the handle was not closed.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        if address.is_null() {
            return Err(format!("it has no {}", name.to_string_lossy()));
        }
        Ok(address)
    }
}

/// A C string's text.
fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: it is one of the dynamic linker's strings.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

/// The start of the object that an address lies in, and its file.
fn base_of(address: *const c_void) -> Option<(usize, PathBuf)> {
    // SAFETY: the structure is all pointers, which may be NULL.
    let mut info: libc::Dl_info = unsafe { mem::zeroed() };
    // SAFETY: `info` can be written.
    let known = unsafe { libc::dladdr(address, &mut info) } != 0;
    known.then(|| (info.dli_fbase as usize, text(info.dli_fname).into()))
}
