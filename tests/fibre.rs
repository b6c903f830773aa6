//! What a switch does not change: signal mask and floating-point modes (F7, F13, F20). And what the
//! shim is compiled to (F2 to F5, F12 to F14).
#![cfg(not(ossl_async_null))]

mod common;
use common::capi::*;
use common::*;
use std::process::Command;

fn by_jumps() -> bool {
    ossl_async::switch_method() != "swapcontext"
}

fn change_mask(how: i32, signal: i32) {
    // SAFETY: the set is ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        assert_eq!(libc::pthread_sigmask(how, &set, std::ptr::null_mut()), 0);
    }
}

fn block(signal: i32) {
    change_mask(libc::SIG_BLOCK, signal);
}

fn unblock(signal: i32) {
    change_mask(libc::SIG_UNBLOCK, signal);
}

fn blocked(signal: i32) -> bool {
    // SAFETY: asks only.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set),
            0
        );
        libc::sigismember(&set, signal) == 1
    }
}

#[link(name = "m")]
unsafe extern "C" {
    fn fesetround(mode: i32) -> i32;
    fn fegetround() -> i32;
}

/// `FE_UPWARD` and `FE_DOWNWARD` of `fenv.h`: the bits of the processor's own register. 0 is to
/// nearest everywhere.
const UPWARD: i32 = MODES.0;
const DOWNWARD: i32 = MODES.1;
const MODES: (i32, i32) = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
    (0x800, 0x400)
} else if cfg!(any(target_arch = "aarch64", target_arch = "arm")) {
    (0x40_0000, 0x80_0000)
} else if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
    (3, 2)
} else {
    (2, 3) // powerpc, s390x
};

fn set_rounding(mode: i32) {
    // SAFETY: a mode of this processor.
    assert_eq!(unsafe { fesetround(mode) }, 0);
}

fn rounding() -> i32 {
    // SAFETY: asks only.
    unsafe { fegetround() }
}

// Rules: F7, D23
#[test]
fn the_first_entry_of_a_job_changes_no_signal_mask() {
    assert_eq!(ASYNC_init_pool(1, 1), 1);
    block(libc::SIGUSR1); // after the job was made
    let mut job = CJob::new(|| {
        assert!(blocked(libc::SIGUSR1));
        1
    });
    job.finish(1);
    assert!(blocked(libc::SIGUSR1));
    unblock(libc::SIGUSR1);
}

// Rules: F7, F13, D23
#[test]
fn the_signal_mask_is_the_threads_or_with_swapcontext_the_jobs() {
    let jumps = by_jumps();
    let mut job = CJob::new(move || {
        block(libc::SIGUSR2);
        ASYNC_pause_job();
        // What the caller has set since then. The job sees it if the mask is the thread's.
        assert_eq!(blocked(libc::SIGUSR1), jumps);
        assert_eq!(blocked(libc::SIGUSR2), !jumps);
        1
    });
    assert!(!blocked(libc::SIGUSR2));
    job.pause();
    assert_eq!(blocked(libc::SIGUSR2), jumps, "what the job set stays set");
    unblock(libc::SIGUSR2);
    block(libc::SIGUSR1);
    job.finish(1);
    assert!(blocked(libc::SIGUSR1));
    unblock(libc::SIGUSR1);
}

// Rules: F20
#[test]
fn the_first_entry_of_a_job_changes_no_rounding_mode() {
    assert_eq!(ASYNC_init_pool(1, 1), 1);
    set_rounding(UPWARD); // after the job was made
    CJob::new(rounding).finish(UPWARD);
    assert_eq!(rounding(), UPWARD);
    set_rounding(0);
}

// Rules: F20, F13
#[test]
fn the_rounding_mode_is_the_threads_or_with_swapcontext_the_jobs() {
    let mut job = CJob::new(|| {
        set_rounding(DOWNWARD);
        ASYNC_pause_job();
        rounding()
    });
    job.pause();
    assert_eq!(rounding(), if by_jumps() { DOWNWARD } else { 0 });
    set_rounding(UPWARD);
    job.finish(if by_jumps() { UPWARD } else { DOWNWARD });
    assert_eq!(rounding(), UPWARD);
    set_rounding(0);
}

// Rules: F11
#[test]
fn exit_inside_a_job_ends_the_process_with_its_status() {
    extern "C" fn at_exit() {
        assert_eq!(ASYNC_in_job(), 1);
        ASYNC_free_pool(); // refused: this is the running job's stack
        assert_eq!(errors(), [FREE_INSIDE_JOB]);
    }
    let ending = in_child(|| {
        let mut other = pausing(1, 0);
        other.pause();
        CJob::new(|| {
            // SAFETY: the handler does what is allowed in a job.
            unsafe {
                libc::atexit(at_exit);
                libc::exit(9)
            }
        })
        .go();
    });
    assert_eq!(ending, Ending::Exit(9));
}

