//! A thread's queue of woken jobs (`src/wake/woken.rs`): the thread takes jobs, and sleeps if there
//! is none, beside threads that wake jobs. A wake that is lost lets it sleep for ever, which the
//! checker reports.

use crate::parts::{Channel, Newest, Node, Place};
use crate::protocol::{Signal, Use};
use crate::signal::{Atomic, Exchanged, check, check_bounded};
use crate::{task, woken};
use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::collections::VecDeque;
use std::ptr;

type Task = task::Task<Exchanged, InQueue>;
type Woken = woken::Woken<AtomicU64, Bell, Last>;

/// The pipe. A thread that puts a byte in makes it readable, and wakes the thread that polls it.
struct Bell {
    /// How many bytes are in it. The checker finds two threads here at once.
    bytes: UnsafeCell<u32>,
    readable: AtomicBool,
    sleeper: Notify,
}

// SAFETY: the checker runs one thread at a time, and finds two that are here at once.
unsafe impl Send for Bell {}
// SAFETY: the same.
unsafe impl Sync for Bell {}

impl Bell {
    fn change(&self, from: u32, to: u32) {
        self.bytes.with_mut(|bytes| {
            // SAFETY: the checker would have stopped if anybody else could be here.
            let before = std::mem::replace(unsafe { &mut *bytes }, to);
            assert_eq!(before, from);
        });
        self.readable.store(to == 1, Ordering::Release);
    }

    fn poll(&self) {
        while !self.readable.load(Ordering::Acquire) {
            self.sleeper.wait();
        }
    }
}

impl Channel for Bell {
    fn open(&self) -> Result<(), errno::Errno> {
        Ok(())
    }

    fn put(&self) -> bool {
        self.change(0, 1);
        self.sleeper.notify();
        true
    }

    fn take(&self) {
        self.change(1, 0);
    }

    fn close(&self) {
        self.change(0, 0);
    }

    fn renew(&self) -> Result<(), errno::Errno> {
        unreachable!("no model forks a queue")
    }

    type Ends = ();

    fn detach(&self) {}

    fn attach(&self, (): ()) {}

    fn process(&self) -> u64 {
        1
    }
}

/// A job's place in the list of those that were woken.
struct Link {
    before: UnsafeCell<Option<Member>>,
    number: usize,
}

