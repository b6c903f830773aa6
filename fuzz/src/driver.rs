//! Carries out an input on the library, and asks the model for the expected result of each
//! operation. `jobs`, `contexts` and `rest` have an operation each. This file has what they share:
//! the place in the input, the trace, and what must hold after every operation.

mod contexts;
mod jobs;
mod rest;

use super::operation::{CONTEXTS, Input, Operation, PLACES, Target};
use super::world::{self, World};
use jobs::{JobFrame, Pending};
use operations::model::{ContextId, Counts, Model};
use ossl_async::sys::*;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::fmt::{Debug, Write as _};
use std::ptr;

/// How deep cleanups that carry out operations may be nested.
const DEPTH: usize = 8;

/// One input at work on the calling thread.
pub struct Driver<'a> {
    world: &'static World,
    /// The process's counts before the input.
    before: Counts,
    input: RefCell<Input<'a>>,
    model: RefCell<Model>,
    /// The operations so far, and the job that each ran in.
    trace: RefCell<Vec<(Option<usize>, Operation)>>,
    /// The first difference.
    failure: RefCell<Option<String>>,
    /// The caller's variables for handles.
    places: [Cell<*mut ASYNC_JOB>; PLACES],
    contexts: [Cell<Option<ContextId>>; CONTEXTS],
    /// Every handle that was seen so far.
    handles: RefCell<Vec<*mut ASYNC_JOB>>,
    /// The addresses that the model's wait contexts have, or had.
    context_addresses: RefCell<Vec<*mut ASYNC_WAIT_CTX>>,
    /// The job that is being started.
    pending: Cell<Option<Pending>>,
    /// The variable of the start that is under way.
    launched: Cell<usize>,
    /// How many starts were called.
    starts: Cell<u64>,
    /// How many cleanups are running, one inside another.
    depth: Cell<usize>,
}

thread_local! {
    /// The driver at work on this thread, for the functions that the library calls.
    static AT_WORK: Cell<*const Driver<'static>> = const { Cell::new(ptr::null()) };
}

/// The driver at work.
fn at_work<'a>() -> &'a Driver<'a> {
    // SAFETY: `drive` has set it and is still running. What the library calls runs within it.
    unsafe { &*AT_WORK.get().cast::<Driver<'a>>() }
}

/// Who carries out operations: the thread, a job that it runs, or a cleanup within either.
#[derive(Clone, Copy)]
struct Frame<'f> {
    job: Option<&'f JobFrame>,
    cleaned: Option<ContextId>,
}

