/*
 * A stand-in for the libcrypto of a system with musl: built without jobs, it has the functions and
 * results of OpenSSL's null implementation (F16). A counter tells whether they are called.
 */
#include <stddef.h>

int null_libcrypto_calls;

struct wait_ctx {
    int unused;
};

int ASYNC_is_capable(void)
{
    null_libcrypto_calls++;
    return 0;
}

int ASYNC_start_job(void **job, struct wait_ctx *ctx, int *ret, int (*func)(void *), void *args, size_t size)
{
    (void)job, (void)ctx, (void)ret, (void)func, (void)args, (void)size;
    null_libcrypto_calls++;
    return 1; /* ASYNC_NO_JOBS */
}

int ASYNC_pause_job(void)
{
    null_libcrypto_calls++;
    return 1;
}

void *ASYNC_get_current_job(void)
{
    null_libcrypto_calls++;
    return NULL;
}

struct wait_ctx *ASYNC_WAIT_CTX_new(void)
{
    static struct wait_ctx only;

    null_libcrypto_calls++;
    return &only;
}

void ASYNC_WAIT_CTX_free(struct wait_ctx *ctx)
{
    (void)ctx;
    null_libcrypto_calls++;
}
