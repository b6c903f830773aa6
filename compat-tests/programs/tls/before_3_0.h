/*
 * What OpenSSL 1.1.1 lacks: callbacks and providers. Without them only the form of the program runs
 * that waits for descriptors, with a key that has a method of its own.
 */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
# include <openssl/params.h>
# include <openssl/provider.h>
#else
# define ASYNC_STATUS_UNSUPPORTED 0
# define ASYNC_STATUS_OK 2
# define ASYNC_STATUS_EAGAIN 3

typedef int (*ASYNC_callback_fn)(void *arg);

static int ASYNC_WAIT_CTX_get_callback(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn *callback, void **arg)
{
    (void)ctx, (void)callback, (void)arg;
    return 0;
}

static int ASYNC_WAIT_CTX_set_status(ASYNC_WAIT_CTX *ctx, int status)
{
    (void)ctx, (void)status;
    return 0;
}

static int SSL_set_async_callback(SSL *ssl, int (*callback)(SSL *, void *))
{
    (void)ssl, (void)callback;
    return 0;
}

static int SSL_set_async_callback_arg(SSL *ssl, void *arg)
{
    (void)ssl, (void)arg;
    return 0;
}

static int SSL_get_async_status(SSL *ssl, int *status)
{
    (void)ssl, (void)status;
    return 0;
}
#endif
