/*
 * Both generations in one program: one pool and one kind of job, and two ways to learn that a job
 * can be resumed.
 */
#include "second.h"

static int look(void *place)
{
    **(int **)place = ASYNC_get_wait_fd(ASYNC_get_current_job());
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

CASE(jobs_of_the_six_argument_call_have_no_pipe, "Header: async.h; Rules: G1, B36")
{
    int before = open_descriptors(), ret = UNWRITTEN, fd = 0, *place = &fd, i;
    ASYNC_JOB *jobs[8] = {NULL};

    CHECK_EQUAL(ASYNC_init_thread(8, 4), 1);
    for (i = 0; i < 8; i++) {
        fd = 0;
        CHECK_EQUAL(ASYNC_start_job(&jobs[i], NULL, &ret, look, &place, sizeof(place)), ASYNC_PAUSE);
        CHECK_EQUAL(fd, -1);
        CHECK_EQUAL(ASYNC_get_wait_fd(jobs[i]), -1);
        ASYNC_wake(jobs[i]);
        CHECK_EQUAL(ASYNC_get_wait_fd(jobs[i]), -1);
        ASYNC_clear_wake(jobs[i]);
    }
    CHECK_EQUAL(open_descriptors(), before);
    for (i = 0; i < 8; i++) {
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, NULL), ASYNC_PAUSE);
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, NULL), ASYNC_FINISH);
    }
    CHECK_EQUAL(only_error(), 0);
    ASYNC_cleanup_thread();
}

/* A record that has a pipe from an earlier use does not show it. */
CASE(a_pipe_made_for_one_generation_is_not_shown_to_the_other, "Header: async.h; Rules: B36, D19")
{
    int ret = UNWRITTEN, fd, round;
    ASYNC_JOB *job = NULL, *first;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    for (round = 0; round < 3; round++) {
        CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
        first = job;
        CHECK_EQUAL(ASYNC_get_wait_fd(job), -1);
        ASYNC_wake(job);
        CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);

        CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_PAUSE);
        CHECK(job == first);
        fd = ASYNC_get_wait_fd(job);
        CHECK(fd >= 0);
        CHECK(!readable(fd));
        ASYNC_wake(job);
        CHECK(readable(fd));
        CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    }
    ASYNC_free_pool();
}

/* The first five-argument start makes the pipe, and the record keeps it. */
CASE(a_record_without_a_pipe_gets_one_when_it_is_needed, "Header: async.h; Rules: B36")
{
    int before = open_descriptors(), ret = UNWRITTEN;
    ASYNC_JOB *job = NULL;

    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    CHECK_EQUAL(open_descriptors(), before);
    CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(open_descriptors(), before + 2);
    CHECK(ASYNC_get_wait_fd(job) >= 0);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(go(&job, NULL, &ret, return_one), ASYNC_FINISH);
    CHECK_EQUAL(open_descriptors(), before + 2);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(open_descriptors(), before);
}

CASE(a_job_of_the_five_argument_call_has_no_context, "Header: async.h; Rules: G11")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    /* It does not show the pipe of the job that used its record before either. */
    CHECK_EQUAL(go(&job, ctx, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_PAUSE);
    CHECK(ASYNC_get_wait_ctx(job) == NULL);
    /* A resume by the other call does not give it a pipe either. */
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_PAUSE);
    CHECK(ASYNC_get_wait_ctx(job) == NULL);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

CASE(either_call_resumes_either_job, "Header: async.h; Rules: B22, G9")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *one = NULL, *other = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&one, ctx, &ret, pause_twice), ASYNC_PAUSE);
    CHECK_EQUAL(start(&other, &ret, pause_twice), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 1, NULL, NULL), 1);
    CHECK_COUNTS(ctx, 1, 1, 0);
    CHECK_EQUAL(resume(&one, &ret), ASYNC_PAUSE);
    CHECK_COUNTS(ctx, 1, 0, 0);
    CHECK(ASYNC_get_wait_ctx(one) == ctx);
    CHECK_EQUAL(go(&other, ctx, &ret, NULL), ASYNC_PAUSE);
    CHECK(ASYNC_get_wait_fd(other) >= 0);
    CHECK_EQUAL(resume(&one, &ret), ASYNC_FINISH);
    CHECK_EQUAL(go(&other, ctx, &ret, NULL), ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

CASE(both_generations_use_one_pool, "Header: async.h; Rules: P1, G1, G5")
{
    ASYNC_JOB *one = NULL, *other = NULL, *third = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(2, 0), 1);
    CHECK_EQUAL(go(&one, NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(start(&other, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(start(&third, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(go(&third, NULL, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(go(&other, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(go(&third, NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&third, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(go(&one, NULL, &ret, NULL), ASYNC_FINISH);

    /* Each function replaces and frees what the other made. */
    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    CHECK_EQUAL(start(&one, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(start(&other, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(resume(&one, &ret), ASYNC_FINISH);
    ASYNC_free_pool();
    CHECK_EQUAL(start(&one, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(start(&other, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(resume(&one, &ret), ASYNC_FINISH);
    CHECK_EQUAL(resume(&other, &ret), ASYNC_FINISH);
    ASYNC_cleanup_thread();
}

/*
 * The library does not depend on libcrypto's initialisation and cleanup: a thread can have jobs
 * before and after them.
 */
static void *start_late(void *unused)
{
    CHECK_STILL_WORKS();
    return unused;
}

static void late(void)
{
    on_thread(start_late, NULL);
    CHECK_STILL_WORKS();
    ASYNC_cleanup_thread();
}

static void exit_well(void)
{
    late();
}

static void leave_with_handler(void)
{
    CHECK_STILL_WORKS();
    atexit(exit_well);
}

CASE(jobs_work_while_the_process_ends, "Header: async.h; Rules: G6, G8")
{
    CHECK_EQUAL(in_child(leave_with_handler), 0);
    CHECK(!harness_report->failed);
}
