/*
 * Contexts are made with makecontext and entered once with setcontext. Every later switch is _setjmp/_longjmp, which
 * unlike swapcontext makes no system call and leaves the signal mask to the thread (F2 to F4, F7). swapcontext does
 * the later switches too where a jump between stacks is not allowed (F12), or when OSSL_ASYNC_SWAPCONTEXT asks for it.
 */

/*
 * The fortified longjmp aborts when the target frame seems to lie further up the stack than the current one, as
 * another fibre's may (F5). Distributions add the macro on the command line, so it has to go before any header.
 */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 0
#define _GNU_SOURCE 1

#include "fibre.h"

#include <setjmp.h>
#include <ucontext.h>

#if defined(OSSL_ASYNC_SWAPCONTEXT) || defined(__ia64__) || defined(__ARM_FEATURE_GCS_DEFAULT) \
    || (defined(__aarch64__) && defined(__clang__) && defined(__ARM_FEATURE_BTI_DEFAULT))
# define JUMPS_ALLOWED() 0
#elif defined(__CET__) && (__CET__ & 2) && defined(__x86_64__)
/*
 * Compiled for shadow stacks, which some compilers always do: whether one is in force is known at run time only.
 * rdsspq leaves its operand alone where there is none.
 */
static int no_shadow_stack(void)
{
    unsigned long pointer = 0;

    __asm__ volatile("rdsspq %0" : "+r"(pointer));
    return pointer == 0;
}
# define JUMPS_ALLOWED() no_shadow_stack()
#else
# define JUMPS_ALLOWED() 1
#endif

int ossl_async_fibre_capable(void)
{
    ucontext_t probe;

    return getcontext(&probe) == 0;
}

int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void))
{
    ucontext_t fresh;

    /* Taken now, not when the stack was made: the fibre begins with the caller's signal mask and rounding mode. */
    if (getcontext(&fresh) != 0)
        return 0;
    fresh.uc_stack.ss_sp = stack;
    fresh.uc_stack.ss_size = size;
    fresh.uc_link = NULL;
    makecontext(&fresh, entry, 0);

    if (JUMPS_ALLOWED()) {
        jmp_buf here;

        *from = &here;
        if (_setjmp(here) != 0)
            return 1;
        setcontext(&fresh);
        return 0;
    } else {
        ucontext_t here;

        *from = &here;
        return swapcontext(&here, &fresh) == 0;
    }
}

/* The two ways are functions of their own so that a fibre suspended by a jump keeps 200 bytes and not 968. */
static __attribute__((noinline)) void jump(void **from, void *to)
{
    jmp_buf here;

    *from = &here;
    if (_setjmp(here) == 0)
        _longjmp(*(jmp_buf *)to, 1);
}

static __attribute__((noinline)) void swap(void **from, void *to)
{
    ucontext_t here;

    *from = &here;
    swapcontext(&here, to);
}

void ossl_async_fibre_switch(void **from, void *to)
{
    if (JUMPS_ALLOWED())
        jump(from, to);
    else
        swap(from, to);
}

const char *ossl_async_fibre_way(void)
{
    return JUMPS_ALLOWED() ? "setjmp" : "swapcontext";
}
