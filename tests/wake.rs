//! The wait fd and its signal, from both faces (1.7 and section 5 of the behaviour reference). The
//! protocol's own tests are in src/wake/protocol.rs.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Job, Step, WakeHandle};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells a test's threads to stop.
struct Stop(AtomicBool);

/// Tells them to stop, also when the test fails.
struct StopAtEnd<'a>(&'a Stop);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

fn flags(fd: i32) -> (i32, i32) {
    // SAFETY: asks only.
    unsafe {
        (
            libc::fcntl(fd, libc::F_GETFD),
            libc::fcntl(fd, libc::F_GETFL),
        )
    }
}

// Rules: B36, B37, W3, W4, W5
#[test]
fn a_wake_makes_the_fd_readable_until_one_clear_however_many_wakes_there_were() {
    let mut job = pausing(2, 1);
    job.pause();
    let fd = job.wait_fd();
    assert!(fd >= 0);
    assert!(!readable(fd));
    job.clear(); // nothing to clear: returns
    for wakes in 1..4 {
        (0..wakes).for_each(|_| job.wake());
        assert!(readable(fd));
        job.clear();
        assert!(!readable(fd));
        job.clear();
    }
    assert_eq!(job.wait_fd(), fd);
    job.pause();
    assert_eq!(job.wait_fd(), fd, "constant for the job's life");
    job.finish(1);
    assert_eq!(errors(), []);
}

// Rules: W6, B36, B38
#[test]
fn pause_and_resume_leave_the_signal_alone_and_a_job_may_wake_itself() {
    let mut job = CJob::new(|| {
        let this = ASYNC_get_current_job();
        // SAFETY: the handle is the running job's.
        unsafe {
            assert!(ASYNC_get_wait_fd(this) >= 0, "valid while it runs");
            ASYNC_wake(this);
            ASYNC_pause_job();
            assert!(readable(ASYNC_get_wait_fd(this)));
            ASYNC_pause_job();
            ASYNC_clear_wake(this);
        }
        ASYNC_pause_job();
        1
    });
    job.pause();
    assert!(readable(job.wait_fd()));
    job.pause();
    assert!(readable(job.wait_fd()), "until somebody clears it");
    job.pause();
    assert!(!readable(job.wait_fd()));
    job.finish(1);
}

// Rules: W1, B36
#[test]
fn the_wait_fd_is_a_pipe_that_is_closed_on_exec_and_never_blocks() {
    let mut job = pausing(1, 0);
    job.pause();
    let fd = job.wait_fd();
    let (fd_flags, status) = flags(fd);
    assert_ne!(fd_flags & libc::FD_CLOEXEC, 0);
    assert_ne!(status & libc::O_NONBLOCK, 0);
    assert_eq!(status & libc::O_ACCMODE, libc::O_RDONLY);
    // SAFETY: stat fills the variable.
    let mode = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        assert_eq!(libc::fstat(fd, &mut stat), 0);
        stat.st_mode
    };
    assert_eq!(mode & libc::S_IFMT, libc::S_IFIFO);
    job.finish(0);
}

// Rules: D9, W9, W11
#[test]
fn a_byte_that_other_code_has_read_does_not_make_a_clear_block() {
    let mut job = pausing(1, 0);
    job.pause();
    job.wake();
    let mut byte = [0u8; 4];
    // SAFETY: reads into the array.
    let taken = unsafe { libc::read(job.wait_fd(), byte.as_mut_ptr().cast(), 4) };
    assert_eq!((taken, byte[0]), (1, 0));
    job.clear();
    job.wake();
    assert!(readable(job.wait_fd()));
    job.finish(0);
}

// Rules: D19, W2, W7
#[test]
fn a_new_start_begins_unsignalled_and_can_be_woken() {
    let mut job = pausing(1, 0);
    job.pause();
    let (handle, fd) = (job.handle, job.wait_fd());
    job.wake();
    job.finish(0);
    job.pause();
    assert_eq!((job.handle, job.wait_fd()), (handle, fd));
    assert!(!readable(fd));
    job.wake();
    assert!(readable(fd));
    job.finish(0);
}

// Rules: D24
#[test]
fn a_wake_of_a_job_that_has_ended_has_no_effect_now_or_later() {
    // A child, because here other tests would take what is released.
    alone(|| {
        let mut job = pausing(1, 0);
        job.pause();
        let (handle, fd) = (job.handle, job.wait_fd());
        job.finish(0);
        // SAFETY: the library issued the handle.
        unsafe {
            ASYNC_wake(handle);
            assert!(!readable(fd));
            assert_eq!(ASYNC_get_wait_fd(handle), -1, "an ended job has no wait fd");
        }
        job.pause();
        assert!(!readable(fd));
        job.finish(0);
        ASYNC_free_pool();
        // SAFETY: as above; the record is freed by now.
        unsafe {
            ASYNC_wake(handle);
            ASYNC_clear_wake(handle);
            assert_eq!(ASYNC_get_wait_fd(handle), -1);
        }
    });
}

