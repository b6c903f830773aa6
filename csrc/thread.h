/*
 * The calling thread's state: one pointer, the library's only thread-local variable.
 * src/jobs/word.rs says what its values mean.
 */
#ifndef OSSL_ASYNC_THREAD_H
# define OSSL_ASYNC_THREAD_H

/*
 * NULL in a thread for which nothing was set. Where the pointer is initial-exec, signal handlers
 * may call this: it allocates nothing.
 */
void *ossl_async_thread_get(void);
void ossl_async_thread_set(void *state);

#endif
