//! How long polls take, and how late a ticker is beside them.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How long polls were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lengths {
    /// The longest by the clock. On a busy machine, other processes may have run meanwhile.
    pub longest: Duration,
    /// The most processor time of one. A thread that is blocked uses none.
    pub most_work: Duration,
    /// How many were as long as a signature, by the clock.
    pub long: usize,
}

/// Measures the polls of futures.
#[derive(Clone)]
pub struct Polls {
    signature: Duration,
    lengths: Rc<Cell<Lengths>>,
}

impl Polls {
    /// To compare polls with this time.
    pub fn new(signature: Duration) -> Polls {
        let lengths = Rc::default();
        Polls { signature, lengths }
    }

    /// What was measured so far.
    pub fn lengths(&self) -> Lengths {
        self.lengths.get()
    }

    /// The same future, whose polls are measured.
    pub fn of<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Timed {
            future: Box::pin(future),
            polls: self.clone(),
        }
    }
}

struct Timed<F> {
    future: Pin<Box<F>>,
    polls: Polls,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<F::Output> {
        let (begin, work) = (Instant::now(), processor_time());
        let polled = self.future.as_mut().poll(ctx);
        let (time, work) = (begin.elapsed(), processor_time() - work);
        let lengths = self.polls.lengths.get();
        self.polls.lengths.set(Lengths {
            longest: lengths.longest.max(time),
            most_work: lengths.most_work.max(work),
            long: lengths.long + usize::from(time >= self.polls.signature),
        });
        polled
    }
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes such a record.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How late the ticks of a task are.
#[derive(Clone, Default)]
pub struct Lateness(Rc<Cell<Duration>>);

impl Lateness {
    /// Ticks each millisecond, for ever.
    pub async fn tick(self) {
        let mut interval = tokio::time::interval(Duration::from_millis(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = interval.tick().await;
            self.0.set(self.0.get().max(due.elapsed()));
        }
    }

    /// How late the latest was.
    pub fn latest(&self) -> Duration {
        self.0.get()
    }
}
