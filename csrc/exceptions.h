/*
 * What the C++ run-time keeps for each thread: the exceptions that are being handled, and how many
 * are in flight. The C++ ABI has a function that returns its address (__cxa_get_globals).
 */
#ifndef OSSL_ASYNC_EXCEPTIONS_H
# define OSSL_ASYNC_EXCEPTIONS_H

typedef void *ossl_async_get_exceptions(void);

/*
 * That function, if the linker or the loader found it for this library; else NULL. The reference is
 * weak, so it links no C++ run-time.
 */
ossl_async_get_exceptions *ossl_async_linked_exceptions(void);

#endif
