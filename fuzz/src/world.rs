//! What all inputs share: what the process is like before the first of them, and two jobs that an ended thread left paused.

use operations::model::{Abandoned, Counts};
use ossl_async::capi::*;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

/// Descriptors that are looked at.
const DESCRIPTORS: c_int = 1024;

/// What the process is like between inputs.
pub struct World {
    /// The abandoned jobs: of the five-argument call, and of the other one.
    pub abandoned: [Abandoned; 2],
    /// The wait context of the latter, which was freed.
    pub context: usize,
    /// Bytes of every stack.
    pub stack_bytes: usize,
    /// What the program may set a stack's size to, and may not any more.
    pub stack_size: usize,
    /// The functions for stacks. They stay as they are, a stack having been made (G40).
    pub mem_functions: MemFunctions,
    /// Which descriptors are open.
    open: Vec<bool>,
}

/// What makes stacks, and what frees them.
pub type MemFunctions = (
    Option<unsafe extern "C" fn(*mut usize) -> *mut c_void>,
    Option<unsafe extern "C" fn(*mut c_void)>,
);

/// The process's; made at the first call, which must not come from a job.
pub fn this() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        OSSL_ASYNC_ERR_load_ASYNC_strings();
        let thread = std::thread::spawn(abandon_two_jobs);
        let (abandoned, context) = thread.join().expect("it does not panic");
        let mut mem_functions = (None, None);
        // SAFETY: both can be written.
        unsafe { ASYNC_get_mem_functions(&mut mem_functions.0, &mut mem_functions.1) };
        World {
            abandoned,
            context,
            stack_bytes: process_stats().stack_bytes / 2,
            stack_size: OSSL_ASYNC_get_stack_size(),
            mem_functions,
            open: (0..DESCRIPTORS).map(is_open).collect(),
        }
    })
}

impl World {
    /// The input's thread has ended: all there is left of it are counts.
    pub fn check_end(&self, before: Counts, model: Counts) -> Result<(), String> {
        let counted = process_stats() - before;
        if counted != model {
            return Err(format!(
                "at the end the process has counted {counted:?}, not {model:?}"
            ));
        }
        // A new descriptor is the lowest that is free, so that those left open show.
        // SAFETY: these calls have no conditions.
        let lowest = unsafe { libc::dup(libc::STDERR_FILENO) };
        if lowest >= 0 {
            // SAFETY: it was just made.
            unsafe { libc::close(lowest) };
        }
        match self
            .open
            .iter()
            .position(|open| !open)
            .map(|fd| fd as c_int)
        {
            Some(free) if free != lowest => Err(format!("descriptor {free} was left open")),
            _ => Ok(()),
        }
    }

    /// How many more descriptors are open than before the first input, among those that so many more could be.
    pub fn more_descriptors(&self, at_most: usize) -> isize {
        let mut room = at_most as isize;
        let mut more = 0;
        for (fd, was_open) in (0..).zip(&self.open) {
            more += isize::from(is_open(fd)) - isize::from(*was_open);
            room -= isize::from(!was_open);
            if room <= 0 {
                break;
            }
        }
        more
    }
}

/// The process's counts.
pub fn process_stats() -> Counts {
    let mut counts = Counts::default();
    // SAFETY: so many bytes can be written.
    unsafe { OSSL_ASYNC_process_stats((&raw mut counts).cast(), size_of::<Counts>()) };
    counts
}

/// The calling thread's.
pub fn thread_stats() -> Counts {
    let mut counts = Counts::default();
    // SAFETY: as above.
    unsafe { OSSL_ASYNC_thread_stats((&raw mut counts).cast(), size_of::<Counts>()) };
    counts
}

fn is_open(fd: c_int) -> bool {
    // SAFETY: any number can be asked about.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Leaves a job of each generation paused; the thread is to end then (D15).
fn abandon_two_jobs() -> ([Abandoned; 2], usize) {
    unsafe extern "C" fn pause(_: *mut c_void) -> c_int {
        // SAFETY: no frame of the job relies on nested calls.
        unsafe { ASYNC_pause_job() }
    }
    let mut jobs = [ptr::null_mut::<ASYNC_JOB>(); 2];
    let mut ret = 0;
    let [first, second] = &mut jobs;
    let function: unsafe extern "C" fn(*mut c_void) -> c_int = pause;
    // SAFETY: the pointers are good, and the function wants no argument. The context is freed once.
    unsafe {
        let context = ASYNC_WAIT_CTX_new();
        let null = ptr::null_mut();
        ASYNC_start_job_2015(first, &mut ret, Some(function), null, 0);
        ASYNC_start_job(second, context, &mut ret, Some(function), null, 0);
        ASYNC_WAIT_CTX_free(context);
        let abandoned = [(*first, Some(ASYNC_get_wait_fd(*first))), (*second, None)];
        let abandoned = abandoned.map(|(job, fd)| Abandoned {
            address: job.addr(),
            fd,
        });
        (abandoned, context.addr())
    }
}
