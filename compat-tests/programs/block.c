/*
 * ASYNC_block_pause and ASYNC_unblock_pause: one counter for each thread, which survives an
 * unbalanced job.
 */
#include "cases.h"

static int steps;

static int nested_blocks(void *unused)
{
    (void)unused;
    ASYNC_block_pause();
    ASYNC_block_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_unblock_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_unblock_pause();
    steps = 1;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    steps = 2;
    return 1;
}

CASE(two_blocks_need_two_unblocks, "Rules: K3, K4, B41, B34")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, nested_blocks), ASYNC_PAUSE);
    CHECK_EQUAL(steps, 1);
    CHECK_FINISHES(job);
    CHECK_EQUAL(steps, 2);
    ASYNC_free_pool();
}

static int unblock_too_often(void *unused)
{
    (void)unused;
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    /*
     * If the counter were below zero, this block would have no effect, or the pause after it would
     * be skipped.
     */
    ASYNC_block_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    steps = 1;
    ASYNC_unblock_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

CASE(unblock_at_zero_stays_at_zero, "Rules: K3, B41")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, unblock_too_often), ASYNC_PAUSE);
    CHECK_EQUAL(steps, 1);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static int block_and_return(void *unused)
{
    (void)unused;
    ASYNC_block_pause();
    return 1;
}

static int pause_unblock_pause(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    steps++;
    ASYNC_unblock_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    steps++;
    return 1;
}

CASE(outside_a_job_neither_call_counts, "Rules: K2, B40")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    /* On a thread that never had a job, and on one that has had one. */
    ASYNC_block_pause();
    CHECK_PAUSES(job);
    ASYNC_block_pause();
    CHECK_FINISHES(job);
    CHECK_PAUSES(job);
    CHECK_FINISHES(job);

    CHECK_EQUAL(start(&job, &ret, block_and_return), ASYNC_FINISH);
    ASYNC_unblock_pause();
    CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_FINISH);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

CASE(a_block_left_behind_holds_for_later_jobs_until_one_unblocks, "Rules: K5, K6, K7, D14, K1")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, block_and_return), ASYNC_FINISH);
    CHECK_EQUAL(start(&job, &ret, pause_unblock_pause), ASYNC_PAUSE);
    CHECK_EQUAL(steps, 1);
    CHECK_FINISHES(job);
    CHECK_EQUAL(steps, 2);
    CHECK_PAUSES(job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(a_block_left_behind_holds_for_jobs_paused_earlier, "Rules: K5, K1")
{
    ASYNC_JOB *earlier = NULL, *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&earlier, &ret, pause_twice), ASYNC_PAUSE);
    CHECK_EQUAL(start(&job, &ret, block_and_return), ASYNC_FINISH);
    /* Its second pause is skipped. */
    CHECK_FINISHES(earlier);
    ASYNC_free_pool();
}

CASE(neither_finish_nor_start_nor_an_error_resets_the_counter, "Rules: K6")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    CHECK_EQUAL(start(&job, &ret, block_and_return), ASYNC_FINISH);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, &byte, 0), ASYNC_ERR);
    CHECK_EQUAL(ASYNC_init_pool(1, 2), 0);
    ERR_clear_error();
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_FINISH);
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_FINISH);
    ASYNC_free_pool();
}

static void *pauses_there(void *unused)
{
    ASYNC_JOB *job = NULL;

    CHECK_PAUSES(job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
    return unused;
}

CASE(the_counter_is_the_threads_own, "Rules: K1")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, block_and_return), ASYNC_FINISH);
    on_thread(pauses_there, NULL);
    CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_FINISH);
    ASYNC_free_pool();
}
