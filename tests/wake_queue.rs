//! A queue of jobs: a thread waits for whichever is woken first, and no job has a descriptor. And a
//! job's handle as a waker.
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use ossl_async::{Error, Job, Pool, Step, WaitError, WakeHandle, WakeQueue};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A job that pauses again and again, until it is told to end.
fn sleeper(end: &Rc<Cell<bool>>) -> Job<()> {
    let end = end.clone();
    paused(start_job(move || {
        while !end.get() {
            assert!(ossl_async::pause());
        }
    }))
}

/// A job that pauses once.
fn pauses_once() -> Job<bool> {
    paused(start_job(ossl_async::pause))
}

/// Keys of jobs that are woken already, in order.
fn woken(queue: &WakeQueue) -> Vec<u64> {
    let next = || queue.wait(Some(Duration::ZERO)).expect("a pipe");
    std::iter::from_fn(next).collect()
}

/// Waits, without a limit, for the key of a job that is woken.
fn next(queue: &WakeQueue) -> u64 {
    queue.wait(None).expect("a pipe").expect("it has jobs")
}

// Rules: B37, W5
#[test]
fn each_wake_gives_the_jobs_key_once_in_the_order_of_the_wakes() {
    let queue = WakeQueue::new().unwrap();
    let jobs: Vec<_> = (0..10).map(|_| pauses_once()).collect();
    for (key, job) in (100..).zip(&jobs) {
        queue.add(job, key).unwrap();
    }
    assert_eq!(woken(&queue), []);
    for index in [3, 1, 4, 1, 5, 9, 2, 6, 5, 3] {
        jobs[index].wake_handle().wake();
    }
    jobs[4].wake_handle().clear(); // concerns a descriptor, which it has not
    assert_eq!(next(&queue), 103);
    jobs[3].wake_handle().wake(); // it was taken, so it comes again
    jobs[1].wake_handle().wake(); // it was not
    assert_eq!(woken(&queue), [101, 104, 105, 109, 102, 106, 103]);
    assert_eq!(woken(&queue), []);
    for job in jobs {
        assert!(finished(job.resume()));
    }
    assert_eq!(woken(&queue), []);
    assert!(queue.is_empty());
}

// Rules: B37, B38
#[test]
fn a_job_may_be_woken_while_it_runs_and_while_it_is_paused_again() {
    let queue = WakeQueue::new().unwrap();
    let mut job = paused(start_job(|| {
        let handle = ossl_async::current().unwrap();
        for _ in 0..3 {
            assert!(ossl_async::pause());
            handle.wake(); // before the next pause
        }
    }));
    queue.add(&job, 7).unwrap();
    assert_eq!(woken(&queue), []);
    for _ in 0..2 {
        job = paused(job.resume());
        assert_eq!(woken(&queue), [7]);
        job.wake_handle().wake();
        assert_eq!(woken(&queue), [7]);
    }
    finished(job.resume());
    assert_eq!(woken(&queue), [], "it was woken, and has ended");
}

// Rules: B37
#[test]
fn a_limit_ends_a_wait_and_not_before_its_time() {
    let queue = WakeQueue::new().unwrap();
    assert_eq!(queue.wait(None).unwrap(), None, "there are no jobs");
    assert_eq!(queue.wait(Some(Duration::MAX)).unwrap(), None);
    let job = pauses_once();
    queue.add(&job, 1).unwrap();
    for limit in [0, 1, 100, 2_500_000].map(Duration::from_nanos) {
        let begin = Instant::now();
        assert_eq!(queue.wait(Some(limit)).unwrap(), None);
        assert!(begin.elapsed() >= limit);
    }
    // Limits that no clock and no poll can have.
    for limit in [Duration::from_secs(1 << 40), Duration::MAX] {
        let handle = job.wake_handle();
        let other = std::thread::spawn(move || handle.wake());
        assert_eq!(queue.wait(Some(limit)).unwrap(), Some(1));
        other.join().unwrap();
    }
    drop(job);
    assert_eq!(queue.wait(None).unwrap(), None, "there are no jobs");
}

