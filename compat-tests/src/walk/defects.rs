//! Defects planted in front of an implementation. A walk must find each of them.

use super::table::{Libcrypto, Table, exceeds_int};
use operations::{CallbackFn, Functions, Functions3, JobFn};
use ossl_async::sys::{ASYNC_JOB, ASYNC_WAIT_CTX};
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

/// The implementation that the defects are planted in front of.
static SOUND: OnceLock<Table> = OnceLock::new();

fn sound() -> &'static Table {
    SOUND.get().expect("set before a defect is planted")
}

/// Tables that return what this table returns, but for one defect each, with a description of the
/// defect. Only defects that a walk beside this libcrypto can meet are listed. The table is the
/// same for the whole process.
pub fn planted(libcrypto: &Libcrypto, table: &Table) -> Vec<(&'static str, Table)> {
    SOUND.get_or_init(|| *table);
    let with = |functions: Functions| Table {
        functions,
        ..*table
    };
    let functions = table.functions;
    let mut defects = vec![
        (
            "clear_fd returns 1 for a key that has no entry",
            with(Functions {
                clear_fd: clear_anything,
                ..functions
            }),
        ),
        (
            "get_fd writes its output although it finds no entry",
            with(Functions {
                get_fd: get_anything,
                ..functions
            }),
        ),
        (
            "get_all_fds lists the oldest first",
            with(Functions {
                get_all_fds: oldest_first,
                ..functions
            }),
        ),
        (
            "get_changed_fds lists deleted entries as added ones",
            with(Functions {
                get_changed_fds: all_added,
                ..functions
            }),
        ),
        (
            "one unblock undoes two blocks",
            with(Functions {
                unblock_pause: unblock_twice,
                ..functions
            }),
        ),
        (
            "a pause outside a job makes the next pause in a job return at once",
            with(Functions {
                pause_job: skip_one_pause,
                ..functions
            }),
        ),
        (
            "a start with all jobs in use is an error",
            with(Functions {
                start_job: no_jobs_is_an_error,
                ..functions
            }),
        ),
        (
            "the result is written although the job has only paused",
            with(Functions {
                start_job: result_at_pause,
                ..functions
            }),
        ),
        (
            "a refused pool size leaves no entry in the error queue",
            with(Functions {
                init_thread: silent_init,
                ..functions
            }),
        ),
        (
            "get_wait_ctx returns NULL for a paused job",
            with(Functions {
                get_wait_ctx: wait_ctx_inside_only,
                ..functions
            }),
        ),
        (
            "get_wait_ctx returns NULL on a thread without jobs",
            with(Functions {
                start_job: start_and_note,
                get_wait_ctx: wait_ctx_on_threads_with_jobs_only,
                ..functions
            }),
        ),
        (
            "a limit above INT_MAX is accepted by a version that refuses it, or the other way round",
            with(Functions {
                init_thread: opposite_result_for_huge_limit,
                ..functions
            }),
        ),
    ];
    if let Some(functions3) = table.functions3 {
        defects.push((
            "a callback cannot be unset",
            Table {
                functions3: Some(Functions3 {
                    set_callback: set_only,
                    ..functions3
                }),
                ..*table
            },
        ));
    }
    if libcrypto.runs_with_no_bytes() {
        defects.extend([
            (
                "arguments of size 0 are an error",
                with(Functions {
                    start_job: no_bytes_are_an_error,
                    ..functions
                }),
            ),
            (
                "arguments of size 0 are copied",
                with(Functions {
                    start_job: no_bytes_are_copied,
                    ..functions
                }),
            ),
        ]);
    }
    defects
}

unsafe extern "C" fn clear_anything(context: *mut ASYNC_WAIT_CTX, key: *const c_void) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    unsafe { (sound().functions.clear_fd)(context, key) };
    1
}

unsafe extern "C" fn get_anything(
    context: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: *mut c_int,
    data: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    unsafe {
        *fd = -1;
        (sound().functions.get_fd)(context, key, fd, data)
    }
}

unsafe extern "C" fn oldest_first(
    context: *mut ASYNC_WAIT_CTX,
    fds: *mut c_int,
    count: *mut usize,
) -> c_int {
    // SAFETY: the caller guarantees the same conditions. The array was just filled.
    unsafe {
        let result = (sound().functions.get_all_fds)(context, fds, count);
        if !fds.is_null() {
            std::slice::from_raw_parts_mut(fds, *count).reverse();
        }
        result
    }
}

