//! Generation 2's wait context: the table of descriptors, callback, status, and how jobs use it
//! (7.4 to 7.6 of the behaviour reference).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr;

/// A context that is freed with the test.
struct Ctx(*mut ASYNC_WAIT_CTX);

fn key(number: usize) -> *const c_void {
    ptr::without_provenance(number)
}

// SAFETY (for all of `Ctx`): the context is alive, and the outputs are variables of ours with room
// enough.
/// A value that is never written to a list.
const UNTOUCHED: c_int = -77;

/// Room for a list, and for one element more, to see that it is not written. A sanitizer sees that
/// itself, so then there is no element more.
fn room(count: usize) -> Vec<c_int> {
    let more = usize::from(!cfg!(ossl_async_sanitizer));
    let mut room = Vec::new();
    room.reserve_exact(count + more);
    room.resize(count + more, UNTOUCHED);
    room
}

/// The list, which has this many elements.
fn written(mut room: Vec<c_int>, count: usize) -> Vec<c_int> {
    assert!(room[count..].iter().all(|fd| *fd == UNTOUCHED));
    room.truncate(count);
    room
}

impl Ctx {
    fn new() -> Ctx {
        let ctx = ASYNC_WAIT_CTX_new();
        assert!(!ctx.is_null());
        Ctx(ctx)
    }

    fn set(&self, at: usize, fd: c_int) {
        self.set_with(at, fd, ptr::null_mut(), None);
    }

    fn set_with(&self, at: usize, fd: c_int, data: *mut c_void, cleanup: Option<CleanupFn>) {
        // SAFETY: as above.
        let result = unsafe { ASYNC_WAIT_CTX_set_wait_fd(self.0, key(at), fd, data, cleanup) };
        assert_eq!(result, 1);
    }

    fn get(&self, at: usize) -> Option<c_int> {
        let (mut fd, mut data) = (-7, ptr::without_provenance_mut(7));
        // SAFETY: as above.
        match unsafe { ASYNC_WAIT_CTX_get_fd(self.0, key(at), &mut fd, &mut data) } {
            0 => {
                assert_eq!((fd, data.addr()), (-7, 7), "nothing is written");
                None
            }
            result => {
                assert_eq!(result, 1);
                Some(fd)
            }
        }
    }

    #[must_use]
    fn clear(&self, at: usize) -> bool {
        // SAFETY: as above.
        unsafe { ASYNC_WAIT_CTX_clear_fd(self.0, key(at)) != 0 }
    }

    fn all(&self) -> Vec<c_int> {
        let (mut count, mut again) = (99, 99);
        // SAFETY: as above.
        unsafe {
            assert_eq!(
                ASYNC_WAIT_CTX_get_all_fds(self.0, ptr::null_mut(), &mut count),
                1
            );
        }
        let mut fds = room(count);
        // SAFETY: as above.
        let result = unsafe { ASYNC_WAIT_CTX_get_all_fds(self.0, fds.as_mut_ptr(), &mut again) };
        assert_eq!((result, again), (1, count));
        written(fds, count)
    }

    /// Added and deleted descriptors.
    fn changed(&self) -> (Vec<c_int>, Vec<c_int>) {
        let (mut adds, mut dels, mut counted) = (99, 99, (99, 99));
        // SAFETY: as above.
        unsafe {
            let (nowhere, add, del) = (ptr::null_mut(), &mut counted.0, &mut counted.1);
            assert_eq!(
                ASYNC_WAIT_CTX_get_changed_fds(self.0, nowhere, add, nowhere, del),
                1
            );
        }
        let (mut added, mut deleted) = (room(counted.0), room(counted.1));
        // SAFETY: as above.
        unsafe {
            let (to_add, to_del) = (added.as_mut_ptr(), deleted.as_mut_ptr());
            assert_eq!(
                ASYNC_WAIT_CTX_get_changed_fds(self.0, to_add, &mut adds, to_del, &mut dels),
                1
            );
        }
        assert_eq!(counted, (adds, dels));
        (written(added, adds), written(deleted, dels))
    }