// Rules: B37
#[test]
fn a_wake_before_the_job_is_added_counts_if_it_was_not_cleared() {
    let queue = WakeQueue::new().unwrap();
    let jobs = [pauses_once(), pauses_once(), pauses_once()];
    jobs[0].wake_handle().wake();
    jobs[1].wake_handle().wake();
    jobs[1].wake_handle().clear();
    for (key, job) in (0..).zip(&jobs) {
        queue.add(job, key).unwrap();
    }
    assert_eq!(woken(&queue), [0]);
    drop(jobs);
}

// Rules: D24, D15
#[test]
fn a_job_that_ends_or_is_dropped_while_it_is_woken_leaves_and_its_key_does_not_come() {
    Pool::init(0, 0).unwrap();
    let queue = WakeQueue::new().unwrap();
    let end = Rc::new(Cell::new(false));
    let jobs: Vec<_> = (0..9).map(|_| sleeper(&end)).collect();
    for (key, job) in (0..).zip(&jobs) {
        queue.add(job, key).unwrap();
    }
    let handles: Vec<_> = jobs.iter().map(Job::wake_handle).collect();
    handles.iter().for_each(WakeHandle::wake);
    let mut jobs: Vec<_> = jobs.into_iter().map(Some).collect();
    drop(jobs[0].take()); // it unwinds; the first to be woken
    drop(jobs[8].take()); // the last
    assert_eq!(next(&queue), 1);
    end.set(true);
    for ends in [1, 4] {
        finished(jobs[ends].take().unwrap().resume());
    }
    jobs[5].take().unwrap().cancel().unwrap();
    assert_eq!(woken(&queue), [2, 3, 6, 7]);
    // Their records are used again, by jobs that are in no queue and by some that are.
    let others: Vec<_> = (0..5).map(|_| pauses_once()).collect();
    handles.iter().for_each(WakeHandle::wake);
    assert_eq!(woken(&queue), [2, 3, 6, 7]);
    queue.add(&others[0], 50).unwrap();
    handles.iter().for_each(WakeHandle::wake);
    others[0].wake_handle().wake();
    assert_eq!(woken(&queue), [2, 3, 6, 7, 50]);
    drop(others);
    drop(jobs);
    assert!(queue.is_empty());
}

// Rules: D15
#[test]
fn a_job_that_is_abandoned_leaves() {
    let queue = WakeQueue::new().unwrap();
    // SAFETY: the contract of `Job::start`, as for `start_job`.
    let step = unsafe { Job::start_with(ossl_async::OnDrop::Abandon, ossl_async::pause) };
    let job = paused(step);
    let handle = job.wake_handle();
    queue.add(&job, 1).unwrap();
    handle.wake();
    drop(job);
    handle.wake();
    assert_eq!(queue.wait(None).unwrap(), None);
    assert!(queue.is_empty());
}

// Rules: D6, D24
#[test]
fn a_job_that_c_has_ended_leaves_and_cannot_be_added() {
    let queue = WakeQueue::new().unwrap();
    let handle = Rc::new(Cell::new(std::ptr::null_mut()));
    let seen = handle.clone();
    let job = paused(start_job(move || {
        seen.set(ASYNC_get_current_job());
        ossl_async::pause();
    }));
    let other = pauses_once();
    queue.add(&job, 1).unwrap();
    queue.add(&other, 2).unwrap();
    // SAFETY: a live handle.
    unsafe { ASYNC_wake(handle.get()) };
    let (mut raw, mut ret, null) = (handle.get(), UNWRITTEN, std::ptr::null_mut());
    // SAFETY: the same.
    let got = unsafe { ASYNC_start_job_2015(&mut raw, &mut ret, None, null, 0) };
    assert_eq!(got, ASYNC_FINISH);
    // SAFETY: a handle that the library has issued.
    unsafe { ASYNC_wake(handle.get()) };
    assert_eq!(queue.add(&job, 3), Err(Error::NotResumable));
    WakeQueue::remove(&job);
    other.wake_handle().wake();
    assert_eq!(woken(&queue), [2]);
    drop(other);
    assert!(queue.is_empty());
    drop(job);
}

