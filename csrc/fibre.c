/*
 * Makes contexts and switches between them, as OpenSSL's crypto/async/arch/async_posix.[ch] does.
 * Each comment names OpenSSL's function for that step. method.h lists the methods of switching.
 * Without ucontext frame.c has all but the last three functions.
 */

/*
 * The fortified longjmp aborts if the target frame is further up the stack. A frame of another
 * fibre may look so (F5). Compilers of distributions define the macro, so it is changed before any
 * header.
 */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 0
#define _GNU_SOURCE 1
/* macOS declares ucontext only so, and as deprecated. */
#ifdef __APPLE__
# define _XOPEN_SOURCE 700
# pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif

#include "fibre.h"
#include "checkers.h"
#include "method.h"

#ifndef OSSL_ASYNC_FIRST_FRAME

#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

/* ASYNC_is_capable */
int ossl_async_fibre_capable(void)
{
    ucontext_t probe;

    return getcontext(&probe) == 0;
}

const char *ossl_async_switch_method(void)
{
    return MAY_JUMP() ? JUMP_METHOD : "swapcontext";
}

/* async_fibre_makecontext. The caller allocates the stack, and frees it (async_fibre_free). */
static int make_context(ucontext_t *fresh, void *stack, size_t size, void (*entry)(void))
{
#ifdef OSSL_ASYNC_REGISTERS
    if (MAY_JUMP())
        memset(fresh, 0, sizeof(*fresh)); /* makes no system call; a sixth of a new job's time */
    else
#endif
    if (getcontext(fresh) != 0)
        return 0;
    fresh->uc_stack.ss_sp = stack;
    fresh->uc_stack.ss_size = size;
    fresh->uc_link = NULL;
    makecontext(fresh, entry, 0);
    return 1;
}

#ifndef OSSL_ASYNC_REGISTERS
/* async_fibre_swapcontext to a fibre that has not run (env_init is 0). Returns 0 on failure. */
static __attribute__((noinline)) int jump_to_new(void **from, const ucontext_t *fresh)
{
    jmp_buf here;

    *from = &here;
    if (_setjmp(here) != 0)
        return 1;
    setcontext(fresh);
    return 0;
}

/* async_fibre_swapcontext to a fibre that has run (env_init is 1). */
static __attribute__((noinline)) int jump(void **from, void *to)
{
    jmp_buf here;

    *from = &here;
    if (_setjmp(here) == 0)
        _longjmp(*(jmp_buf *)to, 1);
    return 1;
}
#else
# define jump_to_new ossl_async_registers_enter
# define jump ossl_async_registers_switch
#endif

/* async_fibre_swapcontext where USE_SWAPCONTEXT is defined. Returns 0 on failure. */
static __attribute__((noinline)) int swap(void **from, const ucontext_t *to)
{
    ucontext_t here;

    *from = &here;
    return swapcontext(&here, to) == 0;
}

/* The first switch to a fibre. It begins with the caller's signal mask, as it is now (D23). */
int OSSL_ASYNC_UNCHECKED(ossl_async_fibre_enter)(void **from, void *stack, size_t size,
                                                 void (*entry)(void))
{
    ucontext_t fresh;

    if (!make_context(&fresh, stack, size, entry))
        return 0;
    return MAY_JUMP() ? jump_to_new(from, &fresh) : swap(from, &fresh);
}

/* Every later switch to it. */
int OSSL_ASYNC_UNCHECKED(ossl_async_fibre_switch)(void **from, void *to)
{
    if (MAY_JUMP())
        return jump(from, to);
    swap(from, to); /* OpenSSL ignores the result too (F13) */
    return 1;
}

#endif /* OSSL_ASYNC_FIRST_FRAME */

int ossl_async_fibre_leave(void **from, void *to)
{
#ifdef OSSL_ASYNC_PREDICTED
    if (MAY_JUMP())
        return ossl_async_registers_leave(from, to);
#endif
    return ossl_async_fibre_switch(from, to);
}

int ossl_async_fibre_return(int value)
{
#ifdef OSSL_ASYNC_REGISTERS
    if (MAY_JUMP())
        return ossl_async_registers_return(value);
#endif
    return value;
}

/* async_start_func: the base of every fibre. */
void ossl_async_fibre_run(struct ossl_async_work *work, void *const *back)
{
#ifdef OSSL_ASYNC_PREDICTED
    if (MAY_JUMP())
        ossl_async_registers_run(work, back); /* the same, faster */
#endif
    for (;;) {
        work->ret = work->func(work->funcargs);
        ossl_async_fibre_switch(&work->context, *back);
    }
}
