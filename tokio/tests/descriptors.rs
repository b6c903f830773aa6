//! Jobs whose provider signals by descriptors, on tokio. The provider is code in the job that calls
//! the C functions, and threads that stand for its hardware.

use libtest_mimic::{Arguments, Trial};
use ossl_async::{JobFuture, OnDrop, stats, sys, wait_for};
use ossl_async_tokio::{FdJob, FdJobError};
use std::cell::Cell;
use std::fs;
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::process::ExitCode;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Tests named after their functions. They are ignored where there are no jobs.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        vec![$(
            Trial::test(stringify!($name), || {
                $name();
                Ok(())
            })
            .with_ignored_flag(!ossl_async::is_capable())
        ),*]
    };
}

fn main() -> ExitCode {
    let trials = tests![
        a_readable_descriptor_resumes_the_job,
        a_signal_at_the_very_pause_resumes_the_job,
        without_this_crate_such_a_job_waits_for_ever,
        a_thousand_jobs_each_have_a_descriptor,
        descriptors_change_between_pauses,
        a_closed_number_may_be_another_files_at_the_next_pause,
        nothing_is_registered_while_the_job_runs,
        nothing_is_registered_when_a_dropped_job_unwinds,
        callback_and_descriptor_may_both_signal,
        a_descriptor_that_is_readable_before_the_pause_counts,
        jobs_may_have_a_descriptor_in_common,
        polls_between_resume_nothing_and_register_nothing,
        a_timeout_drops_the_job,
        a_file_that_epoll_does_not_take_can_always_be_read,
        a_descriptor_that_is_not_open_is_an_error,
        a_job_whose_runtime_has_ended_goes_on_in_another,
        a_job_that_waits_for_a_future_is_not_resumed_by_a_descriptor,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A job of a test's.
fn job<T: 'static, F: FnOnce() -> T + 'static>(closure: F) -> FdJob<T, F> {
    // SAFETY: the contract of `Job::start`: at their pauses the closures here have plain values,
    // and no frame relies on nested calls.
    FdJob::new(unsafe { JobFuture::new(closure) })
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// The wait context of the job that this is called in.
fn context() -> *mut sys::ASYNC_WAIT_CTX {
    // SAFETY: the running job's handle.
    let ctx = unsafe { sys::ASYNC_get_wait_ctx(sys::ASYNC_get_current_job()) };
    assert!(!ctx.is_null());
    ctx
}

fn add(key: usize, fd: RawFd) {
    let (ctx, key) = (context(), ptr::without_provenance(key));
    // SAFETY: the job's context, and no cleanup.
    let added = unsafe { sys::ASYNC_WAIT_CTX_set_wait_fd(ctx, key, fd, ptr::null_mut(), None) };
    assert_eq!(added, 1);
}

fn clear(key: usize) {
    // SAFETY: the job's context.
    let cleared = unsafe { sys::ASYNC_WAIT_CTX_clear_fd(context(), ptr::without_provenance(key)) };
    assert_eq!(cleared, 1);
}

/// An eventfd, which counts signals.
struct Event(OwnedFd);

impl Event {
    fn new() -> Event {
        // SAFETY: it takes numbers only.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: just made.
        Event(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    fn signal(&self) {
        let mut file = fs::File::from(self.0.try_clone().expect("a duplicate"));
        file.write_all(&1_u64.to_ne_bytes())
            .expect("room for a signal");
    }

    /// Takes all signals. Returns whether there was one.
    fn take(&self) -> bool {
        let mut file = fs::File::from(self.0.try_clone().expect("a duplicate"));
        match file.read_exact(&mut [0; 8]) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                false
            }
        }
    }

    /// What a provider does in a job: it pauses until there is a signal. Returns how often.
    fn wait(&self) -> u32 {
        let mut pauses = 0;
        while !self.take() {
            assert!(ossl_async::pause());
            pauses += 1;
        }
        pauses
    }
}

/// The numbers of this process's descriptors of a socket.
fn descriptors_of(socket: &UnixStream) -> Vec<RawFd> {
    let link = |fd: RawFd| fs::read_link(format!("/proc/self/fd/{fd}"));
    let wanted = link(socket.as_raw_fd()).expect("it is open");
    let entries = fs::read_dir("/proc/self/fd").expect("Linux");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_str().expect("digits").parse().expect("a number"))
        .filter(|fd| link(*fd).is_ok_and(|link| link == wanted))
        .collect()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

// Rules: G21, B32
fn a_readable_descriptor_resumes_the_job() {
    let set = LocalSet::new();
    set.block_on(&runtime(), async {
        let event = Arc::new(Event::new());
        let theirs = event.clone();
        let waits = Rc::new(Cell::new(false));
        let will_wait = waits.clone();
        let work = move || {
            add(1, theirs.fd());
            will_wait.set(true);
            theirs.wait()
        };
        let job = tokio::task::spawn_local(job(work));
        // This task has its turn while the job is paused, and without it there is no signal.
        while !waits.get() {
            tokio::task::yield_now().await;
        }
        let worker = thread::spawn(move || event.signal());
        let pauses = job.await.expect("no panic").expect("a job");
        assert_eq!(pauses, 1, "it was resumed by the signal alone");
        worker.join().expect("no panic");
    });
}

// Rules: G21, B32
fn a_signal_at_the_very_pause_resumes_the_job() {
    let set = LocalSet::new();
    let work = || {
        let event = Arc::new(Event::new());
        add(1, event.fd());
        let theirs = event.clone();
        let worker = thread::spawn(move || theirs.signal());
        let pauses = event.wait();
        worker.join().expect("no panic");
        pauses
    };
    set.block_on(&runtime(), async {
        for _ in 0..100 {
            let ended = tokio::task::spawn_local(job(work)).await;
            let pauses = ended.expect("no panic").expect("a job");
            assert!(pauses <= 1, "one signal resumed it {pauses} times");
        }
    });
}

// Rules: G21, B37
fn without_this_crate_such_a_job_waits_for_ever() {
    let event = Rc::new(Event::new());
    let theirs = event.clone();
    let waits = move || {
        add(1, theirs.fd());
        theirs.wait()
    };
    runtime().block_on(async {
        let mut alone = job(waits).into_inner();
        assert!(poll(&mut alone).is_pending());
        event.signal();
        for _ in 0..100 {
            tokio::task::yield_now().await;
            assert!(poll(&mut alone).is_pending());
        }
        // With it, the job goes on where it is.
        assert_eq!(FdJob::from(alone).await.expect("a job"), 1);
    });
}

// Rules: G21, B32
fn a_thousand_jobs_each_have_a_descriptor() {
    const JOBS: usize = 1000;
    // An eventfd and its duplicate for each.
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: one structure, which is written and then read.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    let (send, receive) = std::sync::mpsc::channel::<Arc<Event>>();
    // The worker answers in another order, and some twice.
    let worker = thread::spawn(move || {
        let mut events: Vec<_> = receive.iter().take(JOBS).collect();
        events.reverse();
        for (number, event) in events.iter().enumerate() {
            event.signal();
            if number % 7 == 0 {
                event.signal();
                thread::yield_now();
            }
        }
    });
    let set = LocalSet::new();
    let sum: usize = set.block_on(&runtime(), async {
        let jobs: Vec<_> = (0..JOBS)
            .map(|number| {
                let send = send.clone();
                tokio::task::spawn_local(job(move || {
                    let event = Arc::new(Event::new());
                    add(1, event.fd());
                    send.send(event.clone()).expect("it receives");
                    assert!(event.wait() <= 1, "one signal, one resume");
                    clear(1);
                    number
                }))
            })
            .collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await.expect("no panic").expect("a job");
        }
        sum
    });
    worker.join().expect("no panic");
    assert_eq!(sum, JOBS * (JOBS - 1) / 2);
    assert_eq!((stats::thread().paused, stats::thread().abandoned), (0, 0));
}

// Rules: G21, G24, G31
fn descriptors_change_between_pauses() {
    let events: Rc<[Event; 3]> = Rc::new([Event::new(), Event::new(), Event::new()]);
    let theirs = events.clone();
    let work = move || {
        add(0, theirs[0].fd());
        let first = theirs[0].wait();
        // The first stays, another comes.
        add(1, theirs[1].fd());
        let second = theirs[1].wait();
        // Only the third.
        clear(0);
        clear(1);
        add(2, theirs[2].fd());
        [first, second, theirs[2].wait()]
    };
    runtime().block_on(async {
        let mut job = job(work);
        for event in &*events {
            assert!(poll(&mut job).is_pending());
            event.signal();
            if event.fd() == events[2].fd() {
                // These are not waited for any more.
                events[0].signal();
                break;
            }
            // Wait until the reactor has seen it.
            let resumes = stats::thread().resumes;
            std::future::poll_fn(|ctx| {
                assert!(Pin::new(&mut job).poll(ctx).is_pending());
                if stats::thread().resumes > resumes {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
        assert_eq!(job.await.expect("a job"), [1, 1, 1]);
    });
}

// Rules: G21, G27
fn a_closed_number_may_be_another_files_at_the_next_pause() {
    let set = LocalSet::new();
    set.block_on(&runtime(), async {
        let work = || {
            let mut numbers = vec![];
            for _ in 0..20 {
                let event = Event::new();
                let number = event.fd();
                add(1, number);
                let theirs = Event(event.0.try_clone().expect("a duplicate"));
                let worker = thread::spawn(move || theirs.signal());
                event.wait();
                worker.join().expect("no panic");
                clear(1);
                drop(event);
                // Another kind of file gets the number, and is waited for.
                let (mut here, mut there) = UnixStream::pair().expect("two sockets");
                here.set_nonblocking(true).expect("a socket");
                numbers.push((number, here.as_raw_fd()));
                add(2, here.as_raw_fd());
                let worker = thread::spawn(move || there.write_all(b"x").expect("room"));
                while here.read(&mut [0]).is_err() {
                    assert!(ossl_async::pause());
                }
                worker.join().expect("no panic");
                clear(2);
            }
            numbers
        };
        let numbers = tokio::task::spawn_local(job(work)).await;
        let numbers = numbers.expect("no panic").expect("a job");
        // Tests run at once, and may take a number between.
        assert!(
            numbers.iter().any(|(event, socket)| event == socket),
            "{numbers:?}"
        );
    });
}

// Rules: G19, G21
fn nothing_is_registered_while_the_job_runs() {
    let (here, mut there) = UnixStream::pair().expect("two sockets");
    let here = Rc::new(here);
    let theirs = here.clone();
    let work = move || {
        add(1, theirs.as_raw_fd());
        add(2, theirs.as_raw_fd()); // twice, which OpenSSL allows
        for round in 0..3 {
            assert!(ossl_async::pause());
            let open = descriptors_of(&theirs);
            assert_eq!(open, [theirs.as_raw_fd()], "at resume {round}");
            (&*theirs).read_exact(&mut [0]).expect("a byte");
        }
    };
    runtime().block_on(async {
        let mut job = job(work);
        for round in 0..3 {
            let resumes = stats::thread().resumes;
            let paused = std::future::poll_fn(|ctx| match Pin::new(&mut job).poll(ctx) {
                Poll::Pending if round == 0 || stats::thread().resumes > resumes => {
                    Poll::Ready(true)
                }
                Poll::Pending => Poll::Pending,
                Poll::Ready(ended) => Poll::Ready(ended.is_err()),
            });
            assert!(paused.await);
            assert_eq!(descriptors_of(&here).len(), 3, "two are in the reactor");
            there.write_all(b"x").expect("room");
        }
        job.await.expect("a job");
        assert_eq!(descriptors_of(&here).len(), 1);
    });
}

/// Tells, when it is dropped, which descriptors the socket has.
struct Notes(Rc<UnixStream>, Rc<Cell<Option<usize>>>);

impl Drop for Notes {
    fn drop(&mut self) {
        self.1.set(Some(descriptors_of(&self.0).len()));
    }
}

// Rules: F11, G21
fn nothing_is_registered_when_a_dropped_job_unwinds() {
    let (here, _there) = UnixStream::pair().expect("two sockets");
    let here = Rc::new(here);
    let noted = Rc::new(Cell::new(None));
    let notes = Notes(here.clone(), noted.clone());
    let work = move || {
        add(1, notes.0.as_raw_fd());
        ossl_async::pause();
        drop(notes);
    };
    runtime().block_on(async {
        let mut job = job(work);
        assert!(poll(&mut job).is_pending());
        assert_eq!(descriptors_of(&here).len(), 2);
        drop(job);
        assert_eq!(noted.get(), Some(1));
    });
    assert_eq!((stats::thread().paused, stats::thread().abandoned), (0, 0));
}

// Rules: G21, G34, B37
fn callback_and_descriptor_may_both_signal() {
    let set = LocalSet::new();
    set.block_on(&runtime(), async {
        let work = || {
            let event = Arc::new(Event::new());
            add(1, event.fd());
            let (mut callback, mut argument) = (None, ptr::null_mut());
            // SAFETY: the job's context, and places that can be written.
            let got = unsafe {
                sys::ASYNC_WAIT_CTX_get_callback(context(), &mut callback, &mut argument)
            };
            assert_eq!(got, 1);
            let (callback, argument) = (callback.expect("it is set"), argument.expose_provenance());
            let mut pauses = 0;
            for round in 0..50 {
                let theirs = event.clone();
                let worker = thread::spawn(move || {
                    let call = || {
                        let argument = ptr::with_exposed_provenance_mut(argument);
                        // SAFETY: the context's own argument, while the job is there.
                        assert_eq!(unsafe { callback(argument) }, 1);
                    };
                    if round % 2 == 0 {
                        call();
                    }
                    theirs.signal();
                    if round % 3 == 0 {
                        call();
                    }
                });
                pauses += event.wait();
                worker.join().expect("no panic");
            }
            // The wakes that came after the end of a round.
            ossl_async::current().expect("in a job").wake();
            assert!(ossl_async::pause());
            // A callback alone.
            let argument: *mut _ = ptr::with_exposed_provenance_mut(argument);
            // SAFETY: as above.
            assert_eq!(unsafe { callback(argument) }, 1);
            assert!(ossl_async::pause());
            pauses
        };
        let pauses = tokio::task::spawn_local(job(work)).await.expect("no panic");
        assert!(pauses.expect("a job") <= 200);
    });
}

// Rules: G21
fn a_descriptor_that_is_readable_before_the_pause_counts() {
    let work = || {
        let event = Event::new();
        add(1, event.fd());
        event.signal();
        assert!(ossl_async::pause()); // as dasync does
        assert!(event.take());
    };
    runtime().block_on(job(work)).expect("a job");
}

// Rules: G21
fn jobs_may_have_a_descriptor_in_common() {
    let set = LocalSet::new();
    let event = Rc::new(Event::new());
    set.block_on(&runtime(), async {
        let done = Rc::new(Cell::new(0));
        let jobs: Vec<_> = (0..10)
            .map(|_| {
                let (event, done) = (event.clone(), done.clone());
                tokio::task::spawn_local(job(move || {
                    add(1, event.fd());
                    assert!(ossl_async::pause());
                    done.set(done.get() + 1);
                }))
            })
            .collect();
        while stats::thread().paused < 10 {
            tokio::task::yield_now().await;
        }
        event.signal();
        for job in jobs {
            job.await.expect("no panic").expect("a job");
        }
        assert_eq!(done.get(), 10);
    });
}

// Rules: G21, B32
fn polls_between_resume_nothing_and_register_nothing() {
    let (here, mut there) = UnixStream::pair().expect("two sockets");
    let here = Rc::new(here);
    let theirs = here.clone();
    let work = move || {
        add(1, theirs.as_raw_fd());
        assert!(ossl_async::pause());
    };
    runtime().block_on(async {
        let resumes = stats::thread().resumes;
        let mut job = job(work);
        let mut seen = None;
        for round in 0..100 {
            tokio::select! {
                biased;
                ended = &mut job => panic!("nobody has signalled: {ended:?}"),
                () = tokio::task::yield_now() => (),
            }
            let open = descriptors_of(&here);
            assert_eq!(*seen.get_or_insert(open.clone()), open, "round {round}");
            assert_eq!(open.len(), 2);
        }
        assert_eq!(stats::thread().resumes, resumes);
        there.write_all(b"x").expect("room");
        job.await.expect("a job");
        assert_eq!(stats::thread().resumes, resumes + 1);
    });
}

// Rules: F11, G21
fn a_timeout_drops_the_job() {
    let (here, _there) = UnixStream::pair().expect("two sockets");
    let here = Rc::new(here);
    let (theirs, ended) = (here.clone(), Rc::new(Cell::new(false)));
    let notes = ended.clone();
    let work = move || {
        add(1, theirs.as_raw_fd());
        // C code is in between, so it is cancelled and not unwound.
        while ossl_async::pause() {}
        clear(1);
        notes.set(true);
    };
    runtime().block_on(async {
        // SAFETY: as for `job`.
        let job = FdJob::new(unsafe { JobFuture::new_with(OnDrop::Cancel, work) });
        let timeout = tokio::time::timeout(Duration::from_millis(1), job).await;
        assert!(timeout.is_err());
        assert!(ended.get());
        assert_eq!(descriptors_of(&here).len(), 1);
    });
    assert_eq!((stats::thread().paused, stats::thread().abandoned), (0, 0));
}

// Rules: G21
fn a_file_that_epoll_does_not_take_can_always_be_read() {
    let set = LocalSet::new();
    set.block_on(&runtime(), async {
        let turns = Rc::new(Cell::new(0));
        let theirs = turns.clone();
        // `yield_now` would wait until the reactor was asked, and let the job go first.
        let ticks = tokio::task::spawn_local(std::future::poll_fn(move |ctx| {
            theirs.set(theirs.get() + 1);
            ctx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let work = move || {
            let file = fs::File::open("/proc/self/exe").expect("a regular file");
            add(1, file.as_raw_fd());
            let before = turns.get();
            for _ in 0..5 {
                assert!(ossl_async::pause());
            }
            turns.get() - before
        };
        let turns = tokio::task::spawn_local(job(work)).await.expect("no panic");
        assert!(turns.expect("a job") >= 5, "others had their turns");
        ticks.abort();
    });
}

// Rules: G21
fn a_descriptor_that_is_not_open_is_an_error() {
    const NONE: RawFd = 1 << 30;
    let event = Rc::new(Event::new());
    let theirs = event.clone();
    let work = move || {
        add(1, theirs.fd());
        add(2, NONE);
        assert!(ossl_async::pause());
        clear(2);
        theirs.wait()
    };
    runtime().block_on(async {
        let mut job = job(work);
        for _ in 0..2 {
            let Poll::Ready(Err(error)) = poll(&mut job) else {
                panic!("it is not open")
            };
            let text = error.to_string();
            let FdJobError::Fd { fd, error } = error else {
                panic!("{text}")
            };
            assert_eq!((fd, error.raw_os_error()), (NONE, Some(libc::EBADF)));
            assert!(
                text.starts_with("cannot wait for descriptor 1073741824: "),
                "{text}"
            );
        }
        // It has its job still.
        let mut inner = job.into_inner();
        inner.wake();
        let mut job = FdJob::from(inner);
        assert!(poll(&mut job).is_pending());
        event.signal();
        assert_eq!(job.await.expect("a job"), 1);
    });
}

// Rules: G21
fn a_job_whose_runtime_has_ended_goes_on_in_another() {
    let event = Rc::new(Event::new());
    let theirs = event.clone();
    let mut job = job(move || {
        add(1, theirs.fd());
        theirs.wait()
    });
    runtime().block_on(async { assert!(poll(&mut job).is_pending()) });
    runtime().block_on(async {
        let polled = poll(&mut job);
        assert!(
            matches!(polled, Poll::Ready(Err(FdJobError::Fd { .. }))),
            "its reactor is gone: {polled:?}"
        );
        // It has its job still, and registers its descriptors here.
        assert!(poll(&mut job).is_pending());
        event.signal();
        assert_eq!(job.await.expect("a job"), 1);
    });
}

// Rules: G21, B32
fn a_job_that_waits_for_a_future_is_not_resumed_by_a_descriptor() {
    runtime().block_on(async {
        let (send, receive) = tokio::sync::oneshot::channel();
        let event = Event::new();
        event.signal();
        let polls = Rc::new(Cell::new(0));
        let theirs = polls.clone();
        let work = move || {
            add(1, event.fd());
            let mut receive = receive;
            let counted = std::future::poll_fn(move |ctx| {
                theirs.set(theirs.get() + 1);
                Pin::new(&mut receive).poll(ctx)
            });
            let received: u32 = wait_for(counted).expect("in a task").expect("it is sent");
            // The descriptor could be read all the time, and that is not a wake.
            clear(1);
            let handle = ossl_async::current().expect("in a job");
            let woken = Arc::new(AtomicBool::new(false));
            let theirs = woken.clone();
            let worker = thread::spawn(move || {
                theirs.store(true, Ordering::SeqCst);
                handle.wake();
            });
            assert!(ossl_async::pause());
            assert!(woken.load(Ordering::SeqCst));
            worker.join().expect("no panic");
            received
        };
        let sends = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            send.send(7).expect("the job waits");
        };
        let (received, ()) = tokio::join!(job(work), sends);
        assert_eq!(received.expect("a job"), 7);
        // `join!` polls both each time that one is woken.
        assert!(polls.get() <= 103, "{} polls", polls.get());
    });
}
