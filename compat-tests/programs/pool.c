/*
 * The pool of idle jobs: its limits, its counts, the order of reuse, and the effect of init and
 * free.
 */
#include "cases.h"

/* Starts `count` jobs that pause, into `jobs`. */
static void pause_many(ASYNC_JOB **jobs, int count)
{
    int i;

    for (i = 0; i < count; i++)
        CHECK_PAUSES(jobs[i]);
}

static void finish_many(ASYNC_JOB **jobs, int count)
{
    int i;

    for (i = 0; i < count; i++)
        CHECK_FINISHES(jobs[i]);
}

CASE(init_returns_one_and_its_pool_works, "Rules: B7")
{
    CHECK_EQUAL(ASYNC_init_pool(3, 1), 1);
    CHECK_EQUAL(only_error(), 0);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(more_jobs_up_front_than_the_limit_are_refused_and_change_nothing, "Rules: B8, B7")
{
    ASYNC_JOB *jobs[2];
    int descriptors;

    CHECK_EQUAL(ASYNC_init_pool(1, 2), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);

    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    descriptors = open_descriptors();
    CHECK_EQUAL(ASYNC_init_pool(5, 6), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(open_descriptors(), descriptors);
    pause_many(jobs, 2);
    CHECK_NO_JOBS();
    finish_many(jobs, 2);
    ASYNC_free_pool();
}

CASE(an_unlimited_pool_cannot_be_filled_up_front, "Rules: P6, B8")
{
    ASYNC_JOB *jobs[40];

    CHECK_EQUAL(ASYNC_init_pool(0, 1), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ASYNC_init_pool(0, 0), 1);
    pause_many(jobs, 40);
    finish_many(jobs, 40);
    ASYNC_free_pool();
}

CASE(jobs_made_up_front_hold_two_descriptors_each, "Rules: B10")
{
    int before = open_descriptors();
    ASYNC_JOB *jobs[3];

    CHECK_EQUAL(ASYNC_init_pool(5, 3), 1);
    CHECK_EQUAL(open_descriptors(), before + 6);
    /* The first starts use these. */
    pause_many(jobs, 3);
    CHECK_EQUAL(open_descriptors(), before + 6);
    finish_many(jobs, 3);
    ASYNC_free_pool();
}

CASE(a_second_init_replaces_idle_jobs_and_limits, "Rules: B11, D2")
{
    int before = open_descriptors();
    ASYNC_JOB *jobs[3];

    CHECK_EQUAL(ASYNC_init_pool(8, 8), 1);
    CHECK_EQUAL(ASYNC_init_pool(3, 1), 1);
    CHECK_EQUAL(only_error(), 0);
    CHECK_EQUAL(open_descriptors(), before + 2);
    pause_many(jobs, 3);
    CHECK_NO_JOBS();
    finish_many(jobs, 3);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

CASE(jobs_in_use_at_a_second_init_are_uncounted_and_destroyed_when_they_end, "Rules: D2")
{
    int before = open_descriptors();
    ASYNC_JOB *old[2], *fresh, *again;

    CHECK_EQUAL(ASYNC_init_pool(2, 0), 1);
    pause_many(old, 2);
    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_PAUSES(fresh);
    CHECK_NO_JOBS();
    CHECK_EQUAL(open_descriptors(), before + 6);
    finish_many(old, 2);
    CHECK_EQUAL(open_descriptors(), before + 2);
    /* Neither joined the new pool, so it is still full. */
    CHECK_NO_JOBS();
    CHECK_FINISHES(fresh);
    CHECK_PAUSES(again);
    CHECK_NO_JOBS();
    CHECK_FINISHES(again);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

static int init_inside(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK(ASYNC_get_current_job() != NULL);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

CASE(a_job_that_calls_init_is_destroyed_at_its_end, "Rules: D2")
{
    int before = open_descriptors();
    ASYNC_JOB *job = NULL, *fresh;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, init_inside), ASYNC_PAUSE);
    CHECK_PAUSES(fresh);
    CHECK_NO_JOBS();
    CHECK_EQUAL(open_descriptors(), before + 4);
    CHECK_FINISHES(job);
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK_NO_JOBS();
    CHECK_FINISHES(fresh);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

static int fail_to_init_inside(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_init_pool(1, 2), 0);
    return 1;
}

CASE(a_failed_init_inside_a_job_leaves_the_pool_alone, "Rules: D2, B8")
{
    int before = open_descriptors(), ret = UNWRITTEN;
    ASYNC_JOB *job = NULL;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK_EQUAL(start(&job, &ret, fail_to_init_inside), ASYNC_FINISH);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK_PAUSES(job);
    CHECK_NO_JOBS();
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(free_closes_the_descriptors_of_idle_jobs_and_a_second_free_does_nothing, "Rules: B14, D1")
{
    int before = open_descriptors();
    ASYNC_JOB *jobs[5];

    CHECK_EQUAL(ASYNC_init_pool(6, 2), 1);
    pause_many(jobs, 5);
    finish_many(jobs, 5);
    CHECK_EQUAL(open_descriptors(), before + 10);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
    CHECK_EQUAL(only_error(), 0);
}

static int block_and_return(void *unused)
{
    (void)unused;
    ASYNC_block_pause();
    return 1;
}

CASE(free_forgets_the_block_counter, "Rules: B14, K5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, block_and_return), ASYNC_FINISH);
    CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_FINISH);
    ASYNC_free_pool();
    CHECK_PAUSES(job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static int pause_then_block(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    return 1;
}

CASE(free_without_a_pool_still_forgets_the_block_counter, "Rules: D21")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), 0);
    CHECK_EQUAL(start(&job, &ret, pause_then_block), ASYNC_PAUSE);
    ASYNC_free_pool();
    /*
     * The resume counts a block on a thread that has no pool. The next free of the pool must
     * remove that block too.
     */
    CHECK_FINISHES(job);
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), 0);
    CHECK_PAUSES(job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(a_start_after_free_makes_a_fresh_unlimited_pool, "Rules: B17")
{
    ASYNC_JOB *jobs[4];

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    ASYNC_free_pool();
    pause_many(jobs, 4);
    finish_many(jobs, 4);
    ASYNC_free_pool();
}

static ASYNC_JOB *seen;

static int note_current(void *unused)
{
    (void)unused;
    seen = ASYNC_get_current_job();
    return 1;
}

CASE(a_start_without_init_makes_a_pool_that_stays, "Rules: B21")
{
    int before = open_descriptors(), ret = UNWRITTEN;
    ASYNC_JOB *job = NULL, *first;

    CHECK_EQUAL(start(&job, &ret, note_current), ASYNC_FINISH);
    first = seen;
    CHECK(first != NULL);
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK_EQUAL(start(&job, &ret, note_current), ASYNC_FINISH);
    CHECK(seen == first);
    CHECK_EQUAL(open_descriptors(), before + 2);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

CASE(a_pool_made_by_a_start_has_no_limit_and_grows_as_needed, "Rules: P12, B21")
{
    int before = open_descriptors();
    ASYNC_JOB *jobs[60];

    pause_many(jobs, 60);
    CHECK_EQUAL(open_descriptors(), before + 120);
    finish_many(jobs, 60);
    pause_many(jobs, 60);
    CHECK_EQUAL(open_descriptors(), before + 120);
    finish_many(jobs, 60);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

CASE(the_count_is_of_records_made_not_of_starts, "Rules: P1, P8")
{
    ASYNC_JOB *jobs[2];
    int i;

    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    for (i = 0; i < 20; i++)
        CHECK_STILL_WORKS();
    for (i = 0; i < 3; i++) {
        pause_many(jobs, 2);
        CHECK_NO_JOBS();
        finish_many(jobs, 2);
    }
    ASYNC_free_pool();
}

CASE(idle_jobs_are_taken_before_new_ones_are_made_up_to_the_limit, "Rules: P2, P3")
{
    int before = open_descriptors();
    ASYNC_JOB *jobs[3];

    CHECK_EQUAL(ASYNC_init_pool(3, 1), 1);
    CHECK_PAUSES(jobs[0]);
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK_PAUSES(jobs[1]);
    CHECK_EQUAL(open_descriptors(), before + 4);
    CHECK_FINISHES(jobs[0]);
    CHECK_PAUSES(jobs[0]);
    CHECK_EQUAL(open_descriptors(), before + 4);
    CHECK_PAUSES(jobs[2]);
    CHECK_NO_JOBS();
    CHECK_EQUAL(open_descriptors(), before + 6);
    finish_many(jobs, 3);
    ASYNC_free_pool();
}

CASE(the_job_released_last_is_taken_next, "Rules: P4")
{
    ASYNC_JOB *a, *b, *first, *second, *handle_a, *handle_b;
    int fd_a, fd_b;

    CHECK_PAUSES(a);
    CHECK_PAUSES(b);
    handle_a = a;
    handle_b = b;
    fd_a = ASYNC_get_wait_fd(a);
    fd_b = ASYNC_get_wait_fd(b);
    CHECK_FINISHES(b);
    CHECK_FINISHES(a);
    CHECK_PAUSES(first);
    CHECK(first == handle_a);
    CHECK_EQUAL(ASYNC_get_wait_fd(first), fd_a);
    CHECK_PAUSES(second);
    CHECK(second == handle_b);
    CHECK_EQUAL(ASYNC_get_wait_fd(second), fd_b);
    CHECK_FINISHES(first);
    CHECK_FINISHES(second);
    ASYNC_free_pool();
}

CASE(of_the_jobs_made_up_front_the_last_goes_first, "Rules: P4")
{
    ASYNC_JOB *jobs[3];
    int i;

    CHECK_EQUAL(ASYNC_init_pool(3, 3), 1);
    pause_many(jobs, 3);
    /*
     * The system returns the lowest free descriptor, so descriptors show the order in which the
     * jobs were made.
     */
    for (i = 1; i < 3; i++)
        CHECK(ASYNC_get_wait_fd(jobs[i]) < ASYNC_get_wait_fd(jobs[i - 1]));
    finish_many(jobs, 3);
    ASYNC_free_pool();
}

CASE(a_pool_never_shrinks, "Rules: P5")
{
    int before = open_descriptors(), i;
    ASYNC_JOB *jobs[10];

    pause_many(jobs, 10);
    finish_many(jobs, 10);
    for (i = 0; i < 20; i++)
        CHECK_STILL_WORKS();
    CHECK_EQUAL(open_descriptors(), before + 20);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

static int keep_a_secret(void *unused)
{
    volatile char local[1000];
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(local); i++)
        local[i] = (char)(i * 7);
    ASYNC_pause_job();
    for (i = 0; i < sizeof(local); i++)
        CHECK_EQUAL(local[i], (char)(i * 7));
    ASYNC_pause_job();
    return 1;
}

CASE(free_leaves_paused_jobs_alone_and_they_finish_without_a_pool, "Rules: B15, D3")
{
    int before = open_descriptors(), ret = UNWRITTEN;
    ASYNC_JOB *job = NULL, *idle;

    CHECK_PAUSES(idle);
    CHECK_EQUAL(start(&job, &ret, keep_a_secret), ASYNC_PAUSE);
    CHECK_FINISHES(idle);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK(ASYNC_get_wait_fd(job) >= 0);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK_FINISHES(job);
    CHECK_EQUAL(open_descriptors(), before);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

CASE(a_job_paused_at_free_does_not_join_the_next_pool, "Rules: D3")
{
    int before = open_descriptors();
    ASYNC_JOB *old, *fresh;

    CHECK_PAUSES(old);
    ASYNC_free_pool();
    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_PAUSES(fresh);
    CHECK_FINISHES(old);
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK_NO_JOBS();
    CHECK_FINISHES(fresh);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}
