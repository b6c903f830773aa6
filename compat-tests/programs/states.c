/*
 * One job from start to finish, what each call returns on the way, and every misuse that must be
 * refused.
 */
#include "cases.h"

static int return_forty_two(void *unused)
{
    (void)unused;
    return 42;
}

CASE(the_numbers_of_the_results_are_the_manuals, "Rules: B1")
{
    CHECK_EQUAL(ASYNC_ERR, 0);
    CHECK_EQUAL(ASYNC_NO_JOBS, 1);
    CHECK_EQUAL(ASYNC_PAUSE, 2);
    CHECK_EQUAL(ASYNC_FINISH, 3);
}

CASE(every_function_of_the_manual_can_be_called_by_its_address, "Rules: B2, B42")
{
    /* Initialised with the exact types, so that a different prototype does not compile. */
    int (*init_pool)(size_t, size_t) = ASYNC_init_pool;
    void (*free_pool)(void) = ASYNC_free_pool;
    int (*start_job)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t) = ASYNC_start_job;
    int (*pause_job)(void) = ASYNC_pause_job;
    int (*in_job)(void) = ASYNC_in_job;
    int (*get_wait_fd)(ASYNC_JOB *) = ASYNC_get_wait_fd;
    ASYNC_JOB *(*get_current_job)(void) = ASYNC_get_current_job;
    void (*wake)(ASYNC_JOB *) = ASYNC_wake;
    void (*clear_wake)(ASYNC_JOB *) = ASYNC_clear_wake;
    void (*block_pause)(void) = ASYNC_block_pause;
    void (*unblock_pause)(void) = ASYNC_unblock_pause;
    void (*load_strings)(void) = ERR_load_ASYNC_strings;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    load_strings();
    CHECK_EQUAL(init_pool(1, 1), 1);
    block_pause();
    unblock_pause();
    CHECK_EQUAL(pause_job(), 1);
    CHECK_EQUAL(in_job(), 0);
    CHECK(get_current_job() == NULL);
    CHECK_EQUAL(start_job(&job, &ret, pause_once, NULL, 0), ASYNC_PAUSE);
    wake(job);
    CHECK(readable(get_wait_fd(job)));
    clear_wake(job);
    CHECK_EQUAL(start_job(&job, &ret, NULL, NULL, 0), ASYNC_FINISH);
    free_pool();
}

CASE(a_job_that_never_pauses_finishes_at_once, "Rules: B19")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, return_forty_two), ASYNC_FINISH);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, 42);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

CASE(a_job_goes_from_start_over_pauses_to_its_end_and_its_record_is_used_again, "Rules: B19, S2")
{
    ASYNC_JOB *job = NULL, *handle;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_PAUSE);
    handle = job;
    CHECK(handle != NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK(job == handle);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, 1);
    CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_PAUSE);
    CHECK(job == handle);
    CHECK_FINISHES(job);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

CASE(a_full_pool_returns_no_jobs_and_writes_nothing, "Rules: B19, P2")
{
    ASYNC_JOB *paused;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK_PAUSES(paused);
    CHECK_NO_JOBS();
    CHECK_NO_JOBS();
    CHECK_FINISHES(paused);
    ASYNC_free_pool();
}

CASE(the_handle_is_cleared_after_the_value_is_written, "Rules: S4")
{
    /* If both are in the same bytes, the one that is written last remains. */
    union {
        ASYNC_JOB *job;
        int ret;
    } both;

    both.job = NULL;
    CHECK_EQUAL(ASYNC_start_job(&both.job, &both.ret, return_forty_two, NULL, 0), ASYNC_FINISH);
    CHECK(both.job == NULL);
    ASYNC_free_pool();
}

static ASYNC_JOB *seen;

static int look_around(void *unused)
{
    (void)unused;
    seen = ASYNC_get_current_job();
    CHECK(seen != NULL);
    CHECK_EQUAL(ASYNC_in_job(), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK(ASYNC_get_current_job() == seen);
    CHECK_EQUAL(ASYNC_in_job(), 1);
    return 1;
}

CASE(inside_a_job_its_handle_is_current_and_outside_none_is, "Rules: B30, B35, B42")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(ASYNC_in_job(), 0);
    CHECK_EQUAL(start(&job, &ret, look_around), ASYNC_PAUSE);
    CHECK(job == seen);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(ASYNC_in_job(), 0);
    CHECK_FINISHES(job);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(ASYNC_in_job(), 0);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
    CHECK(ASYNC_get_current_job() == NULL);
}

