/* The cases of OpenSSL's own test program of 2015 (T1 to T5), in our own code. */
#include "cases.h"

static int counter;
static ASYNC_JOB *seen;

static int add_two(void *unused)
{
    (void)unused;
    counter++;
    ASYNC_pause_job();
    counter++;
    return 2;
}

static int note_current(void *unused)
{
    (void)unused;
    seen = ASYNC_get_current_job();
    ASYNC_pause_job();
    return 1;
}

static int signal_itself(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    ASYNC_wake(ASYNC_get_current_job());
    ASYNC_pause_job();
    ASYNC_clear_wake(ASYNC_get_current_job());
    return 1;
}

static int pause_around_a_block(void *unused)
{
    (void)unused;
    counter = 1;
    ASYNC_block_pause();
    ASYNC_pause_job();
    ASYNC_unblock_pause();
    counter = 2;
    ASYNC_pause_job();
    counter = 3;
    return 1;
}

CASE(a_pool_of_two_holds_two_paused_jobs_and_reuses_a_freed_place, "Rules: T1, P3")
{
    ASYNC_JOB *first, *second, *third;

    CHECK_EQUAL(ASYNC_init_pool(2, 0), 1);
    CHECK_PAUSES(first);
    CHECK_PAUSES(second);
    CHECK_NO_JOBS();
    CHECK_FINISHES(first);
    CHECK_PAUSES(third);
    CHECK_FINISHES(second);
    CHECK_FINISHES(third);
    ASYNC_free_pool();
}

CASE(a_job_runs_to_its_pause_and_then_to_its_end, "Rules: T2")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, add_two), ASYNC_PAUSE);
    CHECK_EQUAL(counter, 1);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, add_two, NULL, 0), ASYNC_FINISH);
    CHECK_EQUAL(counter, 2);
    CHECK_EQUAL(ret, 2);
    ASYNC_free_pool();
}

CASE(the_job_sees_the_handle_its_caller_gets, "Rules: T3, B30")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, note_current), ASYNC_PAUSE);
    CHECK(seen != NULL);
    CHECK(seen == job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(the_wait_fd_follows_wake_and_clear_on_both_sides, "Rules: T4, B37")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, fd;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, signal_itself), ASYNC_PAUSE);
    fd = ASYNC_get_wait_fd(job);
    CHECK(fd >= 0);
    CHECK(!readable(fd));
    /* Another function on purpose, because a resume ignores it. */
    CHECK_EQUAL(start(&job, &ret, add_two), ASYNC_PAUSE);
    CHECK(readable(fd));
    ASYNC_clear_wake(job);
    CHECK(!readable(fd));
    ASYNC_wake(job);
    CHECK(readable(fd));
    CHECK_FINISHES(job);
    CHECK_EQUAL(counter, 0);
    ASYNC_free_pool();
}

CASE(a_blocked_pause_is_skipped, "Rules: T5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, pause_around_a_block), ASYNC_PAUSE);
    CHECK_EQUAL(counter, 2);
    CHECK_FINISHES(job);
    CHECK_EQUAL(counter, 3);
    ASYNC_free_pool();
}
