//! Counts instructions. A child runs some code one instruction at a time, and each one is looked
//! at. The counts are exact. For x86-64 only.

use std::ffi::c_void;
use std::ptr;

/// The instructions of some code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Instructions.
    pub all: usize,
    /// Instructions that lock memory against other processors.
    pub locked: usize,
    /// System calls.
    pub system_calls: usize,
}

/// Stops the child before and after what is counted.
#[inline(always)]
fn mark() {
    // SAFETY: the parent traces this process, and lets it go on.
    unsafe { std::arch::asm!("int3", options(nostack)) }
}

const BREAKPOINT: u8 = 0xcc;

/// Runs `prepare` in a child and then `work` with its result, and counts the instructions of `work`
/// alone. `check` checks the result of `work`.
pub fn steps<T>(
    prepare: impl FnOnce() -> T,
    work: impl FnOnce(&mut T),
    check: impl FnOnce(T),
) -> Steps {
    // SAFETY: the other threads of this process are not needed: what the child uses is malloc and
    // the library.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: asks to be traced by the parent.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
            super::limit_life(super::CLOCK_SECONDS);
            let run = std::panic::AssertUnwindSafe(|| {
                let mut state = prepare();
                mark();
                work(&mut state);
                mark();
                check(state);
            });
            let well = std::panic::catch_unwind(run).is_ok();
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(if well { 0 } else { 101 }) }
        }
        child => count(child),
    }
}

fn wait(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

#[track_caller]
fn assert_trapped(status: i32) {
    assert!(
        libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGTRAP,
        "the child stops at the mark, not with status {status:#x}"
    );
}

fn count(child: libc::pid_t) -> Steps {
    assert_trapped(wait(child));
    let mut steps = Steps::default();
    loop {
        let code = next_instruction(child);
        if code[0] == BREAKPOINT {
            break;
        }
        let kind = kind(&code);
        steps.all += 1;
        steps.locked += usize::from(kind == Kind::Locked);
        steps.system_calls += usize::from(kind == Kind::SystemCall);
        // SAFETY: our own child, which is stopped.
        unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, 0, 0) };
        assert_trapped(wait(child));
    }
    // SAFETY: as above. From here on it runs free, over the second mark.
    unsafe {
        libc::ptrace(libc::PTRACE_CONT, child, 0, 0);
        assert_trapped(wait(child));
        libc::ptrace(libc::PTRACE_CONT, child, 0, 0);
    }
    assert_eq!(wait(child), 0, "the child ends well");
    steps
}

/// The first bytes of the instruction that a stopped child is about to do.
fn next_instruction(child: libc::pid_t) -> [u8; 8] {
    // SAFETY: plain numbers; the kernel fills them in.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: our own child, which is stopped; the registers are ours.
    unsafe {
        libc::ptrace(libc::PTRACE_GETREGS, child, 0, &mut registers);
        let at: *mut c_void = ptr::without_provenance_mut(registers.rip as usize);
        libc::ptrace(libc::PTRACE_PEEKTEXT, child, at, 0).to_le_bytes()
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Plain,
    Locked,
    SystemCall,
}

fn kind(code: &[u8; 8]) -> Kind {
    let prefix = |byte: &&u8| {
        matches!(
            **byte,
            0x66 | 0x67 | 0xf2 | 0xf3 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65
        )
    };
    let prefixes = code.iter().take_while(prefix).count();
    if code[prefixes] == 0xf0 {
        return Kind::Locked;
    }
    let rex = usize::from(code[prefixes] & 0xf0 == 0x40);
    match code[(prefixes + rex).min(6)..] {
        // An exchange with memory always locks it.
        [0x86 | 0x87, operands, ..] if operands < 0xc0 => Kind::Locked,
        [0x0f, 0x05, ..] => Kind::SystemCall,
        _ => Kind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    // Rules: D9
    #[test]
    fn instructions_locks_and_system_calls_are_counted() {
        let nothing = steps(|| (), |()| (), |()| ());
        let word = AtomicU32::new(0);
        let locks = steps(
            || (),
            |()| {
                word.fetch_add(1, Ordering::Relaxed);
                word.swap(2, Ordering::Relaxed);
            },
            |()| (),
        );
        assert_eq!((nothing.locked, locks.locked), (0, 2));
        assert!(locks.all > nothing.all && nothing.all < 20);
        let call = steps(
            || (),
            |()| {
                // SAFETY: asks only.
                unsafe { libc::syscall(libc::SYS_getppid) };
            },
            |()| (),
        );
        assert_eq!((call.system_calls, nothing.system_calls), (1, 0));
    }
}
