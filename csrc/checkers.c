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
 * LeakSanitizer does not search mappings unless it is told to. A program may be compiled for it and
 * use a library that is not. So the linker or loader decides: without LeakSanitizer these are NULL.
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
    /* The red zones of frames that never return are still there. */
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
 * ThreadSanitizer counts calls and returns for each fibre. A function that changes the fibre
 * between its call and its return must not be counted.
 */
# ifdef __clang__
#  define UNCOUNTED __attribute__((disable_sanitizer_instrumentation, noinline))
# else
#  define UNCOUNTED __attribute__((no_sanitize("thread"), noinline))
# endif

/*
 * The side that was left for the running stack. AddressSanitizer says only after the switch what
 * that side's stack was.
 */
static __thread struct ossl_async_side *switched_from;

/* The caller is about to switch to a new stack. */
static UNCOUNTED void leave_for_new(struct ossl_async_side *here, const void *stack, size_t size)
{
    switched_from = here;
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
    switched_from = here;
# ifdef OSSL_ASYNC_ASAN
    __sanitizer_start_switch_fiber(&here->fake_stack, there->stack, there->size);
# endif
# ifdef OSSL_ASYNC_TSAN
    here->tsan_fibre = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(there->tsan_fibre, 0);
# endif
}

/*
 * The caller has just been switched to: on a new stack (here is NULL), or in the frame that
 * suspended it.
 */
static UNCOUNTED void arrive(struct ossl_async_side *here)
{
# ifdef OSSL_ASYNC_ASAN
    __sanitizer_finish_switch_fiber(here == NULL ? NULL : here->fake_stack, &switched_from->stack,
                                    &switched_from->size);
# endif
    (void)here;
}

static void forget(const struct ossl_async_side *side)
{
# ifdef OSSL_ASYNC_ASAN
    /*
     * AddressSanitizer frees a fake stack only when its fibre leaves it for ever. So tell it that
     * the thread switches to this fibre and leaves it for ever.
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

/* The switch failed: the caller is still running. */
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
