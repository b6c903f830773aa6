//! How long polls take, and how late a ticker is beside them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// The longest poll of some futures.
#[derive(Clone, Default)]
pub struct Longest(Rc<Cell<Duration>>);

impl Longest {
    /// The time so far.
    pub fn get(&self) -> Duration {
        self.0.get()
    }

    /// The same future, whose polls count.
    pub fn of<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Timed {
            future: Box::pin(future),
            longest: self.clone(),
        }
    }
}

struct Timed<F> {
    future: Pin<Box<F>>,
    longest: Longest,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<F::Output> {
        let begin = std::time::Instant::now();
        let polled = self.future.as_mut().poll(ctx);
        let longest = &self.longest.0;
        longest.set(longest.get().max(begin.elapsed()));
        polled
    }
}

/// How late each tick was.
#[derive(Clone, Default)]
pub struct Lateness(Rc<RefCell<Vec<Duration>>>);

impl Lateness {
    /// Ticks each millisecond, for ever.
    pub async fn tick(self) {
        let mut interval = tokio::time::interval(Duration::from_millis(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = interval.tick().await;
            self.0.borrow_mut().push(Instant::now() - due);
        }
    }

    /// The lateness that this share of the ticks did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut all = self.0.borrow().clone();
        all.sort_unstable();
        let last = all.len().saturating_sub(1) as f64;
        all.get((last * share).round() as usize)
            .copied()
            .unwrap_or_default()
    }
}
