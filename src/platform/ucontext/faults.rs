//! Handlers that see memory faults before the program's own handlers, on a separate stack. They are
//! installed only if the environment asks for them.

use super::guards::install_guard;
use super::memory::{map_memory, page_size};
use crate::platform::types::SignalStack;
use core::ffi::{c_int, c_void};
use core::ptr;
use std::sync::OnceLock;

/// The signals of a memory fault.
const FAULTS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The function to call first, and the process's previous action for each of [`FAULTS`].
struct FaultWatch {
    on_fault: fn(usize),
    previous: [libc::sigaction; 2],
}

static WATCH: OnceLock<FaultWatch> = OnceLock::new();

/// Has `on_fault` called with the address of each memory fault of the process, in the signal
/// handler. Afterwards the previous action follows.
///
/// It is called once a process, by a thread that has called
/// [`call_at_thread_exit`](super::call_at_thread_exit).
pub fn watch_faults(on_fault: fn(usize)) {
    let previous = FAULTS.map(|signal| {
        // SAFETY: asks only; a structure of zeros is a valid one.
        unsafe {
            let mut action: libc::sigaction = core::mem::zeroed();
            libc::sigaction(signal, ptr::null(), &mut action);
            action
        }
    });
    let watch = WATCH.get_or_init(|| FaultWatch { on_fault, previous });
    for (signal, previous) in FAULTS.iter().zip(&watch.previous) {
        let ours = action_in_front_of(previous);
        // SAFETY: the handler stays loaded, because the thread's key has pinned it. It does what
        // the previous handler would do.
        unsafe { libc::sigaction(*signal, &ours, ptr::null_mut()) };
    }
}

/// The action that replaces another one and calls it. It has the other's mask and flags. So the
/// kernel treats both alike: which signals it blocks, whether it restarts system calls, and whether
/// it resets a handler after one call.
fn action_in_front_of(previous: &libc::sigaction) -> libc::sigaction {
    let mut ours = *previous;
    if matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        // SAFETY: zeros are an empty mask and no flags.
        ours = unsafe { core::mem::zeroed() };
        ours.sa_flags = libc::SA_RESTART;
    }
    ours.sa_sigaction = (handle_fault as *const ()).expose_provenance();
    ours.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    ours
}

/// The handler of [`FAULTS`]. A handler that it calls may leave in any way, so it can be unwound.
unsafe extern "C-unwind" fn handle_fault(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    let Some(watch) = WATCH.get() else { return };
    // SAFETY: the kernel passes a description of the signal.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr()) };
    // Other numbers mean a signal that was sent by a process. Such a signal has no address and does
    // not come again by itself.
    let is_fault = (1..0x10000).contains(&code);
    if is_fault {
        let errno = errno::errno();
        (watch.on_fault)(address.addr());
        errno::set_errno(errno);
    }
    let previous = &watch.previous[usize::from(signal != FAULTS[0])];
    let handler = ptr::with_exposed_provenance::<()>(previous.sa_sigaction);
    match previous.sa_sigaction {
        libc::SIG_IGN if !is_fault => {}
        // The kernel does not allow a fault to be ignored.
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: the default action is always there.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            if !is_fault {
                // SAFETY: the signal is blocked until this handler returns. Then it ends the
                // process.
                unsafe { libc::raise(signal) };
            }
        }
        _ if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = unsafe extern "C-unwind" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: its flags say that it has this type.
            unsafe { core::mem::transmute::<*const (), Handler>(handler)(signal, info, context) }
        }
        _ => {
            type Handler = unsafe extern "C-unwind" fn(c_int);
            // SAFETY: as above.
            unsafe { core::mem::transmute::<*const (), Handler>(handler)(signal) }
        }
    }
}

/// The size of such a stack in bytes, without the guard page below it. It has room for the kernel's
/// frame, and for a crash handler of the program that does not know that it runs here.
const SIGNAL_STACK: usize = 64 * 1024;

/// The alternate signal stack of the calling thread, as the kernel describes it.
fn alternate_stack() -> libc::stack_t {
    // SAFETY: asks only; a structure of zeros is a valid one.
    unsafe {
        let mut stack: libc::stack_t = core::mem::zeroed();
        libc::sigaltstack(ptr::null(), &mut stack);
        stack
    }
}

/// Gives the calling thread an alternate signal stack. None if the thread has one, or if there is
/// no memory for it.
pub fn install_signal_stack() -> Option<SignalStack> {
    if alternate_stack().ss_flags & libc::SS_DISABLE == 0 {
        return None;
    }
    let page = page_size();
    let low = map_memory(page + SIGNAL_STACK)?;
    // SAFETY: the mapping was just made. Its first page becomes the guard.
    let installed = unsafe {
        let mut stack = alternate_stack();
        stack.ss_sp = low.add(page).as_ptr().cast();
        stack.ss_size = SIGNAL_STACK;
        stack.ss_flags = 0;
        install_guard(low, page, false) && libc::sigaltstack(&stack, ptr::null_mut()) == 0
    };
    if !installed {
        // SAFETY: the mapping was just made, and nothing else uses it.
        unsafe { libc::munmap(low.as_ptr().cast(), page + SIGNAL_STACK) };
    }
    installed.then_some(SignalStack(low))
}

/// Frees the calling thread's stack from [`install_signal_stack`].
///
/// If the thread has another signal stack by now, this one is not freed. The code that set the
/// other one may run on this one, or may set it again.
pub fn free_signal_stack(stack: SignalStack) {
    let page = page_size();
    let mut now = alternate_stack();
    // SAFETY: the address is in the mapping.
    let ours = unsafe { stack.0.add(page) };
    if now.ss_flags & libc::SS_DISABLE == 0 && now.ss_sp == ours.as_ptr().cast() {
        now.ss_flags = libc::SS_DISABLE;
        // SAFETY: the kernel refuses while the thread runs on the stack. Otherwise nothing uses it
        // any more.
        unsafe {
            if libc::sigaltstack(&now, ptr::null_mut()) == 0 {
                libc::munmap(stack.0.as_ptr().cast(), page + SIGNAL_STACK);
            }
        }
    }
}