    /// Pauses and resumes a job with this context, which begins counting anew.
    fn reset(&self) {
        let mut job = Job2::with(self, pausing(1, 0));
        job.pause();
        job.finish(0);
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        // SAFETY: freed here only.
        unsafe { ASYNC_WAIT_CTX_free(self.0) };
    }
}

type CleanupFn = unsafe extern "C" fn(*mut ASYNC_WAIT_CTX, *const c_void, c_int, *mut c_void);

/// A job that is started by the six-argument call.
struct Job2 {
    job: CJob,
    ctx: *mut ASYNC_WAIT_CTX,
}

impl Job2 {
    fn with(ctx: &Ctx, job: CJob) -> Job2 {
        Job2 { job, ctx: ctx.0 }
    }

    fn go(&mut self) -> c_int {
        self.job.go_with(self.ctx)
    }

    #[track_caller]
    fn pause(&mut self) {
        assert_eq!(self.go(), ASYNC_PAUSE);
    }

    #[track_caller]
    fn finish(&mut self, value: c_int) {
        assert_eq!(
            (self.go(), self.job.ret, self.job.handle),
            (ASYNC_FINISH, value, ptr::null_mut())
        );
    }
}

// Rules: G16, G19, G20, G21, G28
#[test]
fn entries_are_found_by_key_and_listed_newest_first() {
    let ctx = Ctx::new();
    assert_eq!(
        (ctx.all(), ctx.changed(), ctx.get(1)),
        (vec![], (vec![], vec![]), None)
    );
    ctx.set(1, 11);
    ctx.set(2, 12);
    ctx.set(1, 13); // the same key again
    ctx.set(0, -5); // neither key nor descriptor is checked
    assert_eq!(
        (ctx.get(1), ctx.get(2), ctx.get(0), ctx.get(3)),
        (Some(13), Some(12), Some(-5), None)
    );
    assert_eq!(ctx.all(), [-5, 13, 12, 11]);
    assert_eq!(ctx.changed(), (vec![-5, 13, 12, 11], vec![]));
    assert_eq!(errors(), []);
}

// Rules: G20
#[test]
fn custom_data_comes_back() {
    let ctx = Ctx::new();
    let mut value = 5;
    ctx.set_with(1, 3, ptr::from_mut(&mut value).cast(), None);
    let (mut fd, mut data) = (0, ptr::null_mut());
    // SAFETY: the context is alive; outputs may be NULL.
    unsafe {
        assert_eq!(ASYNC_WAIT_CTX_get_fd(ctx.0, key(1), &mut fd, &mut data), 1);
        assert_eq!((fd, data), (3, ptr::from_mut(&mut value).cast()));
        assert_eq!(
            ASYNC_WAIT_CTX_get_fd(ctx.0, key(1), ptr::null_mut(), ptr::null_mut()),
            1
        );
        assert_eq!(
            ASYNC_WAIT_CTX_get_fd(ctx.0, key(2), ptr::null_mut(), ptr::null_mut()),
            0
        );
    }
}

// Rules: G22, G23, G24, G25, G27, G29, G30, G31, D27
#[test]
fn changes_are_those_since_the_last_resume() {
    let ctx = Ctx::new();
    assert!(!ctx.clear(1));
    ctx.set(1, 11);
    ctx.set(2, 12);
    assert!(ctx.clear(2), "just added: gone without a trace");
    assert!(!ctx.clear(2));
    assert_eq!((ctx.all(), ctx.changed()), (vec![11], (vec![11], vec![])));
    ctx.reset();
    assert_eq!((ctx.all(), ctx.changed()), (vec![11], (vec![], vec![])));
    ctx.set(3, 13);
    assert!(
        ctx.clear(1),
        "reported before: deleted until the next resume"
    );
    assert!(!ctx.clear(1));
    assert_eq!(ctx.get(1), None);
    assert_eq!((ctx.all(), ctx.changed()), (vec![13], (vec![13], vec![11])));
    assert_eq!(
        ctx.changed(),
        (vec![13], vec![11]),
        "asking changes nothing"
    );
    ctx.set(4, 14);
    assert!(ctx.clear(4), "behind deleted entries (D27)");
    assert!(ctx.clear(3));
    ctx.set(5, 15);
    assert_eq!(ctx.changed(), (vec![15], vec![11]));
    ctx.reset();
    assert_eq!((ctx.all(), ctx.changed()), (vec![15], (vec![], vec![])));
}