/// The functions that the shim refers to when it is compiled with these flags.
fn shim_uses(flags: &[&str]) -> Vec<String> {
    let root = env!("CARGO_MANIFEST_DIR");
    let object = format!(
        "{}/fibre{}.o",
        env!("CARGO_TARGET_TMPDIR"),
        flags.join("").replace(['/', '='], "-")
    );
    let compiled = Command::new("cc")
        .args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-c",
            &format!("{root}/csrc/fibre.c"),
            "-o",
            &object,
        ])
        .args(flags)
        .status()
        .expect("cc, which also built the library");
    assert!(compiled.success());
    let symbols = Command::new("nm")
        .args(["-u", &object])
        .output()
        .expect("nm, of the same binutils as ld");
    let text = String::from_utf8(symbols.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_start_matches([' ', 'U', 'w']).trim().to_string())
        .collect()
}

// Rules: F2, F3, F4
#[test]
fn the_shim_jumps_after_the_first_entry() {
    let uses = shim_uses(&["-DOSSL_ASYNC_SETJMP", "-fcf-protection=none"]);
    for function in [
        "_setjmp",
        "_longjmp",
        "setcontext",
        "getcontext",
        "makecontext",
    ] {
        assert!(
            uses.iter().any(|name| name == function),
            "{function} in {uses:?}"
        );
    }
    for function in [
        "swapcontext",
        "setjmp",
        "longjmp",
        "sigsetjmp",
        "__sigsetjmp",
        "malloc",
    ] {
        assert!(
            !uses.iter().any(|name| name == function),
            "{function} in {uses:?}"
        );
    }
}

// Rules: F4, F7, F20
#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn the_shim_enters_and_switches_by_registers_unless_told_otherwise() {
    let uses = shim_uses(&["-fcf-protection=none"]);
    for function in [
        "ossl_async_registers_switch",
        "ossl_async_registers_enter",
        "makecontext",
    ] {
        assert!(
            uses.iter().any(|name| name == function),
            "{function} in {uses:?}"
        );
    }
    assert!(
        !uses
            .iter()
            .any(|name| name.contains("jmp") || name == "swapcontext" || name == "setcontext"),
        "{uses:?}"
    );
    // The base of a fibre in assembly exists on x86-64 only.
    let serves = |uses: &[String]| uses.iter().any(|name| name == "ossl_async_registers_run");
    assert_eq!(serves(&uses), cfg!(target_arch = "x86_64"));
    assert!(!serves(&shim_uses(&["-DOSSL_ASYNC_SETJMP"])));
}

// Rules: F5
#[test]
fn the_shim_is_not_fortified_whatever_the_distribution_adds() {
    for level in [
        "-D_FORTIFY_SOURCE=1",
        "-D_FORTIFY_SOURCE=2",
        "-D_FORTIFY_SOURCE=3",
    ] {
        let uses = shim_uses(&["-DOSSL_ASYNC_SETJMP", "-U_FORTIFY_SOURCE", level]);
        assert!(uses.iter().any(|name| name == "_longjmp"), "{uses:?}");
        assert!(
            !uses
                .iter()
                .any(|name| name.ends_with("_chk") && name.contains("longjmp")),
            "{uses:?}"
        );
    }
}

// Rules: F12, F13, F14
#[test]
fn the_shim_swaps_contexts_where_jumps_are_not_allowed() {
    // Other platforms are pretended. The shim's condition is tested, with the compiler of this
    // machine.
    for flags in [
        &["-DOSSL_ASYNC_SWAPCONTEXT"][..],
        &["-D__ia64__"],
        &["-D__ARM_FEATURE_GCS_DEFAULT=1"],
        &[
            "-DOSSL_ASYNC_SETJMP",
            "-D__aarch64__",
            "-D__clang__",
            "-D__ARM_FEATURE_BTI_DEFAULT=1",
        ],
    ] {
        let mut flags = flags.to_vec();
        if cfg!(target_arch = "riscv64")
            && flags.len() == 1
            && flags[0] != "-DOSSL_ASYNC_SWAPCONTEXT"
        {
            flags.push("-DOSSL_ASYNC_SETJMP"); // its switch by registers does without ucontext
        }
        let uses = shim_uses(&flags);
        assert!(
            uses.iter().any(|name| name == "swapcontext"),
            "{flags:?}: {uses:?}"
        );
        assert!(
            !uses.iter().any(|name| name.contains("jmp")),
            "{flags:?}: {uses:?}"
        );
    }
    if cfg!(target_arch = "x86_64") {
        // With shadow stacks both are compiled, and the choice is made at run time.
        for (flags, jump) in [
            (&["-fcf-protection=full"][..], "ossl_async_registers_switch"),
            (&["-fcf-protection=full", "-DOSSL_ASYNC_SETJMP"], "_longjmp"),
        ] {
            let uses = shim_uses(flags);
            assert!(uses.iter().any(|name| name == "swapcontext"), "{uses:?}");
            assert!(uses.iter().any(|name| name == jump), "{uses:?}");
        }
    }
}
