/*
 * See registers.h. The unwind information is true at every instruction: both stacks look the same while one is left, or it
 * says what changes.
 */
#define _GNU_SOURCE 1 /* the names of a context's registers */

#include "registers.h"

#if defined(OSSL_ASYNC_REGISTERS) && defined(__x86_64__)

/* Landing pads, where indirect jumps may only land on those (IBT). */
# if defined(__CET__) && (__CET__ & 1)
#  define LAND "endbr64\n"
#  define JUMP_ANYWHERE "notrack "
# else
#  define LAND
#  define JUMP_ANYWHERE
# endif

/* From the stack pointer up: r15 r14 r13 r12 rbx rbp, where to go on. */
# define SAVE \
    "pushq %rbp\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %rbp, 0\n" \
    "pushq %rbx\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %rbx, 0\n" \
    "pushq %r12\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r12, 0\n" \
    "pushq %r13\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r13, 0\n" \
    "pushq %r14\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r14, 0\n" \
    "pushq %r15\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r15, 0\n"
# define LOAD \
    "popq %r15\n .cfi_adjust_cfa_offset -8\n .cfi_restore %r15\n" \
    "popq %r14\n .cfi_adjust_cfa_offset -8\n .cfi_restore %r14\n" \
    "popq %r13\n .cfi_adjust_cfa_offset -8\n .cfi_restore %r13\n" \
    "popq %r12\n .cfi_adjust_cfa_offset -8\n .cfi_restore %r12\n" \
    "popq %rbx\n .cfi_adjust_cfa_offset -8\n .cfi_restore %rbx\n" \
    "popq %rbp\n .cfi_adjust_cfa_offset -8\n .cfi_restore %rbp\n"

/* Where a context has the registers that makecontext sets. No such type if it is elsewhere. */
typedef char context_has_these_offsets[offsetof(ucontext_t, uc_mcontext.gregs[REG_RBX]) == 128
    && offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) == 160
    && offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) == 168 ? 1 : -1];

__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl ossl_async_registers_switch\n"
    ".hidden ossl_async_registers_switch\n"
    ".type ossl_async_registers_switch, @function\n"
    "ossl_async_registers_switch:\n" /* rdi: from, rsi: to */
    ".cfi_startproc\n"
    LAND
    SAVE
    "movq %rsp, (%rdi)\n"
    "movq %rsi, %rsp\n"
    LOAD
    "popq %rcx\n .cfi_adjust_cfa_offset -8\n .cfi_register %rip, %rcx\n"
    "movl $1, %eax\n"
    JUMP_ANYWHERE "jmpq *%rcx\n"
    ".cfi_endproc\n"
    ".size ossl_async_registers_switch, . - ossl_async_registers_switch\n"

    ".p2align 4\n"
    ".globl ossl_async_registers_enter\n"
    ".hidden ossl_async_registers_enter\n"
    ".type ossl_async_registers_enter, @function\n"
    "ossl_async_registers_enter:\n" /* rdi: from, rsi: fresh */
    ".cfi_startproc\n"
    LAND
    SAVE
    "movq %rsp, (%rdi)\n"
    "movq 128(%rsi), %rbx\n"
    "xorl %ebp, %ebp\n" /* where those stop who follow frame pointers */
    "movq 160(%rsi), %rsp\n"
    /* From here on it looks as if makecontext's own function at the base had called this one. */
    ".cfi_def_cfa %rsp, 8\n .cfi_same_value %rbp\n .cfi_same_value %rbx\n .cfi_same_value %r12\n"
    ".cfi_same_value %r13\n .cfi_same_value %r14\n .cfi_same_value %r15\n"
    JUMP_ANYWHERE "jmpq *168(%rsi)\n"
    ".cfi_endproc\n"
    ".size ossl_async_registers_enter, . - ossl_async_registers_enter\n"
);

