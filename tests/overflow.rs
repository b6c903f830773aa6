//! The report of a stack overflow, `OSSL_ASYNC_OVERFLOW_REPORT=1`: what it says, and that the
//! process then gets the signal as without it. Without the variable nothing is installed. What the
//! guard catches is tested in `stack.rs`. Every test runs in a child, and nothing else here touches
//! the library.
#![cfg(not(ossl_async_null))]
// A sanitizer gives threads its own signal stacks. Its frames are larger than what the tests leave
// of a job's stack.
#![cfg(not(ossl_async_sanitizer))]

mod common;
use common::capi::*;
use common::*;
use std::ffi::{CStr, c_int, c_void};
use std::os::fd::FromRawFd;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

const KIB: usize = 1024;

// ---- Children whose end is watched ----

/// What a child tells its parent in shared memory, because it dies in the test.
#[derive(Default)]
struct Told {
    handle: AtomicUsize,
    /// Somewhere on the job's stack.
    inside: AtomicUsize,
    /// The address that it is about to touch.
    address: AtomicUsize,
}

/// Shared by both processes.
static TOLD: LazyLock<&Told> = LazyLock::new(|| {
    // SAFETY: a new mapping, of zeros, which is never unmapped.
    unsafe {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        let place = libc::mmap(ptr::null_mut(), size_of::<Told>(), access, kind, -1, 0);
        assert_ne!(place, libc::MAP_FAILED);
        &*place.cast()
    }
});

/// What a parent sees of a child.
struct Seen {
    ending: Ending,
    /// Its standard error.
    text: String,
    handle: usize,
    inside: usize,
    address: usize,
}

/// Runs `work` in a child with this value of the variable.
fn watched(value: Option<&CStr>, work: impl FnOnce()) -> Seen {
    static ONE_CHILD_TELLS: Mutex<()> = Mutex::new(());
    let _until_it_has = ONE_CHILD_TELLS.lock();
    let _before_the_fork = *TOLD;
    // SAFETY: makes a file without a name.
    let errors = unsafe { libc::memfd_create(c"stderr".as_ptr(), 0) };
    assert!(errors >= 0);
    let ending = in_child(|| {
        let name = c"OSSL_ASYNC_OVERFLOW_REPORT".as_ptr();
        // SAFETY: the child has no other thread.
        unsafe {
            assert_eq!(libc::dup2(errors, 2), 2);
            match value {
                Some(value) => libc::setenv(name, value.as_ptr(), 1),
                None => libc::unsetenv(name),
            };
        }
        work();
    });
    // SAFETY: the descriptor is ours alone.
    let mut file = unsafe { std::fs::File::from_raw_fd(errors) };
    let mut text = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_string(&mut file, &mut text).unwrap();
    // Rust's own handler, which is called last, says this if another thread of the parent began or
    // ended at the fork. Then it does what it would have done.
    let text = text.replace("deadlock in SIGSEGV handler", "");
    let told = |number: &AtomicUsize| number.swap(0, Ordering::Relaxed);
    Seen {
        ending,
        text,
        handle: told(&TOLD.handle),
        inside: told(&TOLD.inside),
        address: told(&TOLD.address),
    }
}

const ASKED: Option<&CStr> = Some(c"1");

/// Writes to standard error, also from a signal handler.
fn say(text: &str) {
    // SAFETY: the bytes are the string's.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

fn exit_now(status: c_int) -> ! {
    // SAFETY: ends the child.
    unsafe { libc::_exit(status) }
}

/// The start of the page that an address is in.
fn page_of(address: usize) -> usize {
    address / page_size() * page_size()
}

fn touch(address: usize) {
    // On s390x the kernel is told the page, and not the place in it.
    let told = match cfg!(target_arch = "s390x") {
        true => page_of(address),
        false => address,
    };
    TOLD.address.store(told, Ordering::Relaxed);
    errno::set_errno(errno::Errno(libc::ERANGE));
    // SAFETY: none: this is the fault. It is in assembly where that is known here. In a debug build
    // Rust's `write_volatile` checks the address, and ends the process if it is null.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov byte ptr [{}], 1", in(reg) address, options(nostack));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("strb wzr, [{}]", in(reg) address, options(nostack));
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1);
    }
}

