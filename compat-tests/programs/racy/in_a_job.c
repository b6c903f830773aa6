/*
 * A data race between two jobs. ThreadSanitizer must see what jobs do on each thread, and report
 * it.
 */
#define _POSIX_C_SOURCE 200809L
#include <openssl/async.h>
#include <pthread.h>
#include <stddef.h>

static pthread_barrier_t both_have_started;
static int shared;

/*
 * The library's work at a start or an end may order the threads by chance. Here nothing orders
 * them.
 */
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
