//! What the behaviour reference says, as a program: one thread with its jobs, its pool, its error
//! queue and its wait contexts. It shares no code with the library and does not call it. Jobs are
//! numbers here. The model learns the addresses and descriptors of jobs from the library when they
//! are first seen. They may not change after that.
//!
//! The model has no failures: there is always memory for a job, and a pipe.

mod contexts;
mod counts;
mod handles;
mod queue;
mod totals;

pub use contexts::{Cleaned, ContextId, Contexts};
pub use counts::Counts;
pub use queue::{Queue, text as queue_text};

use crate::{Argument, UNTOUCHED};
use std::ffi::c_int;

/// Results of a start (B1).
pub const ERR: c_int = 0;
pub const NO_JOBS: c_int = 1;
pub const PAUSE: c_int = 2;
pub const FINISH: c_int = 3;

/// More jobs than any list has room for (G2).
const UNLISTABLE: usize = usize::MAX / 8;

/// A job's number.
pub type Job = usize;

/// The state of a job (S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the pool.
    Idle,
    Running,
    Paused,
    /// Paused for ever, because its thread has ended (D15).
    Abandoned,
    /// Destroyed.
    Gone,
}

/// One job's record, through all its uses.
#[derive(Debug)]
struct Record {
    state: State,
    /// The pool that counts it. None: it is destroyed when it ends (D2, D3).
    pool: Option<usize>,
    /// The handle, once seen. It is the same in every use of the record (P4).
    address: Option<usize>,
    /// Whether it has a pipe. It keeps the pipe for its whole life (W1).
    pipe: bool,
    /// The wait fd, once seen.
    fd: Option<c_int>,
    /// Whether this use was started with five arguments, so that the pipe is its wait fd.
    shown: bool,
    /// Whether a wake came after the last clear (W3 to W5).
    woken: bool,
    /// Whether it was cancelled and does not pause any more.
    cancelled: bool,
    /// The wait context of this use (G9).
    context: Option<ContextId>,
}

/// The thread's pool (P1).
#[derive(Debug)]
struct Pool {
    /// Distinguishes it from earlier pools.
    number: usize,
    max: usize,
    /// How many records were ever made for it (P1).
    made: usize,
    /// Idle jobs. The job that was released last is the last here, and is used first (P4).
    idle: Vec<Job>,
}

/// A call of `ASYNC_start_job`, of either generation.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Whether the pointer to the handle is not NULL.
    pub job: bool,
    /// The handle that it points to. 0 is NULL.
    pub handle: usize,
    /// Whether the function is not NULL.
    pub function: bool,
    pub argument: Argument,
    /// Whether this is the five-argument call.
    pub first_generation: bool,
    pub context: Option<ContextId>,
}

impl Call {
    /// Whether the function gets a copy of the argument (true) or NULL (false). None: the argument
    /// cannot be copied.
    pub fn gets_copy(&self) -> Option<bool> {
        match self.argument {
            Argument::Null(_) => Some(false), // B25, D13
            // B24, D11: generation 1 fails to copy 0 bytes. For generation 2, 0 bytes are the same
            // as NULL.
            Argument::Bytes(0) if self.first_generation => None,
            Argument::Bytes(length) => Some(length > 0), // B23
            Argument::Huge => None,                      // D12
        }
    }
}

/// What a start or resume does before any function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It returns this value, and writes nothing.
    Returns(c_int),
    /// The job runs.
    Runs,
}

/// What the job that ran did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Paused(Job),
    Finished(c_int),
}

/// A job that an ended thread left paused before the input began.
#[derive(Clone, Copy, Debug)]
pub struct Abandoned {
    pub address: usize,
    /// Its wait fd, if it was started with five arguments.
    pub fd: Option<c_int>,
}

/// The thread.
pub struct Model {
    pub queue: Queue,
    pub contexts: Contexts,
    records: Vec<Record>,
    pool: Option<Pool>,
    /// Pools made.
    pools: usize,
    current: Option<Job>,
    /// What the job that ran last did.
    outcome: Option<Outcome>,
    /// The thread's block counter (K1).
    blocks: usize,
    counts: Counts,
    /// Bytes of every stack.
    stack_bytes: usize,
    /// The largest limit that `ASYNC_init_thread` takes.
    largest_limit: usize,
    /// The counts of the process that do not come from this thread.
    elsewhere: Counts,
    /// Whether the thread has had a job or a pool. From then on it has counts of its own.
    counting: bool,
    /// The most pipes there were at a time.
    most_pipes: usize,
}