// Rules: G46, G19, G23
#[test]
fn a_descriptor_cleared_and_set_again_is_in_both_lists_and_duplicates_go_newest_first() {
    let ctx = Ctx::new();
    ctx.set(1, 11);
    ctx.reset();
    assert!(ctx.clear(1));
    ctx.set(1, 11);
    assert_eq!((ctx.all(), ctx.changed()), (vec![11], (vec![11], vec![11])));
    ctx.set(1, 22);
    ctx.reset();
    assert!(ctx.clear(1));
    assert_eq!((ctx.get(1), ctx.changed()), (Some(11), (vec![], vec![22])));
    assert!(ctx.clear(1));
    assert_eq!((ctx.get(1), ctx.changed()), (None, (vec![], vec![22, 11])));
}

// Rules: G13, G30, G31, G45, K4
#[test]
fn only_a_real_resume_resets_what_has_changed() {
    let ctx = Ctx::new();
    ctx.set(1, 11); // before the first start: counts as added
    let raw = ctx.0.expose_provenance();
    let mut job = Job2::with(
        &ctx,
        CJob::new(move || {
            let ctx = Ctx(ptr::with_exposed_provenance_mut(raw));
            assert_eq!(ctx.changed().0, [11], "a start resets nothing");
            ASYNC_block_pause();
            ASYNC_pause_job();
            ASYNC_unblock_pause();
            assert_eq!(
                ctx.changed().0,
                [11],
                "nor does a pause that did not happen"
            );
            ASYNC_pause_job();
            assert_eq!(
                ctx.changed(),
                (vec![], vec![]),
                "reset before the pause returns"
            );
            ctx.set(2, 12);
            std::mem::forget(ctx);
            1
        }),
    );
    job.pause();
    assert_eq!(ctx.changed().0, [11]);
    ctx.set(3, 13); // while it is paused: counts at once, until the resume
    assert_eq!(ctx.changed().0, [13, 11]);
    job.finish(1);
    assert_eq!(
        ctx.changed(),
        (vec![12], vec![]),
        "the last stretch stays visible"
    );
    let mut next = Job2::with(&ctx, pausing(1, 2));
    next.pause();
    assert_eq!(ctx.changed(), (vec![12], vec![]), "into the next job");
    next.finish(2);
    assert_eq!(ctx.changed(), (vec![], vec![]));
}

// Rules: G32
#[test]
fn jobs_that_share_a_context_share_what_has_changed() {
    let ctx = Ctx::new();
    let (mut a, mut b) = (
        Job2::with(&ctx, pausing(2, 1)),
        Job2::with(&ctx, pausing(2, 2)),
    );
    a.pause();
    b.pause();
    ctx.set(1, 11);
    a.pause();
    assert_eq!(ctx.changed(), (vec![], vec![]));
    assert!(ctx.clear(1));
    b.pause();
    assert_eq!((ctx.all(), ctx.changed()), (vec![], (vec![], vec![])));
    a.finish(1);
    b.finish(2);
}