CASE(pause_outside_a_job_returns_one_and_has_no_effect, "Rules: B31, B34")
{
    int before = open_descriptors();
    ASYNC_JOB *job;

    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(open_descriptors(), before);
    CHECK_PAUSES(job);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_FINISHES(job);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static int pause_a_hundred_times(void *unused)
{
    int i, ones = 0;

    (void)unused;
    for (i = 0; i < 100; i++)
        ones += ASYNC_pause_job() == 1;
    return ones;
}

CASE(every_pause_returns_control_and_returns_one_when_resumed, "Rules: B32, B33")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, i;

    CHECK_EQUAL(start(&job, &ret, pause_a_hundred_times), ASYNC_PAUSE);
    for (i = 1; i < 100; i++)
        CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 100);
    ASYNC_free_pool();
}

static int turns[8], turn;

static int note_turn(void *arg)
{
    int me = *(int *)arg;

    turns[turn++] = me;
    ASYNC_pause_job();
    turns[turn++] = me;
    return me;
}

CASE(many_jobs_are_paused_while_one_runs_and_each_waits_to_be_resumed, "Rules: S3")
{
    static const int expected[8] = {0, 1, 2, 3, 2, 0, 3, 1}, order[4] = {2, 0, 3, 1};
    ASYNC_JOB *jobs[4] = {NULL};
    int ret = UNWRITTEN, i;

    for (i = 0; i < 4; i++)
        CHECK_EQUAL(ASYNC_start_job(&jobs[i], &ret, note_turn, &i, sizeof(i)), ASYNC_PAUSE);
    for (i = 0; i < 4; i++) {
        CHECK_EQUAL(resume(&jobs[order[i]], &ret), ASYNC_FINISH);
        CHECK_EQUAL(ret, order[i]);
    }
    CHECK(memcmp(turns, expected, sizeof(turns)) == 0);
    ASYNC_free_pool();
}

/* ------------------------------------------------------------------------------------------ starts inside a job */

static ASYNC_JOB *other; /* a paused job, for the cases that pass one */
static int inner_ran, outer_runs;

static int inner(void *unused)
{
    (void)unused;
    inner_ran++;
    return 1;
}

/*
 * A call of ASYNC_start_job inside the running job must be refused: one entry, nothing written,
 * nothing run.
 */
static void refuse_nested(ASYNC_JOB *handle)
{
    ASYNC_JOB *job = handle, *me = ASYNC_get_current_job();
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, inner), ASYNC_ERR);
    CHECK(job == handle);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    CHECK_EQUAL(inner_ran, 0);
    CHECK(ASYNC_get_current_job() == me);
}

/* Nests before its first pause, between two, and after the last. */
static int nest_throughout(void *arg)
{
    volatile int local = 77;

    outer_runs++;
    CHECK_EQUAL(*(int *)arg, 1234);
    refuse_nested(NULL);
    refuse_nested(NULL);
    ASYNC_pause_job();
    refuse_nested(NULL);
    ASYNC_pause_job();
    refuse_nested(NULL);
    /* The running job still has its own arguments. */
    CHECK_EQUAL(*(int *)arg, 1234);
    CHECK_EQUAL(local, 77);
    return 9;
}

static void run_nest_throughout(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, arg = 1234;

    outer_runs = 0;
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, nest_throughout, &arg, sizeof(arg)), ASYNC_PAUSE);
    CHECK_NO_JOBS();
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 9);
    CHECK_EQUAL(outer_runs, 1);
}

