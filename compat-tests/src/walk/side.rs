//! One implementation, which carries out a walk's operations and logs what it does. From what it
//! has seen, it decides itself which of them are left out.

mod contexts;
mod jobs;

use super::event::{Entry, Event, Failure, Pointer};
use super::operation::{CONTEXTS, Call, Exclusion, JOBS, Operation, Start, Target};
use super::table::{Libcrypto, Libctx, LibctxFunctions, Table};
use operations::ContextCall;
use operations::model::{ContextId, Model};
use ossl_async::sys::{ASYNC_JOB, ASYNC_WAIT_CTX};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::ptr;
use std::thread;

/// libcrypto's default library context, for both sides: the global one, and two others.
#[derive(Clone, Copy)]
pub struct Libctxs {
    functions: LibctxFunctions,
    all: [*mut Libctx; 3],
}

// SAFETY: a library context may be any thread's default.
unsafe impl Send for Libctxs {}
// SAFETY: as above.
unsafe impl Sync for Libctxs {}

impl Libctxs {
    /// Makes them. They live as long as the process.
    pub fn new(functions: LibctxFunctions) -> Libctxs {
        // SAFETY: these functions have no conditions.
        let all = unsafe {
            [
                (functions.get0_global_default)(),
                (functions.new)(),
                (functions.new)(),
            ]
        };
        Libctxs { functions, all }
    }

    /// Replaces the calling thread's default, and returns what it was.
    fn set(&self, to: *mut Libctx) -> *mut Libctx {
        // SAFETY: it is one of the contexts above, none of which is ever freed.
        unsafe { (self.functions.set0_default)(to) }
    }
}

/// A place for a job.
struct Place {
    /// The caller's handle.
    handle: Cell<*mut ASYNC_JOB>,
    /// Running or paused.
    live: Cell<bool>,
    /// The handle, as the job itself knows it.
    own: Cell<*mut ASYNC_JOB>,
    start: RefCell<Option<Start>>,
}

/// One implementation at work.
pub struct Side {
    pub table: Table,
    libctxs: Option<Libctxs>,
    /// Whether both sides run the function of a start whose arguments have size 0.
    runs_with_no_bytes: bool,
    /// The default library context that this side's caller has chosen.
    libctx: Cell<*mut Libctx>,
    places: [Place; JOBS],
    contexts: [Cell<*mut ASYNC_WAIT_CTX>; CONTEXTS],
    /// The model's numbers of the wait contexts.
    context_ids: [Cell<ContextId>; CONTEXTS],
    /// The model that the fuzzer compares the library with. This walk compares both sides with it.
    model: RefCell<Model>,
    /// Handles that appeared since the pool was made.
    seen: RefCell<Vec<*mut ASYNC_JOB>>,
    /// Those of jobs that have ended.
    ended: RefCell<Vec<*mut ASYNC_JOB>>,
    running: Cell<Option<usize>>,
    /// Calls of `ASYNC_start_job`.
    starts: Cell<u64>,
    /// What it did.
    pub log: RefCell<Vec<Entry>>,
    /// What it took out of its queue during this operation.
    pub failures: RefCell<Vec<Failure>>,
}

thread_local! {
    /// The side that is at work on this thread, for the functions that the implementations call.
    static AT_WORK: Cell<*const Side> = const { Cell::new(ptr::null()) };
}

/// The side at work.
fn at_work<'a>() -> &'a Side {
    // SAFETY: `Side::work` has set it and is still running. Jobs run within it.
    unsafe { &*AT_WORK.get() }
}

impl Side {
    /// A side that has done nothing. Both do as this libcrypto does.
    pub fn new(table: Table, libctxs: Option<Libctxs>, libcrypto: &Libcrypto) -> Side {
        let mut model = Model::new(&[], 0);
        if !libcrypto.takes_huge_limits() {
            model.set_largest_limit(i32::MAX as usize);
        }
        Side {
            table,
            libctxs,
            runs_with_no_bytes: libcrypto.runs_with_no_bytes(),
            libctx: Cell::new(libctxs.map_or(ptr::null_mut(), |all| all.all[0])),
            places: [const {
                Place {
                    handle: Cell::new(ptr::null_mut()),
                    live: Cell::new(false),
                    own: Cell::new(ptr::null_mut()),
                    start: RefCell::new(None),
                }
            }; JOBS],
            contexts: [const { Cell::new(ptr::null_mut()) }; CONTEXTS],
            context_ids: [const { Cell::new(0) }; CONTEXTS],
            model: RefCell::new(model),
            seen: RefCell::default(),
            ended: RefCell::default(),
            running: Cell::new(None),
            starts: Cell::new(0),
            log: RefCell::default(),
            failures: RefCell::default(),
        }
    }

