/*
 * Calls a function with a known value in every register that a called function must preserve, and
 * reports which of them have another value when it returns. tests/check_shim.rs compiles this for
 * x86-64 (System V), aarch64 and riscv64.
 */
#ifndef REGISTERS_KEPT_H
# define REGISTERS_KEPT_H

# define KEPT_MOST 24

struct kept {
    void *function;
    void *arguments[4];
    unsigned long values[KEPT_MOST];
    unsigned long wrong; /* the bits that differ afterwards, of all registers together */
};

/* Calls it and returns its result, an int. The struct must not move meanwhile. */
long kept_call(struct kept *call);

/* An entry for a fibre: records the stack pointer and jumps to fibre_main. */
void kept_entry(void);
extern unsigned long kept_entry_stack;
void fibre_main(void);

# if defined(__x86_64__)
/* What the ABI guarantees at a function's entry. */
#  define KEPT_ENTRY_ALIGNED ((kept_entry_stack + 8) % 16 == 0)
#  define KEPT_REGISTERS 6
__asm__(
    ".text\n"
    ".globl kept_call\n"
    ".type kept_call, @function\n"
    "kept_call:\n"
    ".cfi_startproc\n"
    "pushq %rbp\n .cfi_adjust_cfa_offset 8\n"
    "pushq %rbx\n .cfi_adjust_cfa_offset 8\n"
    "pushq %r12\n .cfi_adjust_cfa_offset 8\n"
    "pushq %r13\n .cfi_adjust_cfa_offset 8\n"
    "pushq %r14\n .cfi_adjust_cfa_offset 8\n"
    "pushq %r15\n .cfi_adjust_cfa_offset 8\n"
    "pushq %rdi\n .cfi_adjust_cfa_offset 8\n"
    "movq %rdi, %rax\n"
    "movq 8(%rax), %rdi\n movq 16(%rax), %rsi\n movq 24(%rax), %rdx\n movq 32(%rax), %rcx\n"
    "movq 40(%rax), %rbp\n movq 48(%rax), %rbx\n movq 56(%rax), %r12\n"
    "movq 64(%rax), %r13\n movq 72(%rax), %r14\n movq 80(%rax), %r15\n"
    "callq *(%rax)\n"
    "popq %rdi\n .cfi_adjust_cfa_offset -8\n"
    "xorq 40(%rdi), %rbp\n xorq 48(%rdi), %rbx\n xorq 56(%rdi), %r12\n"
    "xorq 64(%rdi), %r13\n xorq 72(%rdi), %r14\n xorq 80(%rdi), %r15\n"
    "orq %rbx, %rbp\n orq %r12, %rbp\n orq %r13, %rbp\n orq %r14, %rbp\n orq %r15, %rbp\n"
    "movq %rbp, 232(%rdi)\n"
    "popq %r15\n .cfi_adjust_cfa_offset -8\n"
    "popq %r14\n .cfi_adjust_cfa_offset -8\n"
    "popq %r13\n .cfi_adjust_cfa_offset -8\n"
    "popq %r12\n .cfi_adjust_cfa_offset -8\n"
    "popq %rbx\n .cfi_adjust_cfa_offset -8\n"
    "popq %rbp\n .cfi_adjust_cfa_offset -8\n"
    "cltq\n"
    "retq\n"
    ".cfi_endproc\n"
    ".size kept_call, . - kept_call\n"

    ".globl kept_entry\n"
    ".type kept_entry, @function\n"
    "kept_entry:\n"
    "endbr64\n"
    "movq %rsp, kept_entry_stack(%rip)\n"
    "jmp fibre_main\n"
    ".size kept_entry, . - kept_entry\n"
);
# elif defined(__aarch64__)
#  define KEPT_ENTRY_ALIGNED (kept_entry_stack % 16 == 0)
#  define KEPT_REGISTERS 19
/*
 * x19 to x29 and the low halves of v8 to v15. x29 too, because the called function must preserve
 * it.
 */
