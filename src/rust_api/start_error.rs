//! Why a job could not be started.

use crate::error::Error;
use core::fmt;

/// A job could not be started. The closure comes back.
pub enum StartError<F> {
    /// The pool's limit is reached: try again when a job has ended.
    Full(F),
    /// Something else is in the way.
    Failed(Error, F),
}

impl<F> StartError<F> {
    /// The closure that was not run.
    pub fn into_closure(self) -> F {
        match self {
            StartError::Full(closure) | StartError::Failed(_, closure) => closure,
        }
    }

    /// The error; none if the pool is full.
    pub fn error(&self) -> Option<Error> {
        match self {
            StartError::Full(_) => None,
            StartError::Failed(error, _) => Some(*error),
        }
    }
}

impl<F> fmt::Debug for StartError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Full(_) => f.write_str("Full(..)"),
            StartError::Failed(error, _) => write!(f, "Failed({error:?}, ..)"),
        }
    }
}

impl<F> fmt::Display for StartError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Full(_) => f.write_str("all jobs of the pool are in use"),
            StartError::Failed(error, _) => error.fmt(f),
        }
    }
}

impl<F> std::error::Error for StartError<F> {}