    /// Carries out one operation.
    pub fn operate(&self, operation: &Operation) {
        self.work(|| match operation {
            Operation::Start(start) => self.start(start),
            Operation::Resume(which) => {
                if let Some(place) = self.paused(*which) {
                    self.resume(place, None);
                }
            }
            Operation::Call(call) => self.call(call),
        });
    }

    /// Whether a job is paused.
    pub fn has_jobs(&self) -> bool {
        self.places.iter().any(|place| place.live.get())
    }

    /// Resumes every job until it ends. Scripts end, so a job that does not end is abandoned.
    pub fn finish_all_jobs(&self) {
        for _ in 0..JOBS * 16 {
            self.operate(&Operation::Resume(0));
        }
        for place in &self.places {
            place.live.set(false);
        }
        for place in 0..CONTEXTS {
            let place = u8::try_from(place).expect("a small number");
            self.operate(&Operation::Call(Call::Free(Target::Place(place))));
        }
        self.operate(&Operation::Call(Call::CleanupThread));
    }

    /// Calls `work` with this side at work, with its own default library context.
    fn work(&self, work: impl FnOnce()) {
        self.failures.borrow_mut().clear();
        self.model.borrow_mut().queue.clear();
        let before = self
            .libctxs
            .as_ref()
            .map(|libctxs| libctxs.set(self.libctx.get()));
        AT_WORK.set(self);
        work();
        AT_WORK.set(ptr::null());
        if let (Some(libctxs), Some(before)) = (&self.libctxs, before) {
            self.libctx.set(libctxs.set(before));
        }
    }

    /// Logs an event, with what is in the error queue.
    fn log(&self, event: Event) {
        let errors: Vec<Failure> = self.table.queue.take().collect();
        self.failures.borrow_mut().extend(&errors);
        self.log_with(event, errors.clone());
        let codes = self.model.borrow_mut().queue.take_all();
        let want: Vec<Failure> = codes
            .into_iter()
            .map(|code| Failure::new(code >> 24, code & 0xfff))
            .collect();
        self.expect(&errors, &want);
    }

    /// Logs what the model says if the result differs from it.
    fn expect<T: PartialEq + Debug>(&self, got: &T, want: &T) {
        if got != want {
            self.log_with(Event::NotAsModelled(format!("{want:?}")), Vec::new());
        }
    }

    /// Logs an event, and leaves the error queue alone.
    fn log_with(&self, event: Event, errors: Vec<Failure>) {
        self.log.borrow_mut().push(Entry {
            running: self.running.get(),
            event,
            errors,
        });
    }

    fn leave_out(&self, exclusion: Exclusion) {
        self.log_with(Event::LeftOut(exclusion), Vec::new());
    }

    /// A job's number.
    fn job(&self, handle: *mut ASYNC_JOB) -> Pointer {
        if handle.is_null() {
            return Pointer::Null;
        }
        let mut seen = self.seen.borrow_mut();
        let number = seen.iter().position(|known| *known == handle);
        Pointer::Known(number.unwrap_or_else(|| {
            seen.push(handle);
            seen.len() - 1
        }))
    }

    /// A wait context's place.
    fn context(&self, context: *mut ASYNC_WAIT_CTX) -> Pointer {
        match self.place_of(context) {
            None if context.is_null() => Pointer::Null,
            place => place.map_or(Pointer::Unknown, Pointer::Known),
        }
    }

    /// What the model calls a wait context.
    fn context_id(&self, context: *mut ASYNC_WAIT_CTX) -> Option<ContextId> {
        Some(self.context_ids[self.place_of(context)?].get())
    }

    fn place_of(&self, context: *mut ASYNC_WAIT_CTX) -> Option<usize> {
        let mut known = self.contexts.iter().map(Cell::get);
        known.position(|known| !known.is_null() && known == context)
    }

    /// The place of one of the paused jobs.
    fn paused(&self, which: u8) -> Option<usize> {
        let paused = || (0..JOBS).filter(|place| self.is_paused(*place));
        paused().nth(usize::from(which) % paused().count().max(1))
    }

    fn is_paused(&self, place: usize) -> bool {
        self.places[place].live.get() && self.running.get() != Some(place)
    }

