/*
 * Threads that start and finish jobs for a long time: soak THREADS COUNT. Each thread runs COUNT
 * jobs.
 */
#define CASE_SECONDS 1500 /* usually seconds, minutes on a slow machine with a slow way to switch */
#include "cases.h"

static long count;

static void *start_and_finish(void *unused)
{
    long i;

    for (i = 0; i < count; i++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN;

        if (start(&job, &ret, return_one) != ASYNC_FINISH || job != NULL || ret != 1) {
            harness_fail(__FILE__, __LINE__, "a start that finishes with 1");
            break;
        }
    }
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
    return unused;
}

CASE(threads_start_and_finish_jobs_without_an_error, "Rules: B19, P4")
{
    int threads = harness_argc > 2 ? atoi(harness_argv[1]) : 0, before = open_descriptors(), i;
    pthread_t running[64];

    count = harness_argc > 2 ? atol(harness_argv[2]) : 0;
    NEED(threads > 0 && threads <= 64 && count > 0);
    for (i = 0; i < threads; i++)
        NEED(pthread_create(&running[i], NULL, start_and_finish, NULL) == 0);
    for (i = 0; i < threads; i++)
        pthread_join(running[i], NULL);
    CHECK_EQUAL(open_descriptors(), before);
}
