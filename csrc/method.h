/*
 * Which method fibre.c and frame.c switch by; nothing else includes this. OpenSSL's async_posix.h
 * chooses likewise, by USE_SWAPCONTEXT.
 *
 *                 first entry    later switches
 *   setjmp        setcontext     _setjmp, _longjmp    OpenSSL's own
 *   registers     registers.h    registers.h          faster; x86-64, aarch64, riscv64 on Linux
 *   swapcontext   swapcontext    swapcontext          where no jump is allowed (F12, F14)
 *
 * A build uses registers if it can, then setjmp. OSSL_ASYNC_SETJMP or OSSL_ASYNC_SWAPCONTEXT on
 * the command line asks for another method.
 *
 * Only swapcontext makes system calls in later switches. It keeps a signal mask and floating-point
 * modes for each fibre. With the other methods both belong to the thread (F4, F7, F13, F20).
 */
#ifndef OSSL_ASYNC_METHOD_H
# define OSSL_ASYNC_METHOD_H

# include "registers.h"

/* MAY_JUMP: whether a jump between stacks is allowed. If not, the method is swapcontext. */
# if defined(OSSL_ASYNC_SWAPCONTEXT) || defined(__ia64__) || defined(__ARM_FEATURE_GCS_DEFAULT)
#  define MAY_JUMP() 0
# elif !defined(OSSL_ASYNC_REGISTERS) && defined(__aarch64__) && defined(__clang__) \
    && defined(__ARM_FEATURE_BTI_DEFAULT)
#  define MAY_JUMP() 0 /* clang makes no landing pad after setjmp */
# elif defined(__x86_64__) && defined(__CET__) && (__CET__ & 2)
/*
 * Compiled for shadow stacks, as some compilers always do. Whether there is one is known only at
 * run time.
 */
static inline int no_shadow_stack(void)
{
    unsigned long pointer = 0;

    __asm__ volatile("rdsspq %0" : "+r"(pointer)); /* without one it does nothing */
    return pointer == 0;
}
#  define MAY_JUMP() no_shadow_stack()
# else
#  define MAY_JUMP() 1
# endif

/* The method where a jump is allowed. */
# ifdef OSSL_ASYNC_REGISTERS
#  define JUMP_METHOD "registers"
# else
#  define JUMP_METHOD "setjmp"
# endif

#endif
