/*
 * The second generation misused: calls are refused with one entry, and everything continues to
 * work.
 */
#include "second.h"

#include <limits.h>

/* ------------------------------------------------------------------------------------------------------ nested */

static ASYNC_JOB *inner_job;
static int inner_expected;

/* Tries a start inside a job, with the handle in inner_job. It must have no effect. */
static void try_inside(void)
{
    ASYNC_JOB *job = inner_job;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job(&job, NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    CHECK(job == inner_job);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(ASYNC_start_job(NULL, NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    inner_expected++;
}

static int nest_three_times(void *unused)
{
    (void)unused;
    try_inside();
    ASYNC_pause_job();
    try_inside();
    ASYNC_pause_job();
    try_inside();
    return 1;
}

/*
 * The running job runs for the first time, was reused, or was resumed. The handle is NULL, a
 * paused job's, or its own.
 */
CASE(a_start_inside_a_job_is_refused_in_every_state, "Rules: D5, D7, G15")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *paused = NULL;
    int ret = UNWRITTEN, round;

    CHECK_EQUAL(go(&paused, ctx, &ret, pause_once), ASYNC_PAUSE);
    for (round = 0; round < 3; round++) {
        inner_job = round == 1 ? paused : NULL;
        CHECK_EQUAL(go(&job, ctx, &ret, nest_three_times), ASYNC_PAUSE);
        if (round == 2)
            inner_job = job;
        CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_PAUSE);
        CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
        CHECK_EQUAL(ret, 1);
    }
    CHECK_EQUAL(inner_expected, 9);
    CHECK_EQUAL(go(&paused, ctx, &ret, NULL), ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

static int cleanup_inside(void *unused)
{
    (void)unused;
    ASYNC_cleanup_thread();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
    CHECK(ASYNC_get_current_job() != NULL);
    ASYNC_pause_job();
    ASYNC_cleanup_thread();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
    return 1;
}

CASE(a_cleanup_inside_a_job_is_refused, "Rules: D4, G5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    CHECK_EQUAL(go(&job, NULL, &ret, cleanup_inside), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    CHECK_PAUSES(job);
    CHECK_NO_JOBS();
    CHECK_FINISHES(job);
    ASYNC_cleanup_thread();
}

/* ------------------------------------------------------------------------------------------------------ handles */

/* A resume of `job` is refused and changes nothing. */
static void check_refused(ASYNC_JOB *job)
{
    ASYNC_JOB *handle = job;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&handle, NULL, &ret, return_one), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_HANDLE);
    CHECK(handle == job);
    CHECK_EQUAL(ret, UNWRITTEN);
}

CASE(a_finished_handle_is_refused, "Rules: D6")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *stale;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, ctx, &ret, pause_once), ASYNC_PAUSE);
    stale = job;
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
    check_refused(stale);
    CHECK(ASYNC_get_wait_ctx(stale) == NULL);
    ASYNC_cleanup_thread();
    check_refused(stale);
    CHECK(ASYNC_get_wait_ctx(stale) == NULL);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_STILL_WORKS();
    ASYNC_cleanup_thread();
}

static void *resume_elsewhere(void *job)
{
    check_refused(job);
    CHECK_STILL_WORKS();
    check_refused(job);
    return NULL;
}

CASE(another_threads_handle_is_refused_and_still_works_on_its_own_thread, "Rules: D8")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, ctx, &ret, pause_once), ASYNC_PAUSE);
    on_thread(resume_elsewhere, job);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

static ASYNC_WAIT_CTX *left_ctx;
static ASYNC_JOB *left;

static void *leave_paused(void *unused)
{
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&left, left_ctx, &ret, pause_once), ASYNC_PAUSE);
    return unused;
}

/*
 * Its thread has ended: it cannot be resumed. Its context can still be asked for, and may be
 * freed.
 */
CASE(a_job_whose_thread_has_ended_is_refused, "Rules: D15, D26, G6")
{
    left_ctx = ASYNC_WAIT_CTX_new();
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(left_ctx, NULL, 1, NULL, NULL), 1);
    on_thread(leave_paused, NULL);
    check_refused(left);
    ASYNC_WAIT_CTX_free(left_ctx);
    check_refused(left);
    ASYNC_cleanup_thread();
}