/// The stack that the functions below need themselves. Frames on s390x have 160 bytes at least.
const OWN: usize = if cfg!(target_arch = "s390x") {
    2 * KIB
} else {
    KIB
};

/// Goes down the stack until only this much is left above `end`, then touches the far end of a
/// frame of this size.
#[inline(never)]
fn descend(end: usize, left: usize, frame: usize) {
    let ballast = std::hint::black_box([0u8; 256]);
    let here = ballast.as_ptr().addr();
    if here - end > left + OWN {
        descend(end, left, frame);
        std::hint::black_box(&ballast);
    } else {
        touch(here - frame);
    }
}

/// The low end of what the running job can touch. The guard is below it.
fn stack_end() -> usize {
    let local = 0u8;
    let mut page = page_of(ptr::from_ref(&local).addr());
    while accessible(page) {
        page -= page_size();
    }
    page + page_size()
}

/// Overflows the running job's stack.
fn overflow(left: usize, frame: usize) {
    let local = 0u8;
    TOLD.inside
        .store(ptr::from_ref(&local).addr(), Ordering::Relaxed);
    TOLD.handle
        .store(ASYNC_get_current_job().addr(), Ordering::Relaxed);
    descend(stack_end(), left, frame);
}

/// A job that overflows its stack by 16 KiB.
fn overflowing() -> CJob {
    CJob::new(|| {
        overflow(2 * KIB, 16 * KIB);
        0
    })
}

/// The numbers of a report, in order: handle, function, address, low end, high end, size.
fn numbers(line: &str) -> Vec<usize> {
    line.split([' ', ',', ')', ':', '-'])
        .filter_map(|word| match word.strip_prefix("0x") {
            Some(hex) => usize::from_str_radix(hex, 16).ok(),
            None => word.parse().ok(),
        })
        .collect()
}

impl Seen {
    /// Fails unless the child ended like this and wrote this.
    #[track_caller]
    fn is(&self, ending: Ending, text: &str) {
        assert_eq!((&self.ending, self.text.as_str()), (&ending, text));
    }

    /// The same for an overflow. The text is what follows the report.
    #[track_caller]
    fn is_reported(&self, ending: Ending, then: &str) {
        let lines: Vec<&str> = self.text.splitn(3, '\n').collect();
        assert_eq!(lines.len(), 3, "{:?} {}", self.ending, self.text);
        let numbers = numbers(lines[0]);
        let &[handle, function, address, low, high, size] = &numbers[..] else {
            panic!("{}", self.text)
        };
        assert_eq!(
            lines[0],
            format!(
                "ossl-async: stack overflow in job {handle:#x} (function {function:#x}): \
                 fault at {address:#x}, below its stack {low:#x}-{high:#x} of {size} bytes"
            )
        );
        assert_eq!((handle, address), (self.handle, self.address));
        assert_eq!(function, (call as *const ()).addr());
        assert!((low..high).contains(&self.inside), "{}", self.text);
        assert_eq!(size, high - low);
        assert!(address < low && low - address <= 96 * KIB, "{}", self.text);
        assert_eq!(
            lines[1],
            "ossl-async: to make stacks larger, set OSSL_ASYNC_STACK_SIZE=bytes in the environment, \
             or call OSSL_ASYNC_set_stack_size in C or ossl_async::set_stack_size in Rust"
        );
        assert_eq!((&self.ending, lines[2]), (&ending, then));
    }
}

const SEGV: Ending = Ending::Signal(libc::SIGSEGV);

// ---- Handlers that the process had before ----

type Informed = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
type Plain = extern "C" fn(c_int);

fn install(signal: c_int, handler: libc::sighandler_t, flags: c_int, also: Option<c_int>) {
    // SAFETY: the handlers here have the type that their flags say.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        if let Some(also) = also {
            libc::sigaddset(&mut action.sa_mask, also);
        }
        assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
    }
}

fn informed(handler: Informed) -> libc::sighandler_t {
    (handler as *const ()).expose_provenance()
}

