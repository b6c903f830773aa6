/* C code of a Rust program: the API of OpenSSL 1.1.0 and later. */
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

int doubles(void *number);
int runs_a_job_with_context(int number);

int runs_a_job_with_context(int number)
{
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int ret = -1, starts;

    for (starts = 0; starts < 2; ++starts)
        if (ASYNC_start_job(&job, ctx, &ret, doubles, &number, sizeof(number))
            != (starts == 0 ? ASYNC_PAUSE : ASYNC_FINISH))
            return -1;
    ASYNC_WAIT_CTX_free(ctx);
    return ret;
}