    /// The place of a job's wait context.
    fn context_of(&self, job: usize) -> Option<usize> {
        let start = self.places[job].start.borrow();
        start
            .as_ref()
            .and_then(|start| start.context)
            .map(usize::from)
    }

    /// Why a call is not made, or none if it is made. This and `start` alone decide it.
    fn exclusion(&self, call: &Call) -> Option<Exclusion> {
        let running = self.running.get();
        let target = |on: &Target| match on {
            Target::Null => true,
            Target::Own => running.is_some_and(|job| self.context_of(job).is_none()),
            Target::Place(_) => false,
        };
        match call {
            // A refused call changes nothing (B8).
            Call::InitThread { max, init, .. } if init <= max && self.has_jobs() => {
                Some(Exclusion::InitWithJobs)
            }
            Call::CleanupThread if running.is_some() => Some(Exclusion::CleanupInside),
            Call::CleanupThread if self.has_jobs() => Some(Exclusion::CleanupWithJobs),
            Call::StartInside => Some(Exclusion::NestedStart),
            Call::ResumeIdle => Some(Exclusion::FinishedHandle),
            Call::StartWithoutResult => Some(Exclusion::NullArguments),
            Call::PauseJob
                if running.is_some_and(|job| self.context_of(job).is_none())
                    && !self.model.borrow().is_blocked() =>
            {
                Some(Exclusion::PauseWithoutContext)
            }
            Call::Free(on) if !target(on) => {
                let place = match (on, running) {
                    (Target::Place(place), _) => Some(usize::from(*place)),
                    (_, Some(job)) => self.context_of(job),
                    (_, None) => Some(0),
                };
                let is_used = (0..JOBS)
                    .any(|job| self.places[job].live.get() && self.context_of(job) == place);
                is_used.then_some(Exclusion::ContextInUse)
            }
            Call::OnContext(on, call)
                if target(on) && !matches!(call, ContextCall::SetCallback { .. }) =>
            {
                Some(Exclusion::NullContext)
            }
            Call::OnContext(_, call) if call.is_of_3() && self.table.functions3.is_none() => {
                Some(Exclusion::Version)
            }
            Call::SetLibctx(_) if self.libctxs.is_none() => Some(Exclusion::Version),
            Call::Elsewhere(call) => self.exclusion(call),
            _ => None,
        }
    }

    fn call(&self, call: &Call) {
        if let Some(exclusion) = self.exclusion(call) {
            return self.leave_out(exclusion);
        }
        match *call {
            Call::InitThread {
                max,
                init,
                leave_error,
            } => self.init_thread(max, init, leave_error),
            Call::CleanupThread => self.cleanup_thread(),
            Call::PauseJob => self.pause_job(),
            Call::BlockPause | Call::UnblockPause => {
                self.block(matches!(call, Call::BlockPause));
            }
            Call::GetCurrentJob => {
                self.current_job();
            }
            Call::GetWaitCtx(whose) => self.get_wait_ctx(whose),
            Call::IsCapable => {
                // SAFETY: it has no conditions.
                let result = unsafe { (self.table.functions.is_capable)() };
                self.log(Event::IsCapable { result });
            }
            Call::StartInside | Call::ResumeIdle | Call::StartWithoutResult => {
                unreachable!("always left out")
            }
            Call::New(place) => {
                self.make(place.into());
            }
            Call::Free(on) => self.free(on),
            Call::OnContext(on, call) => self.on_context(on, call),
            Call::SetLibctx(which) => {
                let libctxs = self.libctxs.expect("left out otherwise");
                let before = libctxs.set(libctxs.all[usize::from(which)]);
                let known = libctxs.all.iter().position(|libctx| *libctx == before);
                let before = known.map_or(Pointer::Unknown, Pointer::Known);
                self.log(Event::SetLibctx { before });
            }
            Call::Elsewhere(ref call) => self.elsewhere(call),
        }
    }

    /// Makes a call on a thread of its own, which has no jobs.
    fn elsewhere(&self, call: &Call) {
        struct Lent<'a>(&'a Side, &'a Call);
        // SAFETY: this thread waits until the other one has ended. So does everything that it
        // shares with it.
        unsafe impl Send for Lent<'_> {}
        self.log(Event::Elsewhere);
        let lent = Lent(self, call);
        thread::scope(|threads| {
            threads.spawn(move || {
                let Lent(side, call) = { lent };
                side.call(call);
            });
        });
    }
}
