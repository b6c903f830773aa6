//! Start, pause, resume, finish: results, what is written when, arguments, states (1.4 to 1.6 and
//! section 2 of the behaviour reference).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::rc::Rc;

// Rules: B1
#[test]
fn results_have_the_values_of_openssl() {
    assert_eq!(
        [ASYNC_ERR, ASYNC_NO_JOBS, ASYNC_PAUSE, ASYNC_FINISH],
        [0, 1, 2, 3]
    );
}

// Rules: B5, B18, B19, B20, B32
#[test]
fn a_job_runs_pauses_goes_on_and_ends() {
    let seen = Rc::new(RefCell::new(vec![]));
    let log = seen.clone();
    let mut job = CJob::new(move || {
        log.borrow_mut().push("first");
        assert_eq!(ASYNC_pause_job(), 1);
        log.borrow_mut().push("second");
        assert_eq!(ASYNC_pause_job(), 1);
        log.borrow_mut().push("third");
        42
    });
    assert_eq!((job.go(), job.ret), (ASYNC_PAUSE, UNWRITTEN));
    let handle = job.handle;
    assert!(!handle.is_null());
    assert_eq!(*seen.borrow(), ["first"]);
    assert_eq!(
        (job.go(), job.ret, job.handle),
        (ASYNC_PAUSE, UNWRITTEN, handle)
    );
    assert_eq!(*seen.borrow(), ["first", "second"]);
    assert_eq!(
        (job.go(), job.ret, job.handle),
        (ASYNC_FINISH, 42, ptr::null_mut())
    );
    assert_eq!(*seen.borrow(), ["first", "second", "third"]);
    assert_eq!(errors(), []);
}

// Rules: B19, S3
#[test]
fn many_jobs_are_paused_at_once_and_each_goes_on_where_it_was() {
    let mut jobs: Vec<CJob> = (0..30).map(|n| pausing(n % 4, n as c_int)).collect();
    let mut ended = 0;
    while ended < jobs.len() {
        for (n, job) in jobs
            .iter_mut()
            .enumerate()
            .filter(|(_, job)| job.ret == UNWRITTEN)
        {
            if job.go() == ASYNC_FINISH {
                assert_eq!(job.ret, n as c_int);
                ended += 1;
            }
        }
    }
}

// Rules: B20, B30, B35, S2
#[test]
fn the_handle_appears_with_the_first_pause_and_is_what_the_job_sees() {
    thread_local!(static HANDLE: Cell<*const *mut ASYNC_JOB> = const { Cell::new(ptr::null()) });
    assert!(ASYNC_get_current_job().is_null());
    let mut job = Box::new(CJob::new(|| {
        // SAFETY: points to the `handle` of the boxed job below.
        let written = || unsafe { *HANDLE.get() };
        let this = ASYNC_get_current_job();
        assert!(
            !this.is_null() && written().is_null(),
            "not written during the first run"
        );
        ASYNC_pause_job();
        assert_eq!(
            (ASYNC_get_current_job(), written()),
            (this, this),
            "and there during a later one"
        );
        0
    }));
    HANDLE.set(&job.handle);
    job.pause();
    assert!(ASYNC_get_current_job().is_null());
    job.finish(0);
    assert!(ASYNC_get_current_job().is_null());
}

// Rules: B22
#[test]
fn a_resume_ignores_function_and_arguments() {
    let mut job = pausing(1, 5);
    job.pause();
    // SAFETY: the handle is live; the arguments are not looked at.
    let result = unsafe {
        ASYNC_start_job_2015(
            &mut job.handle,
            &mut job.ret,
            None,
            ptr::without_provenance_mut(1),
            0,
        )
    };
    assert_eq!(
        (result, job.ret, job.handle),
        (ASYNC_FINISH, 5, ptr::null_mut())
    );
}

/// What a job function has seen of its argument, and done to it.
#[derive(Clone, Copy)]
struct Seen {
    address: usize,
    bytes: [u8; 100],
}

