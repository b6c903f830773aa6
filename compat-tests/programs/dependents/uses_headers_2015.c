/* C code of a Rust program: the API of 2015, and the error queue for programs without OpenSSL. */
#include <openssl/async.h>
#include <openssl/err.h>

int doubles(void *number);
int runs_a_job(int number);
unsigned long makes_a_mistake(void);

int doubles(void *number)
{
    if (ASYNC_get_current_job() == NULL || ASYNC_pause_job() != 1)
        return -1;
    return 2 * *(int *)number;
}

int runs_a_job(int number)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    if (ASYNC_start_job(&job, &ret, doubles, &number, sizeof(number)) != ASYNC_PAUSE)
        return -1;
    if (ASYNC_get_wait_fd(job) < 0)
        return -2;
    if (ASYNC_start_job(&job, &ret, doubles, &number, sizeof(number)) != ASYNC_FINISH)
        return -3;
    return ret;
}

unsigned long makes_a_mistake(void)
{
    return ASYNC_init_pool(1, 2) == 0 ? ERR_get_error() : 0;
}
