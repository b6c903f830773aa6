/*
 * Switching by registers, for x86-64 (System V), aarch64 and riscv64 on Linux. A switch pushes the
 * registers that a called function must preserve onto the stack that it leaves, and loads them from
 * the other stack. It does not read or set the signal mask and the floating-point modes, so both
 * belong to the thread (F7, F20).
 *
 * C and the files of assembly include this. OSSL_ASYNC_REGISTERS is defined where the functions
 * exist.
 */
#ifndef OSSL_ASYNC_REGISTERS_H
# define OSSL_ASYNC_REGISTERS_H

# ifdef __linux__
#  include <features.h>
# endif

# if defined(__linux__) && !defined(__ILP32__) && !defined(OSSL_ASYNC_SETJMP)
#  if defined(__x86_64__) || (defined(__aarch64__) && !defined(__AARCH64EB__))
#   define OSSL_ASYNC_REGISTERS 1
#  elif defined(__riscv_float_abi_double) && __riscv_xlen == 64 \
    && !defined(OSSL_ASYNC_SWAPCONTEXT)
#   define OSSL_ASYNC_REGISTERS 1
#  endif
# endif

/*
 * OSSL_ASYNC_FIRST_FRAME: the first frame of a stack is made by hand, without ucontext (frame.c).
 * That is so with musl, which has no ucontext, and on riscv64. Elsewhere makecontext makes it. On
 * the command line it asks for this on every processor, for tests.
 */
# if defined(OSSL_ASYNC_REGISTERS) && (!defined(__GLIBC__) || defined(__riscv)) \
    && !defined(OSSL_ASYNC_FIRST_FRAME)
#  define OSSL_ASYNC_FIRST_FRAME 1
# endif

/* Offsets for the assembly, in ucontext_t and in struct ossl_async_work. Checked below. */
# ifdef __x86_64__
#  define CONTEXT_RBX 128
#  define CONTEXT_RSP 160
#  define CONTEXT_RIP 168
# elif defined(__aarch64__)
#  define CONTEXT_X19 336
#  define CONTEXT_X30 424
#  define CONTEXT_SP 432
#  define CONTEXT_PC 440
# endif
# define WORK_CONTEXT 0
# define WORK_FUNC 8
# define WORK_FUNCARGS 16
# define WORK_RET 24
# define WORK_RESUMED 28

# if defined(OSSL_ASYNC_REGISTERS) && !defined(__ASSEMBLER__)
#  include "checkers.h"
#  include "fibre.h"

/*
 * Suspends the caller in *from and resumes the fibre that is suspended in to. Returns 1 when *from
 * is switched to.
 */
int ossl_async_registers_switch(void **from, void *to) __attribute__((visibility("hidden")));

/* See ossl_async_fibre_return. */
int ossl_async_registers_return(int value) __attribute__((visibility("hidden")));

#  ifdef OSSL_ASYNC_FIRST_FRAME
/*
 * Suspends the caller in *from and calls entry on the stack below top, which need not be aligned.
 * entry must never return. Returns 1 when someone switches to *from.
 */
int ossl_async_registers_begin(void **from, void *top, void (*entry)(void))
    __attribute__((visibility("hidden")));
#  else
#   include <ucontext.h>

/*
 * Suspends the caller in *from and begins fresh, which makecontext has made for a function
 * without arguments. Reads only what makecontext sets, which of x20 only glibc 2.41 and later do;
 * before, x20 does not matter. Returns 1 when someone switches to *from.
 */
int ossl_async_registers_enter(void **from, const ucontext_t *fresh)
    __attribute__((visibility("hidden")));
#  endif

#  if defined(__x86_64__) && !defined(OSSL_ASYNC_SANITIZED)
#   define OSSL_ASYNC_PREDICTED 1
/* ossl_async_fibre_leave and ossl_async_fibre_run, for fibres of the functions above. */
int ossl_async_registers_leave(void **from, void *to) __attribute__((visibility("hidden")));
void ossl_async_registers_run(struct ossl_async_work *work, void *const *back)
    __attribute__((visibility("hidden"), noreturn));
#  endif

/* Each offset, checked when C is compiled: a wrong one makes the size of an array negative. */
#  define OFFSET(type, member, offset) (offsetof(type, member) == (offset))
#  ifdef OSSL_ASYNC_FIRST_FRAME
/* No context is read. */
#  elif defined(__x86_64__)
typedef char ossl_async_context_offsets[OFFSET(ucontext_t, uc_mcontext.gregs[REG_RBX], CONTEXT_RBX)
    && OFFSET(ucontext_t, uc_mcontext.gregs[REG_RSP], CONTEXT_RSP)
    && OFFSET(ucontext_t, uc_mcontext.gregs[REG_RIP], CONTEXT_RIP) ? 1 : -1];
#  else
typedef char ossl_async_context_offsets[OFFSET(ucontext_t, uc_mcontext.regs[19], CONTEXT_X19)
    && OFFSET(ucontext_t, uc_mcontext.regs[30], CONTEXT_X30)
    && OFFSET(ucontext_t, uc_mcontext.sp, CONTEXT_SP)
    && OFFSET(ucontext_t, uc_mcontext.pc, CONTEXT_PC) ? 1 : -1];
#  endif
typedef char ossl_async_work_offsets[OFFSET(struct ossl_async_work, context, WORK_CONTEXT)
    && OFFSET(struct ossl_async_work, func, WORK_FUNC)
    && OFFSET(struct ossl_async_work, funcargs, WORK_FUNCARGS)
    && OFFSET(struct ossl_async_work, ret, WORK_RET)
    && OFFSET(struct ossl_async_work, resumed, WORK_RESUMED) ? 1 : -1];
# endif

#endif