// Rules: B37
#[test]
fn a_job_is_in_one_queue_and_can_leave_it_and_a_queue_can_be_dropped_first() {
    let (first, second) = (WakeQueue::new().unwrap(), WakeQueue::new().unwrap());
    let (job, other) = (pauses_once(), pauses_once());
    first.add(&job, 1).unwrap();
    first.add(&other, 2).unwrap();
    job.wake_handle().wake();
    job.wake_handle().clear();
    second.add(&job, 3).unwrap(); // the wake was the first queue's
    assert_eq!((woken(&first), woken(&second)), (vec![], vec![]));
    job.wake_handle().wake();
    assert_eq!((woken(&first), woken(&second)), (vec![], vec![3]));
    job.wake_handle().clear();
    second.add(&job, 4).unwrap();
    job.wake_handle().wake();
    assert_eq!(woken(&second), [4]);
    WakeQueue::remove(&job);
    WakeQueue::remove(&job);
    job.wake_handle().wake();
    assert!(second.is_empty());
    // Jobs that are woken, and jobs that are not, outlive their queue.
    job.wake_handle().clear();
    first.add(&job, 5).unwrap();
    job.wake_handle().wake();
    drop(first);
    job.wake_handle().wake();
    other.wake_handle().wake();
    second.add(&other, 6).unwrap(); // it was woken and not cleared
    assert_eq!(woken(&second), [6]);
    assert!(finished(job.resume()) && finished(other.resume()));
    assert!(format!("{second:?}").contains("is_empty: true"));
}

// Rules: B36, W3, W4
#[test]
fn the_queues_descriptor_is_readable_while_a_job_is_woken() {
    let queue = WakeQueue::new().unwrap();
    let fd = queue.as_raw_fd();
    let jobs = [pauses_once(), pauses_once()];
    for (key, job) in (0..).zip(&jobs) {
        queue.add(job, key).unwrap();
    }
    assert!(!readable(fd));
    for _ in 0..2 {
        jobs[0].wake_handle().wake();
        assert!(readable(fd));
        jobs[1].wake_handle().wake();
        assert_eq!(next(&queue), 0);
        assert!(readable(fd), "there is another one");
        assert_eq!(next(&queue), 1);
        assert_eq!(woken(&queue), []);
        assert!(!readable(fd));
    }
    // The descriptor of a job is another matter.
    let its_own = jobs[0].wait_fd().unwrap().as_raw_fd();
    assert!(readable(its_own), "nobody has cleared it");
    jobs[0].wake_handle().clear();
    jobs[0].wake_handle().wake();
    assert_eq!(woken(&queue), [0]);
    assert!(readable(its_own));
    drop(jobs);
    drop(queue);
    assert!(!open(fd));
}

// Rules: B37, D20
#[test]
fn a_hundred_thousand_jobs_take_two_descriptors() {
    let (count, sanitized) = (100_000, cfg!(ossl_async_sanitizer));
    let count = possible_jobs(if sanitized { 2_000 } else { count });
    alone(move || {
        let before = descriptors();
        let queue = WakeQueue::new().unwrap();
        let end = Rc::new(Cell::new(false));
        let mut jobs: Vec<_> = (0..count).map(|_| Some(sleeper(&end))).collect();
        for (key, job) in (0..).zip(&jobs) {
            queue.add(job.as_ref().unwrap(), key).unwrap();
        }
        assert_eq!(descriptors(), before + 2);
        let handles: Vec<_> = jobs.iter().flatten().map(Job::wake_handle).collect();
        let handles = Arc::new(handles);
        for round in 0..3 {
            // Each thread wakes every job.
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let handles = handles.clone();
                    std::thread::spawn(move || {
                        let from = thread * handles.len() / 4;
                        let (low, high) = handles.split_at(from);
                        high.iter().chain(low).for_each(WakeHandle::wake);
                    })
                })
                .collect();
            let mut seen = vec![0; count];
            let mut not_seen = count;
            while not_seen > 0 {
                let key = next(&queue) as usize;
                seen[key] += 1;
                not_seen -= usize::from(seen[key] == 1);
                let job = jobs[key].take().unwrap();
                jobs[key] = Some(paused(job.resume()));
            }
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            for key in woken(&queue) {
                seen[key as usize] += 1;
            }
            assert!(seen.iter().all(|times| (1..=4).contains(times)), "{round}");
        }
        assert_eq!(descriptors(), before + 2);
        // Half of them end while they are woken, and their memory is given back: it reads as zeros.
        end.set(true);
        handles.iter().for_each(WakeHandle::wake);
        for job in jobs.iter_mut().step_by(2) {
            finished(job.take().unwrap().resume());
        }
        Pool::free();
        handles.iter().for_each(WakeHandle::wake);
        let odd: Vec<_> = (1..count as u64).step_by(2).collect();
        assert_eq!(woken(&queue), odd);
        drop(jobs);
        assert_eq!(queue.wait(None).unwrap(), None);
    });
}

