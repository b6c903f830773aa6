//! Errors, counts, other threads, descriptors.

use super::super::operation::{CONTEXTS, Elsewhere, Errors, Handle, Target};
use super::super::world::MemFunctions;
use super::Driver;
use operations::UNTOUCHED;
use operations::model::{FINISH, PAUSE, queue_text};
use ossl_async::sys::*;
use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::ptr;

/// The number of jobs in a pool that another thread makes.
const JOBS_ELSEWHERE: usize = 2;

/// What every byte of a buffer holds before a call.
const FILL: u8 = 0xaa;

impl Driver<'_> {
    pub(super) fn errors(&self, what: Errors) {
        let mut model = self.model.borrow_mut();
        match what {
            Errors::Get => {
                let code = c_ulong::from(model.queue.get());
                self.expect("ERR_get_error", OSSL_ASYNC_ERR_get_error(), code);
            }
            Errors::GetLine { file, line } => {
                let (mut name, mut number) = (ptr::null(), UNTOUCHED);
                let name_or_null = if file { &raw mut name } else { ptr::null_mut() };
                let number_or_null = if line {
                    &raw mut number
                } else {
                    ptr::null_mut()
                };
                // SAFETY: the outputs are NULL or can be written.
                let code = unsafe { OSSL_ASYNC_ERR_get_error_line(name_or_null, number_or_null) };
                let want = model.queue.get();
                self.expect("ERR_get_error_line", code, want.into());
                let written = (!name.is_null(), number != UNTOUCHED);
                self.expect(
                    "its file and line",
                    written,
                    (file && want != 0, line && want != 0),
                );
            }
            Errors::Clear => {
                OSSL_ASYNC_ERR_clear_error();
                model.queue.clear();
            }
            Errors::Text(size) => {
                let code = model.queue.last();
                let mut text = [FILL; 256];
                // SAFETY: there is room for any size of one byte.
                unsafe {
                    OSSL_ASYNC_ERR_error_string_n(
                        code.into(),
                        text.as_mut_ptr().cast::<c_char>(),
                        size,
                    )
                };
                let mut want = [FILL; 256];
                let full = queue_text(code);
                if let Some(room) = size.checked_sub(1) {
                    let length = room.min(full.len());
                    want[..length].copy_from_slice(&full.as_bytes()[..length]);
                    want[length] = 0;
                }
                self.expect("ERR_error_string_n", text, want);
            }
        }
    }

    pub(super) fn stats(&self, process: bool, size: Option<usize>) {
        let model = self.model.borrow();
        let want = match process {
            true => self.before + model.process_counts(),
            false => model.thread_counts(),
        };
        let want = want.bytes();
        let mut got = [FILL; 256];
        let to = got.as_mut_ptr().cast();
        // SAFETY: NULL, or room for any size of one byte.
        let result = unsafe {
            match (process, size) {
                (true, Some(size)) => OSSL_ASYNC_process_stats(to, size),
                (false, Some(size)) => OSSL_ASYNC_thread_stats(to, size),
                (true, None) => OSSL_ASYNC_process_stats(ptr::null_mut(), got.len()),
                (false, None) => OSSL_ASYNC_thread_stats(ptr::null_mut(), got.len()),
            }
        };
        self.expect("the result of the counts", result, size.is_some().into());
        // As many bytes as were asked for are written, and no more. Counts that the model does not
        // have are not compared.
        let size = size.unwrap_or(0);
        let known = size.min(want.len());
        let written = size.min(size_of::<OSSL_ASYNC_STATS>());
        let mut wanted = [FILL; 256];
        wanted[..written].copy_from_slice(&got[..written]);
        wanted[..known].copy_from_slice(&want[..known]);
        self.expect("the counts", got, wanted);
    }

    /// Sets the stack size. Stacks have been made, so the size does not change.
    pub(super) fn stack_size(&self, kib: usize) {
        let want = self.model.borrow_mut().set_stack_size();
        let got = OSSL_ASYNC_set_stack_size(kib << 10);
        self.expect("OSSL_ASYNC_set_stack_size", got, want);
        let size = OSSL_ASYNC_get_stack_size();
        self.expect("OSSL_ASYNC_get_stack_size", size, self.world.stack_size);
    }

    pub(super) fn stack_used(&self, handle: *mut ASYNC_JOB) {
        // SAFETY: the handle is NULL or the library's own.
        let used = unsafe { OSSL_ASYNC_get_stack_used(handle) };
        let uses = self.model.borrow().uses_stack(handle.addr());
        let is_right = (used != 0) == uses && used <= self.world.stack_bytes;
        if !is_right {
            let why = format!("{used} bytes of stack are used, but the model says {uses}");
            self.fail(&why);
        }
    }

    /// Installs functions. Stacks have been made, so the functions do not change (G40, G42, G43).
    pub(super) fn mem_functions(&self, allocate: bool, free: bool) {
        unsafe extern "C" fn no_stack(_: *mut usize) -> *mut c_void {
            ptr::null_mut()
        }
        unsafe extern "C" fn keep(_: *mut c_void) {}
        let mut got = (None, None);
        // SAFETY: the functions can be called so; the outputs can be written.
        let result = unsafe {
            let result = ASYNC_set_mem_functions(
                allocate.then_some(no_stack as _),
                free.then_some(keep as _),
            );
            ASYNC_get_mem_functions(&mut got.0, ptr::null_mut());
            ASYNC_get_mem_functions(ptr::null_mut(), &mut got.1);
            result
        };
        self.expect("ASYNC_set_mem_functions", result, 0);
        let addresses = |(allocate, free): MemFunctions| {
            (allocate.map(|f| f as usize), free.map(|f| f as usize))
        };
        let want = addresses(self.world.mem_functions);
        self.expect("ASYNC_get_mem_functions", addresses(got), want);
        self.expect("ASYNC_is_capable", ASYNC_is_capable(), 1);
    }

    pub(super) fn elsewhere(&self, what: Elsewhere, number: Handle) {
        let handle = self.handle(number);
        let address = handle.expose_provenance();
        let job = move || ptr::with_exposed_provenance_mut::<ASYNC_JOB>(address);
        match what {
            Elsewhere::Wake | Elsewhere::ClearWake => {
                let woken = matches!(what, Elsewhere::Wake);
                self.model.borrow_mut().set_woken(address, woken);
                // SAFETY: the handle is NULL or the library's own.
                on_another_thread(move || unsafe {
                    if woken {
                        ASYNC_wake(job())
                    } else {
                        ASYNC_clear_wake(job())
                    }
                });
            }
            Elsewhere::GetWaitFd => {
                // SAFETY: as above.
                let fd = on_another_thread(move || unsafe { ASYNC_get_wait_fd(job()) });
                self.check_wait_fd(handle, fd);
            }
            Elsewhere::GetWaitCtx => {
                // SAFETY: as above.
                let got = on_another_thread(move || unsafe { ASYNC_get_wait_ctx(job()).addr() });
                let want = self.model.borrow().wait_ctx(address);
                self.expect(
                    "ASYNC_get_wait_ctx elsewhere",
                    got,
                    self.context_address(want).addr(),
                );
            }
            Elsewhere::Resume => {
                if handle.is_null() {
                    return; // That would be a start.
                }
                self.model.borrow_mut().refused_elsewhere();
                // The entry goes to the queue of the thread that called.
                let got = on_another_thread(move || {
                    let (mut job, mut ret) = (job(), UNTOUCHED);
                    // SAFETY: the handle is the library's own. The pointers are good.
                    let result = unsafe {
                        let null = ptr::null_mut();
                        ASYNC_start_job_2015(&mut job, &mut ret, Some(nothing), null, 0)
                    };
                    let codes = [OSSL_ASYNC_ERR_get_error(), OSSL_ASYNC_ERR_get_error()];
                    (result, job.addr(), ret, codes)
                });
                let want = (0, address, UNTOUCHED, [0x3306_9042, 0]);
                self.expect("a resume elsewhere", got, want);
            }
            Elsewhere::Job => {
                let place = usize::from(number.0) % CONTEXTS;
                let (context, address) = self.target(Target::Place(place), None);
                self.model.borrow_mut().job_elsewhere(context);
                let address = address.expose_provenance();
                let got = on_another_thread(move || {
                    let context = ptr::with_exposed_provenance_mut(address);
                    let (mut job, mut ret) = (ptr::null_mut(), UNTOUCHED);
                    [1, 2].map(|_| {
                        // SAFETY: the pointers are good, and the function does not use its
                        // argument. The context lives: the thread that has it waits.
                        let result = unsafe {
                            let null = ptr::null_mut();
                            ASYNC_start_job(&mut job, context, &mut ret, Some(pause), null, 0)
                        };
                        (result, ret)
                    })
                });
                let want = [(PAUSE, UNTOUCHED), (FINISH, 78)];
                self.expect("a job elsewhere", got, want);
            }
            Elsewhere::Pool => {
                self.model.borrow_mut().pool_elsewhere(JOBS_ELSEWHERE);
                let got = on_another_thread(|| {
                    let pool =
                        ASYNC_init_pool(0, 0) + ASYNC_init_pool(JOBS_ELSEWHERE, JOBS_ELSEWHERE);
                    let (mut job, mut ret) = (ptr::null_mut(), UNTOUCHED);
                    // SAFETY: the pointers are good, and the function does not use its argument.
                    let result = unsafe {
                        let null = ptr::null_mut();
                        ASYNC_start_job_2015(&mut job, &mut ret, Some(nothing), null, 0)
                    };
                    (pool, result, ret)
                });
                self.expect("a pool elsewhere", got, (2, FINISH, 77));
            }
        }
    }

    pub(super) fn descriptors(&self) {
        let (pipes, most) = self.model.borrow().pipes();
        let more = self
            .world
            .more_descriptors(2 * (most + JOBS_ELSEWHERE) + 16);
        self.expect("descriptors", more, 2 * pipes as isize);
    }
}

/// The function of a job that another thread starts.
unsafe extern "C" fn nothing(_: *mut c_void) -> c_int {
    77
}

/// The same, after a pause.
unsafe extern "C" fn pause(_: *mut c_void) -> c_int {
    // SAFETY: no frame of the job relies on nested calls.
    77 + unsafe { ASYNC_pause_job() }
}

fn on_another_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"))
}