fn plain(handler: Plain) -> libc::sighandler_t {
    (handler as *const ()).expose_provenance()
}

fn handler_of(signal: c_int) -> libc::sighandler_t {
    // SAFETY: asks only.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(signal, ptr::null(), &mut action), 0);
        action.sa_sigaction
    }
}

fn blocked(signal: c_int) -> bool {
    // SAFETY: asks only.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut set);
        libc::sigismember(&set, signal) == 1
    }
}

extern "C" fn say_where_and_exit(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's description of the fault.
    let address = unsafe { (*info).si_addr() }.addr();
    assert!(!context.is_null());
    say(&format!("informed of {signal} at {address:#x}\n"));
    exit_now(3);
}

extern "C" fn say_which_and_exit(signal: c_int) {
    say(&format!("plainly told of {signal}\n"));
    exit_now(4);
}

/// Makes the touched page accessible. Checks that errno is as it was, and changes it.
extern "C" fn mend(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    assert_eq!(errno::errno().0, libc::ERANGE);
    // SAFETY: the tests touch pages of their own.
    unsafe {
        let page = (*info).si_addr().map_addr(page_of);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        assert_eq!(libc::mprotect(page, page_size(), access), 0);
    }
    errno::set_errno(errno::Errno(libc::EDOM));
}

/// A page that faults.
fn closed_page() -> usize {
    // SAFETY: a new mapping.
    unsafe {
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(ptr::null_mut(), page_size(), libc::PROT_NONE, kind, -1, 0).expose_provenance()
    }
}

/// Uses the library for the first time.
fn first_use() {
    CJob::new(|| 1).finish(1);
}

// ---- Tests ----

// Rules: D22
#[test]
fn an_overflow_is_reported_to_those_who_ask_and_the_process_dies_of_it() {
    for default in [false, true] {
        let seen = watched(ASKED, || {
            if default {
                install(libc::SIGSEGV, libc::SIG_DFL, 0, None);
            } // else the one that Rust's standard library has installed
            overflowing().go();
        });
        seen.is_reported(SEGV, "");
    }
}

// Rules: D22
#[test]
fn nothing_is_printed_and_installed_without_the_variable() {
    for value in [None, Some(c""), Some(c"0"), Some(c"yes"), Some(c"11")] {
        let before = handler_of(libc::SIGSEGV);
        let seen = watched(value, || {
            first_use();
            assert_eq!(handler_of(libc::SIGSEGV), before);
            assert_eq!(handler_of(libc::SIGBUS), before);
            on_a_bare_thread(|| {
                first_use();
                assert_eq!(signal_stack(), None);
            });
            overflowing().go();
        });
        seen.is(SEGV, "");
    }
}

// Rules: D22
#[test]
fn frames_up_to_what_is_documented_are_reported_at_any_depth() {
    for frame in [KIB, 16 * KIB, 64 * KIB, 80 * KIB] {
        for left in [0, frame / 2, frame - KIB] {
            let seen = watched(ASKED, || {
                let mut jobs: Vec<CJob> = (0..3)
                    .map(|n| {
                        CJob::new(move || {
                            ASYNC_pause_job();
                            if n == 1 {
                                overflow(left, frame + 2 * KIB);
                            }
                            n
                        })
                    })
                    .collect();
                jobs.iter_mut().for_each(CJob::pause);
                jobs[1].go();
            });
            println!("{frame} bytes, {left} left");
            seen.is_reported(SEGV, "");
        }
    }
}

// Rules: D22
#[test]
fn a_handler_that_was_there_before_is_called_afterwards() {
    let seen = watched(ASKED, || {
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        install(libc::SIGSEGV, informed(say_where_and_exit), flags, None);
        overflowing().go();
    });
    let signal = libc::SIGSEGV;
    let then = format!("informed of {signal} at {:#x}\n", seen.address);
    seen.is_reported(Ending::Exit(3), &then);

    // Without SA_ONSTACK the kernel could not have called it at all.
    for flags in [0, libc::SA_ONSTACK] {
        let seen = watched(ASKED, || {
            install(libc::SIGSEGV, plain(say_which_and_exit), flags, None);
            overflowing().go();
        });
        seen.is_reported(Ending::Exit(4), &format!("plainly told of {signal}\n"));
    }
}

