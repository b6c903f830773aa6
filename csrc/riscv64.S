/*
 * Switching by registers on riscv64: see registers.h. The unwind information is right at every
 * instruction: where the stack pointer changes, the two stacks look alike or a directive follows.
 */
#include "assembly.h"
#include "registers.h"

#if defined(OSSL_ASYNC_REGISTERS) && defined(__riscv)

.macro store register, offset
    sd \register, \offset(sp)
    .cfi_rel_offset \register, \offset
.endm

.macro load register, offset
    ld \register, \offset(sp)
.endm

/* What a suspended stack has, from its stack pointer up. It resumes at the address in ra. */
.macro each_register how
    \how ra, 0
    \how s0, 8
    \how s1, 16
    \how s2, 24
    \how s3, 32
    \how s4, 40
    \how s5, 48
    \how s6, 56
    \how s7, 64
    \how s8, 72
    \how s9, 80
    \how s10, 88
    \how s11, 96
.endm

.macro each_float how
    \how fs0, 104(sp)
    \how fs1, 112(sp)
    \how fs2, 120(sp)
    \how fs3, 128(sp)
    \how fs4, 136(sp)
    \how fs5, 144(sp)
    \how fs6, 152(sp)
    \how fs7, 160(sp)
    \how fs8, 168(sp)
    \how fs9, 176(sp)
    \how fs10, 184(sp)
    \how fs11, 192(sp)
.endm

.macro save_registers
    addi sp, sp, -208
    .cfi_adjust_cfa_offset 208
    each_register store
    each_float fsd
.endm

.macro load_registers
    each_register load
    each_float fld
    addi sp, sp, 208
    .cfi_adjust_cfa_offset -208
    .irp register, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    .cfi_restore \register
    .endr
.endm

/*
 * a0: from, a1: to. It does not end in a return: a processor predicts that a return goes back to
 * the last call that it saw, whichever stack that was on. A jump by t2 is predicted in another way,
 * and needs no landing pad.
 */
begin_function ossl_async_registers_switch
    save_registers
    sd sp, 0(a0)
    mv sp, a1
    load_registers
    li a0, 1
    mv t2, ra
    jr t2
end_function ossl_async_registers_switch

/* a0: value */
begin_function ossl_async_registers_return
    mv t2, ra
    jr t2
end_function ossl_async_registers_return

/* a0: from, a1: top, a2: entry */
begin_function ossl_async_registers_begin
    save_registers
    sd sp, 0(a0)
    andi a1, a1, -16
    addi sp, a1, -16
    /* From here an unwinder sees the first frame of a stack, which nothing has called. */
    .cfi_def_cfa sp, 16
    .irp register, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    .cfi_same_value \register
    .endr
    .cfi_undefined ra
    li s0, 0 /* ends the chain of frame pointers */
    jalr a2
    ebreak /* keeps the return address inside this function */
end_function ossl_async_registers_begin

#endif
