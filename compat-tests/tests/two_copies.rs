//! Two copies of the library in one process: this program contains the crate, and loads a C plugin
//! that is linked with the `.so`. Each copy has its own pools and jobs, and does not know the
//! other's.

use compat_tests::{
    Linkage, build, expected_archive, expected_library, need_jobs, program_source, root,
    static_link,
};
use ossl_async::{Job, Pool, Step, pause, stats};
use std::ffi::{CStr, CString, c_char, c_int, c_ulonglong, c_void};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::ptr;
use std::sync::OnceLock;
use std::thread;

fn main() -> ExitCode {
    compat_tests::tests![
        each_copy_has_pools_and_jobs_of_its_own,
        a_job_of_one_copy_is_unknown_to_the_other_and_may_run_its_jobs,
        at_a_threads_end_each_copy_frees_its_own_idle_jobs,
        a_plugin_that_contains_the_library_stays_loaded_while_threads_may_need_it,
    ]
    .run()
}

type Library = unsafe extern "C" fn() -> *const c_char;
type Go = unsafe extern "C" fn(*mut *mut c_void, c_int, *mut c_int) -> c_int;
type Ask = unsafe extern "C" fn() -> c_int;
type InitPool = unsafe extern "C" fn(usize) -> c_int;
type FreePool = unsafe extern "C" fn();
type Counts = unsafe extern "C" fn(*mut [c_ulonglong; 2], *mut c_ulonglong);

/// The plugin's functions.
#[derive(Clone, Copy)]
struct Plugin {
    library: Library,
    go: Go,
    in_job: Ask,
    pause: Ask,
    init_pool: InitPool,
    free_pool: FreePool,
    counts: Counts,
}

const PAUSED: c_int = 2;
const FINISHED: c_int = 3;
const NO_JOBS: c_int = 1;

/// Loads a file whose names no other object can see. It is never unloaded.
fn load(file: &Path) -> *mut c_void {
    let name = CString::new(file.to_str().expect("text")).expect("no NUL");
    // SAFETY: it is the library, or the plugin that was just linked with it. No other code runs
    // when it is loaded.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!handle.is_null(), "{file:?} can be loaded");
    handle
}

/// The plugin, loaded once.
fn plugin() -> Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    need_jobs();
    *PLUGIN.get_or_init(|| {
        let source = program_source("two_copies/plugin");
        let library = expected_library(Path::new(""), Linkage::Shared);
        let plugin = build(&source, "two-copies", |command| {
            command
                .args(["-shared", "-fPIC", "-I"])
                .arg(root().join("csrc/include"))
                .arg(&source)
                .arg(&library)
                .arg("-ldl");
        });
        // Some versions of Rust give the library a SONAME, for which the dynamic linker would
        // search cargo's LD_LIBRARY_PATH. It does not search for a name that it has already
        // loaded, so the library is loaded first.
        load(&library);
        let handle = load(&plugin);
        let symbol = |name: &CStr| {
            // SAFETY: the handle is never closed.
            let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
            assert!(!address.is_null(), "{name:?}");
            address
        };
        // SAFETY: these are the functions of the C file, with its types.
        unsafe {
            Plugin {
                library: std::mem::transmute::<*mut c_void, Library>(symbol(c"plugin_library")),
                go: std::mem::transmute::<*mut c_void, Go>(symbol(c"plugin_go")),
                in_job: std::mem::transmute::<*mut c_void, Ask>(symbol(c"plugin_in_job")),
                pause: std::mem::transmute::<*mut c_void, Ask>(symbol(c"plugin_pause")),
                init_pool: std::mem::transmute::<*mut c_void, InitPool>(symbol(
                    c"plugin_init_pool",
                )),
                free_pool: std::mem::transmute::<*mut c_void, FreePool>(symbol(
                    c"plugin_free_pool",
                )),
                counts: std::mem::transmute::<*mut c_void, Counts>(symbol(c"plugin_counts")),
            }
        }
    })
}

/// One of the plugin's jobs.
struct PluginJob(Plugin, *mut c_void);

impl PluginJob {
    fn new(plugin: Plugin) -> PluginJob {
        PluginJob(plugin, ptr::null_mut())
    }

    /// Starts or resumes it. Returns the result of the call, and the job's result.
    fn go(&mut self, number: c_int) -> (c_int, c_int) {
        let mut ret = -7;
        // SAFETY: the handle is NULL or the plugin's own.
        let result = unsafe { (self.0.go)(&mut self.1, number, &mut ret) };
        (result, ret)
    }
}

impl Plugin {
    /// The idle and paused jobs of this thread, and the idle jobs of the process.
    fn counts(&self) -> ([c_ulonglong; 2], c_ulonglong) {
        let (mut here, mut everywhere) = ([0; 2], 0);
        // SAFETY: both can be written.
        unsafe { (self.counts)(&mut here, &mut everywhere) };
        (here, everywhere)
    }
}

/// Starts a Rust job that must pause.
fn paused<T: 'static>(work: impl FnOnce() -> T + 'static) -> Job<T> {
    // SAFETY: the contract of `Job::start`: the closures here pause in no scope and hold nothing.
    match unsafe { Job::start(work) } {
        Ok(Step::Paused(job)) => job,
        _ => panic!("the job pauses first"),
    }
}