/// Prints whether errno is as it was at the fault.
extern "C" fn exit_by_errno(_: c_int) {
    exit_now(if errno::errno().0 == libc::ERANGE {
        5
    } else {
        6
    });
}

// Rules: D22
#[test]
fn a_report_that_cannot_be_written_leaves_errno_to_the_handler_as_it_was() {
    let seen = watched(ASKED, || {
        let handler = plain(exit_by_errno);
        install(libc::SIGSEGV, handler, libc::SA_ONSTACK, None);
        CJob::new(|| {
            // SAFETY: standard error, which this child needs no more.
            unsafe { libc::close(2) };
            overflow(2 * KIB, 16 * KIB);
            1
        })
        .go();
    });
    seen.is(Ending::Exit(5), "");
}

/// Reads a byte that arrives only after several signals.
fn read_under_fire() -> isize {
    let mut ends = [0; 2];
    let mut byte = 0u8;
    // SAFETY: a pipe of our own; the thread that is shot at waits for the one that shoots.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let reader = libc::pthread_self() as usize; // musl has a pointer, which is not Send
        let shoot = std::thread::spawn(move || {
            for _ in 0..20 {
                libc::usleep(500);
                libc::pthread_kill(reader as libc::pthread_t, libc::SIGSEGV);
            }
            libc::write(ends[1], [0u8].as_ptr().cast(), 1);
        });
        let read = libc::read(ends[0], ptr::from_mut(&mut byte).cast(), 1);
        shoot.join().unwrap();
        read
    }
}

// Rules: D22
#[test]
fn a_fault_that_the_process_ignores_is_deadly_as_ever_and_a_signal_sent_to_it_is_not() {
    let seen = watched(ASKED, || {
        install(libc::SIGSEGV, libc::SIG_IGN, 0, None);
        first_use();
        for _ in 0..2 {
            // SAFETY: ignored.
            unsafe { libc::raise(libc::SIGSEGV) };
        }
        assert_eq!(read_under_fire(), 1, "no call is interrupted by it");
        say("still there\n");
        touch(closed_page());
    });
    seen.is(SEGV, "still there\n");
}

// Rules: D22
#[test]
fn a_signal_that_was_sent_does_what_it_did_before() {
    for (signal, default) in [
        (libc::SIGSEGV, true),
        (libc::SIGBUS, true),
        (libc::SIGBUS, false),
    ] {
        let seen = watched(ASKED, || {
            let handler = match default {
                true => libc::SIG_DFL,
                false => plain(say_which_and_exit),
            };
            install(signal, handler, 0, None);
            CJob::new(move || {
                // SAFETY: sent to ourselves.
                unsafe { libc::kill(libc::getpid(), signal) };
                say("not reached\n");
                0
            })
            .go();
        });
        if default {
            seen.is(Ending::Signal(signal), "");
        } else {
            seen.is(Ending::Exit(4), &format!("plainly told of {signal}\n"));
        }
    }
}

// Rules: D22
#[test]
fn a_fault_that_is_no_overflow_is_not_reported_and_is_handled_as_before() {
    for handled in [false, true] {
        let seen = watched(ASKED, || {
            if handled {
                let handler = informed(say_where_and_exit);
                install(libc::SIGSEGV, handler, libc::SA_SIGINFO, None);
            } else {
                install(libc::SIGSEGV, libc::SIG_DFL, 0, None);
            }
            CJob::new(|| {
                touch(0);
                0
            })
            .go();
        });
        if handled {
            let expected = format!("informed of {} at 0x0\n", libc::SIGSEGV);
            seen.is(Ending::Exit(3), &expected);
        } else {
            seen.is(SEGV, "");
        }
    }
    // The guard of a paused job is not below the running stack.
    let seen = watched(ASKED, || {
        let mut job = CJob::new(|| {
            TOLD.inside.store(stack_end(), Ordering::Relaxed);
            ASYNC_pause_job();
            0
        });
        job.pause();
        let guard = TOLD.inside.load(Ordering::Relaxed) - 8;
        CJob::new(move || {
            touch(guard);
            0
        })
        .go();
    });
    seen.is(SEGV, "");
}