#[derive(Clone, Copy)]
struct Member(&'static Link);

// SAFETY: as for the bell.
unsafe impl Send for Member {}

impl Member {
    fn exchange(self, before: Option<Member>) -> Option<Member> {
        self.0.before.with_mut(|place| {
            // SAFETY: the checker would have stopped if anybody else could be here.
            std::mem::replace(unsafe { &mut *place }, before)
        })
    }
}

impl Node for Member {
    fn set_before(self, before: Option<Member>) {
        self.exchange(before);
    }

    fn take_before(self) -> Option<Member> {
        self.exchange(None)
    }
}

/// The job that was put in last. And whether the queue is there: whoever uses it reads that, and
/// whoever frees it writes it, which the checker finds if it may be at once.
struct Last {
    newest: AtomicPtr<Link>,
    exists: UnsafeCell<bool>,
}

// SAFETY: as for the bell.
unsafe impl Send for Last {}
// SAFETY: the same.
unsafe impl Sync for Last {}

impl Last {
    fn used(&self) -> &AtomicPtr<Link> {
        // SAFETY: the checker would have stopped if anybody could be freeing it.
        assert!(self.exists.with(|exists| unsafe { *exists }));
        &self.newest
    }
}

fn member(link: *mut Link) -> Option<Member> {
    // SAFETY: null, or a link that was leaked.
    unsafe { link.as_ref() }.map(Member)
}

fn link(member: Option<Member>) -> *mut Link {
    member.map_or(ptr::null_mut(), |Member(link)| {
        ptr::from_ref(link).cast_mut()
    })
}

impl Newest for Last {
    type Node = Member;

    fn load(&self) -> Option<Member> {
        member(self.used().load(Ordering::Acquire))
    }

    fn compare_exchange(&self, current: Option<Member>, new: Member) -> Result<(), Option<Member>> {
        let (current, new) = (link(current), link(Some(new)));
        self.used()
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(member)
    }

    fn take(&self) -> Option<Member> {
        member(self.used().swap(ptr::null_mut(), Ordering::AcqRel))
    }

    fn process(&self) -> u64 {
        1
    }
}

/// The place of a job's queue.
struct InQueue(UnsafeCell<Option<(&'static Queue, Member)>>);

// SAFETY: as for the bell.
unsafe impl Send for InQueue {}
// SAFETY: the same.
unsafe impl Sync for InQueue {}

impl Place for InQueue {
    type Waker = (&'static Queue, Member);

    fn put(&self, queue: Self::Waker) {
        // SAFETY: the checker would have stopped if anybody else could be here.
        self.0.with_mut(|place| unsafe { *place = Some(queue) });
    }

    fn take(&self) -> Option<Self::Waker> {
        // SAFETY: the same.
        self.0.with_mut(|place| unsafe { (*place).take() })
    }

    fn wake(&self) -> Option<Self::Waker> {
        // SAFETY: the same.
        let place = self.0.with_mut(|place| unsafe { *place });
        let (queue, member) = place.expect("a queue");
        queue.0.put(member);
        None
    }

    fn process(&self) -> u64 {
        1
    }
}

/// A job, with the signal of its wait fd, which it has not.
struct Job {
    signal: Signal<Exchanged, Bell>,
    task: Task,
    link: &'static Link,
}

struct Queue(Woken);

fn bell() -> Bell {
    Bell {
        bytes: UnsafeCell::new(0),
        readable: AtomicBool::new(false),
        sleeper: Notify::new(),
    }
}

/// Leaked, because jobs and queues stay where they are. It is little.
fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn queue() -> &'static Queue {
    let last = Last {
        newest: AtomicPtr::new(ptr::null_mut()),
        exists: UnsafeCell::new(true),
    };
    let signal = Signal::new(AtomicU64::new(0), AtomicU64::new(0), bell());
    let queue = Queue(Woken::new(last, signal, AtomicU64::new(0)));
    queue.0.open().expect("a pipe of ours");
    leaked(queue)
}

/// A paused job in its first use, in no queue.
fn job(number: usize) -> &'static Job {
    let job = Job {
        signal: Signal::new(Exchanged::new(0), Exchanged::new(0), bell()),
        task: Task::new(
            Exchanged::new(0),
            Exchanged::new(0),
            InQueue(UnsafeCell::new(None)),
        ),
        link: leaked(Link {
            before: UnsafeCell::new(None),
            number,
        }),
    };
    job.signal.begin(Use(1), false);
    leaked(job)
}

impl Job {
    /// As `wake` of `src/wake.rs`.
    fn wake(&self, only: Option<Use>) {
        if self.signal.wake(only) {
            assert!(self.task.wake(only).is_none());
        }
    }

    /// As `join` of `src/jobs/members.rs`.
    fn join(&self, queue: &'static Queue) {
        self.task.begin(Use(1));
        self.task.join((queue, Member(self.link)));
        self.signal.mark_task();
        if self.signal.is_woken() {
            assert!(self.task.wake(Some(Use(1))).is_none());
        }
    }

    /// What a job's end does, with its queue.
    fn end(&self) {
        self.signal.end();
        assert!(self.task.end().is_some());
    }
}

/// A queue's thread.
struct Owner {
    queue: &'static Queue,
    jobs: Vec<&'static Job>,
    awake: VecDeque<usize>,
}

/// A queue with so many jobs, which are paused.
fn owner(jobs: usize) -> Owner {
    let (queue, jobs): (_, Vec<_>) = (queue(), (0..jobs).map(job).collect());
    jobs.iter().for_each(|job| job.join(queue));
    Owner {
        queue,
        jobs,
        awake: VecDeque::new(),
    }
}

impl Owner {
    /// As `Members::look`.
    fn look(&mut self) {
        let mut put_in = vec![];
        let mut next = self.queue.0.take();
        while let Some(member) = next {
            put_in.push(member.0.number);
            next = member.take_before();
        }
        self.awake.extend(put_in.iter().rev());
        let mut numbers: Vec<_> = self.awake.iter().collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), self.awake.len(), "each is in once");
    }

    /// As `Members::take`.
    fn take(&mut self) -> Option<usize> {
        self.look();
        let number = self.awake.pop_front()?;
        self.jobs[number].task.take_from_queue();
        Some(number)
    }

    /// As `WakeQueue::wait`.
    fn wait(&mut self) -> usize {
        loop {
            if let Some(number) = self.take() {
                return number;
            }
            if self.queue.0.may_sleep() {
                self.queue.0.channel(Bell::poll).expect("it is open");
            }
        }
    }

    /// The queue is freed: nobody may use it from here on.
    fn free(self) {
        self.queue.0.close();
        let last = self.queue.0.newest();
        // SAFETY: the checker stops if anybody could be here.
        last.exists.with_mut(|exists| unsafe { *exists = false });
    }
}