impl<'a> Driver<'a> {
    pub fn new(world: &'static World, before: Counts, input: &'a [u8]) -> Driver<'a> {
        let abandoned = world.abandoned.map(|job| job.address);
        let handles = abandoned.map(ptr::with_exposed_provenance_mut);
        Driver {
            world,
            before,
            input: RefCell::new(Input::new(input)),
            model: RefCell::new(Model::new(&world.abandoned, world.stack_bytes)),
            trace: RefCell::default(),
            failure: RefCell::default(),
            places: [const { Cell::new(ptr::null_mut()) }; PLACES],
            contexts: [const { Cell::new(None) }; CONTEXTS],
            handles: RefCell::new(handles.into()),
            context_addresses: RefCell::new(vec![ptr::with_exposed_provenance_mut(world.context)]),
            pending: Cell::new(None),
            launched: Cell::new(0),
            starts: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    /// Carries out the input, then ends every job and frees every wait context. Returns what the
    /// process must have counted when the thread has ended. The pool is left for the thread's end.
    pub fn drive(&self) -> Result<Counts, String> {
        AT_WORK.set(ptr::from_ref(self).cast());
        // The last input may have left this job woken.
        // SAFETY: the handle is the library's.
        unsafe { ASYNC_clear_wake(self.handles.borrow()[0]) };
        self.invariants();
        self.run(Frame {
            job: None,
            cleaned: None,
        });
        self.finish_jobs();
        for place in 0..CONTEXTS {
            self.free(self.target(Target::Place(place), None));
            self.invariants();
        }
        AT_WORK.set(ptr::null());
        let mut model = self.model.borrow_mut();
        model.thread_ends();
        match self.failure.take() {
            None => Ok(model.process_counts()),
            Some(failure) => Err(failure),
        }
    }

    /// Carries out operations until one of them is a return, and returns its value.
    fn run(&self, frame: Frame<'_>) -> c_int {
        while !self.has_failed() {
            let next = self.input.borrow_mut().next();
            let Some(operation) = next else { break };
            let job = self.model.borrow().current();
            self.trace.borrow_mut().push((job, operation));
            match operation {
                Operation::Return(value) if frame.job.is_some() || frame.cleaned.is_some() => {
                    return value;
                }
                Operation::Return(_) => {}
                _ => self.operate(operation, frame),
            }
            self.invariants();
        }
        0
    }

    fn operate(&self, operation: Operation, frame: Frame<'_>) {
        let target = |on| self.target(on, frame.cleaned);
        match operation {
            Operation::Start(start) => self.start(start, target(start.context).0),
            Operation::Put { place, handle } => self.places[place].set(self.handle(handle)),
            Operation::Pause => self.pause(frame.job),
            Operation::Cancel { place, omitted } => self.cancel(place, omitted),
            Operation::Return(_) => {}
            Operation::InitPool {
                generation,
                max,
                init,
            } => self.init_pool(generation, max, init),
            Operation::FreePool { generation } => self.free_pool(generation),
            Operation::Block => {
                ASYNC_block_pause();
                self.model.borrow_mut().block();
            }
            Operation::Unblock => {
                // SAFETY: no frame relies on a block.
                unsafe { ASYNC_unblock_pause() };
                self.model.borrow_mut().unblock();
            }
            Operation::Wake(handle) => self.set_woken(self.handle(handle), true),
            Operation::ClearWake(handle) => self.set_woken(self.handle(handle), false),
            Operation::GetWaitFd(handle) => self.get_wait_fd(self.handle(handle)),
            Operation::GetWaitCtx(handle) => self.get_wait_ctx(self.handle(handle)),
            Operation::NewContext(place) => self.new_context(place),
            Operation::FreeContext(on) => self.free(target(on)),
            Operation::OnContext { on, call } => self.on_context(target(on), call),
            Operation::Errors(what) => self.errors(what),
            Operation::Stats { process, size } => self.stats(process, size),
            Operation::MemFunctions { allocate, free } => self.mem_functions(allocate, free),
            Operation::StackSize(kib) => self.stack_size(kib),
            Operation::StackUsed(handle) => self.stack_used(self.handle(handle)),
            Operation::Elsewhere { what, handle } => self.elsewhere(what, handle),
            Operation::Descriptors => self.descriptors(),
        }
    }

    /// Checks what must hold at any time.
    fn invariants(&self) {
        let model = self.model.borrow();
        if let Some(current) = model.current_handle() {
            self.expect(
                "ASYNC_get_current_job",
                ASYNC_get_current_job().addr(),
                current,
            );
        }
        let inside = c_int::from(model.current().is_some());
        self.expect("ASYNC_in_job", ASYNC_in_job(), inside);
        let queue = (
            OSSL_ASYNC_ERR_peek_error(),
            OSSL_ASYNC_ERR_peek_last_error(),
        );
        let (first, last) = (model.queue.first(), model.queue.last());
        self.expect("the error queue's ends", queue, (first.into(), last.into()));

        let counts = model.thread_counts();
        self.expect("the thread's counts", world::thread_stats(), counts);

        let wait_fds: Vec<_> = model.wait_fds().collect();
        let mut polled: Vec<_> = wait_fds.iter().map(|(fd, _)| to_poll(*fd)).collect();
        // SAFETY: the array is as long as is said.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 0) };
        for (polled, (fd, readable)) in polled.iter().zip(wait_fds) {
            let events = if readable { libc::POLLIN } else { 0 };
            self.expect(&format!("wait fd {fd}'s events"), polled.revents, events);
        }
    }

    /// A handle by its number.
    fn handle(&self, handle: super::operation::Handle) -> *mut ASYNC_JOB {
        let handles = self.handles.borrow();
        match usize::from(handle.0) % (handles.len() + 1) {
            0 => ptr::null_mut(),
            n => handles[n - 1],
        }
    }

    fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Compares what was got with what the model wants.
    fn expect<T: PartialEq + Debug>(&self, what: &str, got: T, want: T) {
        if got != want {
            self.fail(&format!("{what}: {got:?}, but the model says {want:?}"));
        }
    }

    /// Records a difference, with the operations before it, if it is the first.
    fn fail(&self, why: &str) {
        if self.has_failed() {
            return;
        }
        let mut text = String::from("the library differs from the model\n");
        for (job, operation) in self.trace.borrow().iter() {
            let place = job.map_or(String::new(), |job| format!("in job {job}: "));
            writeln!(text, "  {place}{operation:?}").expect("memory is there");
        }
        text += why;
        *self.failure.borrow_mut() = Some(text);
    }
}

fn to_poll(fd: c_int) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}
