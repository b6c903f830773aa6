/* See checkers.h. */
#include "checkers.h"
#include "fibre.h"

#if defined(__has_include)
# if __has_include(<valgrind/valgrind.h>)
#  include <valgrind/valgrind.h>
# endif
#endif

#ifdef OSSL_ASYNC_ASAN
# include <sanitizer/asan_interface.h>
# include <sanitizer/common_interface_defs.h>
#endif
/*
 * LeakSanitizer does not look into mappings by itself. A program that is compiled for it may use
 * a library that is not, so the linker or loader decides: these are NULL without LeakSanitizer.
 */
#ifdef __ELF__
void __lsan_register_root_region(const void *, size_t) __attribute__((weak));
void __lsan_unregister_root_region(const void *, size_t) __attribute__((weak));
# define LSAN() (__lsan_register_root_region != NULL && __lsan_unregister_root_region != NULL)
#endif
#ifdef OSSL_ASYNC_TSAN
# include <sanitizer/tsan_interface.h>
#endif

int ossl_async_under_valgrind(void)
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return 0;
#endif
}

unsigned ossl_async_job_register(void *stack, size_t stack_size, void *record, size_t record_size)
{
#ifdef LSAN
    /* A paused job's frames, and its record, may hold the only pointer to a block. */
    if (LSAN()) {
        __lsan_register_root_region(stack, stack_size);
        __lsan_register_root_region(record, record_size);
    }
#endif
    (void)record;
    (void)record_size;
#ifdef VALGRIND_STACK_REGISTER
    return VALGRIND_STACK_REGISTER(stack, (char *)stack + stack_size);
#else
    (void)stack;
    (void)stack_size;
    return 0;
#endif
}

void ossl_async_job_deregister(unsigned id, void *stack, size_t stack_size, void *record,
                               size_t record_size)
{
#ifdef LSAN
    if (LSAN()) {
        __lsan_unregister_root_region(stack, stack_size);
        __lsan_unregister_root_region(record, record_size);
    }
#endif
#ifdef OSSL_ASYNC_ASAN
    /* Frames that will never return leave their red zones behind. */
    __asan_unpoison_memory_region(stack, stack_size);
#endif
#ifdef VALGRIND_STACK_DEREGISTER
    VALGRIND_STACK_DEREGISTER(id);
#endif
    (void)id;
    (void)stack;
    (void)stack_size;
    (void)record;
    (void)record_size;
}

#ifndef OSSL_ASYNC_SANITIZED

void ossl_async_fibre_forget(void *context)
{
    (void)context;
}

#else

/*
 * ThreadSanitizer counts calls and returns by fibre; a function that changes the fibre in between
 * must not be counted.
 */
# ifdef __clang__
#  define UNCOUNTED __attribute__((disable_sanitizer_instrumentation, noinline))
# else
#  define UNCOUNTED __attribute__((no_sanitize("thread"), noinline))
# endif

/*
 * The side that the running stack was switched to from. Only after the switch can it learn which
 * stack it was on.
 */
static __thread struct ossl_async_side *left;

/* The caller is about to switch to a new stack. */
static UNCOUNTED void leave_for_new(struct ossl_async_side *here, const void *stack, size_t size)
{
    left = here;
# ifdef OSSL_ASYNC_ASAN
    __sanitizer_start_switch_fiber(&here->fake_stack, stack, size);
# endif
# ifdef OSSL_ASYNC_TSAN
    here->tsan_fibre = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(__tsan_create_fiber(0), 0);
# endif
    (void)stack;
    (void)size;
}

/* The caller is about to switch to a suspended fibre. */
static UNCOUNTED void leave_for(struct ossl_async_side *here, const struct ossl_async_side *there)
{
    left = here;
# ifdef OSSL_ASYNC_ASAN
    __sanitizer_start_switch_fiber(&here->fake_stack, there->stack, there->size);
# endif
# ifdef OSSL_ASYNC_TSAN
    here->tsan_fibre = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(there->tsan_fibre, 0);
# endif
}

/* The caller was switched to: on a new stack (NULL), or in the frame that suspended it. */
static UNCOUNTED void arrive(struct ossl_async_side *here)
{
# ifdef OSSL_ASYNC_ASAN
    __sanitizer_finish_switch_fiber(here == NULL ? NULL : here->fake_stack, &left->stack,
                                    &left->size);
# endif
    (void)here;
}

static void forget(const struct ossl_async_side *side)
{
# ifdef OSSL_ASYNC_ASAN
    /*
     * A fake stack is freed only with a fibre that leaves it for good, so AddressSanitizer is
     * told that we were there.
     */
    void *own;
    const void *stack;
    size_t size;

    __sanitizer_start_switch_fiber(&own, side->stack, side->size);
    __sanitizer_finish_switch_fiber(side->fake_stack, &stack, &size);
    __sanitizer_start_switch_fiber(NULL, stack, size);
    __sanitizer_finish_switch_fiber(own, NULL, NULL);
# endif
# ifdef OSSL_ASYNC_TSAN
    __tsan_destroy_fiber(side->tsan_fibre);
# endif
    (void)side;
}

/* The caller could not switch after all. */
static UNCOUNTED void stay(struct ossl_async_side *here)
{
    struct ossl_async_side other;

    arrive(NULL);
    leave_for(&other, here);
    arrive(here);
    forget(&other);
}

static __thread void (*next_entry)(void);

static void arrive_and_enter(void)
{
    arrive(NULL);
    next_entry();
}

int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void))
{
    struct ossl_async_side here;

    next_entry = entry;
    *from = &here;
    leave_for_new(&here, stack, size);
    if (!ossl_async_fibre_enter_unchecked(&here.context, stack, size, arrive_and_enter)) {
        stay(&here);
        return 0;
    }
    arrive(&here);
    return 1;
}

int ossl_async_fibre_switch(void **from, void *to)
{
    struct ossl_async_side here, *there = to;

    *from = &here;
    leave_for(&here, there);
    ossl_async_fibre_switch_unchecked(&here.context, there->context);
    arrive(&here);
    return 1;
}

void ossl_async_fibre_forget(void *context)
{
    if (context != NULL)
        forget(context);
}

#endif