// Rules: D22, B5
#[test]
fn a_handler_that_mends_what_faulted_lets_the_program_go_on_anywhere() {
    let seen = watched(ASKED, || {
        install(libc::SIGSEGV, informed(mend), libc::SA_SIGINFO, None);
        let page = closed_page();
        CJob::new(move || {
            touch(page);
            1
        })
        .finish(1);
        touch(closed_page());
        assert_eq!(errno::errno().0, libc::EDOM);
        // A thread that never had a job.
        on_a_bare_thread(|| touch(closed_page()));
    });
    seen.is(Ending::Exit(0), "");
}

extern "C" fn say_what_is_blocked(_: c_int) {
    let or_not = |signal| if blocked(signal) { "blocked" } else { "free" };
    say(&format!(
        "SEGV {}, USR1 {}, USR2 {}\n",
        or_not(libc::SIGSEGV),
        or_not(libc::SIGUSR1),
        or_not(libc::SIGUSR2)
    ));
    exit_now(5);
}

// Rules: D22
#[test]
fn a_handler_finds_the_signals_blocked_that_it_wants_blocked() {
    for (flags, expected) in [
        (0, "SEGV blocked, USR1 blocked, USR2 free\n"),
        (libc::SA_NODEFER, "SEGV free, USR1 blocked, USR2 free\n"),
    ] {
        let seen = watched(ASKED, || {
            let (handler, also) = (plain(say_what_is_blocked), Some(libc::SIGUSR1));
            install(libc::SIGSEGV, handler, flags, also);
            overflowing().go();
        });
        seen.is_reported(Ending::Exit(5), expected);
    }
}

// Rules: D22
#[test]
fn a_handler_that_wants_to_be_called_once_is_called_once() {
    let seen = watched(ASKED, || {
        let flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
        install(libc::SIGSEGV, informed(mend), flags, None);
        first_use();
        touch(closed_page());
        say("mended\n");
        touch(closed_page());
        say("not reached\n");
    });
    seen.is(SEGV, "mended\n");
}

// Rules: D22
#[test]
fn a_bus_error_goes_to_its_own_handler_or_is_deadly() {
    let beyond_the_end = || {
        // SAFETY: a file of no size, mapped: touching it is a bus error.
        unsafe {
            let file = libc::memfd_create(c"empty".as_ptr(), 0);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                ptr::null_mut(),
                page_size(),
                access,
                libc::MAP_SHARED,
                file,
                0,
            )
            .expose_provenance()
        }
    };
    let seen = watched(ASKED, || {
        install(libc::SIGSEGV, plain(say_which_and_exit), 0, None);
        let handler = informed(say_where_and_exit);
        install(libc::SIGBUS, handler, libc::SA_SIGINFO, None);
        first_use();
        touch(beyond_the_end());
    });
    let expected = format!("informed of {} at {:#x}\n", libc::SIGBUS, seen.address);
    seen.is(Ending::Exit(3), &expected);

    let seen = watched(ASKED, || {
        install(libc::SIGSEGV, plain(say_which_and_exit), 0, None);
        install(libc::SIGBUS, libc::SIG_DFL, 0, None);
        first_use();
        touch(beyond_the_end());
    });
    seen.is(Ending::Signal(libc::SIGBUS), "");
}

/// Sends a signal to the calling thread with the description that the kernel would give.
fn send(signal: c_int, code: c_int, address: usize) {
    let after_three = (3 * size_of::<c_int>()).next_multiple_of(align_of::<usize>());
    // SAFETY: a structure of zeros is a valid one; its address follows three numbers and their
    // padding.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        (info.si_signo, info.si_code) = (signal, code);
        ptr::from_mut(&mut info)
            .cast::<usize>()
            .byte_add(after_three)
            .write(address);
        assert_eq!(info.si_addr().addr(), address);
        let (process, thread) = (libc::getpid(), libc::gettid());
        let call = libc::SYS_rt_tgsigqueueinfo;
        assert_eq!(libc::syscall(call, process, thread, signal, &info), 0);
    }
}

