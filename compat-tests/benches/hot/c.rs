//! The C entry points of the library, which is linked into this program.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::hint::black_box;
use core::ptr::{self, null_mut};
use criterion::{BenchmarkId, Criterion};
use ossl_async::sys::{
    ASYNC_FINISH, ASYNC_JOB, ASYNC_PAUSE, ASYNC_WAIT_CTX, ASYNC_WAIT_CTX_free, ASYNC_WAIT_CTX_new,
    ASYNC_clear_wake, ASYNC_pause_job, ASYNC_start_job, ASYNC_start_job_2015, ASYNC_wake,
};

unsafe extern "C" fn finish(_: *mut c_void) -> c_int {
    1
}

unsafe extern "C" fn pause_once(_: *mut c_void) -> c_int {
    // SAFETY: no frame of the job relies on nested calls.
    unsafe { ASYNC_pause_job() };
    1
}

/// Pauses until the flag that its argument points to is set.
unsafe extern "C" fn pause_on(over: *mut c_void) -> c_int {
    // SAFETY: the benchmark passes a pointer to its flag, which outlives the job.
    let over = unsafe { &**over.cast::<*const Cell<bool>>() };
    while !over.get() {
        // SAFETY: no frame of the job relies on nested calls.
        unsafe { ASYNC_pause_job() };
    }
    1
}

/// No argument.
const NOTHING: &[u8] = &[];

/// A job with the variables that C code has for it.
struct CJob {
    job: *mut ASYNC_JOB,
    ctx: *mut ASYNC_WAIT_CTX,
}

impl CJob {
    fn new() -> CJob {
        CJob {
            job: null_mut(),
            ctx: ASYNC_WAIT_CTX_new(),
        }
    }

    /// Starts or resumes it, and fails unless the result is `wanted`. The argument is copied.
    fn go<T>(
        &mut self,
        function: unsafe extern "C" fn(*mut c_void) -> c_int,
        argument: &[T],
        wanted: c_int,
    ) {
        let mut result = 0;
        let bytes = match argument {
            [] => null_mut(),
            _ => argument.as_ptr().cast_mut().cast(),
        };
        // SAFETY: job and result are this function's. The argument is as long as its size says.
        // The functions of this file accept the arguments that they are started with here.
        let got = unsafe {
            ASYNC_start_job(
                &mut self.job,
                self.ctx,
                &mut result,
                Some(black_box(function)),
                bytes,
                size_of_val(argument),
            )
        };
        assert_eq!(got, wanted);
    }
}

impl Drop for CJob {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and its job has ended.
        unsafe { ASYNC_WAIT_CTX_free(self.ctx) };
    }
}

/// Runs all benchmarks.
pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("C");
    for size in [0, 64, 4096] {
        group.bench_function(BenchmarkId::new("start + finish, bytes", size), |bencher| {
            let mut job = CJob::new();
            let argument = vec![0_u8; size];
            bencher.iter(|| job.go(finish, &argument, ASYNC_FINISH));
        });
    }
    group.bench_function("start + pause + resume + finish", |bencher| {
        let mut job = CJob::new();
        bencher.iter(|| {
            job.go(pause_once, NOTHING, ASYNC_PAUSE);
            job.go(pause_once, NOTHING, ASYNC_FINISH);
        });
    });
    group.bench_function("pause + resume", |bencher| {
        let mut job = CJob::new();
        let over = Cell::new(false);
        job.go(pause_on, &[ptr::from_ref(&over)], ASYNC_PAUSE);
        bencher.iter(|| job.go(pause_on, NOTHING, ASYNC_PAUSE));
        over.set(true);
        job.go(pause_on, NOTHING, ASYNC_FINISH);
    });
    group.bench_function("wake + clear", wake_clear);
    group.finish();
}

/// Uses the five-argument call, whose jobs have a pipe.
fn wake_clear(bencher: &mut criterion::Bencher<'_>) {
    let mut job = null_mut();
    let mut go = |wanted| {
        // SAFETY: the job is this function's, and `pause_once` takes no argument.
        let got =
            unsafe { ASYNC_start_job_2015(&mut job, null_mut(), Some(pause_once), null_mut(), 0) };
        assert_eq!(got, wanted);
        job
    };
    let paused = go(ASYNC_PAUSE);
    bencher.iter(|| {
        // SAFETY: it is paused.
        unsafe { ASYNC_wake(black_box(paused)) };
        // SAFETY: as above.
        unsafe { ASYNC_clear_wake(black_box(paused)) };
    });
    go(ASYNC_FINISH);
}