// Rules: G9, G11, G12
#[test]
fn a_job_has_the_context_it_was_started_with_until_it_ends() {
    let (ctx, other) = (Ctx::new(), Ctx::new());
    let raw = ctx.0.expose_provenance();
    let mut job = Job2::with(
        &ctx,
        CJob::new(move || {
            for _ in 0..2 {
                // SAFETY: the running job's own handle.
                let mine = unsafe { ASYNC_get_wait_ctx(ASYNC_get_current_job()) };
                assert_eq!(mine.addr(), raw);
                ASYNC_pause_job();
            }
            1
        }),
    );
    job.pause();
    let handle = job.job.handle;
    // SAFETY: a live handle, then one that has ended.
    unsafe {
        assert_eq!(ASYNC_get_wait_ctx(handle), ctx.0);
        job.ctx = other.0; // ignored on a resume
        job.pause();
        assert_eq!(ASYNC_get_wait_ctx(handle), ctx.0);
        let address = handle.expose_provenance();
        let elsewhere =
            move || ASYNC_get_wait_ctx(ptr::with_exposed_provenance_mut(address)).addr();
        assert_eq!(
            std::thread::spawn(elsewhere).join().unwrap(),
            raw,
            "from any thread"
        );
        assert_eq!(ASYNC_get_wait_fd(handle), -1, "no pipe");
        job.finish(1);
        assert!(ASYNC_get_wait_ctx(handle).is_null());
        assert!(ASYNC_get_wait_ctx(ptr::null_mut()).is_null());
    }
}

// Rules: D25, G13
#[test]
fn a_job_without_a_context_can_pause() {
    let mut job = pausing(3, 4);
    for _ in 0..3 {
        assert_eq!(job.go_with(ptr::null_mut()), ASYNC_PAUSE);
        // SAFETY: a live handle.
        assert!(unsafe { ASYNC_get_wait_ctx(job.handle) }.is_null());
    }
    assert_eq!((job.go_with(ptr::null_mut()), job.ret), (ASYNC_FINISH, 4));
}

thread_local! {
    /// What cleanups were called with: key, descriptor, data.
    static CLEANED: RefCell<Vec<(usize, c_int, usize)>> = const { RefCell::new(vec![]) };
}

unsafe extern "C" fn note(
    _: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    data: *mut c_void,
) {
    CLEANED.with_borrow_mut(|list| list.push((key.addr(), fd, data.addr())));
}

fn cleaned() -> Vec<(usize, c_int, usize)> {
    CLEANED.take()
}

// Rules: G17, G18, G24
#[test]
fn cleanups_run_when_the_context_is_freed_newest_first_and_for_what_is_still_there() {
    let ctx = Ctx::new();
    for number in 1..=5 {
        ctx.set_with(
            number,
            number as c_int,
            ptr::without_provenance_mut(number * 10),
            Some(note),
        );
    }
    ctx.set(6, 6); // without a cleanup
    ctx.reset();
    assert!(ctx.clear(2), "deleted, and still in the list");
    ctx.set_with(7, 7, ptr::null_mut(), Some(note));
    ctx.set_with(8, 8, ptr::null_mut(), Some(note));
    assert!(ctx.clear(8), "gone");
    assert_eq!(cleaned(), [], "clearing calls no cleanup");
    drop(ctx);
    assert_eq!(
        cleaned(),
        [(7, 7, 0), (5, 5, 50), (4, 4, 40), (3, 3, 30), (1, 1, 10)]
    );
    // SAFETY: NULL is allowed.
    unsafe { ASYNC_WAIT_CTX_free(ptr::null_mut()) };
}

unsafe extern "C" fn meddle(
    ctx: *mut ASYNC_WAIT_CTX,
    key: *const c_void,
    fd: c_int,
    data: *mut c_void,
) {
    // SAFETY: the context is alive while its cleanups run.
    unsafe {
        note(ptr::null_mut(), key, fd, data);
        assert_eq!(
            ASYNC_WAIT_CTX_clear_fd(ctx, key),
            0,
            "its own entry is out of the list"
        );
        assert_eq!(
            ASYNC_WAIT_CTX_set_wait_fd(ctx, key, 9, ptr::null_mut(), Some(meddle)),
            0
        );
        assert_eq!(
            ASYNC_WAIT_CTX_clear_fd(ctx, ptr::without_provenance(1)),
            1,
            "another one can be cleared"
        );
        ASYNC_WAIT_CTX_free(ctx); // no effect
        let mut count = 99;
        assert_eq!(
            ASYNC_WAIT_CTX_get_all_fds(ctx, ptr::null_mut(), &mut count),
            1
        );
        assert_eq!(count, 1);
    }
}