/// Resumes a Rust job that must end.
fn finished<T: 'static>(job: Job<T>) -> T {
    match job.resume() {
        Ok(Step::Finished(value)) => value,
        _ => panic!("the job ends"),
    }
}

// Rules: P1, P2, B1
fn each_copy_has_pools_and_jobs_of_its_own() {
    let plugin = plugin();
    // SAFETY: the result is a name that lives as long as the library.
    let in_file = unsafe { CStr::from_ptr((plugin.library)()) };
    assert_eq!(
        fs::canonicalize(in_file.to_str().expect("text")).expect("a file"),
        fs::canonicalize(expected_library(Path::new(""), Linkage::Shared)).expect("built"),
        "the plugin has the .so"
    );
    Pool::init(2, 2).expect("memory");
    // SAFETY: the function has no conditions.
    assert_eq!(unsafe { (plugin.init_pool)(1) }, 1);
    let ours = [
        paused(|| {
            pause();
            1
        }),
        paused(|| {
            pause();
            2
        }),
    ];
    let mut theirs = PluginJob::new(plugin);
    assert_eq!(theirs.go(5).0, PAUSED);
    // Each is full by its own limit.
    // SAFETY: the same; this one does not pause.
    assert!(unsafe { Job::start(|| ()) }.is_err());
    assert_eq!(PluginJob::new(plugin).go(6).0, NO_JOBS);
    assert_eq!((stats::thread().idle, stats::thread().paused), (0, 2));
    assert_eq!(plugin.counts().0, [0, 1]);
    let [first, second] = ours;
    assert_eq!((finished(first), finished(second)), (1, 2));
    Pool::free();
    assert_eq!(theirs.go(5), (FINISHED, 5));
    assert_eq!(plugin.counts().0, [1, 0], "the other's pool is still there");
    // SAFETY: as above.
    unsafe { (plugin.free_pool)() };
    assert_eq!(plugin.counts().0, [0, 0]);
}

// Rules: B32, B34, D5
fn a_job_of_one_copy_is_unknown_to_the_other_and_may_run_its_jobs() {
    let plugin = plugin();
    let ours = paused(move || {
        // SAFETY: neither function has conditions.
        let (in_job, without_effect) = unsafe { ((plugin.in_job)(), (plugin.pause)()) };
        let mut theirs = PluginJob::new(plugin);
        let started = theirs.go(9).0;
        pause();
        (in_job, without_effect, started, theirs.go(9))
    });
    // A job of the plugin is paused meanwhile too.
    let mut theirs = PluginJob::new(plugin);
    assert_eq!(theirs.go(4).0, PAUSED);
    assert_eq!(finished(ours), (0, 1, PAUSED, (FINISHED, 9)));
    assert_eq!(theirs.go(4), (FINISHED, 4));
}

// Rules: D15
fn at_a_threads_end_each_copy_frees_its_own_idle_jobs() {
    let plugin = plugin();
    let work = move || {
        let mut theirs = PluginJob::new(plugin);
        let ours = paused(pause);
        assert_eq!(theirs.go(1).0, PAUSED);
        finished(ours);
        assert_eq!(theirs.go(1), (FINISHED, 1));
        assert_eq!((stats::thread().idle, plugin.counts().0), (1, [1, 0]));
    };
    // Other tests' threads also make and free jobs.
    let created = || stats::process().idle + plugin.counts().1;
    for _ in 0..50 {
        thread::spawn(work).join().expect("the thread ends well");
    }
    assert!(created() < 40, "{} jobs", created());
}

/// A plugin that contains the static library, and exports a function that uses it.
const STATIC_PLUGIN: &str = "
int ASYNC_start_job_2015(void **job, int *ret, int (*func)(void *), void *args, unsigned long size);
static int seven(void *unused) { (void)unused; return 7; }
int run_a_job(void) { void *job = 0; int ret = 0; ASYNC_start_job_2015(&job, &ret, seven, 0, 0); return ret; }
";

// Rules: F10, D15
fn a_plugin_that_contains_the_library_stays_loaded_while_threads_may_need_it() {
    need_jobs();
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static_plugin.c");
    fs::write(&source, STATIC_PLUGIN).expect("the target directory can be written");
    let plugin = build(&source, "two-copies", |command| {
        command.args(["-shared", "-fPIC"]).arg(&source);
        static_link(command, &expected_archive()).arg("-Wl,-Bsymbolic");
    });
    let path = CString::new(plugin.to_str().expect("text")).expect("no NUL");
    let used = || {
        // SAFETY: the plugin is what was just built.
        unsafe {
            let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
            assert!(!handle.is_null(), "it can be loaded");
            let run: extern "C" fn() -> c_int =
                std::mem::transmute(libc::dlsym(handle, c"run_a_job".as_ptr()));
            assert_eq!(run(), 7);
            libc::dlclose(handle);
            let still = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            assert!(!still.is_null(), "it was unloaded");
        }
    };
    // The end of the thread calls into the plugin.
    thread::scope(|scope| scope.spawn(used).join().expect("no panic"));
}