// Rules: D9, W8
#[test]
fn wakes_from_other_threads_are_not_lost_and_bring_what_came_before_them() {
    let rounds = if cfg!(ossl_async_sanitizer) {
        300
    } else {
        3000
    };
    let queue = WakeQueue::new().unwrap();
    let threads = 3;
    // Each job asks a thread, and pauses until that has answered.
    let jobs = (0..threads).map(|key| {
        let job = paused(start_job(move || {
            let (send, receive) = mpsc::channel::<(WakeHandle, Arc<AtomicU32>)>();
            let answering = std::thread::spawn(move || {
                for (handle, answer) in receive {
                    answer.store(1, Ordering::Relaxed); // the wake makes it visible
                    handle.wake();
                }
            });
            ossl_async::pause();
            for _ in 0..rounds {
                let answer = Arc::new(AtomicU32::new(0));
                let handle = ossl_async::current().unwrap();
                send.send((handle, answer.clone())).unwrap();
                while answer.load(Ordering::Relaxed) == 0 {
                    assert!(ossl_async::pause());
                }
            }
            drop(send);
            answering.join().unwrap();
        }));
        queue.add(&job, key).unwrap();
        job.wake_handle().wake();
        (key, job)
    });
    let mut jobs: HashMap<_, _> = jobs.collect();
    while let Some(key) = queue.wait(None).unwrap() {
        match jobs.remove(&key).unwrap().resume().unwrap() {
            Step::Paused(job) => drop(jobs.insert(key, job)),
            Step::Finished(()) => (),
        }
    }
    assert!(jobs.is_empty());
}

/// What the signal handlers below wake.
static TO_WAKE: AtomicPtr<WakeHandle> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn wake_in_handler(_: i32) {
    // SAFETY: null, or a handle that the test keeps.
    if let Some(handle) = unsafe { TO_WAKE.load(Ordering::Acquire).as_ref() } {
        handle.wake();
    }
}

extern "C" fn do_nothing(_: i32) {}