// Rules: G18
#[test]
fn a_cleanup_may_call_back_into_its_context() {
    let ctx = Ctx::new();
    ctx.set_with(1, 1, ptr::null_mut(), Some(note));
    ctx.set_with(2, 2, ptr::null_mut(), Some(note));
    ctx.set_with(3, 3, ptr::null_mut(), Some(meddle));
    drop(ctx);
    assert_eq!(cleaned(), [(3, 3, 0), (2, 2, 0)]);
    assert_eq!(errors(), []);
}

// Rules: D26, G12
#[test]
fn a_context_that_is_freed_while_jobs_are_paused_lives_until_they_have_ended() {
    let ctx = Ctx::new();
    let job = |pauses, value| {
        CJob::new(move || {
            for _ in 0..pauses {
                ASYNC_pause_job();
                // SAFETY: the job's context, which it keeps alive.
                unsafe {
                    let ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
                    let mut count = 99;
                    assert_eq!(
                        ASYNC_WAIT_CTX_get_all_fds(ctx, ptr::null_mut(), &mut count),
                        1
                    );
                    assert_eq!(count, 0);
                    assert_eq!(
                        ASYNC_WAIT_CTX_set_wait_fd(ctx, key(2), 2, ptr::null_mut(), Some(note)),
                        0
                    );
                }
            }
            value
        })
    };
    let (mut a, mut b) = (Job2::with(&ctx, job(1, 1)), Job2::with(&ctx, job(2, 2)));
    ctx.set_with(1, 11, ptr::null_mut(), Some(note));
    a.pause();
    b.pause();
    drop(ctx);
    assert_eq!(cleaned(), [(1, 11, 0)], "at once");
    a.finish(1);
    b.pause();
    b.finish(2);
    assert_eq!(cleaned(), [], "and not again");
    assert_eq!(errors(), []);
}

unsafe extern "C" fn answer(argument: *mut c_void) -> c_int {
    argument.addr() as c_int
}

// Rules: G33, G34, G35, G36, T12
#[test]
fn callback_and_status_are_kept_and_given_back() {
    let ctx = Ctx::new();
    let (mut callback, mut argument) = (None, ptr::without_provenance_mut(1));
    // SAFETY: the context is alive, and the outputs are ours.
    unsafe {
        assert_eq!(
            ASYNC_WAIT_CTX_get_callback(ctx.0, &mut callback, &mut argument),
            0
        );
        assert_eq!(
            (callback.is_none(), argument.addr()),
            (true, 1),
            "nothing is written"
        );
        assert_eq!(
            ASYNC_WAIT_CTX_set_callback(ctx.0, Some(answer), ptr::without_provenance_mut(42)),
            1
        );
        assert_eq!(
            ASYNC_WAIT_CTX_get_callback(ctx.0, &mut callback, &mut argument),
            1
        );
        assert_eq!(callback.unwrap()(argument), 42);
        assert_eq!(
            ASYNC_WAIT_CTX_get_callback(ctx.0, ptr::null_mut(), ptr::null_mut()),
            1
        );
        assert_eq!(ASYNC_WAIT_CTX_get_status(ctx.0), 0);
        for status in [
            ASYNC_STATUS_ERR,
            ASYNC_STATUS_OK,
            ASYNC_STATUS_EAGAIN,
            ASYNC_STATUS_UNSUPPORTED,
            -77,
        ] {
            assert_eq!(ASYNC_WAIT_CTX_set_status(ctx.0, status), 1);
            assert_eq!(ASYNC_WAIT_CTX_get_status(ctx.0), status);
        }
        ctx.reset();
        assert_eq!(
            ASYNC_WAIT_CTX_get_status(ctx.0),
            -77,
            "a job changes neither"
        );
        assert_eq!(
            ASYNC_WAIT_CTX_get_callback(ctx.0, &mut callback, &mut argument),
            1
        );
        assert_eq!(ASYNC_WAIT_CTX_set_callback(ctx.0, None, ptr::null_mut()), 1);
        assert_eq!(
            ASYNC_WAIT_CTX_get_callback(ctx.0, &mut callback, &mut argument),
            0
        );
    }
    assert_eq!(
        [
            ASYNC_STATUS_UNSUPPORTED,
            ASYNC_STATUS_ERR,
            ASYNC_STATUS_OK,
            ASYNC_STATUS_EAGAIN
        ],
        [0, 1, 2, 3]
    );
}

