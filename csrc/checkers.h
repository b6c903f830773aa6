/*
 * Tells checkers what they need. valgrind and LeakSanitizer: where stacks are. AddressSanitizer and
 * ThreadSanitizer: when a thread switches stacks. fibre.c depends on this file only for the names
 * of two functions.
 */
#ifndef OSSL_ASYNC_CHECKERS_H
# define OSSL_ASYNC_CHECKERS_H

# include <stddef.h>

# ifdef __has_feature
#  define OSSL_ASYNC_FEATURE(name) __has_feature(name)
# else
#  define OSSL_ASYNC_FEATURE(name) 0
# endif
# if defined(__SANITIZE_ADDRESS__) || OSSL_ASYNC_FEATURE(address_sanitizer)
#  define OSSL_ASYNC_ASAN 1
# endif
# if defined(__SANITIZE_THREAD__) || OSSL_ASYNC_FEATURE(thread_sanitizer)
#  define OSSL_ASYNC_TSAN 1
# endif
# if defined(OSSL_ASYNC_ASAN) || defined(OSSL_ASYNC_TSAN)
#  define OSSL_ASYNC_SANITIZED 1
# endif

/*
 * 1 if the process runs under valgrind, else 0. Always 0 if the build did not find valgrind's
 * header.
 */
int ossl_async_under_valgrind(void);

/* Registers a job's stack and record. Returns the id for the other call. */
unsigned ossl_async_job_register(void *stack, size_t stack_size, void *record, size_t record_size);
void ossl_async_job_deregister(unsigned id, void *stack, size_t stack_size, void *record,
                               size_t record_size);

/*
 * The fibre that is suspended in context will never be resumed. NULL has no effect. This is part of
 * async_fibre_free.
 */
void ossl_async_fibre_forget(void *context);

/*
 * In a build for a sanitizer, checkers.c defines ossl_async_fibre_enter and
 * ossl_async_fibre_switch. They tell the sanitizer about the switch and call the functions of
 * fibre.c, which have other names there.
 */
# ifdef OSSL_ASYNC_SANITIZED
#  define OSSL_ASYNC_UNCHECKED(function) function##_unchecked
int ossl_async_fibre_enter_unchecked(void **from, void *stack, size_t size, void (*entry)(void));
int ossl_async_fibre_switch_unchecked(void **from, void *to);

/*
 * What these two save of a suspended fibre: its context, and what the sanitizer needs when the
 * fibre is resumed.
 */
struct ossl_async_side {
    void *context;              /* where fibre.c suspended it */
    const void *stack;          /* its stack's low end and size; set by the fibre that runs next */
    size_t size;
    void *fake_stack;
    void *tsan_fibre;
};
# else
#  define OSSL_ASYNC_UNCHECKED(function) function
# endif

#endif
