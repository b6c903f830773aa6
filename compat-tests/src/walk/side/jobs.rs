//! Jobs: starts, resumes, what runs in them, and the functions that use the thread's current job.

use super::{Place, Side, at_work};
use crate::walk::event::{Event, Pointer};
use crate::walk::operation::{Exclusion, JOBS, Start, Whose};
use operations::model::{Call, FINISH, PAUSE};
use operations::{Argument, Block, JobFn, UNTOUCHED};
use ossl_async::sys::{ASYNC_JOB, ASYNC_WAIT_CTX};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

impl Side {
    pub(super) fn start(&self, start: &Start) {
        if start.argument == Argument::Bytes(0) && !self.runs_with_no_bytes {
            return self.leave_out(Exclusion::NoBytes);
        }
        let Some(place) = (0..JOBS).find(|place| !self.places[*place].live.get()) else {
            let place = usize::from(start.value.unsigned_abs() as u8) % JOBS;
            return self.resume(place, Some(start));
        };
        let context = start
            .context
            .map_or(ptr::null_mut(), |place| self.make(place.into()));
        *self.places[place].start.borrow_mut() = Some(start.clone());
        self.places[place].live.set(true);
        self.start_job(place, context, run_script, start.argument);
    }

    /// Resumes a paused job, with a function, arguments and a context that must be ignored (B22,
    /// G9).
    pub(super) fn resume(&self, place: usize, with: Option<&Start>) {
        let context = with
            .and_then(|start| start.context)
            .map_or(ptr::null_mut(), |place| {
                self.contexts[usize::from(place)].get()
            });
        let argument = match with.map(|start| start.argument) {
            None => Argument::Null(0),
            Some(Argument::Bytes(1..)) => Argument::Huge,
            Some(other) => other,
        };
        self.start_job(place, context, wrong_function, argument);
    }

    pub(super) fn start_job(
        &self,
        place: usize,
        context: *mut ASYNC_WAIT_CTX,
        function: JobFn,
        argument: Argument,
    ) {
        let block = Block::new(argument, 0);
        let Place {
            handle, own, live, ..
        } = &self.places[place];
        let resumed = !handle.get().is_null();
        if !resumed {
            own.set(ptr::null_mut());
        }
        let call = Call {
            job: true,
            handle: handle.get().addr(),
            function: true,
            argument,
            first_generation: false,
            context: self.context_id(context),
        };
        let before = handle.get().addr();
        let begun = self.model.borrow_mut().start(&call);
        let mut ret = UNTOUCHED;
        self.running.set(Some(place));
        self.starts.set(self.starts.get() + 1);
        // SAFETY: the handle is NULL or that of a paused job of this thread. The pointers are
        // good. The argument is NULL or points to as many bytes as the size says. Or it points to
        // a few bytes, and no allocator has as many as the size says. `free` keeps the wait
        // context as long as the job lives.
        let result = unsafe {
            (self.table.functions.start_job)(
                handle.as_ptr(),
                context,
                &mut ret,
                Some(function),
                block.argument,
                block.size,
            )
        };
        self.running.set(None);
        if result == FINISH && !own.get().is_null() {
            let mut ended = self.ended.borrow_mut();
            if !ended.contains(&own.get()) {
                ended.push(own.get());
            }
        }
        self.log(Event::StartJob {
            resumed,
            result,
            job: self.job(handle.get()),
            ret,
            untouched: block.is_untouched(),
        });
        let want = self.model.borrow_mut().returned(begun, before);
        self.expect(&Ok((result, handle.get().addr(), ret)), &want);
        if result != PAUSE {
            handle.set(ptr::null_mut());
        }
        // Without a handle the job cannot be resumed.
        live.set(!handle.get().is_null());
    }

    /// The function of the running job, with its argument.
    pub(super) fn run(&self, argument: *mut c_void) -> c_int {
        let place = self.running.get().expect("a job runs");
        let start = self.places[place].start.borrow().clone();
        let Some(start) = start else { return -1 };
        let length = match start.argument {
            Argument::Bytes(length) => length,
            _ => 0,
        };
        let bytes = || {
            // SAFETY: the argument is NULL or the job's own copy, of this length.
            (!argument.is_null()).then(|| unsafe {
                std::slice::from_raw_parts(argument.cast::<u8>(), length).to_vec()
            })
        };
        self.log(Event::Entered {
            job: self.handle_outside(),
            bytes: bytes(),
            aligned: argument.addr() % 16 == 0,
            no_bytes: start.argument == Argument::Bytes(0),
        });
        if !argument.is_null() && length > 0 {
            // SAFETY: as above. The function may write its copy (B23).
            unsafe { *argument.cast::<u8>() ^= 0x80 };
        }
        let current = self.current_job();
        self.places[place].own.set(current);
        let entered = self.model.borrow_mut().entered(current.addr());
        if let Err(why) = entered {
            self.log_with(Event::NotAsModelled(why), Vec::new());
        }
        for call in Arc::clone(&start.script).iter() {
            let starts = self.starts.get();
            self.call(call);
            if self.starts.get() != starts {
                self.log(Event::Resumed {
                    job: self.handle_outside(),
                    bytes: bytes(),
                });
            }
        }
        self.model.borrow_mut().finish(start.value);
        start.value
    }