impl Model {
    /// A thread that has not used the library. Each abandoned job of another thread has a wait fd,
    /// or a freed wait context if it has none.
    pub fn new(abandoned: &[Abandoned], stack_bytes: usize) -> Model {
        let mut contexts = Contexts::default();
        let records = abandoned
            .iter()
            .map(|job| Record {
                state: State::Abandoned,
                pool: None,
                address: Some(job.address),
                pipe: false, // not one of this thread's
                fd: job.fd,
                shown: job.fd.is_some(),
                woken: false,
                cancelled: false,
                context: job.fd.is_none().then(|| contexts.freed_in_use()),
            })
            .collect();
        Model {
            queue: Queue::default(),
            contexts,
            records,
            pool: None,
            pools: 0,
            current: None,
            outcome: None,
            blocks: 0,
            counts: Counts::default(),
            stack_bytes,
            largest_limit: usize::MAX,
            elsewhere: Counts::default(),
            counting: false,
            most_pipes: 0,
        }
    }

    /// Has `ASYNC_init_thread` take limits up to this only.
    pub fn set_largest_limit(&mut self, largest: usize) {
        self.largest_limit = largest;
    }

    /// `ASYNC_init_pool`, and with `pipes` false `ASYNC_init_thread` (G1).
    pub fn init_pool(&mut self, max: usize, init: usize, pipes: bool) -> c_int {
        // B8: the comparison comes first and takes 0 literally (P6). The pool that exists stays.
        // G2: beside some versions of libcrypto a limit is an `int`.
        if init > max || !pipes && max > self.largest_limit {
            self.queue.push(queue::INVALID_POOL_SIZE);
            return 0;
        }
        // G2: more than can be listed.
        if !pipes && init > UNLISTABLE {
            self.queue.push(queue::POOL_MEMORY);
            return 0;
        }
        // D2: the old idle jobs are freed. Jobs that run or are paused do not count for the new
        // pool. Also inside a job (B12).
        self.new_pool(max);
        // B10: jobs are made now. Those of generation 1 have a pipe each.
        for _ in 0..init {
            let job = self.create(pipes);
            self.pool_mut().idle.push(job);
        }
        1
    }

    /// `ASYNC_free_pool`, `ASYNC_cleanup_thread`.
    pub fn free_pool(&mut self) {
        // D4: no effect inside a job.
        if self.current.is_some() {
            self.refuse(queue::FREE_INSIDE_JOB);
            return;
        }
        self.destroy_idle();
        self.pool = None; // B14; paused jobs stay (B15, D3).
        self.blocks = 0; // B14
    }

    /// `ASYNC_start_job` up to the point where a function runs.
    pub fn start(&mut self, call: &Call) -> Begun {
        // Section 8: inside a job every call is a nested start, whatever handle it has (D5, D7).
        if self.current.is_some() {
            return self.refuse_start(queue::NESTED);
        }
        if !call.job {
            return self.refuse_start(queue::NULL_ARGUMENT); // D10
        }
        if call.handle != 0 {
            return self.resume(call.handle, false);
        }
        if !call.function {
            return self.refuse_start(queue::NULL_ARGUMENT); // D10
        }
        // B21: a pool without a limit is made, and stays.
        if self.pool.is_none() {
            self.new_pool(0);
        }
        // B45: a job is taken from the pool before the argument is examined.
        let Some(job) = self.take(call.first_generation) else {
            return Begun::Returns(NO_JOBS); // P2: no entry
        };
        // The job returns to the pool (B27).
        if call.gets_copy().is_none() {
            self.pool_mut().idle.push(job);
            self.queue.push(queue::ARGUMENTS_MEMORY);
            return Begun::Returns(ERR);
        }
        self.counts.starts += 1;
        let record = &mut self.records[job];
        record.shown = call.first_generation;
        record.woken = false; // D19
        record.cancelled = false;
        record.context = call.context; // G9
        if let Some(context) = call.context {
            self.contexts.hold(context); // D26
        }
        self.run(job)
    }

    /// `OSSL_ASYNC_cancel_job` up to the point where the job's function is resumed. No handle:
    /// NULL for either pointer.
    pub fn cancel(&mut self, handle: Option<usize>) -> Begun {
        match handle.filter(|handle| *handle != 0) {
            _ if self.current.is_some() => self.refuse_start(queue::NESTED),
            None => self.refuse_start(queue::NULL_ARGUMENT),
            Some(handle) => self.resume(handle, true),
        }
    }

    fn resume(&mut self, handle: usize, cancelled: bool) -> Begun {
        // D6, D8: only a paused job of this thread can be cancelled. If the record was used again,
        // its present job counts.
        match self.by_address(handle) {
            Some(job) if self.records[job].state == State::Paused => {
                self.counts.resumes += 1;
                self.records[job].cancelled = cancelled;
                // G30: changes are forgotten only here, when the pause ends.
                if let Some(context) = self.records[job].context {
                    self.contexts.reset(context);
                }
                self.run(job)
            }
            _ => self.refuse_start(queue::NOT_RESUMABLE),
        }
    }

    fn run(&mut self, job: Job) -> Begun {
        self.records[job].state = State::Running;
        self.current = Some(job);
        self.outcome = None;
        Begun::Runs
    }

