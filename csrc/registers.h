/*
 * The switch by registers, for x86-64 (System V) and aarch64: saves what a called function must preserve, on the stack
 * that is left, and loads the same from the other. The signal mask and the floating-point modes stay the thread's (F7,
 * F20). Defines OSSL_ASYNC_REGISTERS where it exists.
 *
 * Both functions leave by an indirect jump: a processor predicts that a return goes back to where this stack's call came
 * from, and here it never does.
 */
#ifndef OSSL_ASYNC_REGISTERS_H
# define OSSL_ASYNC_REGISTERS_H

# include <ucontext.h>

# if defined(__x86_64__) && !defined(__ILP32__) && defined(__ELF__)
#  define OSSL_ASYNC_REGISTERS 1
# elif defined(__aarch64__) && !defined(__ILP32__) && !defined(__AARCH64EB__) && defined(__ELF__)
#  define OSSL_ASYNC_REGISTERS 1
# endif

# ifdef OSSL_ASYNC_REGISTERS
/* Suspends the caller in *from and goes on where to was suspended. Returns 1 when someone switches to *from. */
int ossl_async_registers_switch(void **from, void *to) __attribute__((visibility("hidden")));

/*
 * Suspends the caller in *from and calls go(context), which does not come back if all is well. 1 when someone switches to
 * *from; 0 if go came back.
 */
int ossl_async_registers_enter(void **from, int (*go)(const ucontext_t *), const ucontext_t *context)
    __attribute__((visibility("hidden")));
# endif

#endif
