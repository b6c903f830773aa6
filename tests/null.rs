//! The null implementation: what works where no job can be made (F15 to F19).
#![cfg(ossl_async_null)]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Pool, StartError};

// Rules: F15, E4
#[test]
fn a_pool_cannot_be_set() {
    for (max, init) in [(0, 0), (1, 0), (3, 3)] {
        assert_eq!(ASYNC_init_pool(max, init), 0);
        assert_eq!(errors(), [E4_NOT_SET]);
    }
    assert_eq!(ASYNC_init_pool(1, 2), 0);
    assert_eq!(errors(), [E2_POOL_SIZE]);
    assert_eq!(Pool::init(1, 1), Err(Error::Unavailable));
    ASYNC_free_pool();
    Pool::free();
    assert_eq!(errors(), []);
}

// Rules: F15, F16
#[test]
fn a_start_is_an_error_without_an_entry_and_the_function_does_not_run() {
    let mut job = CJob::new(|| panic!("must not run"));
    assert_eq!((job.go(), job.ret), (ASYNC_ERR, UNWRITTEN));
    assert!(job.handle.is_null());
    assert_eq!(errors(), []);
    let error = start_job(|| 7).unwrap_err();
    assert!(matches!(error, StartError::Failed(Error::Unavailable, _)));
    assert_eq!(error.into_closure()(), 7);
}

// Rules: F15
#[test]
fn everything_else_does_nothing() {
    assert_eq!((ASYNC_pause_job(), ASYNC_in_job()), (1, 0));
    assert!(ASYNC_get_current_job().is_null());
    ASYNC_block_pause();
    ASYNC_unblock_pause();
    assert!(!ossl_async::pause() && !ossl_async::in_job() && ossl_async::current().is_none());
    drop(ossl_async::block_pause());
    // SAFETY: NULL is allowed.
    unsafe {
        assert_eq!(ASYNC_get_wait_fd(std::ptr::null_mut()), -1);
        ASYNC_wake(std::ptr::null_mut());
        ASYNC_clear_wake(std::ptr::null_mut());
    }
    assert_eq!(errors(), []);
}

// Rules: F17, F19
#[test]
fn the_build_says_that_it_has_no_jobs() {
    assert!(!ossl_async::is_capable());
    assert_eq!(ossl_async::switch_method(), "null");
}

// Rules: F16, F19, G40, G43
#[test]
fn the_second_generation_answers_as_openssls_null_builds_do() {
    assert_eq!(ASYNC_init_thread(3, 3), 1);
    assert_eq!(ASYNC_init_thread(1, 2), 0);
    assert_eq!(errors(), [E2_POOL_SIZE]);
    let mut job = CJob::new(|| panic!("must not run"));
    assert_eq!(
        (job.go_with(std::ptr::null_mut()), job.ret),
        (ASYNC_NO_JOBS, UNWRITTEN)
    );
    ASYNC_cleanup_thread();
    assert_eq!(ASYNC_is_capable(), 0);
    let ctx = ASYNC_WAIT_CTX_new();
    // SAFETY: the context is ours.
    unsafe {
        assert_eq!(
            ASYNC_WAIT_CTX_set_wait_fd(ctx, std::ptr::null(), 5, std::ptr::null_mut(), None),
            1
        );
        let mut count = 0;
        assert_eq!(
            ASYNC_WAIT_CTX_get_all_fds(ctx, std::ptr::null_mut(), &mut count),
            1
        );
        assert_eq!(count, 1, "wait contexts work everywhere");
        ASYNC_WAIT_CTX_free(ctx);
    }
    // SAFETY: the outputs are ours.
    unsafe {
        assert_eq!(ASYNC_set_mem_functions(None, None), 0);
        let (mut alloc_fn, mut free_fn) = (Some(allocate as _), Some(free as _));
        ASYNC_get_mem_functions(&mut alloc_fn, &mut free_fn);
        assert!(alloc_fn.is_none() && free_fn.is_none());
    }
    assert_eq!(errors(), []);
}

// Rules: F15
#[test]
#[cfg(unix)]
fn there_is_no_queue_where_there_are_no_jobs() {
    let none = ossl_async::WakeQueue::new().unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::Unsupported);
}

unsafe extern "C" fn allocate(_: *mut usize) -> *mut std::ffi::c_void {
    std::ptr::null_mut()
}

unsafe extern "C" fn free(_: *mut std::ffi::c_void) {}
