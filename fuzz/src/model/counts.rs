//! What the library counts, and what follows from the jobs there are.

use super::State;
use std::ops::{Add, Sub};

/// The members of `OSSL_ASYNC_STATS`, but for the bytes of stack, which `created` and the jobs there are decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "they are described where the C header declares them"
)]
pub struct Counts {
    pub created: u64,
    pub idle: u64,
    pub running: u64,
    pub paused: u64,
    pub abandoned: u64,
    pub starts: u64,
    pub pauses: u64,
    pub resumes: u64,
    pub finishes: u64,
    pub refusals: u64,
}

impl Counts {
    /// With the counts of jobs by state.
    pub(super) fn with(self, count: impl Fn(State) -> u64) -> Counts {
        Counts {
            idle: count(State::Idle),
            running: count(State::Running),
            paused: count(State::Paused),
            ..self
        }
    }

    /// Jobs that have a stack.
    pub fn stacks(&self) -> u64 {
        self.idle + self.running + self.paused + self.abandoned
    }

    fn each(self, other: Counts, both: impl Fn(u64, u64) -> u64) -> Counts {
        Counts {
            created: both(self.created, other.created),
            idle: both(self.idle, other.idle),
            running: both(self.running, other.running),
            paused: both(self.paused, other.paused),
            abandoned: both(self.abandoned, other.abandoned),
            starts: both(self.starts, other.starts),
            pauses: both(self.pauses, other.pauses),
            resumes: both(self.resumes, other.resumes),
            finishes: both(self.finishes, other.finishes),
            refusals: both(self.refusals, other.refusals),
        }
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        self.each(other, u64::wrapping_add)
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, other: Counts) -> Counts {
        self.each(other, u64::wrapping_sub)
    }
}