/* -------------------------------------------------------------------------------------------------- arguments */

CASE(null_is_refused_where_something_is_needed, "Rules: D10")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job(NULL, NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, NULL, pause_once, NULL, 0), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, NULL, NULL, NULL, 0), ASYNC_FINISH);
    CHECK(job == NULL);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_cleanup_thread();
}

static int is_null(void *argument)
{
    return 20 + (argument == NULL);
}

CASE(arguments_of_size_0_are_null_and_huge_ones_are_an_error, "Rules: D11, D12, D13, B24")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    CHECK_EQUAL(ASYNC_init_thread(1, 0), 1);
    CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, is_null, &byte, 0), ASYNC_FINISH);
    CHECK_EQUAL(ret, 21);
    CHECK_EQUAL(only_error(), 0);
    ret = UNWRITTEN;
    CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, return_one, &byte, TOO_MANY_BYTES), ASYNC_ERR);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), E9_NO_ARGUMENT_COPY);
    /* The five-argument call cannot make a block for 0 bytes. */
    CHECK_EQUAL(ASYNC_start_job_2015(&job, &ret, is_null, &byte, 0), ASYNC_ERR);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), E9_NO_ARGUMENT_COPY);
    CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, return_one, NULL, (size_t)-1), ASYNC_FINISH);
    /* The failed start does not hold the context: it is freed here, and valgrind checks that. */
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_PAUSES(job);
    CHECK_NO_JOBS();
    CHECK_FINISHES(job);
    ASYNC_cleanup_thread();
}

/* ------------------------------------------------------------------------------------------------------ pools */

CASE(jobs_paused_at_a_cleanup_can_be_finished, "Rules: D3, G5")
{
    ASYNC_JOB *one = NULL, *other = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&one, NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&other, NULL, &ret, pause_twice), ASYNC_PAUSE);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(go(&one, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(go(&other, NULL, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    CHECK_EQUAL(go(&other, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    ASYNC_cleanup_thread();
}

CASE(a_second_init_frees_idle_jobs_and_leaves_the_others_uncounted, "Rules: D2, G4")
{
    OSSL_ASYNC_STATS stats;
    ASYNC_JOB *job = NULL, *jobs[2] = {NULL, NULL}, *none = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_thread(8, 8), 1);
    CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_init_thread(2, 1), 1);
    stats = thread_stats();
    CHECK_EQUAL(stats.jobs_idle, 1);
    CHECK_EQUAL(stats.jobs_paused, 1);
    CHECK_EQUAL(go(&jobs[0], NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&jobs[1], NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&none, NULL, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(go(&none, NULL, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(go(&jobs[0], NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(go(&jobs[1], NULL, &ret, NULL), ASYNC_FINISH);
    ASYNC_cleanup_thread();
}

/* ------------------------------------------------------------------------------------------- before anything else */

/* The application's keys, the first of the process, have values that are not pointers. */
CASE(a_pause_before_any_other_call_ignores_the_applications_keys, "Rules: D29, G14")
{
    pthread_key_t key;
    int i;

    for (i = 0; i < 8; i++) {
        NEED(pthread_key_create(&key, NULL) == 0);
        NEED(pthread_setspecific(key, (void *)(uintptr_t)0x1001) == 0);
    }
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_unblock_pause();
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(only_error(), 0);
    CHECK_STILL_WORKS();
    ASYNC_cleanup_thread();
}

/* The texts of the codes that only this generation has. */
CASE(codes_of_this_generation_have_texts, "Rules: G47, B4")
{
    ERR_load_ASYNC_strings();
    CHECK(strcmp(ERR_error_string(E_NO_WAIT_FD, NULL),
                 "error:3306A041:ASYNC routines:ASYNC_WAIT_CTX_set_wait_fd:malloc failure")
          == 0);
    CHECK_EQUAL(ASYNC_init_thread(1, 2), 0);
    CHECK_EQUAL(only_error(), ERR_PACK(ERR_LIB_ASYNC, ASYNC_F_ASYNC_INIT_THREAD, ASYNC_R_INVALID_POOL_SIZE));
    CHECK_EQUAL(ASYNC_init_thread(0, 1), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
}
