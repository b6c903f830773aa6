/*
 * See thread.h. OSSL_ASYNC_INITIAL_EXEC is defined for the C library with glibc. The variable's
 * address is then known when the library is loaded, so reading it calls no function. With other
 * models a thread's first access may allocate. A signal handler that interrupted malloc would wait
 * for ever there.
 *
 * With initial-exec a library that is loaded later takes its whole thread-local segment from a
 * reserve of some 1,600 bytes in glibc. So this variable is only a pointer, and everything else is
 * behind it. musl refuses to load such a library later.
 */
#include "thread.h"

#ifdef OSSL_ASYNC_INITIAL_EXEC
# define MODEL __attribute__((tls_model("initial-exec")))
#else
# define MODEL
#endif

static __thread void *MODEL thread_state;

void *ossl_async_thread_get(void)
{
    return thread_state;
}

void ossl_async_thread_set(void *state)
{
    thread_state = state;
}