    /// `ASYNC_pause_job`: what it returns, and whether it pauses before that (B31, B32, K4).
    pub fn pause(&mut self) -> (c_int, bool) {
        let Some(job) = self.current else {
            return (1, false);
        };
        if self.records[job].cancelled {
            return (0, false);
        }
        if self.blocks > 0 {
            return (1, false);
        }
        self.current = None;
        self.counts.pauses += 1;
        self.records[job].state = State::Paused;
        self.outcome = Some(Outcome::Paused(job));
        (1, true)
    }

    /// The running job's function returns.
    pub fn finish(&mut self, value: c_int) {
        let Some(job) = self.current.take() else {
            return;
        };
        self.counts.finishes += 1;
        self.outcome = Some(Outcome::Finished(value));
        let record = &mut self.records[job];
        record.state = State::Idle;
        record.woken = false; // D19, D24
        record.shown = false;
        if let Some(context) = record.context.take() {
            self.contexts.release(context);
        }
        // The pool that counts it takes it back (P4). Without such a pool it is destroyed (D2,
        // D3).
        match &mut self.pool {
            Some(pool) if record.pool == Some(pool.number) => pool.idle.push(job),
            _ => record.state = State::Gone,
        }
    }

    /// The start or resume that is under way returns: its result, `*job` and `*ret` (B19).
    /// `handle` is what `*job` was.
    pub fn returned(
        &mut self,
        begun: Begun,
        handle: usize,
    ) -> Result<(c_int, usize, c_int), String> {
        match (begun, self.outcome.take()) {
            (Begun::Returns(result), _) => Ok((result, handle, UNTOUCHED)),
            (Begun::Runs, Some(Outcome::Paused(job))) => Ok((PAUSE, self.handle(job), UNTOUCHED)),
            (Begun::Runs, Some(Outcome::Finished(value))) => Ok((FINISH, 0, value)),
            (Begun::Runs, None) => Err("a start returns, and its job still runs".into()),
        }
    }

    /// `ASYNC_block_pause`: inside a job only (K2).
    pub fn block(&mut self) {
        self.blocks += usize::from(self.current.is_some());
    }

    /// `ASYNC_unblock_pause`: inside a job only; 0 stays 0 (K2, K3).
    pub fn unblock(&mut self) {
        if self.current.is_some() {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    /// Whether pausing is blocked now (K4).
    pub fn is_blocked(&self) -> bool {
        self.blocks > 0
    }

    /// The running job's wait context.
    pub fn own_context(&self) -> Option<ContextId> {
        self.current.and_then(|job| self.records[job].context)
    }

    /// The running job.
    pub fn current(&self) -> Option<Job> {
        self.current
    }

    /// `OSSL_ASYNC_set_stack_size`, after stacks have been made.
    pub fn set_stack_size(&mut self) -> c_int {
        self.queue.push(queue::STACK_SIZE);
        0
    }

    /// The thread ends: its idle jobs and its pool are freed (D15). No job is paused.
    pub fn thread_ends(&mut self) {
        self.destroy_idle();
        self.pool = None;
    }

    fn refuse(&mut self, code: u32) {
        self.queue.push(code);
        let counts = match self.counting {
            true => &mut self.counts,
            false => &mut self.elsewhere,
        };
        counts.refusals += 1;
    }

    /// A refusal (section 8): it adds one entry, writes nothing, and changes nothing else.
    fn refuse_start(&mut self, code: u32) -> Begun {
        self.refuse(code);
        Begun::Returns(ERR)
    }

    fn new_pool(&mut self, max: usize) {
        self.destroy_idle();
        self.counting = true;
        self.pools += 1;
        self.pool = Some(Pool {
            number: self.pools,
            max,
            made: 0,
            idle: Vec::new(),
        });
    }

    fn pool_mut(&mut self) -> &mut Pool {
        self.pool.as_mut().expect("made before")
    }

    fn destroy_idle(&mut self) {
        for job in self.pool.iter_mut().flat_map(|pool| pool.idle.drain(..)) {
            self.records[job].state = State::Gone;
        }
    }

    /// Takes a job from the pool, with a pipe if it must have one (P2, P3). None: all are in use.
    fn take(&mut self, pipe: bool) -> Option<Job> {
        let pool = self.pool_mut();
        if let Some(job) = pool.idle.pop() {
            self.records[job].pipe |= pipe;
            self.count_pipes();
            return Some(job);
        }
        let grows = pool.max == 0 || pool.made < pool.max;
        grows.then(|| self.create(pipe))
    }

    /// A new record of the pool (P1).
    fn create(&mut self, pipe: bool) -> Job {
        let pool = self.pool_mut();
        pool.made += 1;
        let number = pool.number;
        self.counts.created += 1;
        self.records.push(Record {
            state: State::Idle,
            pool: Some(number),
            address: None,
            pipe,
            fd: None,
            shown: false,
            woken: false,
            cancelled: false,
            context: None,
        });
        self.count_pipes();
        self.records.len() - 1
    }
}
