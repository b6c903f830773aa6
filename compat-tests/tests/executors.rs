//! Jobs as futures on the executors that people use: tokio, smol, and the one of `futures`.

use compat_tests::need_jobs;
use ossl_async::{JobFuture, stats, wait_for};
use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

fn main() -> ExitCode {
    compat_tests::tests![
        tokio_runs_jobs_in_a_local_set_beside_other_tasks,
        tokio_runs_a_job_in_its_current_thread,
        smol_runs_jobs_beside_other_tasks,
        the_executor_of_futures_runs_jobs_in_a_local_pool,
        futures_combinators_poll_a_job_without_resuming_it,
        a_select_drops_the_job_that_is_late,
        blocking_code_waits_for_futures_of_its_executor,
    ]
    .run()
}

/// A job that blocks on another thread's answer, and pauses instead.
fn asks(question: u32) -> JobFuture<u32, impl FnOnce() -> u32 + 'static> {
    let blocking = move || {
        let handle = ossl_async::current().expect("it runs in a job");
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            thread::yield_now();
            send.send(question * 2).expect("the job waits");
            handle.wake();
        });
        let answer = loop {
            match receive.try_recv() {
                Ok(answer) => break answer,
                Err(_) => assert!(ossl_async::pause(), "it pauses until there is an answer"),
            }
        };
        thread.join().expect("it has answered");
        answer
    };
    // SAFETY: the contract of `Job::start`: at the pause, no frame relies on nested calls. The
    // channel and the thread's handle are the job's own.
    unsafe { JobFuture::new(blocking) }
}

/// How many jobs run at once.
const JOBS: u32 = 50;

/// What all the jobs answer together.
fn expected() -> u32 {
    (0..JOBS).map(|question| question * 2).sum()
}

// Rules: B37, B32
fn tokio_runs_jobs_in_a_local_set_beside_other_tasks() {
    need_jobs();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    let set = tokio::task::LocalSet::new();
    let sum = set.block_on(&runtime, async {
        let turns = Rc::new(RefCell::new(0));
        let theirs = turns.clone();
        let ticks = tokio::task::spawn_local(async move {
            loop {
                *theirs.borrow_mut() += 1;
                tokio::task::yield_now().await;
            }
        });
        let jobs: Vec<_> = (0..JOBS)
            .map(|question| tokio::task::spawn_local(asks(question)))
            .collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await.expect("no panic").expect("a job");
        }
        ticks.abort();
        assert!(*turns.borrow() > 0, "other tasks had their turns");
        sum
    });
    assert_eq!(sum, expected());
    assert_eq!((stats::thread().paused, stats::thread().abandoned), (0, 0));
}

// Rules: B37, F11
fn tokio_runs_a_job_in_its_current_thread() {
    need_jobs();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    assert_eq!(runtime.block_on(asks(4)), Ok(8));
    // A panic of a job is one of its task.
    let set = tokio::task::LocalSet::new();
    let error = set.block_on(&runtime, async {
        // SAFETY: the contract of `Job::start` is about pauses, and there is none.
        let panics = unsafe { JobFuture::<u32, _>::new(|| std::panic::resume_unwind(Box::new(9))) };
        tokio::task::spawn_local(panics).await
    });
    let payload = error.expect_err("it panics").into_panic();
    assert_eq!(payload.downcast_ref(), Some(&9));
}

// Rules: B37, B32
fn smol_runs_jobs_beside_other_tasks() {
    need_jobs();
    let executor = smol::LocalExecutor::new();
    let jobs: Vec<_> = (0..JOBS)
        .map(|question| executor.spawn(asks(question)))
        .collect();
    let sum = smol::block_on(executor.run(async {
        let mut sum = 0;
        for job in jobs {
            sum += job.await.expect("a job");
        }
        sum
    }));
    assert_eq!(sum, expected());
}

// Rules: B37, B32
fn the_executor_of_futures_runs_jobs_in_a_local_pool() {
    use futures::executor::{LocalPool, block_on};
    use futures::task::LocalSpawnExt;
    need_jobs();
    assert_eq!(block_on(asks(3)), Ok(6));
    let mut pool = LocalPool::new();
    let sum = Rc::new(RefCell::new(0));
    for question in 0..JOBS {
        let sum = sum.clone();
        let job = async move {
            let answer = asks(question).await.expect("a job");
            *sum.borrow_mut() += answer;
        };
        pool.spawner().spawn_local(job).expect("the pool lives");
    }
    pool.run();
    assert_eq!(*sum.borrow(), expected());
}

// Rules: B32
fn futures_combinators_poll_a_job_without_resuming_it() {
    need_jobs();
    let resumes = stats::thread().resumes;
    // `join!` polls both whenever one is woken. The other's job must not be resumed by that.
    let wakes_itself = || {
        for _ in 0..10 {
            ossl_async::current().expect("in a job").wake();
            assert!(ossl_async::pause());
        }
    };
    let waits = |handle: mpsc::Sender<ossl_async::WakeHandle>| {
        move || {
            let this = ossl_async::current().expect("in a job");
            handle.send(this).expect("the other waits for it");
            assert!(ossl_async::pause());
        }
    };
    let (send, receive) = mpsc::channel();
    // SAFETY: the contract of `Job::start`: at the pauses, no frame relies on nested calls.
    let (waits, first) = unsafe { (JobFuture::new(waits(send)), JobFuture::new(wakes_itself)) };
    let wakes = async {
        first.await.expect("a job");
        receive.recv().expect("it runs").wake();
    };
    let (waited, ()) = smol::block_on(async { futures::join!(waits, wakes) });
    waited.expect("a job");
    assert_eq!(stats::thread().resumes - resumes, 11);
}

// Rules: F11
fn a_select_drops_the_job_that_is_late() {
    need_jobs();
    let held = Rc::new(());
    let theirs = held.clone();
    let never = move || {
        while ossl_async::pause() {}
        drop(theirs);
    };
    // SAFETY: the contract of `Job::start`: at the pauses, no frame relies on nested calls.
    let never = unsafe { JobFuture::new(never) };
    let either = futures::future::select(never, asks(1));
    match smol::block_on(either) {
        futures::future::Either::Right((answer, late)) => {
            assert_eq!((answer, Rc::strong_count(&held)), (Ok(2), 2));
            drop(late);
        }
        futures::future::Either::Left(_) => panic!("nobody wakes it"),
    }
    assert_eq!(Rc::strong_count(&held), 1, "it was unwound");
}

// Rules: B32
fn blocking_code_waits_for_futures_of_its_executor() {
    need_jobs();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    let set = tokio::task::LocalSet::new();
    let sum = set.block_on(&runtime, async {
        let (send, receive) = futures::channel::oneshot::channel::<u32>();
        let blocking = move || {
            let answer = wait_for(asks(10)).expect("in a task").expect("a job");
            let other = tokio::task::spawn_local(async move {
                tokio::task::yield_now().await;
                send.send(5).expect("the job waits");
            });
            let sent = wait_for(receive).expect("in a task").expect("it is sent");
            wait_for(other).expect("in a task").expect("no panic");
            answer + sent
        };
        // SAFETY: the contract of `Job::start`: where it waits, the job has plain values, and no
        // frame relies on nested calls. `spawn_local` has returned by then.
        tokio::task::spawn_local(unsafe { JobFuture::new(blocking) }).await
    });
    assert_eq!(sum.expect("no panic"), Ok(25));
}
