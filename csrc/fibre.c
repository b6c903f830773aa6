/*
 * Contexts are made with makecontext and entered once; after that a fibre is suspended and gone on with. There are three
 * ways to do both, and a switch of the first two makes no system call and does not touch the signal mask (F2 to F4, F7):
 *
 *                 entered by     switched by
 *   registers     registers      registers              x86-64 and aarch64 with glibc: registers.h. The default there.
 *   setjmp        setcontext     _setjmp, _longjmp      OpenSSL's way. The default elsewhere; on request: OSSL_ASYNC_SETJMP.
 *   swapcontext   swapcontext    swapcontext            Where no jump between stacks is allowed (F12); on request:
 *                                                       OSSL_ASYNC_SWAPCONTEXT.
 */

/*
 * The fortified longjmp aborts when the target frame seems to lie further up the stack than the current one, as
 * another fibre's may (F5). Distributions add the macro on the command line, so it has to go before any header.
 */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 0
#define _GNU_SOURCE 1

#include "fibre.h"
#include "checkers.h"
#include "registers.h"

#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

#if defined(OSSL_ASYNC_REGISTERS) && !defined(OSSL_ASYNC_SETJMP)
# define JUMPS "registers"
# define JUMPS_COMPILE 1
#else
# define JUMPS "setjmp"
/* clang leaves no landing pad after setjmp for BTI. */
# if defined(__aarch64__) && defined(__clang__) && defined(__ARM_FEATURE_BTI_DEFAULT)
#  define JUMPS_COMPILE 0
# else
#  define JUMPS_COMPILE 1
# endif
#endif

#if !JUMPS_COMPILE || defined(OSSL_ASYNC_SWAPCONTEXT) || defined(__ia64__) || defined(__ARM_FEATURE_GCS_DEFAULT)
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

const char *ossl_async_switch_method(void)
{
    return JUMPS_ALLOWED() ? JUMPS : "swapcontext";
}

/* Each way as two functions, so that a fibre keeps only what its way needs: 64, 200 or 968 bytes. */
#if defined(OSSL_ASYNC_REGISTERS) && !defined(OSSL_ASYNC_SETJMP)
# define jump ossl_async_registers_switch
# define jump_in ossl_async_registers_enter
/* Registers are all that is taken from a context, and makecontext sets those itself. */
# define JUMPS_INTO_MADE_REGISTERS 1
#else
# define JUMPS_INTO_MADE_REGISTERS 0
static __attribute__((noinline)) int jump(void **from, void *to)
{
    jmp_buf here;

    *from = &here;
    if (_setjmp(here) == 0)
        _longjmp(*(jmp_buf *)to, 1);
    return 1;
}

static __attribute__((noinline)) int jump_in(void **from, const ucontext_t *fresh)
{
    jmp_buf here;

    *from = &here;
    if (_setjmp(here) != 0)
        return 1;
    setcontext(fresh);
    return 0;
}
#endif

static __attribute__((noinline)) int swap(void **from, void *to)
{
    ucontext_t here;

    *from = &here;
    swapcontext(&here, to);
    return 1;
}

static __attribute__((noinline)) int swap_in(void **from, const ucontext_t *fresh)
{
    ucontext_t here;

    *from = &here;
    return swapcontext(&here, fresh) == 0;
}

static int make(ucontext_t *fresh, void *stack, size_t size, void (*entry)(void))
{
    /*
     * Taken now, not when the stack was made: the fibre begins with the caller's signal mask and rounding mode. Where it is
     * jumped into by registers it keeps them, and the two system calls that read and set the mask are a sixth of a new job.
     */
    if (JUMPS_INTO_MADE_REGISTERS && JUMPS_ALLOWED())
        memset(fresh, 0, sizeof(*fresh));
    else if (getcontext(fresh) != 0)
        return 0;
    fresh->uc_stack.ss_sp = stack;
    fresh->uc_stack.ss_size = size;
    fresh->uc_link = NULL;
    makecontext(fresh, entry, 0);
    return 1;
}

void ossl_async_fibre_run(struct ossl_async_work *work, void *const *back)
{
#if defined(OSSL_ASYNC_REGISTERS_RUN) && !defined(OSSL_ASYNC_SETJMP) && !defined(OSSL_ASYNC_SANITIZED)
    if (JUMPS_ALLOWED())
        ossl_async_registers_run(work, back);
#endif
    for (;;) {
        work->result = work->function(work->argument);
        ossl_async_fibre_switch(&work->context, *back);
    }
}

#ifndef OSSL_ASYNC_SANITIZED

int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void))
{
    ucontext_t fresh;

    if (!make(&fresh, stack, size, entry))
        return 0;
    return JUMPS_ALLOWED() ? jump_in(from, &fresh) : swap_in(from, &fresh);
}

int ossl_async_fibre_switch(void **from, void *to)
{
    return JUMPS_ALLOWED() ? jump(from, to) : swap(from, to);
}

void ossl_async_fibre_forget(void *context)
{
    (void)context;
}

#else /* The same, and the sanitizer is told. */

static __thread void (*next_entry)(void);

static void arrive_and_go(void)
{
    ossl_async_arrive(NULL);
    next_entry();
}

int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void))
{
    struct ossl_async_side here;
    ucontext_t fresh;

    if (!make(&fresh, stack, size, arrive_and_go))
        return 0;
    next_entry = entry;
    *from = &here;
    ossl_async_leave_for_new(&here, stack, size);
    if (!(JUMPS_ALLOWED() ? jump_in(&here.context, &fresh) : swap_in(&here.context, &fresh))) {
        ossl_async_stay(&here);
        return 0;
    }
    ossl_async_arrive(&here);
    return 1;
}

int ossl_async_fibre_switch(void **from, void *to)
{
    struct ossl_async_side here, *there = to;

    *from = &here;
    ossl_async_leave_for(&here, there);
    if (JUMPS_ALLOWED())
        jump(&here.context, there->context);
    else
        swap(&here.context, there->context);
    ossl_async_arrive(&here);
    return 1;
}

void ossl_async_fibre_forget(void *context)
{
    if (context != NULL)
        ossl_async_forget_side(context);
}

#endif
