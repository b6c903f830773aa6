/* A data race between two jobs, for ThreadSanitizer to find: it must see what jobs do, and that threads differ. */
#define _POSIX_C_SOURCE 200809L
#include <openssl/async.h>
#include <pthread.h>
#include <stddef.h>

static pthread_barrier_t both_have_started;
static int shared;

/* What the library does at a start, or at an end, may order the threads by chance; here nothing does. */
static int add_and_pause(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&both_have_started);
    shared++;
    ASYNC_pause_job();
    return 1;
}

static void *run_a_job(void *unused)
{
    ASYNC_JOB *job = NULL;
    int ret;

    while (ASYNC_start_job(&job, &ret, add_and_pause, NULL, 0) == ASYNC_PAUSE)
        ;
    return unused;
}

int main(void)
{
    pthread_t other;

    if (pthread_barrier_init(&both_have_started, NULL, 2) != 0 || pthread_create(&other, NULL, run_a_job, NULL) != 0)
        return 1;
    run_a_job(NULL);
    pthread_join(other, NULL);
    return 0;
}