// Rules: D22
#[test]
fn only_faults_are_looked_at_and_those_of_both_kinds() {
    const ADDRESS_ERROR: c_int = 1;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        for code in [ADDRESS_ERROR, libc::SI_QUEUE] {
            let seen = watched(ASKED, || {
                let handler = informed(say_where_and_exit);
                install(signal, handler, libc::SA_SIGINFO, None);
                CJob::new(move || {
                    let end = stack_end();
                    let inside = ptr::from_ref(&end).addr();
                    TOLD.inside.store(inside, Ordering::Relaxed);
                    TOLD.address.store(end - 8, Ordering::Relaxed);
                    let handle = ASYNC_get_current_job().addr();
                    TOLD.handle.store(handle, Ordering::Relaxed);
                    send(signal, code, end - 8);
                    0
                })
                .go();
            });
            let then = format!("informed of {signal} at {:#x}\n", seen.address);
            if code == ADDRESS_ERROR {
                seen.is_reported(Ending::Exit(3), &then);
            } else {
                seen.is(Ending::Exit(3), &then);
            }
        }
    }
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "it is what overflows")]
fn recurse(depth: usize) -> usize {
    let ballast = std::hint::black_box([depth; 64]);
    recurse(depth + 1) + ballast[depth % 64]
}

// Rules: D22
#[test]
fn rusts_own_report_of_a_threads_overflow_is_still_there() {
    let seen = watched(ASKED, || {
        first_use();
        let overflowing = std::thread::Builder::new().name("deep".into());
        overflowing
            .spawn(|| {
                first_use();
                recurse(0)
            })
            .unwrap()
            .join()
            .unwrap();
    });
    let text = seen.text;
    assert_eq!(seen.ending, Ending::Signal(libc::SIGABRT), "{text}");
    assert!(text.contains("deep"), "{text}");
    assert!(text.contains("has overflowed its stack"), "{text}");
    assert!(!text.contains("ossl-async"), "{text}");
}

// ---- Threads and their signal stacks ----

/// Runs `work` on a thread that Rust's standard library did not make. So it has no signal stack.
fn on_a_bare_thread(work: impl FnOnce() + Send + 'static) {
    extern "C" fn run(work: *mut c_void) -> *mut c_void {
        // SAFETY: the box that was leaked below.
        let work = unsafe { Box::from_raw(work.cast::<Box<dyn FnOnce()>>()) };
        work();
        ptr::null_mut()
    }
    let work: Box<Box<dyn FnOnce()>> = Box::new(Box::new(work));
    // SAFETY: the thread gets what it wants and is waited for.
    unsafe {
        let mut thread = std::mem::zeroed();
        let argument = Box::into_raw(work).cast();
        assert_eq!(
            libc::pthread_create(&mut thread, ptr::null(), run, argument),
            0
        );
        assert_eq!(libc::pthread_join(thread, ptr::null_mut()), 0);
    }
}

/// The low end and the size of the calling thread's signal stack.
fn signal_stack() -> Option<(usize, usize)> {
    // SAFETY: asks only.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        assert_eq!(libc::sigaltstack(ptr::null(), &mut stack), 0);
        (stack.ss_flags & libc::SS_DISABLE == 0)
            .then(|| (stack.ss_sp.expose_provenance(), stack.ss_size))
    }
}

fn set_signal_stack(low: *mut c_void, size: usize) {
    let stack = libc::stack_t {
        ss_sp: low,
        ss_flags: 0,
        ss_size: size,
    };
    // SAFETY: the tests pass memory that stays.
    assert_eq!(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) }, 0);
}

// Rules: D22
#[test]
fn overflows_of_any_threads_jobs_are_reported() {
    let seen = watched(ASKED, || {
        first_use();
        std::thread::spawn(|| overflowing().go()).join().unwrap();
    });
    seen.is_reported(SEGV, "");
    let seen = watched(ASKED, || {
        on_a_bare_thread(|| {
            overflowing().go();
        })
    });
    seen.is_reported(SEGV, "");
}