    /// What the caller's handle of the running job holds.
    pub(super) fn handle_outside(&self) -> Pointer {
        let running = self.running.get().expect("inside a job");
        self.job(self.places[running].handle.get())
    }

    pub(super) fn init_thread(&self, max: usize, init: usize, leave_error: bool) {
        // SAFETY: no job runs or is paused, or the sizes are refused.
        let result = unsafe { (self.table.functions.init_thread)(max, init) };
        if result != 0 {
            self.forget_handles();
        }
        let want = self.model.borrow_mut().init_pool(max, init, false);
        self.expect(&result, &want);
        let event = Event::InitThread { max, init, result };
        if leave_error && self.running.get().is_some() {
            self.log_with(event, Vec::new());
        } else {
            self.log(event);
        }
    }

    pub(super) fn cleanup_thread(&self) {
        // SAFETY: no job runs or is paused.
        unsafe { (self.table.functions.cleanup_thread)() };
        self.model.borrow_mut().free_pool();
        self.forget_handles();
        self.log(Event::CleanupThread);
    }

    /// The pool is gone, so its handles mean nothing any more. New jobs may get the same ones.
    pub(super) fn forget_handles(&self) {
        self.seen.borrow_mut().clear();
        self.ended.borrow_mut().clear();
    }

    pub(super) fn pause_job(&self) {
        let inside = self.running.get();
        let starts = self.starts.get();
        let want = self.model.borrow_mut().pause();
        // SAFETY: the running job has a wait context, or does not pause.
        let result = unsafe { (self.table.functions.pause_job)() };
        let paused = self.starts.get() != starts;
        self.log(Event::PauseJob {
            inside: inside.is_some(),
            result,
            paused,
        });
        self.expect(&(result, paused), &want);
    }

    pub(super) fn block(&self, block: bool) {
        let inside = self.running.get().is_some();
        let functions = &self.table.functions;
        let mut model = self.model.borrow_mut();
        let (function, event) = if block {
            model.block();
            (functions.block_pause, Event::BlockPause { inside })
        } else {
            model.unblock();
            (functions.unblock_pause, Event::UnblockPause { inside })
        };
        drop(model);
        // SAFETY: they have no conditions.
        unsafe { function() };
        self.log(event);
    }

    pub(super) fn current_job(&self) -> *mut ASYNC_JOB {
        // SAFETY: it has no conditions.
        let current = unsafe { (self.table.functions.get_current_job)() };
        let job = self.job(current);
        self.log(Event::GetCurrentJob { job });
        let want = self.model.borrow().current_handle();
        self.expect(&current.addr(), &want.unwrap_or(current.addr()));
        current
    }

    pub(super) fn get_wait_ctx(&self, whose: Whose) {
        let (handle, live) = match whose {
            Whose::Own => (
                self.running.get().map(|job| self.places[job].own.get()),
                true,
            ),
            Whose::Paused(which) => (
                self.paused(which)
                    .map(|place| self.places[place].handle.get()),
                true,
            ),
            Whose::Idle(which) => {
                let ended = self.ended.borrow();
                let handle = ended.get(usize::from(which) % ended.len().max(1)).copied();
                let again = |handle| {
                    (self.places.iter()).any(|place| place.live.get() && place.own.get() == handle)
                };
                (handle, handle.is_some_and(again))
            }
        };
        let Some(handle) = handle.filter(|handle| !handle.is_null()) else {
            return;
        };
        // SAFETY: it is a handle of the thread's pool.
        let context = unsafe { (self.table.functions.get_wait_ctx)(handle) };
        self.log(Event::GetWaitCtx {
            job: self.job(handle),
            live,
            context: self.context(context),
        });
        let want = self.model.borrow().wait_ctx(handle.addr());
        self.expect(&self.context_id(context), &want);
    }
}

/// Every job's function.
extern "C" fn run_script(argument: *mut c_void) -> c_int {
    at_work().run(argument)
}

/// A function that is given to a resume, and must not be called.
extern "C" fn wrong_function(_: *mut c_void) -> c_int {
    at_work().log(Event::WrongFunction);
    -1
}