/* The offsets in ossl_async_work that the code below has. No such type if they are others. */
typedef char work_has_these_offsets[offsetof(struct ossl_async_work, context) == 0
    && offsetof(struct ossl_async_work, function) == 8 && offsetof(struct ossl_async_work, argument) == 16
    && offsetof(struct ossl_async_work, result) == 24 && offsetof(struct ossl_async_work, resumed) == 28 ? 1 : -1];

__asm__(
    ".p2align 4\n"
    ".globl ossl_async_registers_serve\n"
    ".hidden ossl_async_registers_serve\n"
    ".type ossl_async_registers_serve, @function\n"
    "ossl_async_registers_serve:\n" /* rdi: work, rsi: back */
    ".cfi_startproc\n"
    LAND
    "pushq %rbx\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %rbx, 0\n"
    "pushq %r12\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r12, 0\n"
    "subq $8, %rsp\n .cfi_adjust_cfa_offset 8\n" /* calls want it aligned to 16 */
    ".cfi_undefined %r13\n .cfi_undefined %r14\n .cfi_undefined %r15\n" /* nobody needs them, and they are not kept */
    "movq %rdi, %rbx\n"
    "movq %rsi, %r12\n"
    "1:\n"
    "movq 16(%rbx), %rdi\n"
    "callq *8(%rbx)\n"
    "movl %eax, 24(%rbx)\n"
    "movl 28(%rbx), %edx\n"
    /* As SAVE leaves the stack, but that only these three matter here. */
    ".cfi_remember_state\n"
    "leaq 2f(%rip), %rcx\n"
    "pushq %rcx\n .cfi_adjust_cfa_offset 8\n"
    "pushq %rbp\n .cfi_adjust_cfa_offset 8\n"
    "pushq %rbx\n .cfi_adjust_cfa_offset 8\n"
    "pushq %r12\n .cfi_adjust_cfa_offset 8\n"
    "subq $24, %rsp\n .cfi_adjust_cfa_offset 24\n"
    "movq %rsp, (%rbx)\n"
    "movq (%r12), %rsp\n"
    /* From here on it looks like the other function that was left, after its SAVE. */
    ".cfi_def_cfa %rsp, 56\n .cfi_offset %rbp, -16\n .cfi_offset %rbx, -24\n .cfi_offset %r12, -32\n"
    ".cfi_offset %r13, -40\n .cfi_offset %r14, -48\n .cfi_offset %r15, -56\n"
    LOAD
    "movl $1, %eax\n"
    "testl %edx, %edx\n"
    "jnz 3f\n"
    "retq\n"
    "3:\n"
    "popq %rcx\n .cfi_adjust_cfa_offset -8\n .cfi_register %rip, %rcx\n"
    JUMP_ANYWHERE "jmpq *%rcx\n"
    ".cfi_restore_state\n"
    "2:\n"
    "jmp 1b\n"
    ".cfi_endproc\n"
    ".size ossl_async_registers_serve, . - ossl_async_registers_serve\n"
);

#elif defined(OSSL_ASYNC_REGISTERS) && defined(__aarch64__)

/* BTI lets x16 and x17 jump to the start of functions only, so where it may be in force a plain return has to do. */
# ifdef __ARM_FEATURE_BTI_DEFAULT
#  define LAND "hint #34\n" /* bti c */
#  define GO_ON "ret\n"
# else
#  define LAND
#  define GO_ON "br x30\n"
# endif

/* From the stack pointer up: x19 to x30, d8 to d15. */
# define SAVE \
    "sub sp, sp, #160\n .cfi_adjust_cfa_offset 160\n" \
    "stp x19, x20, [sp]\n .cfi_rel_offset x19, 0\n .cfi_rel_offset x20, 8\n" \
    "stp x21, x22, [sp, #16]\n .cfi_rel_offset x21, 16\n .cfi_rel_offset x22, 24\n" \
    "stp x23, x24, [sp, #32]\n .cfi_rel_offset x23, 32\n .cfi_rel_offset x24, 40\n" \
    "stp x25, x26, [sp, #48]\n .cfi_rel_offset x25, 48\n .cfi_rel_offset x26, 56\n" \
    "stp x27, x28, [sp, #64]\n .cfi_rel_offset x27, 64\n .cfi_rel_offset x28, 72\n" \
    "stp x29, x30, [sp, #80]\n .cfi_rel_offset x29, 80\n .cfi_rel_offset x30, 88\n" \
    "stp d8, d9, [sp, #96]\n" \
    "stp d10, d11, [sp, #112]\n" \
    "stp d12, d13, [sp, #128]\n" \
    "stp d14, d15, [sp, #144]\n"