// Rules: D28, G21, G22
#[test]
fn null_contexts_and_null_counts_answer_nothing() {
    let none = ptr::null_mut::<ASYNC_WAIT_CTX>();
    let nowhere = ptr::null_mut();
    let (mut fd, mut count, mut other) = (-7, 77, 78);
    let (mut data, mut callback): (*mut c_void, _) = (ptr::without_provenance_mut(7), None);
    let ctx = Ctx::new();
    ctx.set(1, 11);
    // SAFETY: NULL is what is being tried.
    unsafe {
        assert_eq!(
            ASYNC_WAIT_CTX_set_wait_fd(none, key(1), 1, ptr::null_mut(), None),
            0
        );
        assert_eq!(ASYNC_WAIT_CTX_get_fd(none, key(1), &mut fd, &mut data), 0);
        assert_eq!(ASYNC_WAIT_CTX_get_all_fds(none, &mut fd, &mut count), 0);
        assert_eq!(
            ASYNC_WAIT_CTX_get_changed_fds(none, &mut fd, &mut count, nowhere, &mut other),
            0
        );
        assert_eq!(ASYNC_WAIT_CTX_clear_fd(none, key(1)), 0);
        assert_eq!(
            ASYNC_WAIT_CTX_set_callback(none, Some(answer), ptr::null_mut()),
            0
        );
        assert_eq!(
            ASYNC_WAIT_CTX_get_callback(none, &mut callback, &mut data),
            0
        );
        assert_eq!(ASYNC_WAIT_CTX_set_status(none, 1), 0);
        assert_eq!(ASYNC_WAIT_CTX_get_status(none), 0);
        assert_eq!(
            ASYNC_WAIT_CTX_get_all_fds(ctx.0, &mut fd, ptr::null_mut()),
            0
        );
        assert_eq!(
            ASYNC_WAIT_CTX_get_changed_fds(ctx.0, &mut fd, ptr::null_mut(), nowhere, &mut other),
            0
        );
        assert_eq!(
            ASYNC_WAIT_CTX_get_changed_fds(ctx.0, &mut fd, &mut count, nowhere, ptr::null_mut()),
            0
        );
    }
    assert_eq!(
        (fd, data.addr(), count, other, callback.is_none()),
        (-7, 7, 77, 78, true),
        "nothing is written"
    );
    assert_eq!(errors(), []);
}

// Rules: G21
#[test]
fn each_array_is_filled_on_its_own() {
    let ctx = Ctx::new();
    ctx.set(1, 11);
    ctx.reset();
    assert!(ctx.clear(1));
    ctx.set(2, 12);
    let (mut added, mut deleted, mut adds, mut dels) = ([-1; 2], [-1; 2], 0, 0);
    // SAFETY: the context is alive, and the outputs have room.
    unsafe {
        let nowhere = ptr::null_mut();
        assert_eq!(
            ASYNC_WAIT_CTX_get_changed_fds(
                ctx.0,
                added.as_mut_ptr(),
                &mut adds,
                nowhere,
                &mut dels
            ),
            1
        );
        assert_eq!((added, adds, dels), ([12, -1], 1, 1));
        assert_eq!(
            ASYNC_WAIT_CTX_get_changed_fds(
                ctx.0,
                nowhere,
                &mut adds,
                deleted.as_mut_ptr(),
                &mut dels
            ),
            1
        );
        assert_eq!((deleted, adds, dels), ([11, -1], 1, 1));
    }
}

