//! Jobs and their functions, the pool, wait fds.

use super::super::operation::{Omitted, Start, Target};
use super::{Driver, Frame, at_work};
use operations::model::{Begun, Call, ContextId};
use operations::{Argument, Block, JobFn, UNTOUCHED};
use ossl_async::sys::*;
use std::ffi::{c_int, c_void};
use std::ptr;

/// The most jobs that may exist at a time.
const MOST_JOBS: usize = 24;

/// Two functions that do the same, so that a call of the function from an earlier use of a record
/// shows.
const FUNCTIONS: [JobFn; 2] = [body::<0>, body::<1>];

extern "C" fn body<const NUMBER: usize>(argument: *mut c_void) -> c_int {
    at_work().body(NUMBER, argument.cast())
}

/// A function that is given to a resume, and must never run (B22).
extern "C" fn wrong_function(_: *mut c_void) -> c_int {
    at_work().fail("the function given to a resume runs");
    0
}

/// What the function of a job that is being started should find.
pub struct Pending {
    function: usize,
    /// The caller's bytes and their address. None: NULL.
    argument: Option<(Vec<u8>, usize)>,
}

/// What a job's function knows about its own job.
pub struct JobFrame {
    argument: *mut u8,
    /// The bytes that it must hold.
    bytes: Vec<u8>,
}

impl JobFrame {
    /// The argument keeps its address and its bytes from the start of the job until its end (B23).
    fn check(&self, driver: &Driver<'_>) {
        // SAFETY: the job's own copy has this length. Without a copy the length is 0.
        let bytes = unsafe { bytes(self.argument, self.bytes.len()) };
        if bytes != self.bytes {
            driver.fail("the argument's copy has changed");
        }
    }
}

/// # Safety
///
/// The bytes can be read, or the length is 0.
unsafe fn bytes<'b>(at: *const u8, length: usize) -> &'b [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller guarantees it.
    unsafe { std::slice::from_raw_parts(at, length) }
}