/// Installs a handler that interrupts system calls.
fn handle(signal: i32, handler: extern "C" fn(i32)) {
    // SAFETY: a valid structure, and a handler that may be called at any time.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

// Rules: D9, W8
#[test]
fn a_signal_handler_may_wake_and_a_signal_alone_does_not_end_the_wait() {
    alone(|| {
        handle(libc::SIGUSR1, wake_in_handler);
        handle(libc::SIGUSR2, do_nothing);
        let queue = WakeQueue::new().unwrap();
        let end = Rc::new(Cell::new(false));
        let mut job = sleeper(&end);
        queue.add(&job, 5).unwrap();
        TO_WAKE.store(Box::leak(Box::new(job.wake_handle())), Ordering::Release);
        // On this thread, at any moment of its use of the queue.
        // SAFETY: asks only.
        let this = unsafe { libc::pthread_self() } as usize; // a pointer with musl
        static STOP: AtomicBool = AtomicBool::new(false);
        static SENT: AtomicU64 = AtomicU64::new(0);
        let sender = std::thread::spawn(move || {
            while !STOP.load(Ordering::Relaxed) {
                for signal in [libc::SIGUSR2, libc::SIGUSR1] {
                    // SAFETY: the thread waits for this one.
                    let sent = unsafe { libc::pthread_kill(this as libc::pthread_t, signal) };
                    assert_eq!(sent, 0);
                }
                SENT.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        for round in 0..2000 {
            assert_eq!(queue.wait(None).unwrap(), Some(5));
            job = paused(job.resume());
            if round % 7 == 0 {
                WakeQueue::remove(&job);
                queue.add(&job, 5).unwrap();
            }
        }
        STOP.store(true, Ordering::Relaxed);
        sender.join().unwrap();
        assert!(SENT.load(Ordering::Relaxed) > 0);
        TO_WAKE.store(std::ptr::null_mut(), Ordering::Release);
        woken(&queue);
        // Signals that wake nobody do not end a wait with a limit either.
        // SAFETY: asks only.
        let this = unsafe { libc::pthread_self() } as usize;
        let limit = Duration::from_millis(20);
        let signals = std::thread::spawn(move || {
            for _ in 0..50 {
                // SAFETY: as above.
                let sent = unsafe { libc::pthread_kill(this as libc::pthread_t, libc::SIGUSR2) };
                assert_eq!(sent, 0);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let begin = Instant::now();
        assert_eq!(queue.wait(Some(limit)).unwrap(), None);
        assert!(begin.elapsed() >= limit);
        signals.join().unwrap();
        end.set(true);
        finished(job.resume());
    });
}

// Rules: D15, D24
#[test]
fn wakes_come_after_the_thread_and_its_queue_have_ended() {
    thread_local! {
        static KEPT: RefCell<Vec<(WakeQueue, Vec<Job<bool>>)>> = const { RefCell::new(vec![]) };
    }
    for queue_is_leaked in [false, true] {
        let (send, receive) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            KEPT.with_borrow(|kept| assert!(kept.is_empty()));
            let queue = WakeQueue::new().unwrap();
            let jobs: Vec<_> = (0..4).map(|_| pauses_once()).collect();
            for (key, job) in (0..).zip(&jobs) {
                queue.add(job, key).unwrap();
            }
            jobs[0].wake_handle().wake();
            send.send(jobs.iter().map(Job::wake_handle).collect::<Vec<_>>())
                .unwrap();
            if queue_is_leaked {
                leak(queue);
                jobs.into_iter().for_each(std::mem::forget);
            } else {
                // Dropped by the thread's destructors.
                KEPT.with_borrow_mut(|kept| kept.push((queue, jobs)));
            }
        });
        let handles: Vec<WakeHandle> = receive.recv().unwrap();
        // While the thread ends.
        handles.iter().for_each(WakeHandle::wake);
        thread.join().unwrap();
        handles.iter().for_each(WakeHandle::wake);
    }
}

/// Queues that are never dropped. They stay reachable, and so do not count as leaked.
static LEAKED: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(vec![]);

fn leak(queue: WakeQueue) {
    let queue: *mut WakeQueue = Box::leak(Box::new(queue));
    LEAKED.lock().unwrap().push(queue.expose_provenance());
}

// Rules: D16
#[test]
fn a_forked_child_has_a_queue_of_its_own() {
    alone(|| {
        let queue = WakeQueue::new().unwrap();
        let end = Rc::new(Cell::new(false));
        let jobs = [sleeper(&end), sleeper(&end), sleeper(&end)];
        for (key, job) in (0..).zip(&jobs) {
            queue.add(job, key).unwrap();
        }
        let fd = queue.as_raw_fd();
        let before = descriptors();
        alone(|| {
            jobs[1].wake_handle().wake();
            assert!(!readable(fd), "it is the parent's still");
        });
        assert!(!readable(fd));
        jobs[2].wake_handle().wake(); // both have it
        alone(|| {
            jobs[1].wake_handle().wake(); // before the child's first wait
            assert_eq!(woken(&queue), [2, 1]);
            assert_eq!((queue.as_raw_fd(), descriptors()), (fd, before));
            for _ in 0..3 {
                let handle = jobs[0].wake_handle();
                let other = std::thread::spawn(move || handle.wake());
                assert_eq!(next(&queue), 0);
                other.join().unwrap();
            }
            jobs[0].wake_handle().wake();
            assert!(readable(fd));
            // And a child of the child, which does not use it.
            // SAFETY: that child ends without using it again.
            alone(|| drop(unsafe { std::ptr::read(&queue) }));
        });
        assert_eq!(woken(&queue), [2]);
        // What the child has done is not seen here, or the wait would spin or sleep.
        assert!(!readable(fd));
        jobs[1].wake_handle().wake();
        assert!(readable(fd));
        alone(|| assert_eq!(woken(&queue), [1]));
        assert!(readable(fd), "the child has taken its own copy");
        assert_eq!(woken(&queue), [1]);
        assert!(!readable(fd));
        end.set(true);
        for job in jobs {
            finished(job.resume());
        }
    });
}

// Rules: D16, D9
#[test]
#[cfg_attr(
    ossl_async_sanitizer,
    ignore = "a sanitizer's own locks may be held at the fork"
)]
fn a_wake_that_a_fork_has_cut_off_does_not_make_the_child_lose_later_ones() {
    alone(|| {
        let queue = WakeQueue::new().unwrap();
        let end = Rc::new(Cell::new(false));
        let jobs = [sleeper(&end), sleeper(&end)];
        for (key, job) in (0..).zip(&jobs) {
            queue.add(job, key).unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let handles = jobs.each_ref().map(Job::wake_handle);
        let seen = stop.clone();
        let waking = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                handles.iter().for_each(WakeHandle::wake);
            }
        });
        for _ in 0..200 {
            for _ in 0..3 {
                next(&queue);
            }
            // SAFETY: the child uses the queue, ends, and allocates nothing but by malloc.
            let child = unsafe { libc::fork() };
            if child == 0 {
                limit_life(CLOCK_SECONDS);
                jobs.iter().for_each(|job| job.wake_handle().wake());
                let mut keys = [next(&queue), next(&queue)];
                keys.sort_unstable();
                // SAFETY: ends the child.
                unsafe { libc::_exit((keys != [0, 1]).into()) };
            }
            assert_eq!(wait_for(child), Ending::Exit(0));
        }
        stop.store(true, Ordering::Relaxed);
        waking.join().unwrap();
        woken(&queue);
        end.set(true);
        for job in jobs {
            finished(job.resume());
        }
    });
}

// Rules: B37
#[test]
fn a_job_in_a_queue_is_no_task() {
    let queue = WakeQueue::new().unwrap();
    let job = paused(start_job(|| {
        ossl_async::pause();
        ossl_async::wait_for(std::future::pending::<()>())
    }));
    queue.add(&job, 1).unwrap();
    assert_eq!(finished(job.resume()), Err(WaitError::NoTask));
}

// Rules: D20
#[test]
fn without_descriptors_there_is_no_queue() {
    alone(|| {
        let before = descriptors();
        let files = limit(libc::RLIMIT_NOFILE, 0);
        let none = WakeQueue::new().unwrap_err();
        assert_eq!(none.raw_os_error(), Some(libc::EMFILE));
        limit(libc::RLIMIT_NOFILE, files);
        drop(WakeQueue::new().unwrap());
        assert_eq!(descriptors(), before);
    });
}

/// Is ready when it is told, and then calls its waker.
#[derive(Default)]
struct Answer(std::sync::Mutex<(Option<u32>, Option<Waker>)>);

impl Answer {
    fn give(&self, answer: u32) {
        let mut place = self.0.lock().unwrap();
        place.0 = Some(answer);
        if let Some(waker) = place.1.take() {
            waker.wake();
        }
    }
}

struct Asks(Arc<Answer>);

impl Future for Asks {
    type Output = u32;

    fn poll(self: std::pin::Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<u32> {
        let mut place = self.0.0.lock().unwrap();
        place.1 = Some(ctx.waker().clone());
        place.0.map_or(Poll::Pending, Poll::Ready)
    }
}

// Rules: B37, D24
#[test]
fn a_handle_is_a_waker_of_its_job() {
    let answers = [Arc::<Answer>::default(), Arc::default()];
    let queue = WakeQueue::new().unwrap();
    let asked = answers.clone();
    let mut job = paused(start_job(move || {
        let waker = Waker::from(ossl_async::current().unwrap());
        let mut polls = 0;
        let mut block_on = |answer: &Arc<Answer>| {
            let mut future = pin!(Asks(answer.clone()));
            loop {
                polls += 1;
                match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(value) => break value,
                    Poll::Pending => assert!(ossl_async::pause()),
                }
            }
        };
        let values = asked.each_ref().map(&mut block_on);
        (values, polls)
    }));
    queue.add(&job, 1).unwrap();
    assert_eq!(woken(&queue), []);
    let answer = answers[0].clone();
    let other = std::thread::spawn(move || answer.give(5));
    assert_eq!(next(&queue), 1);
    other.join().unwrap();
    job = paused(job.resume());
    answers[1].give(6);
    assert_eq!(next(&queue), 1);
    let waker = Waker::from(job.wake_handle());
    assert_eq!(finished(job.resume()), ([5, 6], 4));
    // Each has its last waker still. They wake nobody.
    answers.iter().for_each(|answer| answer.give(7));
    waker.wake_by_ref();
    let copy = waker.clone();
    drop(waker);
    copy.wake();
    assert!(queue.is_empty());
}