// Rules: D26, G17
#[test]
fn a_context_gives_its_memory_back_with_the_last_job_that_used_it() {
    alone(|| {
        // All of them together would need more than there is.
        limit_memory(300 << 20);
        for _ in 0..400 {
            let ctx = Ctx::new();
            (0..20_000).for_each(|number| ctx.set(number, 1)); // about a megabyte
            let mut job = Job2::with(&ctx, pausing(1, 0));
            job.pause();
            drop(ctx);
            job.finish(0);
        }
    });
}

/// Pauses a job on a context in another thread, calls `meanwhile`, and finishes the job there.
fn with_a_job_elsewhere(ctx: *mut ASYNC_WAIT_CTX, meanwhile: impl FnOnce()) {
    let address = ctx.expose_provenance();
    let (go_on, wait) = std::sync::mpsc::channel();
    let (tell, paused) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut job = pausing(1, 8);
        let ctx = ptr::with_exposed_provenance_mut(address);
        assert_eq!(job.go_with(ctx), ASYNC_PAUSE);
        tell.send(()).unwrap();
        wait.recv().unwrap();
        job.finish(8);
    });
    paused.recv().unwrap();
    meanwhile();
    go_on.send(()).unwrap();
    thread.join().unwrap();
}

// Rules: D26, G11, G17
#[test]
fn a_context_lives_until_the_last_job_of_any_thread_has_ended() {
    alone(|| {
        let rounds = if cfg!(ossl_async_sanitizer) { 100 } else { 640 };
        for round in 0..rounds {
            if round == 40 {
                // Those that follow would need more than is left from now on.
                let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
                let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
                limit_memory(pages * page_size() as u64 + (100 << 20));
            }
            let ctx = Ctx::new();
            (0..20_000).for_each(|number| ctx.set(number, 1)); // about a megabyte
            let (raw, mut job) = (ctx.0, Job2::with(&ctx, pausing(1, 0)));
            // Each order of the threads: which is first, which frees the context, which is last.
            match round % 4 {
                0 => {
                    job.pause();
                    with_a_job_elsewhere(raw, || job.finish(0));
                    drop(ctx);
                }
                1 => {
                    with_a_job_elsewhere(raw, || {
                        job.pause();
                        job.finish(0);
                    });
                    drop(ctx);
                }
                2 => with_a_job_elsewhere(raw, || {
                    job.pause();
                    drop(ctx);
                    job.finish(0);
                }),
                _ => {
                    job.pause();
                    with_a_job_elsewhere(raw, || drop(ctx));
                    job.finish(0);
                }
            }
        }
    });
}

unsafe extern "C" fn run_a_job(
    ctx: *mut ASYNC_WAIT_CTX,
    _: *const c_void,
    _: c_int,
    _: *mut c_void,
) {
    let mut job = pausing(1, 3);
    assert_eq!(job.go_with(ctx), ASYNC_PAUSE);
    job.finish(3);
}

// Rules: G18, D26
#[test]
fn a_cleanup_may_run_jobs_on_its_context() {
    for before in [false, true] {
        let ctx = Ctx::new();
        ctx.set_with(1, 1, ptr::null_mut(), Some(run_a_job));
        ctx.set_with(2, 2, ptr::null_mut(), Some(run_a_job));
        let mut job = Job2::with(&ctx, pausing(1, 0));
        if before {
            job.pause();
        }
        drop(ctx);
        if before {
            job.finish(0);
        }
    }
    assert_eq!(errors(), []);
}

// Rules: G19
#[test]
fn without_memory_a_descriptor_is_not_added() {
    alone(|| {
        let ctx = Ctx::new();
        limit(libc::RLIMIT_AS, 300 << 20);
        let mut added = 0;
        // SAFETY: the context is alive.
        while unsafe { ASYNC_WAIT_CTX_set_wait_fd(ctx.0, key(1), 1, ptr::null_mut(), None) } == 1 {
            added += 1;
        }
        assert_eq!(errors(), [0x3306a041]);
        let mut count = 0;
        // SAFETY: as above.
        unsafe { ASYNC_WAIT_CTX_get_all_fds(ctx.0, ptr::null_mut(), &mut count) };
        assert_eq!(count, added);
        assert!(ctx.clear(1));
        ctx.set(1, 2);
    });
}
