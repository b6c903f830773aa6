/*
 * Switching by registers on aarch64: see registers.h. The unwind information is right at every
 * instruction: where the stack pointer changes, the two stacks look alike or a directive follows.
 */
#include "assembly.h"
#include "registers.h"

#if defined(OSSL_ASYNC_REGISTERS) && defined(__aarch64__)

/*
 * A processor predicts that a return goes back to the last call that it saw, whichever stack that
 * was on. After a switch this is wrong, so a switch ends in an indirect jump. With BTI such a jump
 * may reach only the start of a function, so there a return has to do.
 */
# ifdef __ARM_FEATURE_BTI_DEFAULT
#  define JUMP_BACK ret
# else
#  define JUMP_BACK br x30
# endif

.macro store_pair first, second, offset
    stp \first, \second, [sp, #\offset]
    .cfi_rel_offset \first, \offset
    .cfi_rel_offset \second, \offset + 8
.endm

/*
 * The contents of a suspended stack, from its stack pointer up: x19 to x30, d8 to d15. It resumes
 * at the address in x30.
 */
.macro save_registers
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    store_pair x19, x20, 0
    store_pair x21, x22, 16
    store_pair x23, x24, 32
    store_pair x25, x26, 48
    store_pair x27, x28, 64
    store_pair x29, x30, 80
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
.endm

.macro load_registers
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    .irp register, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
    .cfi_restore \register
    .endr
.endm

/* x0: from, x1: to */
begin_function ossl_async_registers_switch
    save_registers
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    load_registers
    mov w0, #1
    JUMP_BACK
end_function ossl_async_registers_switch

/* w0: value */
begin_function ossl_async_registers_return
    JUMP_BACK
end_function ossl_async_registers_return

# ifdef OSSL_ASYNC_FIRST_FRAME
/* x0: from, x1: top, x2: entry */
begin_function ossl_async_registers_begin
    save_registers
    mov x9, sp
    str x9, [x0]
    and x1, x1, #-16
    sub sp, x1, #16
    /* From here an unwinder sees the first frame of a stack, which nothing has called. */
    .cfi_def_cfa sp, 16
    .irp register, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29
    .cfi_same_value \register
    .endr
    .cfi_undefined x30
    mov x29, xzr /* ends the chain of frame pointers */
    blr x2
    brk #1 /* keeps the return address inside this function */
end_function ossl_async_registers_begin
# else
/* x0: from, x1: fresh */
begin_function ossl_async_registers_enter
    save_registers
    mov x9, sp
    str x9, [x0]
    ldp x19, x20, [x1, #CONTEXT_X19] /* x20: the function, since glibc 2.41 */
    mov x29, xzr /* ends the chain of frame pointers */
    ldr x30, [x1, #CONTEXT_X30]
    ldp x9, x16, [x1, #CONTEXT_SP] /* and CONTEXT_PC */
    mov sp, x9
    /* From here an unwinder sees a call from glibc's function at the base of a context. */
    .cfi_def_cfa sp, 0
    .irp register, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
    .cfi_same_value \register
    .endr
    br x16
end_function ossl_async_registers_enter
# endif

#endif
