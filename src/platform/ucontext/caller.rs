//! Who called the library. Its own frames are walked back as an unwinder does.

use super::objects::{description, is_own_code};
use core::ffi::{c_int, c_void};
use core::ptr;

/// Whether code of the object that an address is in called a function of this library.
pub fn is_called_from(address: *const c_void) -> bool {
    let object = description(address).dli_fbase;
    !object.is_null() && description(caller()).dli_fbase == object
}

type Visit = unsafe extern "C" fn(frame: *mut c_void, argument: *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, argument: *mut c_void) -> c_int;
}

/// What `Visit` returns.
const GO_ON: c_int = 0;
const END_WALK: c_int = 1;

/// The address that the library returns to. Null if it is not known.
#[cfg(not(target_arch = "arm"))]
fn caller() -> *const c_void {
    unsafe extern "C" {
        fn _Unwind_GetIP(frame: *mut c_void) -> usize;
    }
    unsafe extern "C" fn look(frame: *mut c_void, caller: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes a frame and the address of `caller`.
        unsafe {
            let address: *const c_void = ptr::with_exposed_provenance(_Unwind_GetIP(frame));
            if is_own_code(address) {
                return GO_ON;
            }
            caller.cast::<*const c_void>().write(address);
        }
        END_WALK
    }
    let mut caller: *const c_void = ptr::null();
    // SAFETY: the callback gets what it wants.
    unsafe { _Unwind_Backtrace(look, ptr::from_mut(&mut caller).cast()) };
    caller
}

/// The same on 32-bit Arm.
///
/// There C code is mostly compiled without tables for unwinding, Debian's libcrypto too. The
/// unwinder ends a walk before such a frame, and does not show it. So each walk here goes to one of
/// the library's frames, and takes the next step itself, from the first frame to the last.
#[cfg(target_arch = "arm")]
fn caller() -> *const c_void {
    /// More frames than the library ever has above its caller.
    const MOST: usize = 40;

    struct Walk {
        /// How many frames lie before the one that it goes to.
        skip: usize,
        return_address: *const c_void,
    }
    unsafe extern "C" fn visit(frame: *mut c_void, walk: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes the address of `walk`.
        let walk = unsafe { &mut *walk.cast::<Walk>() };
        if walk.skip > 0 {
            walk.skip -= 1;
            return GO_ON;
        }
        // SAFETY: the unwinder passes a frame, and the walk ends here.
        walk.return_address = unsafe { arm::step(frame) };
        END_WALK
    }
    for skip in 0..MOST {
        let mut walk = Walk {
            skip,
            return_address: ptr::null(),
        };
        // SAFETY: the callback gets what it wants.
        unsafe { _Unwind_Backtrace(visit, ptr::from_mut(&mut walk).cast()) };
        if !is_own_code(walk.return_address) {
            return walk.return_address;
        }
    }
    ptr::null()
}

/// The Exception Handling ABI for the Arm Architecture, with what libgcc adds to it.
#[cfg(target_arch = "arm")]
mod arm {
    use core::ffi::{c_int, c_void};
    use core::ptr;

    /// The part of `_Unwind_Control_Block` that is needed.
    #[repr(C)]
    struct ControlBlock {
        of_exception: [u32; 8],
        barrier_and_cleanup: [u32; 10],
        function: u32,
        /// How the frame's function is unwound.
        table: *const u32,
    }

    const _: () = assert!(core::mem::offset_of!(ControlBlock, table) == 76);

    const CORE_REGISTERS: c_int = 0;
    /// The register in which libgcc passes the control block. LLVM's unwinder does not.
    const CONTROL_BLOCK: u32 = 12;
    const PROGRAM_COUNTER: u32 = 15;
    const AS_NUMBER: c_int = 0;
    /// The state of a walk that only looks: `_US_VIRTUAL_UNWIND_FRAME | _US_FORCE_UNWIND`.
    const LOOK: c_int = 8;
    /// `_URC_CONTINUE_UNWIND`.
    const HAS_STEPPED: c_int = 8;

    type Step = unsafe extern "C" fn(state: c_int, block: *mut c_void, frame: *mut c_void) -> c_int;

    unsafe extern "C" {
        fn _Unwind_VRS_Get(
            frame: *mut c_void,
            class: c_int,
            register: u32,
            form: c_int,
            value: *mut c_void,
        ) -> c_int;
        fn __aeabi_unwind_cpp_pr0(state: c_int, block: *mut c_void, frame: *mut c_void) -> c_int;
        fn __aeabi_unwind_cpp_pr1(state: c_int, block: *mut c_void, frame: *mut c_void) -> c_int;
        fn __aeabi_unwind_cpp_pr2(state: c_int, block: *mut c_void, frame: *mut c_void) -> c_int;
        fn __gnu_unwind_frame(block: *mut c_void, frame: *mut c_void) -> c_int;
    }

    /// # Safety
    ///
    /// The unwinder passed the frame to the caller.
    unsafe fn register(frame: *mut c_void, register: u32) -> usize {
        let mut value = 0usize;
        let place = (&raw mut value).cast();
        // SAFETY: the caller guarantees the frame. A register has as many bits as an address.
        unsafe { _Unwind_VRS_Get(frame, CORE_REGISTERS, register, AS_NUMBER, place) };
        value
    }

    /// Steps from a frame to the one that it returns to. Returns the address there, or null if the
    /// frame's table does not say.
    ///
    /// # Safety
    ///
    /// The unwinder passed the frame to the caller, which then ends the walk. The unwinder would
    /// take the same step again.
    pub unsafe fn step(frame: *mut c_void) -> *const c_void {
        let by_number: [Step; 3] = [
            __aeabi_unwind_cpp_pr0,
            __aeabi_unwind_cpp_pr1,
            __aeabi_unwind_cpp_pr2,
        ];
        if cfg!(not(target_env = "gnu")) {
            return ptr::null();
        }
        // SAFETY: the caller guarantees the frame. The control block is that of its function, which
        // has a table: the unwinder shows no other frame.
        unsafe {
            let block: *mut c_void =
                ptr::with_exposed_provenance_mut(register(frame, CONTROL_BLOCK));
            // Tables of the ABI's own forms begin with 0x80 and the number of the form. In all
            // others libgcc's form follows the address of a personality function.
            let first = (*block.cast::<ControlBlock>()).table.read() >> 24;
            let has_stepped = match first.checked_sub(0x80) {
                None => __gnu_unwind_frame(block, frame) == 0,
                Some(number) => by_number
                    .get(number as usize)
                    .is_some_and(|step| step(LOOK, block, frame) == HAS_STEPPED),
            };
            if !has_stepped {
                return ptr::null();
            }
            // The lowest bit says which kind of instructions follow.
            ptr::with_exposed_provenance(register(frame, PROGRAM_COUNTER) & !1)
        }
    }
}
