/*
 * What the C++ run-time keeps by thread: the exceptions that are being handled, and how many are
 * in flight. The C++ ABI has a function that says where (__cxa_get_globals).
 */
#ifndef OSSL_ASYNC_EXCEPTIONS_H
# define OSSL_ASYNC_EXCEPTIONS_H

typedef void *ossl_async_get_exceptions(void);

/*
 * That function, where the linker or the loader saw it when it joined the library with the rest;
 * else NULL. Never pulls it in.
 */
ossl_async_get_exceptions *ossl_async_linked_exceptions(void);

#endif
