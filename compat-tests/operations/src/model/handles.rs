//! Handles and wait fds: the model learns them when the library first returns them, and looks them
//! up here.

use super::{ContextId, Job, Model, Record, State};
use std::ffi::c_int;

impl Model {
    /// The running job's function was entered, with this handle.
    pub fn entered(&mut self, handle: usize) -> Result<Job, String> {
        let job = self.current.ok_or("a function runs outside of any job")?;
        let other = self.by_address(handle).filter(|other| *other != job);
        if let Some(other) = other {
            return Err(format!("job {job} has the handle of job {other}"));
        }
        match self.records[job].address {
            Some(address) if address != handle => Err(format!(
                "job {job} had handle {address:#x}, now {handle:#x}"
            )),
            _ => {
                self.records[job].address = Some(handle);
                Ok(job)
            }
        }
    }

    /// `ASYNC_wake` and `ASYNC_clear_wake`: for jobs that run or are paused, also jobs of other
    /// threads (B37, W3 to W5, D24).
    pub fn set_woken(&mut self, handle: usize, woken: bool) {
        if let Some(job) = self.live(handle) {
            self.records[job].woken = woken;
        }
    }

    /// `ASYNC_get_wait_fd` returned this (B36, D10).
    pub fn wait_fd(&mut self, handle: usize, fd: c_int) -> Result<(), String> {
        let job = self.live(handle).filter(|job| self.records[*job].shown);
        let Some(job) = job else {
            return (fd == -1)
                .then_some(())
                .ok_or(format!("wait fd {fd} instead of -1"));
        };
        let others = self.records.iter().enumerate();
        let mut others =
            others.filter(|(other, record)| *other != job && record.state != State::Gone);
        match self.records[job].fd {
            Some(known) if known != fd => Err(format!("job {job} had wait fd {known}, now {fd}")),
            None if fd < 0 => Err(format!("job {job} has wait fd {fd}")),
            None if others.any(|(_, record)| record.fd == Some(fd)) => {
                Err(format!("job {job} has another job's wait fd {fd}"))
            }
            _ => {
                self.records[job].fd = Some(fd);
                Ok(())
            }
        }
    }

    /// The wait fds of live and of idle jobs, and whether each is readable. Those of idle jobs are
    /// not.
    pub fn wait_fds(&self) -> impl Iterator<Item = (c_int, bool)> {
        // While a pipe is not the job's wait fd, the effect of wakes on it cannot be observed.
        let seen = |record: &&Record| match record.state {
            State::Gone => false,
            State::Idle => true,
            _ => record.shown,
        };
        self.records
            .iter()
            .filter(seen)
            .filter_map(|record| Some((record.fd?, record.woken)))
    }

    /// `ASYNC_get_wait_ctx` (G11, D10).
    pub fn wait_ctx(&self, handle: usize) -> Option<ContextId> {
        self.live(handle).and_then(|job| self.records[job].context)
    }

    /// Whether `OSSL_ASYNC_get_stack_used` is not 0: for a job of this thread that runs or is
    /// paused.
    pub fn uses_stack(&self, handle: usize) -> bool {
        self.live(handle)
            .is_some_and(|job| self.records[job].state != State::Abandoned)
    }

    /// `ASYNC_get_current_job` (B35). 0 is NULL. None: a job that has not been seen yet.
    pub fn current_handle(&self) -> Option<usize> {
        self.current
            .map_or(Some(0), |job| self.records[job].address)
    }

    /// The handle of a job that has been seen.
    pub(super) fn handle(&self, job: Job) -> usize {
        self.records[job].address.unwrap_or_default()
    }

    /// The handle of some paused job of this thread.
    pub fn some_paused(&self) -> Option<usize> {
        let paused = |record: &&Record| record.state == State::Paused;
        self.records.iter().find(paused)?.address
    }

    /// The record that has this handle now.
    pub(super) fn by_address(&self, handle: usize) -> Option<Job> {
        let has = |record: &Record| record.state != State::Gone && record.address == Some(handle);
        self.records.iter().position(has)
    }

    /// The job of a handle, if it runs or is paused.
    pub(super) fn live(&self, handle: usize) -> Option<Job> {
        self.by_address(handle).filter(|job| {
            let state = self.records[*job].state;
            matches!(state, State::Running | State::Paused | State::Abandoned)
        })
    }
}
