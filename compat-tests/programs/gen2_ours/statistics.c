/* The library's own counts, for the thread and for the process. */
#include "second.h"

/* The jobs that exist: made, idle, running, paused, abandoned. */
#define CHECK_JOBS(STATS, CREATED, IDLE, RUNNING, PAUSED, ABANDONED)                                                  \
    do {                                                                                                              \
        CHECK_EQUAL((STATS).jobs_created, CREATED);                                                                   \
        CHECK_EQUAL((STATS).jobs_idle, IDLE);                                                                         \
        CHECK_EQUAL((STATS).jobs_running, RUNNING);                                                                   \
        CHECK_EQUAL((STATS).jobs_paused, PAUSED);                                                                     \
        CHECK_EQUAL((STATS).jobs_abandoned, ABANDONED);                                                               \
    } while (0)

/* The events: starts, pauses, resumes, finishes, refusals. */
#define CHECK_EVENTS(STATS, STARTS, PAUSES, RESUMES, FINISHES, REFUSALS)                                              \
    do {                                                                                                              \
        CHECK_EQUAL((STATS).starts, STARTS);                                                                          \
        CHECK_EQUAL((STATS).pauses, PAUSES);                                                                          \
        CHECK_EQUAL((STATS).resumes, RESUMES);                                                                        \
        CHECK_EQUAL((STATS).finishes, FINISHES);                                                                      \
        CHECK_EQUAL((STATS).refusals, REFUSALS);                                                                      \
    } while (0)

CASE(a_fresh_process_has_done_nothing, "Header: async.h, statistics")
{
    OSSL_ASYNC_STATS thread = thread_stats(), process = process_stats();

    CHECK_JOBS(thread, 0, 0, 0, 0, 0);
    CHECK_EVENTS(thread, 0, 0, 0, 0, 0);
    CHECK_EQUAL(thread.stack_bytes, 0);
    CHECK(memcmp(&thread, &process, sizeof(thread)) == 0);
    CHECK_EQUAL(only_error(), 0);
}

CASE(statistics_need_a_place_and_write_no_more_than_it_holds, "Header: async.h, statistics")
{
    unsigned char room[sizeof(OSSL_ASYNC_STATS) + 64];
    size_t size, i;

    CHECK_EQUAL(OSSL_ASYNC_thread_stats(NULL, sizeof(OSSL_ASYNC_STATS)), 0);
    CHECK_EQUAL(OSSL_ASYNC_process_stats(NULL, 0), 0);
    for (size = 0; size <= sizeof(room); size++) {
        size_t written = size < sizeof(OSSL_ASYNC_STATS) ? size : sizeof(OSSL_ASYNC_STATS);

        memset(room, 0xaa, sizeof(room));
        CHECK_EQUAL(OSSL_ASYNC_thread_stats((OSSL_ASYNC_STATS *)(void *)room, size), 1);
        for (i = 0; i < sizeof(room); i++)
            CHECK_EQUAL(room[i], i < written ? 0 : 0xaa);
        memset(room, 0xaa, sizeof(room));
        CHECK_EQUAL(OSSL_ASYNC_process_stats((OSSL_ASYNC_STATS *)(void *)room, size), 1);
        for (i = 0; i < sizeof(room); i++)
            CHECK_EQUAL(room[i], i < written ? 0 : 0xaa);
    }
    CHECK_EQUAL(only_error(), 0);
}

static int look_inside(void *unused)
{
    OSSL_ASYNC_STATS stats = thread_stats();

    (void)unused;
    CHECK_JOBS(stats, 3, 2, 1, 0, 0);
    CHECK_EVENTS(stats, 1, 0, 0, 0, 0);
    ASYNC_block_pause();
    ASYNC_pause_job(); /* is skipped and does not count */
    ASYNC_unblock_pause();
    ASYNC_pause_job();
    stats = thread_stats();
    CHECK_JOBS(stats, 3, 2, 1, 0, 0);
    CHECK_EVENTS(stats, 1, 1, 1, 0, 0);
    return 1;
}

CASE(every_step_of_a_job_is_counted, "Header: async.h, statistics")
{
    OSSL_ASYNC_STATS stats;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    size_t of_one;

    CHECK_EQUAL(ASYNC_init_thread(3, 3), 1);
    stats = thread_stats();
    CHECK_JOBS(stats, 3, 3, 0, 0, 0);
    CHECK_EVENTS(stats, 0, 0, 0, 0, 0);
    of_one = stats.stack_bytes / 3;
    CHECK_EQUAL(of_one * 3, stats.stack_bytes);
    CHECK(of_one >= 32768);

    CHECK_EQUAL(go(&job, NULL, &ret, look_inside), ASYNC_PAUSE);
    stats = thread_stats();
    CHECK_JOBS(stats, 3, 2, 0, 1, 0);
    CHECK_EVENTS(stats, 1, 1, 0, 0, 0);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    stats = thread_stats();
    CHECK_JOBS(stats, 3, 3, 0, 0, 0);
    CHECK_EVENTS(stats, 1, 1, 1, 1, 0);

    /* Both generations are counted in the same way. */
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_PAUSE);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    stats = thread_stats();
    CHECK_JOBS(stats, 3, 3, 0, 0, 0);
    CHECK_EVENTS(stats, 2, 3, 3, 2, 0);
    CHECK_EQUAL(stats.stack_bytes, 3 * of_one);

    ASYNC_cleanup_thread();
    stats = thread_stats();
    CHECK_JOBS(stats, 3, 0, 0, 0, 0);
    CHECK_EVENTS(stats, 2, 3, 3, 2, 0);
    CHECK_EQUAL(stats.stack_bytes, 0);
}