impl Driver<'_> {
    pub(super) fn start(&self, start: Start, context: Option<ContextId>) {
        let place = &self.places[start.place];
        let handle = place.get();
        let call = Call {
            job: start.omitted != Omitted::Handle,
            handle: handle.expose_provenance(),
            function: start.omitted != Omitted::Function,
            argument: start.argument,
            first_generation: start.generation == 1,
            context: context.filter(|_| start.generation == 2),
        };
        let mut model = self.model.borrow_mut();
        if model.jobs() >= MOST_JOBS && handle.is_null() {
            return;
        }
        let begun = model.start(&call);
        drop(model);

        let count = self.starts.get();
        let number = (count % 2) as usize;
        let block = Block::new(start.argument, (7 * count) as u8);
        let function = if handle.is_null() {
            FUNCTIONS[number]
        } else {
            wrong_function
        };
        let function = call.function.then_some(function);
        if begun == Begun::Runs && handle.is_null() {
            self.pending.set(Some(Pending {
                function: number,
                argument: (call.gets_copy() == Some(true))
                    .then(|| (block.before().to_vec(), block.argument.addr())),
            }));
        }
        let context = self.context_address(context);
        self.launch(start.place, start.omitted, begun, |job, ret| {
            let (argument, size) = (block.argument, block.size);
            // SAFETY: the handle is NULL or the library's own. The pointers are NULL or good. The
            // function gets NULL or a copy of as many bytes as there are. If the size is larger
            // than that, no allocator has as much memory. The context lives.
            unsafe {
                match start.generation {
                    1 => ASYNC_start_job_2015(job, ret, function, argument, size),
                    _ => ASYNC_start_job(job, context, ret, function, argument, size),
                }
            }
        });
        if !block.is_untouched() {
            self.fail("the caller's argument was written to");
        }
    }

    pub(super) fn cancel(&self, place: usize, omitted: Omitted) {
        let handle = self.places[place].get().expose_provenance();
        let handle = Some(handle).filter(|_| omitted != Omitted::Handle);
        let begun = self.model.borrow_mut().cancel(handle);
        self.launch(place, omitted, begun, |job, ret| {
            // SAFETY: the handle is NULL or the library's own. The pointers are NULL or good.
            unsafe { OSSL_ASYNC_cancel_job(job, ret) }
        });
    }

    /// Calls a function that starts or resumes a job, with the variable for the handle and one for
    /// the result. Checks the result and both variables (B19).
    fn launch(
        &self,
        place: usize,
        omitted: Omitted,
        begun: Begun,
        call: impl FnOnce(*mut *mut ASYNC_JOB, *mut c_int) -> c_int,
    ) {
        let variable = &self.places[place];
        let handle = variable.get();
        let mut ret = UNTOUCHED;
        let job_or_null = match omitted {
            Omitted::Handle => ptr::null_mut(),
            _ => variable.as_ptr(),
        };
        let ret_or_null = match omitted {
            Omitted::Result => ptr::null_mut(),
            _ => &raw mut ret,
        };
        let (launched, depth) = (self.launched.get(), self.depth.get());
        if begun == Begun::Runs {
            self.launched.set(place);
            self.depth.set(0);
        }
        self.starts.set(self.starts.get() + 1);
        let result = call(job_or_null, ret_or_null);
        self.launched.set(launched);
        self.depth.set(depth);

        let want = match self.model.borrow_mut().returned(begun, handle.addr()) {
            Ok((result, handle, _)) if omitted == Omitted::Result => (result, handle, UNTOUCHED),
            Ok(want) => want,
            Err(why) => return self.fail(&format!("{why}: {result}")),
        };
        let got = (result, variable.get().addr(), ret);
        self.expect("result, *job and *ret of the start", got, want);
    }

    /// A job's function.
    fn body(&self, function: usize, argument: *mut u8) -> c_int {
        let Some(pending) = self.pending.take() else {
            self.fail("a function runs that must not run");
            return 0;
        };
        self.expect("the function", function, pending.function);
        let handle = ASYNC_get_current_job();
        handle.expose_provenance();
        if let Err(why) = self.model.borrow_mut().entered(handle.addr()) {
            self.fail(&why);
            return 0;
        }
        if !self.handles.borrow().contains(&handle) {
            self.handles.borrow_mut().push(handle);
        }
        // B20: the caller does not have the handle yet.
        let outside = self.places[self.launched.get()].get();
        self.expect("*job while a new job runs", outside, ptr::null_mut());
        let mut frame = JobFrame {
            argument,
            bytes: Vec::new(),
        };
        match pending.argument {
            None => self.expect("the argument", argument, ptr::null_mut()), // B25
            Some((bytes, _)) if argument.is_null() => {
                self.fail(&format!(
                    "the argument is NULL instead of {} bytes",
                    bytes.len()
                ));
            }
            Some((bytes, address)) => {
                // B23, B44: a copy, as malloc aligns it.
                if argument.addr() == address || argument.addr() & 15 != 0 {
                    self.fail("the argument is not a copy, or is not aligned");
                }
                frame.bytes = bytes;
                frame.check(self);
                for (n, byte) in frame.bytes.iter_mut().enumerate() {
                    *byte ^= 0x80;
                    // SAFETY: the job's own copy has this length, and the job may write to it.
                    unsafe { argument.add(n).write(*byte) };
                }
            }
        }
        self.get_wait_fd(handle);
        self.invariants();
        let value = self.run(Frame {
            job: Some(&frame),
            cleaned: None,
        });
        if !self.has_failed() {
            frame.check(self);
            self.model.borrow_mut().finish(value);
        }
        value
    }

    pub(super) fn pause(&self, frame: Option<&JobFrame>) {
        let handle = ASYNC_get_current_job();
        let (want, pauses) = self.model.borrow_mut().pause();
        let (starts, depth) = (self.starts.get(), self.depth.get());
        // SAFETY: no frame of a job here relies on nested calls.
        let result = unsafe { ASYNC_pause_job() };
        self.depth.set(depth);
        self.expect("ASYNC_pause_job", result, want);
        self.expect("whether it paused", self.starts.get() != starts, pauses);
        if pauses {
            // B20: now the caller has the handle.
            let outside = self.places[self.launched.get()].get();
            self.expect("*job while a resumed job runs", outside, handle);
            if let Some(frame) = frame {
                frame.check(self);
            }
        }
    }

    /// Resumes all jobs. The input is used up, so every job ends when it is resumed.
    pub(super) fn finish_jobs(&self) {
        loop {
            let paused = self.model.borrow().some_paused();
            let Some(handle) = paused.filter(|_| !self.has_failed()) else {
                break;
            };
            self.places[0].set(ptr::with_exposed_provenance_mut(handle));
            let start = Start {
                place: 0,
                generation: 1,
                omitted: Omitted::Nothing,
                argument: Argument::Null(0),
                context: Target::Own,
            };
            self.start(start, None);
            self.invariants();
        }
    }

    pub(super) fn init_pool(&self, generation: u8, max: usize, init: usize) {
        if generation == 1 && init <= max && init > MOST_JOBS {
            return; // This would make jobs until a resource runs out.
        }
        let want = self
            .model
            .borrow_mut()
            .init_pool(max, init, generation == 1);
        let got = match generation {
            1 => ASYNC_init_pool(max, init),
            _ => ASYNC_init_thread(max, init),
        };
        self.expect("the result of making a pool", got, want);
    }

    pub(super) fn free_pool(&self, generation: u8) {
        self.model.borrow_mut().free_pool();
        match generation {
            1 => ASYNC_free_pool(),
            _ => ASYNC_cleanup_thread(),
        }
    }

    pub(super) fn set_woken(&self, handle: *mut ASYNC_JOB, woken: bool) {
        self.model.borrow_mut().set_woken(handle.addr(), woken);
        // SAFETY: the handle is NULL or the library's own.
        unsafe {
            if woken {
                ASYNC_wake(handle)
            } else {
                ASYNC_clear_wake(handle)
            }
        }
    }

    pub(super) fn get_wait_fd(&self, handle: *mut ASYNC_JOB) {
        // SAFETY: the handle is NULL or the library's own.
        let fd = unsafe { ASYNC_get_wait_fd(handle) };
        self.check_wait_fd(handle, fd);
    }

    pub(super) fn check_wait_fd(&self, handle: *mut ASYNC_JOB, fd: c_int) {
        let checked = self.model.borrow_mut().wait_fd(handle.addr(), fd);
        if let Err(why) = checked {
            self.fail(&why);
        }
    }

    pub(super) fn get_wait_ctx(&self, handle: *mut ASYNC_JOB) {
        // SAFETY: the handle is NULL or the library's own.
        let got = unsafe { ASYNC_get_wait_ctx(handle) };
        let want = self.model.borrow().wait_ctx(handle.addr());
        self.expect("ASYNC_get_wait_ctx", got, self.context_address(want));
    }
}
