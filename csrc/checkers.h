/*
 * What checkers want to know: valgrind and LeakSanitizer where stacks are, AddressSanitizer and ThreadSanitizer when a
 * thread goes from one stack to another. In a build without them all of this is nothing.
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

/* Whether the process runs under valgrind, as far as this build can tell: with valgrind's header. */
int ossl_async_under_valgrind(void);

/*
 * A job exists from now on, with this stack and record; the answer is what the other call wants, 0 where nobody asks.
 */
unsigned ossl_async_job_register(void *stack, size_t stack_size, void *record, size_t record_size);
void ossl_async_job_deregister(unsigned id, void *stack, size_t stack_size, void *record, size_t record_size);

# ifdef OSSL_ASYNC_SANITIZED
/* A suspended fibre as a sanitizer sees it: what the fibre layer keeps in the frame that suspended it. */
struct ossl_async_side {
    void *context;              /* the fibre layer's own */
    const void *stack;          /* its stack's low end and size; set by whoever comes next */
    size_t size;
    void *fake_stack;
    void *tsan_fibre;
};

/* The caller is about to leave for another stack: a new one, or the one of a suspended fibre. */
void ossl_async_leave_for_new(struct ossl_async_side *here, const void *stack, size_t size);
void ossl_async_leave_for(struct ossl_async_side *here, const struct ossl_async_side *there);
/* The caller has arrived: on a new stack (NULL), or back in the frame that suspended it. */
void ossl_async_arrive(struct ossl_async_side *here);
/* The caller could not leave after all. */
void ossl_async_stay(struct ossl_async_side *here);
/* Nobody will go on with this fibre. */
void ossl_async_forget_side(const struct ossl_async_side *side);
# endif

#endif