__asm__(
    ".text\n"
    ".globl kept_call\n"
    ".type kept_call, %function\n"
    "kept_call:\n"
    ".cfi_startproc\n"
    "hint #34\n"
    "sub sp, sp, #176\n .cfi_adjust_cfa_offset 176\n"
    "stp x29, x30, [sp]\n .cfi_rel_offset x29, 0\n .cfi_rel_offset x30, 8\n"
    "stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n"
    "stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
    "str x0, [sp, #160]\n"
    "mov x9, x0\n"
    "ldp x16, x0, [x9]\n ldp x1, x2, [x9, #16]\n ldr x3, [x9, #32]\n"
    "ldp x19, x20, [x9, #40]\n ldp x21, x22, [x9, #56]\n ldp x23, x24, [x9, #72]\n"
    "ldp x25, x26, [x9, #88]\n ldp x27, x28, [x9, #104]\n ldr x29, [x9, #120]\n"
    "ldp d8, d9, [x9, #128]\n ldp d10, d11, [x9, #144]\n ldp d12, d13, [x9, #160]\n ldp d14, d15, [x9, #176]\n"
    "blr x16\n"
    "ldr x9, [sp, #160]\n"
    "mov x10, xzr\n"
#  define KEPT_DIFFER(register, offset) \
    "ldr x11, [x9, #" offset "]\n eor x11, x11, " register "\n orr x10, x10, x11\n"
#  define KEPT_DIFFER_D(register, offset) "fmov x12, " register "\n" KEPT_DIFFER("x12", offset)
    KEPT_DIFFER("x19", "40") KEPT_DIFFER("x20", "48") KEPT_DIFFER("x21", "56") KEPT_DIFFER("x22", "64")
    KEPT_DIFFER("x23", "72") KEPT_DIFFER("x24", "80") KEPT_DIFFER("x25", "88") KEPT_DIFFER("x26", "96")
    KEPT_DIFFER("x27", "104") KEPT_DIFFER("x28", "112") KEPT_DIFFER("x29", "120")
    KEPT_DIFFER_D("d8", "128") KEPT_DIFFER_D("d9", "136") KEPT_DIFFER_D("d10", "144") KEPT_DIFFER_D("d11", "152")
    KEPT_DIFFER_D("d12", "160") KEPT_DIFFER_D("d13", "168") KEPT_DIFFER_D("d14", "176") KEPT_DIFFER_D("d15", "184")
    "str x10, [x9, #232]\n"
    "ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n"
    "ldp x25, x26, [sp, #64]\n ldp x27, x28, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n"
    "ldp x29, x30, [sp]\n"
    "add sp, sp, #176\n .cfi_adjust_cfa_offset -176\n"
    "sxtw x0, w0\n"
    "ret\n"
    ".cfi_endproc\n"
    ".size kept_call, . - kept_call\n"

    ".globl kept_entry\n"
    ".type kept_entry, %function\n"
    "kept_entry:\n"
    "hint #34\n"
    "mov x9, sp\n"
    "adrp x10, kept_entry_stack\n"
    "str x9, [x10, #:lo12:kept_entry_stack]\n"
    "b fibre_main\n"
    ".size kept_entry, . - kept_entry\n"
);
# elif defined(__riscv)
#  define KEPT_ENTRY_ALIGNED (kept_entry_stack % 16 == 0)
#  define KEPT_REGISTERS 24
/* s0 to s11, and fs0 to fs11. */
#  define KEPT_EACH(DO) \
    DO("s0", "40", "8") DO("s1", "48", "16") DO("s2", "56", "24") DO("s3", "64", "32") \
    DO("s4", "72", "40") DO("s5", "80", "48") DO("s6", "88", "56") DO("s7", "96", "64") \
    DO("s8", "104", "72") DO("s9", "112", "80") DO("s10", "120", "88") DO("s11", "128", "96")
#  define KEPT_EACH_FLOAT(DO) \
    DO("fs0", "136", "104") DO("fs1", "144", "112") DO("fs2", "152", "120") DO("fs3", "160", "128") \
    DO("fs4", "168", "136") DO("fs5", "176", "144") DO("fs6", "184", "152") DO("fs7", "192", "160") \
    DO("fs8", "200", "168") DO("fs9", "208", "176") DO("fs10", "216", "184") DO("fs11", "224", "192")
/* The register, its place in struct kept, and on the stack. */
#  define KEPT_SAVE(register, value, place) "sd " register ", " place "(sp)\n"
#  define KEPT_SAVE_FLOAT(register, value, place) "fsd " register ", " place "(sp)\n"
#  define KEPT_SET(register, value, place) "ld " register ", " value "(t0)\n"
#  define KEPT_SET_FLOAT(register, value, place) "fld " register ", " value "(t0)\n"
#  define KEPT_DIFFER(register, value, place) \
    "ld t1, " value "(t0)\n xor t1, t1, " register "\n or t2, t2, t1\n"
#  define KEPT_DIFFER_FLOAT(register, value, place) \
    "fmv.x.d t3, " register "\n" KEPT_DIFFER("t3", value, place)
#  define KEPT_RESTORE(register, value, place) "ld " register ", " place "(sp)\n"
#  define KEPT_RESTORE_FLOAT(register, value, place) "fld " register ", " place "(sp)\n"
__asm__(
    ".text\n"
    ".globl kept_call\n"
    ".type kept_call, @function\n"
    "kept_call:\n"
    ".cfi_startproc\n"
    "addi sp, sp, -224\n .cfi_adjust_cfa_offset 224\n"
    "sd ra, 0(sp)\n .cfi_rel_offset ra, 0\n"
    KEPT_EACH(KEPT_SAVE) KEPT_EACH_FLOAT(KEPT_SAVE_FLOAT)
    "sd a0, 200(sp)\n"
    "mv t0, a0\n"
    "ld t1, 0(t0)\n ld a0, 8(t0)\n ld a1, 16(t0)\n ld a2, 24(t0)\n ld a3, 32(t0)\n"
    KEPT_EACH(KEPT_SET) KEPT_EACH_FLOAT(KEPT_SET_FLOAT)
    "jalr t1\n"
    "ld t0, 200(sp)\n"
    "li t2, 0\n"
    KEPT_EACH(KEPT_DIFFER) KEPT_EACH_FLOAT(KEPT_DIFFER_FLOAT)
    "sd t2, 232(t0)\n"
    KEPT_EACH(KEPT_RESTORE) KEPT_EACH_FLOAT(KEPT_RESTORE_FLOAT)
    "ld ra, 0(sp)\n .cfi_restore ra\n"
    "addi sp, sp, 224\n .cfi_adjust_cfa_offset -224\n"
    "sext.w a0, a0\n"
    "ret\n"
    ".cfi_endproc\n"
    ".size kept_call, . - kept_call\n"

    ".globl kept_entry\n"
    ".type kept_entry, @function\n"
    "kept_entry:\n"
    "lla t0, kept_entry_stack\n"
    "sd sp, 0(t0)\n"
    "tail fibre_main\n"
    ".size kept_entry, . - kept_entry\n"
);
# else
#  error "the registers of this machine are not known here"
# endif

_Static_assert(sizeof(struct kept) == 240, "the offsets above: wrong is at 232");

#endif
