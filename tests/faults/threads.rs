//! The ends of threads and of the process, and fork handlers.

use super::common::*;
use super::fault::*;
use super::interpose::{BEFORE_A_KEY, NO_FORK_HANDLERS, in_library_until_the_end, keys, library};
use crate::common::capi::*;
use std::ffi::c_void;

/// Uses the library as another library's key destructor might, before or after the library's own.
extern "C" fn late(_: *mut c_void) {
    assert!(ASYNC_get_current_job().is_null());
    assert_eq!((ASYNC_pause_job(), ASYNC_in_job()), (1, 0));
    let mut job = pausing(1, 3);
    job.pause();
    job.finish(3);
    assert_eq!(ASYNC_init_pool(2, 2), 1);
}

fn late_key() {
    let mut key = 0;
    // SAFETY: the destructor has the right type, and the value is not used as an address.
    unsafe {
        assert_eq!(libc::pthread_key_create(&mut key, Some(late)), 0);
        assert_eq!(
            libc::pthread_setspecific(key, std::ptr::without_provenance(1)),
            0
        );
    }
}

// Rules: D15, F10, D1, G6
#[test]
fn a_thread_that_ends_takes_its_idle_jobs_with_it_also_when_it_is_called_late() {
    for ours_first in [true, false] {
        alone(|| {
            let before = descriptors();
            let kept = std::thread::spawn(move || {
                let use_it = || {
                    assert_eq!(ASYNC_init_pool(0, 0), 1);
                    let mut jobs: Vec<CJob> = (0..5).map(|_| pausing(1, 0)).collect();
                    jobs.iter_mut().for_each(CJob::pause);
                    jobs[1..].iter_mut().for_each(|job| job.finish(0));
                    jobs[0].wait_fd()
                };
                if ours_first {
                    let fd = use_it();
                    late_key();
                    fd
                } else {
                    late_key();
                    use_it()
                }
            })
            .join()
            .unwrap();
            assert_eq!(descriptors(), before + 2, "one paused job is left");
            assert!(open(kept));
        });
    }
}

// Rules: D15, K5
#[test]
fn a_call_after_the_threads_state_is_gone_finds_a_fresh_thread() {
    extern "C" fn check(_: *mut c_void) {
        let mut job = pausing(1, 4);
        job.pause(); // neither blocked nor limited
        job.finish(4);
    }
    alone(|| {
        std::thread::spawn(|| {
            assert_eq!(ASYNC_init_pool(1, 0), 1);
            let mut paused = pausing(1, 0);
            paused.pause();
            CJob::new(|| 0).go(); // the limit is reached
            ASYNC_free_pool();
            CJob::new(|| {
                ASYNC_block_pause();
                0
            })
            .finish(0);
            let mut key = 0;
            // SAFETY: as in `late_key`; a key made later is destroyed later.
            unsafe {
                assert_eq!(libc::pthread_key_create(&mut key, Some(check)), 0);
                assert_eq!(
                    libc::pthread_setspecific(key, std::ptr::without_provenance(1)),
                    0
                );
            }
        })
        .join()
        .unwrap();
    });
}

// Rules: D16
#[test]
fn where_fork_handlers_cannot_be_registered_jobs_and_forks_work() {
    let name = NO_FORK_HANDLERS.to_str().unwrap();
    if std::env::var_os(name).is_none() {
        // They are registered when the library is loaded. So this needs a new process.
        let this = "threads::where_fork_handlers_cannot_be_registered_jobs_and_forks_work";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this])
            .env(name, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    alone(|| {
        assert_eq!(ASYNC_init_pool(2, 2), 1);
        let mut job = pausing(2, 4);
        job.pause();
        alone(|| {
            job.wake();
            job.pause();
            job.finish(4);
            jobs_to_have(2);
            assert_eq!(ASYNC_init_pool(20, 20), 1);
        });
        job.clear();
        job.pause();
        job.finish(4);
        jobs_to_have(2);
    });
}

// Rules: D17
#[test]
fn a_process_without_memory_still_prints_its_counts_and_ends_well() {
    alone(|| {
        let mut ends = [0; 2];
        // SAFETY: a pipe of our own; nobody else looks at this child's environment or standard
        // error now.
        unsafe {
            assert_eq!(
                libc::setenv(c"OSSL_ASYNC_STATS".as_ptr(), c"1".as_ptr(), 1),
                0
            );
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        }
        let ending = in_child(|| {
            CJob::new(|| 3).finish(3);
            // SAFETY: as above. What is registered to be run at the end of this process is.
            unsafe {
                assert_eq!(
                    libc::dup2(ends[1], libc::STDERR_FILENO),
                    libc::STDERR_FILENO
                );
                for fault in [&MALLOC, &CALLOC, &REALLOC, &ALIGNED] {
                    fault.after(0);
                }
                in_library_until_the_end();
                libc::exit(0);
            }
        });
        assert_eq!(ending, Ending::Exit(0));
        let mut text = [0u8; 1000];
        // SAFETY: so many bytes can be written there.
        let length = unsafe { libc::read(ends[0], text.as_mut_ptr().cast(), text.len()) };
        let text = std::str::from_utf8(&text[..length as usize]).unwrap();
        assert!(
            text.starts_with("ossl-async: created=1 ") && text.ends_with('\n'),
            "{text}"
        );
        assert!(text.contains(" finishes=1 "), "{text}");
    });
}

// Rules: F10, D15
#[test]
fn of_two_threads_that_make_the_processs_key_at_once_one_gives_its_own_back() {
    fn first_job_of_another_thread() {
        let work = || library(|| pausing(0, 0).finish(0));
        std::thread::spawn(work).join().expect("no panic");
    }
    alone(|| {
        BEFORE_A_KEY.set(Some(first_job_of_another_thread));
        let mut job = pausing(1, 4);
        library(|| job.pause());
        assert!(BEFORE_A_KEY.get().is_none(), "it was faster");
        assert_eq!(keys(), 1);
        job.finish(4);
    });
}
