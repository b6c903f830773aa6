//! What is printed of a job.

use super::Job;
use core::fmt;

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("use", &self.this_use.0)
            .finish_non_exhaustive()
    }
}
