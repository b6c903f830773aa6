//! What can be counted: jobs, pipes, and what other threads add to the process's counts.

use super::{ContextId, Counts, Model, Record, State};

impl Model {
    /// The number of pipes now, and the most there were.
    pub fn pipes(&self) -> (usize, usize) {
        (self.open_pipes(), self.most_pipes)
    }

    fn open_pipes(&self) -> usize {
        let open = |record: &&Record| record.pipe && record.state != State::Gone;
        self.records.iter().filter(open).count()
    }

    /// The number of records.
    pub fn jobs(&self) -> usize {
        (self.records.iter())
            .filter(|record| !matches!(record.state, State::Gone | State::Abandoned))
            .count()
    }

    /// The counts of `OSSL_ASYNC_thread_stats`. All are 0 before the thread's first job or pool.
    pub fn thread_counts(&self) -> Counts {
        self.counts.with(
            |state| {
                let count = self.records.iter().filter(|record| record.state == state);
                count.count()
            },
            self.stack_bytes,
        )
    }

    /// How much more `OSSL_ASYNC_process_stats` counts than before the input.
    pub fn process_counts(&self) -> Counts {
        self.thread_counts() + self.elsewhere
    }

    /// Another thread tries to resume a job and is refused (D8).
    pub fn refused_elsewhere(&mut self) {
        self.elsewhere.refusals += 1;
    }

    /// Another thread makes `jobs` jobs, runs one until it ends, and ends (D15).
    pub fn pool_elsewhere(&mut self, jobs: usize) {
        self.elsewhere.created += jobs;
        self.elsewhere.starts += 1;
        self.elsewhere.finishes += 1;
    }

    /// Another thread starts a job with this wait context. The job pauses, is resumed and ends.
    /// The thread ends too.
    pub fn job_elsewhere(&mut self, context: Option<ContextId>) {
        self.pool_elsewhere(1);
        self.elsewhere.pauses += 1;
        self.elsewhere.resumes += 1;
        if let Some(context) = context {
            self.contexts.reset(context); // G30, G32
        }
    }

    pub(super) fn count_pipes(&mut self) {
        self.most_pipes = self.most_pipes.max(self.open_pipes());
    }
}