// Rules: B38, D9
#[test]
fn any_thread_can_wake_and_clear_and_ask_for_the_fd() {
    let mut job = pausing(1, 0);
    job.pause();
    let (address, fd) = (job.handle.expose_provenance(), job.wait_fd());
    std::thread::spawn(move || {
        let handle = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the library issued the handle.
        unsafe {
            assert_eq!(ASYNC_get_wait_fd(handle), fd);
            ASYNC_wake(handle);
        }
    })
    .join()
    .unwrap();
    assert!(readable(fd));
    job.clear();
    job.finish(0);
}

// Rules: D16
#[test]
fn a_forked_child_goes_on_with_its_copies_and_shares_the_pipe() {
    let counter = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = counter.clone();
    let mut job = CJob::new(move || {
        count.set(count.get() + 1);
        ASYNC_pause_job();
        count.set(count.get() + 1);
        count.get()
    });
    job.pause();
    job.wake();
    let fd = job.wait_fd();
    alone(|| {
        job.clear(); // removes the byte that both see
        assert!(!readable(fd));
        job.wake();
        job.clear();
        job.finish(2);
        let mut next = pausing(1, 3);
        next.pause();
        next.finish(3);
        ASYNC_free_pool();
    });
    assert_eq!(counter.get(), 1, "the parent's copy has not moved");
    assert!(!readable(fd), "the pipe is shared");
    job.clear(); // assumes that there is a byte, and does not block
    job.wake();
    assert!(readable(fd));
    job.finish(2);
}

// Rules: D16
#[test]
fn a_child_that_frees_its_pool_first_shares_no_pipe_in_what_it_starts() {
    for frees in [false, true] {
        ASYNC_free_pool();
        let mut job = pausing(1, 1);
        job.pause();
        // SAFETY: a descriptor of ours; the job's own is the library's once it has ended.
        let parents = unsafe { libc::dup(job.wait_fd()) };
        job.finish(1);
        alone(|| {
            if frees {
                ASYNC_free_pool();
            }
            let mut job = pausing(1, 2);
            job.pause();
            job.wake();
            assert!(readable(job.wait_fd()));
        });
        assert_eq!(readable(parents), !frees, "the pipe of an idle job");
        // SAFETY: made above.
        unsafe { libc::close(parents) };
        // The parent's own jobs still work.
        let mut job = pausing(1, 1);
        job.pause();
        job.wake();
        assert!(readable(job.wait_fd()));
        job.finish(1);
    }
}

// Rules: D16
#[test]
fn a_child_forked_while_other_threads_make_and_free_jobs_can_do_so_too() {
    let stop = Stop(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.0.load(Ordering::Relaxed) {
                assert_eq!(ASYNC_init_pool(2, 2), 1);
                ASYNC_free_pool();
            }
        });
        for _ in 0..100 {
            alone(|| {
                let mut job = pausing(1, 1);
                job.pause();
                job.finish(1);
                ASYNC_free_pool();
            });
        }
        drop(stop_at_end);
    });
}

// Rules: D16
#[test]
fn a_child_forked_while_other_threads_have_their_first_jobs_can_have_its_own() {
    let stop = Stop(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.0.load(Ordering::Relaxed) {
                std::thread::spawn(|| pausing(0, 1).finish(1))
                    .join()
                    .unwrap();
            }
        });
        for _ in 0..300 {
            alone(|| {
                let mut job = pausing(1, 1);
                job.pause();
                job.finish(1);
            });
        }
        drop(stop_at_end);
    });
}

/// Threads wake and clear the current job of a record, while the record is used again and again and
/// its memory is given back.
fn wake_and_clear_through_many_lives() {
    let stop = Stop(AtomicBool::new(false));
    let handle = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let stop_at_end = StopAtEnd(&stop);
        for clears in [false, false, true] {
            let (stop, handle) = (&stop, &handle);
            scope.spawn(move || {
                while !stop.0.load(Ordering::Relaxed) {
                    let job = std::ptr::with_exposed_provenance_mut(handle.load(Ordering::Relaxed));
                    // SAFETY: NULL or issued by the library.
                    unsafe {
                        if clears {
                            ASYNC_clear_wake(job)
                        } else {
                            ASYNC_wake(job)
                        }
                    }
                }
            });
        }
        for round in 0..3000 {
            let mut job = pausing(1, 0);
            job.pause();
            handle.store(job.handle.expose_provenance(), Ordering::Relaxed);
            if round % 3 == 0 {
                job.wake();
                job.clear();
            }
            job.finish(0);
            if round % 3 == 0 {
                ASYNC_free_pool();
            }
        }
        drop(stop_at_end);
    });
    // No thread is at the pipe any more, and the signal works.
    let mut job = pausing(1, 0);
    job.pause();
    let fd = job.wait_fd();
    assert!(!readable(fd));
    job.wake();
    assert!(readable(fd));
    job.clear();
    assert!(!readable(fd));
    job.finish(0);
}