static int misuse_inside(void *unused)
{
    ASYNC_JOB *job = NULL;
    int ret;

    (void)unused;
    CHECK_EQUAL(go(&job, NULL, &ret, return_one), ASYNC_ERR);
    ASYNC_cleanup_thread();
    return 1;
}

/* Misuse is counted. A full pool, an invalid size and missing memory are not. */
CASE(refusals_are_counted, "Header: async.h, statistics")
{
    ASYNC_JOB *job = NULL, *stale, *none = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    CHECK_EQUAL(ASYNC_init_thread(1, 0), 1);
    CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
    stale = job;
    CHECK_EQUAL(go(&none, NULL, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ASYNC_init_thread(1, 2), 0);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, &ret, return_one, &byte, TOO_MANY_BYTES), ASYNC_ERR);
    CHECK_EVENTS(thread_stats(), 1, 1, 1, 1, 0);

    CHECK_EQUAL(go(&stale, NULL, &ret, NULL), ASYNC_ERR);
    CHECK_EQUAL(thread_stats().refusals, 1);
    CHECK_EQUAL(ASYNC_start_job(NULL, NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_ERR);
    CHECK_EQUAL(thread_stats().refusals, 3);
    CHECK_EQUAL(go(&job, NULL, &ret, misuse_inside), ASYNC_FINISH);
    CHECK_EVENTS(thread_stats(), 2, 1, 1, 2, 5);
    ASYNC_cleanup_thread();
    ERR_clear_error();
}

static void *leave_two_paused(void *unused)
{
    ASYNC_JOB *jobs[3] = {NULL, NULL, NULL};
    int ret = UNWRITTEN, i;

    for (i = 0; i < 3; i++)
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&jobs[1], NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_JOBS(thread_stats(), 3, 1, 0, 2, 0);
    return unused;
}

/* Idle jobs are freed, paused ones are abandoned. This thread's own counts do not change. */
CASE(jobs_that_a_thread_leaves_paused_are_counted_as_abandoned, "Header: async.h, statistics; Rules: D15, G6")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    size_t of_one;

    CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
    of_one = thread_stats().stack_bytes;
    on_thread(leave_two_paused, NULL);
    CHECK_JOBS(thread_stats(), 1, 0, 0, 1, 0);
    CHECK_EVENTS(thread_stats(), 1, 1, 0, 0, 0);
    CHECK_JOBS(process_stats(), 4, 0, 0, 1, 2);
    CHECK_EVENTS(process_stats(), 4, 4, 1, 1, 0);
    CHECK_EQUAL(process_stats().stack_bytes, 3 * of_one);
    on_thread(leave_two_paused, NULL);
    CHECK_JOBS(process_stats(), 7, 0, 0, 1, 4);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    ASYNC_cleanup_thread();
    CHECK_JOBS(process_stats(), 7, 0, 0, 0, 4);
    CHECK_EQUAL(process_stats().stack_bytes, 4 * of_one);
}

/*
 * Jobs outlive their pool: they are neither idle nor gone, but paused, and are freed when they
 * end.
 */
CASE(jobs_without_a_pool_are_still_counted, "Header: async.h, statistics; Rules: D2, D3")
{
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&other, NULL, &ret, pause_once), ASYNC_PAUSE);
    ASYNC_cleanup_thread();
    CHECK_JOBS(thread_stats(), 2, 0, 0, 2, 0);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_JOBS(thread_stats(), 2, 0, 0, 1, 0);
    CHECK_EQUAL(ASYNC_init_thread(2, 2), 1);
    CHECK_JOBS(thread_stats(), 4, 2, 0, 1, 0);
    CHECK_EQUAL(go(&other, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_JOBS(thread_stats(), 4, 2, 0, 0, 0);
    ASYNC_cleanup_thread();
    CHECK_JOBS(thread_stats(), 4, 0, 0, 0, 0);
    CHECK_EQUAL(thread_stats().stack_bytes, 0);
}

static void *count_many(void *unused)
{
    int ret = UNWRITTEN, i;

    for (i = 0; i < 1000; i++) {
        ASYNC_JOB *job = NULL;

        CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
        CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    }
    CHECK_EVENTS(thread_stats(), 1000, 1000, 1000, 1000, 0);
    return unused;
}

CASE(the_process_has_the_sum_of_its_threads, "Header: async.h, statistics")
{
    pthread_t threads[4];
    int i;

    for (i = 0; i < 4; i++)
        NEED(pthread_create(&threads[i], NULL, count_many, NULL) == 0);
    for (i = 0; i < 100; i++) {
        OSSL_ASYNC_STATS stats = process_stats();

        CHECK(stats.starts <= 4000 && stats.finishes <= 4000 && stats.jobs_created <= 4);
    }
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EVENTS(process_stats(), 4000, 4000, 4000, 4000, 0);
    CHECK_EQUAL(process_stats().jobs_idle, 0);
    CHECK_EQUAL(process_stats().jobs_paused, 0);
    CHECK_EQUAL(process_stats().stack_bytes, 0);
}
