/*
 * The calling thread's state: one pointer, which is all that the library has of thread-local
 * storage. src/jobs/word.rs decides what it points to, and what it is otherwise.
 */
#ifndef OSSL_ASYNC_THREAD_H
# define OSSL_ASYNC_THREAD_H

/*
 * NULL in a thread for which nothing was set. Where the pointer is initial-exec, signal handlers
 * may ask: it allocates nothing.
 */
void *ossl_async_thread_get(void);
void ossl_async_thread_set(void *state);

#endif