// Rules: D9, D24, W8
#[test]
fn threads_that_wake_and_clear_through_many_lives_of_a_record_leave_it_as_it_should_be() {
    wake_and_clear_through_many_lives();
}

// Rules: D9, D16, D24
#[test]
fn in_a_forked_child_they_take_nothing_over_from_each_other() {
    alone(wake_and_clear_through_many_lives);
}

// Rules: D9, D16
#[test]
fn a_full_or_forked_pipe_never_blocks_a_wake() {
    let mut job = pausing(1, 0);
    job.pause();
    job.wake();
    let fd = job.wait_fd();
    alone(|| {
        job.clear();
        job.wake();
        // Both processes woke: two bytes. Each clear takes one.
    });
    assert!(readable(fd));
    job.clear();
    assert!(!readable(fd));
    job.finish(0);
}

fn paused(job: Result<Step<i32>, impl std::fmt::Debug>) -> Job<i32> {
    match job {
        Ok(Step::Paused(job)) => job,
        other => panic!("not paused: {other:?}"),
    }
}

fn two_pauses() -> i32 {
    ossl_async::pause();
    ossl_async::pause();
    1
}

// Rules: B36, D1
#[test]
fn a_job_that_rust_started_gets_its_pipe_when_it_is_first_asked_for() {
    alone(|| {
        let before = descriptors();
        let job = paused(start_job(two_pauses));
        assert_eq!(descriptors(), before);
        let fd = job.wait_fd().unwrap().as_raw_fd();
        assert_eq!(job.wait_fd().unwrap().as_raw_fd(), fd);
        assert_eq!(descriptors(), before + 2);
        let job = paused(job.resume());
        assert!(matches!(job.resume(), Ok(Step::Finished(1))));
        assert_eq!(descriptors(), before + 2, "the idle record keeps it");
        ASYNC_free_pool();
        assert_eq!(descriptors(), before);
    });
}

// Rules: B37, W6
#[test]
fn a_job_woken_before_it_had_a_pipe_is_readable_once_it_has_one() {
    let job = paused(start_job(two_pauses));
    let handle = job.wake_handle();
    handle.wake();
    assert!(readable(job.wait_fd().unwrap().as_raw_fd()));
    handle.clear();
    assert!(!readable(job.wait_fd().unwrap().as_raw_fd()));
    handle.wake();
    assert!(readable(job.wait_fd().unwrap().as_raw_fd()));
    let job = paused(job.resume());
    drop(job.resume().unwrap());
}

// Rules: D19, D24
#[test]
fn a_wake_handle_is_bound_to_one_use_of_the_record() {
    let job = paused(start_job(two_pauses));
    let fd = job.wait_fd().unwrap().as_raw_fd();
    let old = job.wake_handle();
    let job = paused(job.resume());
    drop(job.resume().unwrap());
    let job = paused(start_job(two_pauses));
    assert_eq!(job.wait_fd().unwrap().as_raw_fd(), fd, "the same record");
    old.wake();
    assert!(!readable(fd), "the old use is over");
    let new = job.wake_handle();
    new.wake();
    old.clear();
    assert!(readable(fd));
    new.clear();
    assert!(!readable(fd));
    let job = paused(job.resume());
    drop(job.resume().unwrap());
}

// Rules: B35, B38
#[test]
fn a_job_can_hand_out_its_wake_handle_before_its_first_pause() {
    fn shared<T: Send + Sync + Clone + 'static>(value: T) -> T {
        value
    }
    assert!(ossl_async::current().is_none());
    let (sender, receiver) = std::sync::mpsc::channel::<WakeHandle>();
    let job = paused(start_job(move || {
        let handle = shared(ossl_async::current().expect("inside a job"));
        std::thread::spawn(move || handle.wake()).join().unwrap();
        sender.send(ossl_async::current().unwrap().clone()).unwrap();
        two_pauses()
    }));
    let fd = job.wait_fd().unwrap().as_raw_fd();
    assert!(readable(fd));
    receiver.recv().unwrap().clear();
    assert!(!readable(fd));
    let job = paused(job.resume());
    drop(job.resume().unwrap());
}