thread_local!(static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(vec![]) });

unsafe extern "C" fn look_twice(argument: *mut c_void) -> c_int {
    for _ in 0..2 {
        // SAFETY: the tests pass 100 bytes.
        let bytes = unsafe { &mut *argument.cast::<[u8; 100]>() };
        SEEN.with_borrow_mut(|seen| {
            seen.push(Seen {
                address: argument.addr(),
                bytes: *bytes,
            })
        });
        bytes.fill(2);
        ASYNC_pause_job();
    }
    1
}

// Rules: B23, B44
#[test]
fn arguments_are_copied_once_to_an_aligned_block_of_the_jobs_own() {
    let mut original = [1u8; 100];
    let (mut handle, mut ret) = (ptr::null_mut(), 0);
    let mut go = |args: *mut [u8; 100]| {
        // SAFETY: 100 bytes are passed, or ignored.
        unsafe { ASYNC_start_job_2015(&mut handle, &mut ret, Some(look_twice), args.cast(), 100) }
    };
    assert_eq!(go(&mut original), ASYNC_PAUSE);
    original.fill(9);
    assert_eq!(go(&mut original), ASYNC_PAUSE);
    assert_eq!(go(&mut original), ASYNC_FINISH);
    assert_eq!(original, [9; 100], "the caller's bytes are not written");
    let seen = SEEN.take();
    assert_eq!(seen[0].bytes, [1; 100]);
    assert_eq!(seen[1].bytes, [2; 100], "the job keeps what it wrote");
    assert_eq!(seen[0].address, seen[1].address);
    assert_ne!(seen[0].address, original.as_ptr().addr());
    assert_eq!(seen[0].address % ALIGNMENT, 0);
}

/// What malloc aligns to, at least.
const ALIGNMENT: usize = 2 * size_of::<usize>();

thread_local!(static SIZE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

/// Whether each byte of the argument has the value for its place and for the size. The size is
/// SIZE.
fn is_right(argument: *mut c_void, size: usize) -> bool {
    // SAFETY: the test passes so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(argument.cast::<u8>(), size) };
    argument.addr() % ALIGNMENT == 0
        && bytes
            .iter()
            .enumerate()
            .all(|(place, byte)| *byte == (place + size) as u8)
}

unsafe extern "C" fn check_twice(argument: *mut c_void) -> c_int {
    let size = SIZE.get();
    let before = is_right(argument, size);
    ASYNC_pause_job();
    c_int::from(before && is_right(argument, size))
}

// Rules: B23, B44
#[test]
fn arguments_of_any_size_stay_what_they_were_beside_those_of_other_jobs_and_after_others() {
    let sizes = [
        1, 15, 16, 17, 63, 64, 65, 100, 4096, 16383, 16384, 16385, 100_000,
    ];
    // On records that had other sizes before: in this order, in the opposite order, and in this
    // order again.
    for round in 0..3 {
        let mut order = sizes;
        if round % 2 == 1 {
            order.reverse();
        }
        let mut handles = order.map(|size| {
            let mut bytes: Vec<u8> = (0..size).map(|place| (place + size) as u8).collect();
            let (mut handle, mut ret) = (ptr::null_mut(), UNWRITTEN);
            SIZE.set(size);
            // SAFETY: the bytes are there.
            let result = unsafe {
                ASYNC_start_job_2015(
                    &mut handle,
                    &mut ret,
                    Some(check_twice),
                    bytes.as_mut_ptr().cast(),
                    size,
                )
            };
            assert_eq!(result, ASYNC_PAUSE);
            handle
        });
        for (handle, size) in handles.iter_mut().zip(order) {
            let mut ret = UNWRITTEN;
            // SAFETY: a paused job's handle.
            let result =
                unsafe { ASYNC_start_job_2015(handle, &mut ret, None, ptr::null_mut(), 0) };
            assert_eq!((result, ret), (ASYNC_FINISH, 1), "{size} bytes");
        }
    }
}

// Rules: B23
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer keeps freed blocks in memory"
)]
fn large_arguments_do_not_outlive_their_job() {
    alone(|| {
        refuse_huge_pages();
        let mut bytes = vec![0u8; 4 << 20];
        let mut start = || {
            let (mut handle, mut ret) = (ptr::null_mut(), 0);
            // SAFETY: the bytes are there.
            let result = unsafe {
                ASYNC_start_job_2015(
                    &mut handle,
                    &mut ret,
                    Some(just_pause),
                    bytes.as_mut_ptr().cast(),
                    bytes.len(),
                )
            };
            assert_eq!(result, ASYNC_PAUSE);
            handle
        };
        let before = resident_memory();
        let mut handles = [start(), start(), start(), start()];
        assert!(resident_memory() >= before + (16 << 20));
        for handle in &mut handles {
            let mut ret = 0;
            // SAFETY: a paused job's handle.
            let result =
                unsafe { ASYNC_start_job_2015(handle, &mut ret, None, ptr::null_mut(), 0) };
            assert_eq!(result, ASYNC_FINISH);
        }
        assert!(resident_memory() < before + (1 << 20), "four idle jobs");
    });
}

