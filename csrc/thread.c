/*
 * See thread.h. OSSL_ASYNC_INITIAL_EXEC is for the C library with glibc: the address is known
 * when the library is loaded, so that reading it calls nothing. In other models the first access
 * of a thread may allocate, which a signal handler that interrupted malloc would wait for, for
 * ever.
 *
 * Initial-exec takes a library's whole thread-local segment out of a surplus of some 1,600 bytes
 * that glibc keeps for libraries loaded later. That is why everything else lies behind the
 * pointer. musl refuses to load such a library later.
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