fn waking(job: &'static Job, only: Option<Use>) -> loom::thread::JoinHandle<()> {
    loom::thread::spawn(move || job.wake(only))
}

fn join<const N: usize>(threads: [loom::thread::JoinHandle<()>; N]) {
    for thread in threads {
        thread.join().expect("the checker reports panics");
    }
}

// Rules: B37, D9
#[test]
fn no_wake_is_lost_between_the_look_and_the_sleep() {
    check(|| {
        let mut owner = owner(1);
        let other = waking(owner.jobs[0], Some(Use(1)));
        assert_eq!(owner.wait(), 0);
        join([other]);
        assert_eq!(owner.take(), None, "one wake, one key");
    });
}

// Rules: B37, D9
#[test]
fn two_jobs_that_are_woken_at_once_both_come() {
    check_bounded(1, || {
        let mut owner = owner(2);
        let others = [waking(owner.jobs[0], None), waking(owner.jobs[1], None)];
        let mut came = [owner.wait(), owner.wait()];
        came.sort_unstable();
        assert_eq!(came, [0, 1]);
        join(others);
        assert_eq!(owner.take(), None);
    });
}

// Rules: B37, D9
#[test]
fn no_wake_is_lost_that_comes_while_the_job_is_taken() {
    check_bounded(1, || {
        let mut owner = owner(1);
        let flags = leaked([AtomicBool::new(false), AtomicBool::new(false)]);
        let job = owner.jobs[0];
        let others = [0, 1].map(|mine| {
            loom::thread::spawn(move || {
                flags[mine].store(true, Ordering::Relaxed);
                job.wake(None);
            })
        });
        // The job goes on when it sees both.
        while !flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
            owner.wait();
        }
        join(others);
    });
}

// Rules: B37
#[test]
fn a_wake_beside_the_joining_puts_the_job_in_once() {
    check_bounded(3, || {
        let mut owner = owner(0);
        let job = job(0);
        owner.jobs.push(job);
        let other = waking(job, None);
        job.join(owner.queue);
        assert_eq!(owner.wait(), 0);
        join([other]);
        // The mark and the wake may have been seen both ways, one after the other was taken.
        owner.take();
        assert_eq!(owner.take(), None);
    });
}

// Rules: D24
#[test]
fn a_wake_beside_the_end_does_not_use_the_queue_after_it() {
    check_bounded(3, || {
        let mut owner = owner(1);
        let other = waking(owner.jobs[0], None);
        owner.jobs[0].end();
        owner.look();
        owner.free();
        join([other]);
    });
}

// Rules: D24
#[test]
fn a_wake_of_one_job_beside_the_end_of_another_is_not_lost() {
    check_bounded(1, || {
        let mut owner = owner(2);
        let others = [waking(owner.jobs[0], None), waking(owner.jobs[1], None)];
        owner.jobs[0].end();
        owner.look();
        owner.awake.retain(|number| *number != 0);
        assert_eq!(owner.wait(), 1);
        join(others);
        assert_eq!(owner.take(), None);
    });
}
