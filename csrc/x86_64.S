/*
 * Switching by registers on x86-64: see registers.h. The unwind information is right at every
 * instruction: where the stack pointer changes, the two stacks look alike or a directive follows.
 *
 * A processor predicts that a return goes back to the last call that it saw, whichever stack that
 * was on. After a switch this is wrong, and a wrong prediction costs as much as the rest of a
 * switch. So a switch ends in an indirect jump and not in a return.
 */
#include "assembly.h"
#include "registers.h"

#if defined(OSSL_ASYNC_REGISTERS) && defined(__x86_64__)

/* With IBT an indirect jump must reach a landing pad, or be marked as not tracked. */
# if defined(__CET__) && (__CET__ & 1)
#  define UNTRACKED notrack
# else
#  define UNTRACKED
# endif

.macro push_saved register
    pushq %\register
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %\register, 0
.endm

.macro pop_saved register
    popq %\register
    .cfi_adjust_cfa_offset -8
    .cfi_restore %\register
.endm

/*
 * The contents of a suspended stack, from its stack pointer up: r15 r14 r13 r12 rbx rbp, and the
 * address where it resumes.
 */
.macro save_registers
    push_saved rbp
    push_saved rbx
    push_saved r12
    push_saved r13
    push_saved r14
    push_saved r15
.endm

.macro load_registers
    pop_saved r15
    pop_saved r14
    pop_saved r13
    pop_saved r12
    pop_saved rbx
    pop_saved rbp
.endm

/* Returns what is in eax, by a jump. */
.macro jump_back
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    UNTRACKED jmpq *%rcx
.endm

/* rdi: from, rsi: to */
begin_function ossl_async_registers_switch
    save_registers
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    load_registers
    movl $1, %eax
    jump_back
end_function ossl_async_registers_switch

/*
 * rdi: from, rsi: to. Does what ossl_async_registers_switch does.
 *
 * A fibre often suspends itself where it did so the last time, in a loop. Then the processor has
 * seen one call too many, the fibre's call of a function that pauses. The first return takes that
 * call off the processor's list. It is mispredicted and only goes on here. After it, the processor
 * predicts the returns of the functions that have resumed the fibre. Without it, each of them would
 * be mispredicted. Measured on an AMD EPYC: a JobFuture that is polled below 8 functions takes 104
 * ns for a pause instead of 135. A job that a loop resumes takes 47 ns instead of 42.
 */
begin_function ossl_async_registers_leave
    save_registers
    movq (%rdi), %rax
    movq %rsp, (%rdi)
    cmpq %rsp, %rax /* the moves and pops that follow keep the flags */
    movq %rsi, %rsp
    load_registers
    movl $1, %eax
    jne 2f
    leaq 1f(%rip), %rcx
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    retq
1:
    .cfi_adjust_cfa_offset -8
    retq
2:
    jump_back
end_function ossl_async_registers_leave

/*
 * edi: value. After a pause the last call that the processor has seen is the fibre's, so a return of
 * the function that has resumed the fibre would be mispredicted. Measured on an AMD EPYC: pause +
 * resume takes 14 ns instead of 21.
 */
begin_function ossl_async_registers_return
    movl %edi, %eax
    jump_back
end_function ossl_async_registers_return

# ifdef OSSL_ASYNC_FIRST_FRAME
/* rdi: from, rsi: top, rdx: entry */
begin_function ossl_async_registers_begin
    save_registers
    movq %rsp, (%rdi)
    andq $-16, %rsi
    leaq -16(%rsi), %rsp
    /* From here an unwinder sees the first frame of a stack, which nothing has called. */
    .cfi_def_cfa %rsp, 16
    .cfi_undefined %rip
    .cfi_same_value %rbp
    .cfi_same_value %rbx
    .cfi_same_value %r12
    .cfi_same_value %r13
    .cfi_same_value %r14
    .cfi_same_value %r15
    xorl %ebp, %ebp /* ends the chain of frame pointers */
    callq *%rdx
    ud2 /* keeps the return address inside this function */
end_function ossl_async_registers_begin
# else
/* rdi: from, rsi: fresh */
begin_function ossl_async_registers_enter
    save_registers
    movq %rsp, (%rdi)
    movq CONTEXT_RBX(%rsi), %rbx
    xorl %ebp, %ebp /* ends the chain of frame pointers */
    movq CONTEXT_RSP(%rsi), %rsp
    /* From here an unwinder sees a call from glibc's function at the base of a context. */
    .cfi_def_cfa %rsp, 8
    .cfi_same_value %rbp
    .cfi_same_value %rbx
    .cfi_same_value %r12
    .cfi_same_value %r13
    .cfi_same_value %r14
    .cfi_same_value %r15
    UNTRACKED jmpq *CONTEXT_RIP(%rsi)
end_function ossl_async_registers_enter
# endif

/*
 * rdi: work, rsi: back. Does what ossl_async_fibre_run does in C. But if the function has not
 * paused, it leaves by a return.
 *
 * Without a pause, every call since the switch to the function has returned. So the last call that
 * the processor saw is that of the switch, and it predicts this return and the caller's. The first
 * use of a fibre is an exception. Measured on an AMD EPYC: start + finish takes 15 ns instead of
 * 25, start + pause + resume + finish 41 instead of 52.
 *
 * If the function has paused, a return would be mispredicted: with one, the latter takes 58.
 * work->resumed tells which case it is.
 */
begin_function ossl_async_registers_run
    push_saved rbx
    push_saved r12
    subq $8, %rsp /* aligns calls to 16 */
    .cfi_adjust_cfa_offset 8
    .cfi_undefined %r13 /* r13 to r15 have nothing to keep */
    .cfi_undefined %r14
    .cfi_undefined %r15
    movq %rdi, %rbx
    movq %rsi, %r12
1:
    movq WORK_FUNCARGS(%rbx), %rdi
    callq *WORK_FUNC(%rbx)
    movl %eax, WORK_RET(%rbx)
    movl WORK_RESUMED(%rbx), %edx
    /* As save_registers, but only these three registers matter. */
    .cfi_remember_state
    leaq 2f(%rip), %rcx
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    pushq %r12
    .cfi_adjust_cfa_offset 8
    subq $24, %rsp
    .cfi_adjust_cfa_offset 24
    movq %rsp, WORK_CONTEXT(%rbx)
    movq (%r12), %rsp
    /* From here an unwinder sees the function that suspended the other stack. */
    .cfi_def_cfa %rsp, 56
    .cfi_offset %rbp, -16
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
    load_registers
    movl $1, %eax
    testl %edx, %edx
    jnz 3f
    retq
3:
    jump_back
    .cfi_restore_state
2:
    jmp 1b
end_function ossl_async_registers_run

#endif
