//! The end of a job's stack. A stack walk by glibc's `backtrace` (musl has none), the unwinder, Rust or a debugger
//! reaches the job's base and stops there. This holds in the first use of a stack and in later
//! ones, before and after a pause.

mod common;
#[path = "common/ignorable.rs"]
mod ignorable;
use common::capi::*;
use common::*;
use ignorable::{ignore, ignore_for_want, ignore_with_sanitizers};
use ossl_async::Step;
use std::backtrace::Backtrace;
use std::env;
use std::ffi::{c_int, c_void};
use std::process::{Command, Output, Stdio};

ignorable::main_with! {
    a_walk_ends_at_the_jobs_base_in_every_use_of_its_stack_and_after_pauses,
    a_walk_inside_a_job_shows_no_frame_of_the_code_that_started_it,
    a_backtrace_of_rusts_library_has_the_jobs_frames_and_ends_at_its_base,
    a_panic_prints_the_jobs_frames_and_reaches_the_resume,
    a_debuggers_backtrace_ends_at_the_jobs_base,
    a_debugger_sees_one_stack_or_the_other_at_every_instruction_of_a_switch,
}

unsafe extern "C" {
    #[cfg(target_env = "gnu")]
    fn backtrace(frames: *mut *mut c_void, size: c_int) -> c_int;
    fn _Unwind_Backtrace(
        each: extern "C" fn(context: *mut c_void, counter: *mut c_void) -> c_int,
        counter: *mut c_void,
    ) -> c_int;
    #[cfg(not(target_arch = "arm"))]
    #[link_name = "_Unwind_GetIP"]
    fn code_of_frame(context: *mut c_void) -> usize;
    #[cfg(target_arch = "arm")]
    fn _Unwind_VRS_Get(
        context: *mut c_void,
        class: c_int,
        register: u32,
        form: c_int,
        value: *mut c_void,
    ) -> c_int;
}

/// On 32-bit Arm `_Unwind_GetIP` exists in C's header only.
#[cfg(target_arch = "arm")]
unsafe fn code_of_frame(context: *mut c_void) -> usize {
    let mut address = 0usize;
    // SAFETY: the caller has the context from the unwinder. Register 15 is the program counter.
    unsafe { _Unwind_VRS_Get(context, 0, 15, 0, (&raw mut address).cast()) };
    address & !1
}

const GO_ON: c_int = 0;
const STOP: c_int = 4;
/// Where the walk can go no further. On 32-bit Arm the unwinder calls that a failure.
const END_OF_STACK: c_int = if cfg!(target_arch = "arm") { 9 } else { 5 };
/// Where a thread's own stack ends. On PowerPC glibc's `clone` has no unwind table where it calls
/// the thread's function. libgcc then follows the chain of frames to its end, and says so.
const END_OF_THREAD: c_int = if cfg!(target_arch = "powerpc64") {
    4
} else {
    END_OF_STACK
};

/// More frames than any test here has.
const MOST: usize = 500;

/// The return addresses that glibc finds, innermost first.
#[cfg(target_env = "gnu")]
fn by_glibc() -> Vec<usize> {
    let mut frames = [std::ptr::null_mut(); MOST];
    // SAFETY: there is room for so many.
    let count = unsafe { backtrace(frames.as_mut_ptr(), MOST as c_int) };
    frames[..count as usize]
        .iter()
        .map(|frame| frame.addr())
        .collect()
}

extern "C" fn collect(context: *mut c_void, frames: *mut c_void) -> c_int {
    // SAFETY: `by_unwinder` passes its list, and the unwinder a context.
    let (frames, address) = unsafe { (&mut *frames.cast::<Vec<usize>>(), code_of_frame(context)) };
    frames.push(address);
    if frames.len() < MOST { GO_ON } else { STOP }
}

/// The same by the unwinder itself, in a job.
fn by_unwinder() -> Vec<usize> {
    let (frames, ended) = by_unwinder_to_any_end();
    assert_eq!(ended, END_OF_STACK);
    frames
}

/// How many frames the unwinder finds where no job runs.
fn frames_of_thread() -> usize {
    let (frames, ended) = by_unwinder_to_any_end();
    // The process's first thread has another end.
    assert!([END_OF_THREAD, END_OF_STACK].contains(&ended), "{ended}");
    frames.len()
}

/// What the unwinder finds, and the reason why it ended.
fn by_unwinder_to_any_end() -> (Vec<usize>, c_int) {
    let mut frames: Vec<usize> = Vec::with_capacity(MOST);
    // SAFETY: `collect` wants the list.
    let ended = unsafe { _Unwind_Backtrace(collect, std::ptr::from_mut(&mut frames).cast()) };
    (frames, ended)
}

/// A frame of its own for each level.
#[inline(never)]
fn from_depth<R>(depth: usize, work: &dyn Fn() -> R) -> R {
    let result = if depth == 0 {
        work()
    } else {
        from_depth(depth - 1, work)
    };
    std::hint::black_box(&depth);
    result
}

