//! What all inputs share: the state of the process before the first of them, and two jobs that an
//! ended thread left paused.

use operations::model::{Abandoned, Counts};
use ossl_async::sys::*;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

/// How many descriptors are examined.
const DESCRIPTORS: c_int = 1024;

/// The state of the process between inputs.
pub struct World {
    /// The abandoned jobs: one was started by the five-argument call, the other by the
    /// six-argument call.
    pub abandoned: [Abandoned; 2],
    /// The wait context of the second one, which was freed.
    pub context: usize,
    /// The size of every stack in bytes.
    pub stack_bytes: usize,
    /// The stack size, which the program can no longer change.
    pub stack_size: usize,
    /// The functions for stacks. They can no longer change, because a stack was made (G40).
    pub mem_functions: MemFunctions,
    /// Which descriptors are open.
    open: Vec<bool>,
}

/// The functions that allocate and free stacks.
pub type MemFunctions = (
    Option<unsafe extern "C" fn(*mut usize) -> *mut c_void>,
    Option<unsafe extern "C" fn(*mut c_void)>,
);

/// The state of this process, recorded at the first call, which must not come from a job.
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
    /// The input's thread has ended: only counts may be left of it.
    pub fn check_end(&self, before: Counts, model: Counts) -> Result<(), String> {
        let counted = process_stats() - before;
        if counted != model {
            return Err(format!(
                "at the end the process has counted {counted:?}, not {model:?}"
            ));
        }
        // A new descriptor is the lowest free one, so a descriptor that was left open shows.
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

    /// How many more descriptors are open than before the first input, if at most `at_most` are.
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
    // SAFETY: the buffer has the size that is given.
    unsafe { OSSL_ASYNC_process_stats((&raw mut counts).cast(), size_of::<Counts>()) };
    counts
}

/// The calling thread's counts.
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

/// Leaves a job of each generation paused. The calling thread must end then (D15).
fn abandon_two_jobs() -> ([Abandoned; 2], usize) {
    unsafe extern "C" fn pause(_: *mut c_void) -> c_int {
        // SAFETY: no frame of the job relies on nested calls.
        unsafe { ASYNC_pause_job() }
    }
    let mut jobs = [ptr::null_mut::<ASYNC_JOB>(); 2];
    let mut ret = 0;
    let [first, second] = &mut jobs;
    let function: unsafe extern "C" fn(*mut c_void) -> c_int = pause;
    // SAFETY: the pointers are good, and the function does not use its argument. The context is
    // freed once.
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