CASE(a_start_inside_a_fresh_job_and_inside_a_resumed_one_is_refused, "Rules: D5, S1, S6")
{
    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    run_nest_throughout();
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(a_start_inside_a_job_on_a_reused_record_is_refused, "Rules: D5, S1")
{
    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_STILL_WORKS();
    run_nest_throughout();
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static int resume_another_inside(void *unused)
{
    (void)unused;
    refuse_nested(other);
    ASYNC_pause_job();
    refuse_nested(other);
    return 1;
}

CASE(resuming_a_paused_job_inside_another_is_refused_and_both_continue, "Rules: D5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_PAUSES(other);
    CHECK_EQUAL(start(&job, &ret, resume_another_inside), ASYNC_PAUSE);
    CHECK_FINISHES(job);
    CHECK_FINISHES(other);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static int resume_itself(void *unused)
{
    (void)unused;
    refuse_nested(ASYNC_get_current_job());
    ASYNC_pause_job();
    refuse_nested(ASYNC_get_current_job());
    return 1;
}

CASE(a_job_that_resumes_itself_is_refused_and_continues, "Rules: D7")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, round;

    /* The second round is on a reused record. */
    for (round = 0; round < 2; round++) {
        CHECK_EQUAL(start(&job, &ret, resume_itself), ASYNC_PAUSE);
        CHECK_FINISHES(job);
    }
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static int bad_calls_inside(void *unused)
{
    int ret = UNWRITTEN;
    ASYNC_JOB *job = NULL;

    (void)unused;
    /* Inside a job every call is a nested start, with bad arguments or not. */
    CHECK_EQUAL(ASYNC_start_job(NULL, &ret, inner, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    ASYNC_pause_job();
    return 1;
}

CASE(inside_a_job_bad_arguments_are_the_nested_case_too, "Rules: D5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, bad_calls_inside), ASYNC_PAUSE);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

/* --------------------------------------------------------------------------------------------- stale handles */

static void refuse_handle(ASYNC_JOB *handle)
{
    ASYNC_JOB *job = handle;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, inner), ASYNC_ERR);
    CHECK(job == handle);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), REFUSED_HANDLE);
    CHECK_EQUAL(inner_ran, 0);
}

CASE(the_handle_of_a_finished_job_is_refused_and_the_pool_stays_sound, "Rules: D6, S5")
{
    ASYNC_JOB *job, *stale, *first, *second;

    CHECK_EQUAL(ASYNC_init_pool(2, 0), 1);
    CHECK_PAUSES(job);
    stale = job;
    CHECK_FINISHES(job);
    refuse_handle(stale);
    refuse_handle(stale);
    /* If the refused call had put the record into the pool again, these two would be one. */
    CHECK_PAUSES(first);
    CHECK_PAUSES(second);
    CHECK(first != second);
    CHECK_NO_JOBS();
    CHECK_FINISHES(first);
    CHECK_FINISHES(second);
    refuse_handle(stale);
    ASYNC_free_pool();
}

CASE(the_handle_of_a_freed_job_is_refused, "Rules: D6")
{
    ASYNC_JOB *jobs[30], *stale[30];
    int i;

    for (i = 0; i < 30; i++) {
        CHECK_PAUSES(jobs[i]);
        stale[i] = jobs[i];
    }
    for (i = 0; i < 30; i++)
        CHECK_FINISHES(jobs[i]);
    ASYNC_free_pool();
    for (i = 0; i < 30; i++)
        refuse_handle(stale[i]);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
    for (i = 0; i < 30; i++)
        refuse_handle(stale[i]);
}

static int finish_by_handle(void *unused)
{
    (void)unused;
    seen = ASYNC_get_current_job();
    return 1;
}

CASE(the_handle_of_a_job_that_never_paused_is_refused, "Rules: D6")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, finish_by_handle), ASYNC_FINISH);
    refuse_handle(seen);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(a_job_destroyed_outside_any_pool_leaves_a_handle_that_is_refused, "Rules: D6, D3")
{
    ASYNC_JOB *job, *stale;

    CHECK_PAUSES(job);
    stale = job;
    ASYNC_free_pool();
    CHECK_FINISHES(job);
    refuse_handle(stale);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

/* --------------------------------------------------------------------------------- NULL, and free inside a job */

CASE(null_for_job_or_function_is_refused, "Rules: D10, B6")
{
    ASYNC_JOB *job = NULL, *paused;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    CHECK_PAUSES(paused);
    CHECK_EQUAL(ASYNC_start_job(NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_STILL_WORKS();
    CHECK_FINISHES(paused);
    ASYNC_free_pool();
}

CASE(null_for_the_value_discards_it, "Rules: D10")
{
    ASYNC_JOB *job = NULL;

    CHECK_EQUAL(start(&job, NULL, return_forty_two), ASYNC_FINISH);
    CHECK_EQUAL(start(&job, NULL, pause_once), ASYNC_PAUSE);
    CHECK(job != NULL);
    CHECK_EQUAL(resume(&job, NULL), ASYNC_FINISH);
    CHECK(job == NULL);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static int free_inside(void *arg)
{
    ASYNC_JOB *me = ASYNC_get_current_job();

    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
    CHECK(ASYNC_get_current_job() == me);
    CHECK_EQUAL(*(int *)arg, 5);
    ASYNC_pause_job();
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
    return *(int *)arg;
}

CASE(free_inside_a_job_is_refused_and_changes_nothing, "Rules: D4")
{
    int before = open_descriptors(), ret = UNWRITTEN, arg = 5;
    ASYNC_JOB *job = NULL, *paused;

    CHECK_EQUAL(ASYNC_init_pool(2, 2), 1);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, free_inside, &arg, sizeof(arg)), ASYNC_PAUSE);
    CHECK_EQUAL(open_descriptors(), before + 4);
    CHECK_PAUSES(paused);
    CHECK_NO_JOBS();
    CHECK_FINISHES(paused);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 5);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(open_descriptors(), before + 4);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}
