//! Jobs: starts, resumes, what runs in them, and the functions that know the thread's current one.

use super::{FINISH, PAUSE, Place, Side, at_work};
use crate::walk::event::{Event, Pointer};
use crate::walk::operation::{Exclusion, JOBS, Start, Whose};
use operations::{Argument, Block, JobFn, UNTOUCHED};
use ossl_async::capi::{ASYNC_JOB, ASYNC_WAIT_CTX};
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
        let result = self.start_job(place, context, run_script, start.argument);
        if result != PAUSE {
            self.places[place].live.set(false);
        }
    }

    /// Resumes a paused job, with a function, arguments and a context that must be ignored (B22, G9).
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
        let result = self.start_job(place, context, wrong_function, argument);
        if result != PAUSE {
            self.places[place].live.set(false);
        }
    }

    pub(super) fn start_job(
        &self,
        place: usize,
        context: *mut ASYNC_WAIT_CTX,
        function: JobFn,
        argument: Argument,
    ) -> c_int {
        let block = Block::new(argument, 0);
        let Place { handle, own, .. } = &self.places[place];
        let resumed = !handle.get().is_null();
        if !resumed {
            own.set(ptr::null_mut());
        }
        let mut ret = UNTOUCHED;
        self.running.set(Some(place));
        self.starts.set(self.starts.get() + 1);
        // SAFETY: the handle is NULL or that of a paused job of this thread; the pointers are good; the argument is NULL or
        // points to as many bytes as are said, or to some and no allocator has as many; the wait context lives as long as
        // the job does, since `free` keeps it.
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
        if result != PAUSE {
            handle.set(ptr::null_mut());
        }
        if handle.get().is_null() && result == PAUSE {
            return 0; // nothing to resume it by
        }
        result
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
            // SAFETY: as above; the function may write its copy (B23).
            unsafe { *argument.cast::<u8>() ^= 0x80 };
        }
        self.places[place].own.set(self.current_job());
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
        start.value
    }

    /// What the caller's handle of the running job holds.
    pub(super) fn handle_outside(&self) -> Pointer {
        let running = self.running.get().expect("inside a job");
        self.job(self.places[running].handle.get())
    }

    pub(super) fn init_thread(&self, max: usize, init: usize, leave_error: bool) {
        // SAFETY: no job is under way, or the sizes are such that nothing happens.
        let result = unsafe { (self.table.functions.init_thread)(max, init) };
        if result != 0 {
            self.forget_handles();
        }
        let event = Event::InitThread { max, init, result };
        if leave_error && self.running.get().is_some() {
            self.log_with(event, Vec::new());
        } else {
            self.log(event);
        }
    }

    pub(super) fn cleanup_thread(&self) {
        // SAFETY: no job is under way.
        unsafe { (self.table.functions.cleanup_thread)() };
        self.blocks.set(0);
        self.forget_handles();
        self.log(Event::CleanupThread);
    }

    /// The pool is gone: its handles mean nothing any more, and may come again.
    pub(super) fn forget_handles(&self) {
        self.seen.borrow_mut().clear();
        self.ended.borrow_mut().clear();
    }

    pub(super) fn pause_job(&self) {
        let inside = self.running.get();
        let starts = self.starts.get();
        // SAFETY: the running job has a wait context, or does not pause.
        let result = unsafe { (self.table.functions.pause_job)() };
        let paused = self.starts.get() != starts;
        let context = inside.and_then(|job| self.context_of(job));
        if let Some(place) = context.filter(|_| paused) {
            self.model.borrow_mut().reset(self.context_ids[place].get());
        }
        self.log(Event::PauseJob {
            inside: inside.is_some(),
            result,
            paused,
        });
    }

    pub(super) fn block(&self, block: bool) {
        let inside = self.running.get().is_some();
        let functions = &self.table.functions;
        let (function, blocks) = if block {
            (functions.block_pause, self.blocks.get() + 1)
        } else {
            (functions.unblock_pause, self.blocks.get().saturating_sub(1))
        };
        // SAFETY: they have no conditions.
        unsafe { function() };
        if inside {
            self.blocks.set(blocks);
        }
        self.log(if block {
            Event::BlockPause { inside }
        } else {
            Event::UnblockPause { inside }
        });
    }

    pub(super) fn current_job(&self) -> *mut ASYNC_JOB {
        // SAFETY: it has no conditions.
        let current = unsafe { (self.table.functions.get_current_job)() };
        let job = self.job(current);
        self.log(Event::GetCurrentJob { job });
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
    }
}

/// Every job's function.
extern "C" fn run_script(argument: *mut c_void) -> c_int {
    at_work().run(argument)
}

/// What a resume must not call.
extern "C" fn wrong_function(_: *mut c_void) -> c_int {
    at_work().log(Event::WrongFunction);
    -1
}