unsafe extern "C" fn all_added(
    context: *mut ASYNC_WAIT_CTX,
    added: *mut c_int,
    adds: *mut usize,
    deleted: *mut c_int,
    deletes: *mut usize,
) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    unsafe {
        let result = (sound().functions.get_changed_fds)(context, added, adds, deleted, deletes);
        *adds += std::mem::take(&mut *deletes);
        result
    }
}

unsafe extern "C" fn unblock_twice() {
    // SAFETY: it has no conditions.
    unsafe {
        (sound().functions.unblock_pause)();
        (sound().functions.unblock_pause)();
    }
}

unsafe extern "C" fn skip_one_pause() -> c_int {
    thread_local!(static OUTSIDE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    // SAFETY: the functions have no conditions. The caller guarantees that a job that pauses has a
    // wait context.
    unsafe {
        if (sound().functions.get_current_job)().is_null() {
            OUTSIDE.set(true);
        } else if OUTSIDE.take() {
            return 1;
        }
        (sound().functions.pause_job)()
    }
}

unsafe extern "C" fn no_jobs_is_an_error(
    job: *mut *mut ASYNC_JOB,
    context: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    function: Option<JobFn>,
    argument: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    let result =
        unsafe { (sound().functions.start_job)(job, context, ret, function, argument, size) };
    if result == 1 { 0 } else { result }
}

unsafe extern "C" fn no_bytes_are_an_error(
    job: *mut *mut ASYNC_JOB,
    context: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    function: Option<JobFn>,
    argument: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    unsafe {
        if (*job).is_null() && !argument.is_null() && size == 0 {
            return 0;
        }
        (sound().functions.start_job)(job, context, ret, function, argument, size)
    }
}

unsafe extern "C" fn no_bytes_are_copied(
    job: *mut *mut ASYNC_JOB,
    context: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    function: Option<JobFn>,
    argument: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: the caller guarantees what the function needs. Its argument has a byte, whatever
    // size is given.
    unsafe { (sound().functions.start_job)(job, context, ret, function, argument, size.max(1)) }
}

unsafe extern "C" fn result_at_pause(
    job: *mut *mut ASYNC_JOB,
    context: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    function: Option<JobFn>,
    argument: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    unsafe {
        let result = (sound().functions.start_job)(job, context, ret, function, argument, size);
        if result == 2 {
            *ret = 0;
        }
        result
    }
}

unsafe extern "C" fn silent_init(max: usize, init: usize) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    let result = unsafe { (sound().functions.init_thread)(max, init) };
    sound().queue.clear();
    result
}

unsafe extern "C" fn opposite_result_for_huge_limit(max: usize, init: usize) -> c_int {
    // SAFETY: the caller guarantees what the function needs.
    let result = unsafe { (sound().functions.init_thread)(max, init) };
    if exceeds_int(max) { 1 - result } else { result }
}

unsafe extern "C" fn wait_ctx_inside_only(job: *mut ASYNC_JOB) -> *mut ASYNC_WAIT_CTX {
    // SAFETY: the caller guarantees what the function needs.
    unsafe {
        if (sound().functions.get_current_job)() != job {
            return std::ptr::null_mut();
        }
        (sound().functions.get_wait_ctx)(job)
    }
}

thread_local!(static HAS_JOBS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });

unsafe extern "C" fn start_and_note(
    job: *mut *mut ASYNC_JOB,
    context: *mut ASYNC_WAIT_CTX,
    ret: *mut c_int,
    function: Option<JobFn>,
    argument: *mut c_void,
    size: usize,
) -> c_int {
    HAS_JOBS.set(true);
    // SAFETY: the caller guarantees what the function needs.
    unsafe { (sound().functions.start_job)(job, context, ret, function, argument, size) }
}

unsafe extern "C" fn wait_ctx_on_threads_with_jobs_only(
    job: *mut ASYNC_JOB,
) -> *mut ASYNC_WAIT_CTX {
    if !HAS_JOBS.get() {
        return std::ptr::null_mut();
    }
    // SAFETY: the caller guarantees what the function needs.
    unsafe { (sound().functions.get_wait_ctx)(job) }
}

unsafe extern "C" fn set_only(
    context: *mut ASYNC_WAIT_CTX,
    callback: Option<CallbackFn>,
    argument: *mut c_void,
) -> c_int {
    if callback.is_none() && !context.is_null() {
        return 1;
    }
    let functions = sound()
        .functions3
        .expect("only then this defect is planted");
    // SAFETY: the caller guarantees what the function needs.
    unsafe { (functions.set_callback)(context, callback, argument) }
}