/// What the walks above find inside a job, this many calls deep.
fn walk(depth: usize) -> Vec<Vec<usize>> {
    let walks = [
        #[cfg(target_env = "gnu")]
        by_glibc,
        by_unwinder,
    ];
    walks
        .iter()
        .map(|walk| from_depth(depth, &|| walk()))
        .collect()
}

/// The frames of the job's base: the last `count`, outermost last.
fn base(frames: &[usize], count: usize) -> &[usize] {
    &frames[frames.len() - count..]
}

// Rules: F1, F3
fn a_walk_ends_at_the_jobs_base_in_every_use_of_its_stack_and_after_pauses() {
    alone(|| {
        let mut job = CJob::new(|| {
            let first = walk(0);
            for (depth, pauses) in [(0, 0), (1, 0), (50, 0), (0, 1), (50, 2)] {
                (0..pauses).for_each(|_| assert_eq!(ASYNC_pause_job(), 1));
                for (frames, first) in walk(depth).iter().zip(&first) {
                    assert_eq!(frames.len(), first.len() + depth);
                    assert!(first.len() < 40, "{first:x?}");
                    // `platform::serve_jobs`, `start_func`, and the frame that called it, if there is
                    // one.
                    assert_eq!(base(frames, 2), base(first, 2));
                }
            }
            1
        });
        for _ in 0..3 {
            (0..3).for_each(|_| job.pause());
            job.finish(1);
        }
    });
}

// Rules: F1
fn a_walk_inside_a_job_shows_no_frame_of_the_code_that_started_it() {
    alone(|| {
        from_depth(200, &|| {
            let here = frames_of_thread();
            assert!((201..MOST).contains(&here));
            CJob::new(move || by_unwinder().len() as c_int).finish_with(|frames| frames < 100);
            assert_eq!(frames_of_thread(), here);
        });
    });
}

impl CJob {
    #[track_caller]
    fn finish_with(&mut self, is_right: impl Fn(c_int) -> bool) {
        assert_eq!(self.go(), ASYNC_FINISH);
        assert!(is_right(self.ret), "{}", self.ret);
    }
}

// Rules: F1, F11
fn a_backtrace_of_rusts_library_has_the_jobs_frames_and_ends_at_its_base() {
    fn named_and_found_again() -> String {
        from_depth(5, &|| Backtrace::force_capture().to_string())
    }
    alone(|| {
        for _ in 0..2 {
            let Ok(Step::Paused(job)) = start_job(|| {
                let before = named_and_found_again();
                assert!(ossl_async::pause());
                (before, named_and_found_again())
            }) else {
                panic!("the job pauses")
            };
            let Ok(Step::Finished((before, after))) = job.resume() else {
                panic!("the job ends")
            };
            for trace in [&before, &after] {
                assert_eq!(trace.matches("from_depth").count(), 6, "{trace}");
                assert!(trace.contains("start_func"), "{trace}");
                assert!(!trace.contains("alone"), "{trace}");
            }
            assert_eq!(before.lines().count(), after.lines().count());
        }
    });
}

/// Set when this program runs itself: it then panics, or stops for a debugger, inside a job.
const INSIDE: &str = "OSSL_ASYNC_UNWIND_TEST";

/// Runs this program again with only one test, under another program if one is given.
fn again(test: &str, wrapper: &[&str]) -> Output {
    let this = env::current_exe().expect("this program has a path");
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(this);
            command
        }
        None => Command::new(this),
    };
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .output()
        .expect("it could be run before")
}

fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