// Rules: D22, D16
#[test]
fn overflows_of_a_forked_childs_jobs_are_reported() {
    let seen = watched(ASKED, || {
        let mut job = CJob::new(|| {
            ASYNC_pause_job();
            overflow(2 * KIB, 16 * KIB);
            0
        });
        job.pause();
        assert_eq!(in_child(|| job.pause()), SEGV);
    });
    seen.is_reported(Ending::Exit(0), "");
}

// Rules: D22, D15
#[test]
fn a_thread_without_a_signal_stack_gets_one_for_its_life() {
    static WAS: AtomicUsize = AtomicUsize::new(0);
    let seen = watched(ASKED, || {
        for _ in 0..3 {
            on_a_bare_thread(|| {
                assert_eq!(signal_stack(), None);
                first_use();
                let (low, size) = signal_stack().expect("given");
                assert!(size >= 64 * KIB);
                assert!(accessible(low) && accessible(low + size - 1));
                assert!(!accessible(low - 1), "an overflow of that one faults too");
                first_use();
                assert_eq!(signal_stack(), Some((low, size)), "one is enough");
                WAS.store(low, Ordering::Relaxed);
            });
            assert!(!accessible(WAS.load(Ordering::Relaxed)), "freed");
        }
        let before = mappings();
        for _ in 0..20 {
            on_a_bare_thread(first_use);
        }
        assert_eq!(mappings(), before);
    });
    seen.is(Ending::Exit(0), "");
}

// Rules: D22, D15
#[test]
fn a_threads_own_signal_stack_stays_and_is_never_freed() {
    static STACK: [AtomicUsize; 8 * KIB] = [const { AtomicUsize::new(0) }; 8 * KIB];
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    let own = (STACK.as_ptr().expose_provenance(), size_of_val(&STACK));
    let seen = watched(ASKED, move || {
        let install_own = move || set_signal_stack(STACK.as_ptr().cast_mut().cast(), own.1);
        // A signal stack that the thread had before.
        on_a_bare_thread(move || {
            install_own();
            first_use();
            assert_eq!(signal_stack(), Some(own));
        });
        assert!(accessible(own.0));
        // A signal stack that was set later. The earlier one may be set again.
        on_a_bare_thread(move || {
            first_use();
            GIVEN.store(signal_stack().expect("given").0, Ordering::Relaxed);
            install_own();
        });
        assert!(accessible(own.0) && accessible(GIVEN.load(Ordering::Relaxed)));
        // Rust's own signal stack.
        std::thread::spawn(|| {
            let own = signal_stack();
            assert!(own.is_some());
            first_use();
            assert_eq!(signal_stack(), own);
        })
        .join()
        .unwrap();
    });
    seen.is(Ending::Exit(0), "");
}

// ---- Stacks of the program's own ----

unsafe extern "C" fn allocate_guarded(size: *mut usize) -> *mut c_void {
    const GUARD: usize = 64 * KIB;
    // SAFETY: the library passes a number; the mapping is new.
    unsafe {
        *size = 64 * KIB;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let low = libc::mmap(ptr::null_mut(), GUARD + *size, access, kind, -1, 0);
        assert_eq!(libc::mprotect(low, GUARD, libc::PROT_NONE), 0);
        low.byte_add(GUARD)
    }
}

unsafe extern "C" fn keep(_: *mut c_void) {}

// Rules: D22, G41
#[test]
fn an_overflow_of_a_stack_of_the_programs_own_is_said_to_be_one() {
    let seen = watched(ASKED, || {
        // SAFETY: both do what is wanted.
        let result = unsafe { ASYNC_set_mem_functions(Some(allocate_guarded), Some(keep)) };
        assert_eq!(result, 1);
        overflowing().go();
    });
    let lines: Vec<&str> = seen.text.lines().collect();
    let numbers = numbers(lines[0]);
    assert_eq!((numbers[0], numbers[2]), (seen.handle, seen.address));
    assert_eq!((numbers[5], seen.ending), (64 * KIB, SEGV));
    assert_eq!(
        lines[1..],
        ["ossl-async: the program's own function made this stack (ASYNC_set_mem_functions)"]
    );
}