unsafe extern "C" fn just_pause(_: *mut c_void) -> c_int {
    ASYNC_pause_job()
}

unsafe extern "C" fn argument_is_null(argument: *mut c_void) -> c_int {
    argument.is_null().into()
}

fn start_with(
    function: unsafe extern "C" fn(*mut c_void) -> c_int,
    args: *mut c_void,
    size: usize,
) -> (c_int, c_int) {
    let (mut handle, mut ret) = (ptr::null_mut(), UNWRITTEN);
    // SAFETY: the tests pass what their functions want.
    let result = unsafe { ASYNC_start_job_2015(&mut handle, &mut ret, Some(function), args, size) };
    assert!(handle.is_null());
    (result, ret)
}

// Rules: B25, D13
#[test]
fn null_arguments_stay_null_whatever_the_size() {
    for size in [0, 1, 5000, usize::MAX] {
        assert_eq!(
            start_with(argument_is_null, ptr::null_mut(), size),
            (ASYNC_FINISH, 1)
        );
    }
}

// Rules: B24, B27, D11, B19
#[test]
fn arguments_of_no_size_are_an_error_and_the_job_goes_back_to_the_pool() {
    assert_eq!(ASYNC_init_pool(1, 0), 1);
    for _ in 0..3 {
        let mut byte = 0u8;
        assert_eq!(
            start_with(argument_is_null, ptr::from_mut(&mut byte).cast(), 0),
            (ASYNC_ERR, UNWRITTEN)
        );
        assert_eq!(errors(), [E9_ARGUMENTS]);
    }
    assert_eq!(
        start_with(argument_is_null, ptr::null_mut(), 0),
        (ASYNC_FINISH, 1)
    );
}

// Rules: B26, D12, B27
#[test]
fn a_size_that_no_memory_can_have_is_an_error() {
    alone(|| {
        limit_memory(1 << 30); // a 32-bit process might have two of the sizes otherwise
        assert_eq!(ASYNC_init_pool(1, 1), 1);
        let mut byte = 0u8;
        for size in [usize::MAX, isize::MAX as usize, isize::MAX as usize + 1] {
            assert_eq!(
                start_with(argument_is_null, ptr::from_mut(&mut byte).cast(), size),
                (ASYNC_ERR, UNWRITTEN)
            );
            assert_eq!(errors(), [E9_ARGUMENTS]);
        }
        assert_eq!(
            start_with(argument_is_null, ptr::null_mut(), 0),
            (ASYNC_FINISH, 1)
        );
    });
}