// Rules: F11
fn a_panic_prints_the_jobs_frames_and_reaches_the_resume() {
    if is_inside() {
        // In the second use of its stack, after a pause, many calls deep.
        assert!(matches!(start_job(|| ()), Ok(Step::Finished(()))));
        let Ok(Step::Paused(job)) = start_job(|| {
            ossl_async::pause();
            from_depth(7, &|| panic!("from inside"));
        }) else {
            panic!("the job pauses")
        };
        let _ = job.resume();
        return;
    }
    let output = again("a_panic_prints_the_jobs_frames_and_reaches_the_resume", &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{text}");
    assert!(text.contains("from inside"), "{text}");
    let frames = text.matches("from_depth").count();
    assert_eq!(frames, 8, "{text}");
    assert!(text.contains("start_func"), "{text}");
}

// Rules: F1, F3
fn a_debuggers_backtrace_ends_at_the_jobs_base() {
    ignore_with_sanitizers("LeakSanitizer does not run under a debugger");
    if is_inside() {
        let mut job = CJob::new(|| {
            let stop = stop_for_debugger;
            from_depth(3, &stop);
            assert_eq!(ASYNC_pause_job(), 1);
            from_depth(3, &stop);
            1
        });
        for _ in 0..2 {
            job.pause();
            job.finish(1);
        }
        return;
    }
    let backtrace = "bt -frame-arguments none";
    let stops = [backtrace, "continue"].repeat(4);
    let commands = [&["run"], &stops[..]].concat();
    let text = debug("a_debuggers_backtrace_ends_at_the_jobs_base", &commands);
    // From SIGTRAP to SIGTRAP: four stops, each with a list of frames.
    let traces: Vec<&str> = text.split("received signal SIGTRAP").skip(1).collect();
    assert_eq!(traces.len(), 4, "{text}");
    for trace in traces {
        let frames: Vec<&str> = trace.lines().filter(|line| line.starts_with('#')).collect();
        assert!((8..60).contains(&frames.len()), "{trace}");
        // The frame that called it may follow.
        assert!(
            frames[frames.len() - 3..]
                .iter()
                .any(|frame| frame.contains("start_func")),
            "{trace}"
        );
        assert!(!trace.contains("resume"), "{trace}");
    }
}

// Rules: F1, F2, F3
fn a_debugger_sees_one_stack_or_the_other_at_every_instruction_of_a_switch() {
    ignore_with_sanitizers("LeakSanitizer does not run under a debugger");
    if cfg!(not(all(target_arch = "x86_64", debug_assertions))) {
        ignore("it counts instructions of x86-64, and wants the shim's names");
    }
    if ossl_async::switch_method() != "registers" {
        ignore("it stops in functions that are not called");
    }
    if is_inside() {
        let mut job = pausing(1, 1);
        job.pause();
        job.finish(1);
        return;
    }
    // The first function of each step, and the stack that is seen there: first entry, pause,
    // resume.
    let first_entry = if cfg!(target_env = "gnu") {
        "ossl_async_registers_enter"
    } else {
        "ossl_async_registers_begin"
    };
    let switches = [
        (first_entry, "thread"),
        ("ossl_async_registers_switch", "job"),
        ("ossl_async_registers_switch", "thread"),
    ];
    let mut commands = vec![];
    for (index, (function, _)) in switches.iter().enumerate() {
        commands.extend([
            format!("break {function}"),
            String::from(if index == 0 { "run" } else { "continue" }),
            String::from("delete"),
        ]);
        // One step more than they have instructions. So the last one is behind the switch.
        for _ in 0..if index == 0 { 12 } else { 18 } {
            commands.extend(["bt -frame-arguments none", "stepi"].map(String::from));
        }
    }
    commands.push(String::from("continue"));
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let name = "a_debugger_sees_one_stack_or_the_other_at_every_instruction_of_a_switch";
    let text = debug(name, &commands);
    // "Breakpoint 1, FUNCTION" where it is hit, "Breakpoint 1 at ADDRESS" where it is set.
    let is_hit = |part: &&str| part[1..].starts_with(", ");
    let stops: Vec<&str> = text.split("Breakpoint ").skip(1).filter(is_hit).collect();
    assert_eq!(stops.len(), switches.len(), "{text}");
    for (stop, (function, first)) in stops.iter().zip(switches) {
        let mut sides = vec![];
        for trace in stop.split("\n#0 ").skip(1) {
            let frames = trace.lines().filter(|line| line.starts_with('#')).count();
            let has_started_it = trace.contains("CJob::go");
            sides.push(if has_started_it { "thread" } else { "job" });
            // At the entry the next frame is makecontext's own, or that of the first entry, and none
            // follows.
            assert!(
                frames < 60 && !trace.contains("#1  0x0000000000000000"),
                "{trace}"
            );
        }
        assert!(sides.len() >= 12, "{stop}");
        sides.dedup();
        let second = if first == "thread" { "job" } else { "thread" };
        assert_eq!(sides, [first, second], "{function}: {stop}");
    }
}

/// Runs a test under gdb with these commands, to a normal end, and returns what it printed.
fn debug(test: &str, commands: &[&str]) -> String {
    let gdb = Command::new("gdb").arg("--version").output();
    if !gdb.is_ok_and(|output| output.status.success()) {
        ignore_for_want("gdb is not installed");
    }
    let mut wrapper = vec!["gdb", "-nx", "-q", "-batch"];
    for command in [&["set debuginfod enabled off"], commands].concat() {
        wrapper.extend(["-ex", command]);
    }
    wrapper.push("--args");
    let output = again(test, &wrapper);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("exited normally"), "{text}\n{complaints}");
    let mut line_before = "";
    for line in text.lines().chain(complaints.lines()) {
        // musl does not mark the function at the bottom of a thread's own stack as the last one.
        let is_musls = cfg!(target_env = "musl") && line_before.contains(" __clone ()");
        let is_complaint = ["corrupt stack", "Backtrace stopped", "Cannot access memory"]
            .iter()
            .any(|complaint| line.contains(complaint));
        assert!(!is_complaint || is_musls, "{text}\n{complaints}");
        line_before = line;
    }
    text
}

/// On x86-64 without a call: a debugger may be unable to unwind libc's function.
fn stop_for_debugger() {
    // SAFETY: only where a debugger waits for it.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("int3");
        #[cfg(not(target_arch = "x86_64"))]
        libc::raise(libc::SIGTRAP);
    }
}
