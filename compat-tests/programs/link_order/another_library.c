/*
 * Another library of the five-argument API, for programs with plain names. It calls the function
 * at once and never pauses.
 */
#include <openssl/async.h>

int ASYNC_start_job(ASYNC_JOB **job, int *ret, int (*func)(void *), void *args, size_t size)
{
    (void)size;
    *job = NULL;
    *ret = 100 + func(args);
    return ASYNC_FINISH;
}

int ASYNC_pause_job(void)
{
    return 1;
}