// Rules: B26, D12
#[test]
#[cfg(target_pointer_width = "64")] // where there can be so many bytes
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "what a sanitizer reserves exceeds any limit of the address space"
)]
fn a_size_above_int_max_is_not_cut_down_to_an_int() {
    alone(|| {
        limit(libc::RLIMIT_AS, 1 << 30);
        let mut bytes = [0u8; 16];
        // As an int the sizes would be 16 and negative.
        for size in [(1 << 32) + 16, (1 << 31) + 16] {
            assert_eq!(
                start_with(argument_is_null, bytes.as_mut_ptr().cast(), size),
                (ASYNC_ERR, UNWRITTEN)
            );
            assert_eq!(errors(), [E9_ARGUMENTS]);
        }
        assert_eq!(
            start_with(argument_is_null, bytes.as_mut_ptr().cast(), 16),
            (ASYNC_FINISH, 0)
        );
    });
}

// Rules: B45
#[test]
fn the_pool_is_asked_before_the_arguments_are_looked_at() {
    assert_eq!(ASYNC_init_pool(1, 0), 1);
    let mut job = pausing(1, 0);
    job.pause();
    let mut byte = 0u8;
    assert_eq!(
        start_with(argument_is_null, ptr::from_mut(&mut byte).cast(), 0),
        (ASYNC_NO_JOBS, UNWRITTEN)
    );
    assert_eq!(errors(), []);
    job.finish(0);
}

// Rules: D10
#[test]
fn a_null_result_pointer_discards_the_result() {
    let mut job = pausing(1, 3);
    job.pause();
    // SAFETY: the handle is live.
    let result =
        unsafe { ASYNC_start_job_2015(&mut job.handle, ptr::null_mut(), None, ptr::null_mut(), 0) };
    assert_eq!((result, job.handle), (ASYNC_FINISH, ptr::null_mut()));
}

// Rules: S4
#[test]
fn at_the_end_the_result_is_written_before_the_handle() {
    // If the two overlap, the value that is written last stays.
    let mut both: *mut ASYNC_JOB = ptr::null_mut();
    let ret = ptr::from_mut(&mut both).cast::<c_int>();
    // SAFETY: the handle's memory has room for an int.
    let result = unsafe {
        ASYNC_start_job_2015(ret.cast(), ret, Some(argument_is_null), ptr::null_mut(), 0)
    };
    assert_eq!((result, both), (ASYNC_FINISH, ptr::null_mut()));
}

// Rules: S1, S6, B28
#[test]
fn a_job_counts_as_running_in_its_first_run_after_a_resume_and_when_its_record_is_reused() {
    assert_eq!(ASYNC_init_pool(1, 0), 1);
    let runs = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let counter = runs.clone();
        let mut job = CJob::new(move || {
            counter.set(counter.get() + 1);
            for _ in 0..2 {
                assert_eq!(
                    start_with(argument_is_null, ptr::null_mut(), 0),
                    (ASYNC_ERR, UNWRITTEN)
                );
                assert_eq!(errors(), [NESTED]);
                ASYNC_pause_job();
            }
            1
        });
        job.pause();
        job.pause();
        job.finish(1);
    }
    assert_eq!(runs.get(), 2, "no function runs twice");
}

// Rules: B31, B33, B34
#[test]
fn pausing_outside_a_job_does_nothing_and_succeeds() {
    for _ in 0..3 {
        assert_eq!(ASYNC_pause_job(), 1);
    }
    pausing(0, 1).finish(1);
    assert_eq!(ASYNC_pause_job(), 1);
    assert_eq!(errors(), []);
}

// Rules: B42
#[test]
fn in_job_is_one_exactly_where_there_is_a_current_job() {
    assert_eq!(ASYNC_in_job(), 0);
    let mut job = CJob::new(|| {
        assert_eq!(ASYNC_in_job(), 1);
        ASYNC_pause_job();
        ASYNC_in_job()
    });
    job.pause();
    assert_eq!(ASYNC_in_job(), 0);
    job.finish(1);
    assert_eq!(ASYNC_in_job(), 0);
}