# define LOAD \
    "ldp x19, x20, [sp]\n" \
    "ldp x21, x22, [sp, #16]\n" \
    "ldp x23, x24, [sp, #32]\n" \
    "ldp x25, x26, [sp, #48]\n" \
    "ldp x27, x28, [sp, #64]\n" \
    "ldp x29, x30, [sp, #80]\n" \
    "ldp d8, d9, [sp, #96]\n" \
    "ldp d10, d11, [sp, #112]\n" \
    "ldp d12, d13, [sp, #128]\n" \
    "ldp d14, d15, [sp, #144]\n" \
    "add sp, sp, #160\n .cfi_adjust_cfa_offset -160\n" \
    ".cfi_restore x19\n .cfi_restore x20\n .cfi_restore x21\n .cfi_restore x22\n .cfi_restore x23\n" \
    ".cfi_restore x24\n .cfi_restore x25\n .cfi_restore x26\n .cfi_restore x27\n .cfi_restore x28\n" \
    ".cfi_restore x29\n .cfi_restore x30\n"

/* Where a context has the registers that makecontext sets. No such type if it is elsewhere. */
typedef char context_has_these_offsets[offsetof(ucontext_t, uc_mcontext.regs[19]) == 336
    && offsetof(ucontext_t, uc_mcontext.regs[30]) == 424 && offsetof(ucontext_t, uc_mcontext.sp) == 432
    && offsetof(ucontext_t, uc_mcontext.pc) == 440 ? 1 : -1];

__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl ossl_async_registers_switch\n"
    ".hidden ossl_async_registers_switch\n"
    ".type ossl_async_registers_switch, %function\n"
    "ossl_async_registers_switch:\n" /* x0: from, x1: to */
    ".cfi_startproc\n"
    LAND
    SAVE
    "mov x9, sp\n"
    "str x9, [x0]\n"
    "mov sp, x1\n"
    LOAD
    "mov w0, #1\n"
    GO_ON
    ".cfi_endproc\n"
    ".size ossl_async_registers_switch, . - ossl_async_registers_switch\n"

    ".p2align 4\n"
    ".globl ossl_async_registers_enter\n"
    ".hidden ossl_async_registers_enter\n"
    ".type ossl_async_registers_enter, %function\n"
    "ossl_async_registers_enter:\n" /* x0: from, x1: fresh */
    ".cfi_startproc\n"
    LAND
    SAVE
    "mov x9, sp\n"
    "str x9, [x0]\n"
    "ldr x19, [x1, #336]\n"
    "mov x29, xzr\n" /* where those stop who follow frame pointers */
    "ldr x30, [x1, #424]\n"
    "ldp x9, x16, [x1, #432]\n"
    "mov sp, x9\n"
    /* From here on it looks as if makecontext's own function at the base had called this one. */
    ".cfi_def_cfa sp, 0\n"
    ".cfi_same_value x19\n .cfi_same_value x20\n .cfi_same_value x21\n .cfi_same_value x22\n .cfi_same_value x23\n"
    ".cfi_same_value x24\n .cfi_same_value x25\n .cfi_same_value x26\n .cfi_same_value x27\n .cfi_same_value x28\n"
    ".cfi_same_value x29\n .cfi_same_value x30\n"
    "br x16\n"
    ".cfi_endproc\n"
    ".size ossl_async_registers_enter, . - ossl_async_registers_enter\n"
);

#endif
