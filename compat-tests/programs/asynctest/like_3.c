/* A program in the style of OpenSSL's test program since 3.0, for the test of `asynctest`. */
#include <stdio.h>
#include <openssl/async.h>
#include <openssl/crypto.h>

static int change_context(void *inner)
{
    OSSL_LIB_CTX *outer = OSSL_LIB_CTX_set0_default(*(OSSL_LIB_CTX **)inner);

    ASYNC_pause_job();
    return OSSL_LIB_CTX_set0_default(outer) == *(OSSL_LIB_CTX **)inner ? 6 : 0;
}

static int test_ASYNC_init_thread(void)
{
    int refused = ASYNC_init_thread(1, 2);

    ASYNC_cleanup_thread();
    return !refused;
}

static int test_ASYNC_start_job_ex(void)
{
    OSSL_LIB_CTX *mine = OSSL_LIB_CTX_new(), *before = OSSL_LIB_CTX_set0_default(NULL);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = 0, well;

    well = ASYNC_start_job(&job, ctx, &ret, change_context, &mine, sizeof(mine)) == ASYNC_PAUSE
           && OSSL_LIB_CTX_set0_default(NULL) == before
           && ASYNC_start_job(&job, ctx, &ret, change_context, &mine, sizeof(mine)) == ASYNC_FINISH && ret == 6;
    if (!well)
        fprintf(stderr, "test_ASYNC_start_job_ex() failed\n");
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
    OSSL_LIB_CTX_free(mine);
    return well;
}

int main(void)
{
    if (!ASYNC_is_capable()) {
        fprintf(stderr, "OpenSSL build is not ASYNC capable - skipping async tests\n");
    } else {
        if (!test_ASYNC_init_thread() || !test_ASYNC_start_job_ex())
            return 1;
    }
    printf("PASS\n");
    return 0;
}
