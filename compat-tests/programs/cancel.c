/*
 * Cancelling a paused job of either generation: it ends by its own error path, and cannot pause on
 * the way.
 */
#define OSSL_ASYNC_WAIT_CTX_API
#include "cases.h"

#define GAVE_UP (-5)

/* Which call starts a job: with five arguments, or with six, with or without a context. */
static int six_arguments;
static ASYNC_WAIT_CTX *ctx;

#define FOR_BOTH_GENERATIONS for (six_arguments = 0; six_arguments < 2; six_arguments++)

static int begin(ASYNC_JOB **job, int *ret, int (*function)(void *))
{
    return six_arguments ? ASYNC_start_job(job, ctx, ret, function, NULL, 0) : start(job, ret, function);
}

/* Starts a job that must pause. */
static ASYNC_JOB *paused_in(int (*function)(void *))
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(begin(&job, &ret, function), ASYNC_PAUSE);
    CHECK(job != NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    return job;
}

/* Cancels `JOB`, which must end with this value. */
#define CHECK_CANCELS(JOB, VALUE)                                                                                     \
    do {                                                                                                              \
        int ret_ = UNWRITTEN;                                                                                         \
                                                                                                                      \
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&(JOB), &ret_), ASYNC_FINISH);                                              \
        CHECK((JOB) == NULL);                                                                                         \
        CHECK_EQUAL(ret_, VALUE);                                                                                     \
        CHECK(ASYNC_get_current_job() == NULL);                                                                       \
    } while (0)

/* What a job function saw: how often a pause returned 1, and 0. */
static int ones, zeros;

static int pause_and_count(void)
{
    int answer = ASYNC_pause_job();

    CHECK(answer == 0 || answer == 1);
    ones += answer == 1;
    zeros += answer == 0;
    return answer;
}

/* ------------------------------------------------------------------------------------------------ to its own end */

/* The job waits for this, and it never happens. */
static volatile int arrived;

static int wait_until_it_arrives(void *unused)
{
    char *held = malloc(100);

    (void)unused;
    while (!arrived)
        if (!pause_and_count()) {
            free(held);
            return GAVE_UP;
        }
    free(held);
    return 1;
}

CASE(a_loop_that_checks_its_pauses_ends_by_its_own_error_path, "Header: async.h; Rules: B19, B20, B32")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job;
        int ret = UNWRITTEN, i;

        ones = zeros = 0;
        job = paused_in(wait_until_it_arrives);
        for (i = 0; i < 3; i++)
            CHECK_EQUAL(begin(&job, &ret, NULL), ASYNC_PAUSE);
        CHECK_EQUAL(ret, UNWRITTEN);
        CHECK_CANCELS(job, GAVE_UP);
        /* The pause that it was in returned 1, as in any resume. */
        CHECK_EQUAL(ones, 4);
        CHECK_EQUAL(zeros, 1);
        CHECK_EQUAL(only_error(), 0);
        ASYNC_free_pool();
    }
}

static int pause_a_hundred_times(void *unused)
{
    ASYNC_JOB *me = ASYNC_get_current_job();
    int i;

    (void)unused;
    for (i = 0; i < 100; i++) {
        pause_and_count();
        CHECK(ASYNC_get_current_job() == me);
        CHECK_EQUAL(ASYNC_in_job(), 1);
        CHECK(ASYNC_get_wait_ctx(me) == (six_arguments ? ctx : NULL));
    }
    return 7;
}

CASE(every_later_pause_returns_zero_at_once, "Header: async.h; Rules: B30, G11")
{
    ctx = ASYNC_WAIT_CTX_new();
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job;

        ones = zeros = 0;
        job = paused_in(pause_a_hundred_times);
        CHECK_CANCELS(job, 7);
        CHECK_EQUAL(ones, 1);
        CHECK_EQUAL(zeros, 99);
        CHECK_EQUAL(only_error(), 0);
        ASYNC_free_pool();
    }
    ASYNC_WAIT_CTX_free(ctx);
}

CASE(a_job_without_another_pause_just_ends, "Header: async.h; Rules: B19")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job = paused_in(pause_once);

        CHECK_CANCELS(job, 1);
        CHECK_EQUAL(only_error(), 0);
        ASYNC_free_pool();
    }
}

CASE(null_for_the_value_discards_it, "Header: async.h; Rules: D10")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job = paused_in(wait_until_it_arrives);

        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, NULL), ASYNC_FINISH);
        CHECK(job == NULL);
        CHECK_EQUAL(only_error(), 0);
        ASYNC_free_pool();
    }
}

static int pause_and_return_arguments(void *args)
{
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 0);
    return ((int *)args)[0] + ((int *)args)[19999];
}

CASE(the_arguments_stay_until_the_end, "Rules: B23")
{
    FOR_BOTH_GENERATIONS {
        int args[20000] = {40}, ret = UNWRITTEN;
        ASYNC_JOB *job = NULL;

        args[19999] = 2;
        if (six_arguments)
            CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, pause_and_return_arguments, args, sizeof(args)), ASYNC_PAUSE);
        else
            CHECK_EQUAL(ASYNC_start_job_2015(&job, &ret, pause_and_return_arguments, args, sizeof(args)), ASYNC_PAUSE);
        memset(args, 0xff, sizeof(args));
        CHECK_CANCELS(job, 42);
        ASYNC_free_pool();
    }
}

CASE(the_handle_is_cleared_after_the_value_is_written, "Rules: S4")
{
    /* If both are in the same bytes, the one that is written last remains. */
    union {
        ASYNC_JOB *job;
        int ret;
    } both;

    both.job = paused_in(wait_until_it_arrives);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&both.job, &both.ret), ASYNC_FINISH);
    CHECK(both.job == NULL);
    ASYNC_free_pool();
}

/* ------------------------------------------------------------------------------------------------- nothing is left */

CASE(the_record_of_a_cancelled_job_pauses_again_in_its_next_use, "Header: async.h; Rules: P4")
{
    int round;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    for (round = 0; round < 3; round++)
        FOR_BOTH_GENERATIONS {
            ASYNC_JOB *job = paused_in(wait_until_it_arrives), *cancelled = job, *none = NULL;
            int ret = UNWRITTEN;

            CHECK_EQUAL(begin(&none, &ret, return_one), ASYNC_NO_JOBS);
            CHECK_CANCELS(job, GAVE_UP);
            job = paused_in(pause_twice);
            CHECK(job == cancelled);
            CHECK_EQUAL(begin(&job, &ret, NULL), ASYNC_PAUSE);
            CHECK_FINISHES(job);
        }
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

CASE(only_the_job_that_was_cancelled_cannot_pause, "Header: async.h; Rules: S3")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *jobs[5];
        int ret = UNWRITTEN, i;

        for (i = 0; i < 5; i++)
            jobs[i] = paused_in(i % 2 != 0 ? wait_until_it_arrives : pause_twice);
        CHECK_CANCELS(jobs[3], GAVE_UP);
        CHECK_EQUAL(begin(&jobs[4], &ret, NULL), ASYNC_PAUSE);
        CHECK_CANCELS(jobs[1], GAVE_UP);
        for (i = 0; i < 4; i += 2)
            CHECK_EQUAL(begin(&jobs[i], &ret, NULL), ASYNC_PAUSE);
        for (i = 4; i >= 0; i -= 2)
            CHECK_FINISHES(jobs[i]);
        ASYNC_free_pool();
    }
}

CASE(a_job_without_its_pool_is_cancelled_all_the_same, "Header: async.h; Rules: D2, D3")
{
    FOR_BOTH_GENERATIONS {
        int before = open_descriptors();
        ASYNC_JOB *one, *other;

        one = paused_in(wait_until_it_arrives);
        other = paused_in(wait_until_it_arrives);
        ASYNC_free_pool();
        CHECK_CANCELS(one, GAVE_UP);
        CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
        CHECK_CANCELS(other, GAVE_UP);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
        CHECK_EQUAL(open_descriptors(), before);
    }
}

/* --------------------------------------------------------------------------------------------- signal and context */

static int fd_before, wakes_itself;

static int look_at_the_signal(void *unused)
{
    ASYNC_JOB *me = ASYNC_get_current_job();

    (void)unused;
    fd_before = ASYNC_get_wait_fd(me);
    CHECK(fd_before >= 0);
    CHECK(!readable(fd_before));
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_get_wait_fd(me), fd_before);
    CHECK(readable(fd_before));
    CHECK_EQUAL(ASYNC_pause_job(), 0);
    CHECK(readable(fd_before));
    ASYNC_clear_wake(me);
    CHECK(!readable(fd_before));
    if (wakes_itself)
        ASYNC_wake(me);
    return 1;
}

CASE(cancelling_leaves_the_signal_as_it_is_and_the_next_job_begins_without, "Rules: B36, W6, D19, D24")
{
    ASYNC_JOB *job, *cancelled;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    for (wakes_itself = 0; wakes_itself < 2; wakes_itself++) {
        cancelled = job = paused_in(look_at_the_signal);
        ASYNC_wake(job);
        CHECK(readable(ASYNC_get_wait_fd(job)));
        CHECK_CANCELS(job, 1);
        CHECK_EQUAL(ASYNC_get_wait_fd(cancelled), -1);
        ASYNC_wake(cancelled);
        CHECK(!readable(fd_before));
        CHECK_PAUSES(job);
        CHECK(job == cancelled);
        CHECK_EQUAL(ASYNC_get_wait_fd(job), fd_before);
        CHECK(!readable(fd_before));
        ASYNC_wake(job);
        CHECK(readable(fd_before));
        CHECK_CANCELS(job, 1);
    }
    ASYNC_free_pool();
}

/* How many descriptors the context has, and how many count as added. */
static void check_counts(size_t all, size_t added)
{
    size_t seen = 99, seen_added = 99, seen_deleted = 99;

    CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &seen), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &seen_added, NULL, &seen_deleted), 1);
    CHECK_EQUAL(seen, all);
    CHECK_EQUAL(seen_added, added);
    CHECK_EQUAL(seen_deleted, 0);
}

static int add_between_pauses(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 1, NULL, NULL), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    check_counts(1, 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 2, NULL, NULL), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 0);
    check_counts(2, 1);
    return 1;
}

CASE(a_cancelled_pause_resets_the_counts_and_refused_pauses_do_not, "Header: async.h; Rules: G11, G30, G31")
{
    ASYNC_JOB *job, *cancelled;

    six_arguments = 1;
    ctx = ASYNC_WAIT_CTX_new();
    cancelled = job = paused_in(add_between_pauses);
    check_counts(1, 1);
    CHECK_EQUAL(ASYNC_get_wait_fd(job), -1);
    CHECK_CANCELS(job, 1);
    check_counts(2, 1);
    CHECK(ASYNC_get_wait_ctx(cancelled) == NULL);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

static int cleanups;

static void count_cleanup(ASYNC_WAIT_CTX *of, const void *key, OSSL_ASYNC_FD fd, void *custom_data)
{
    (void)key;
    (void)custom_data;
    CHECK(of == ctx && fd == 1);
    cleanups++;
}

CASE(a_job_whose_context_was_freed_can_be_cancelled, "Header: async.h; Rules: D26")
{
    ASYNC_JOB *one, *other;

    six_arguments = 1;
    ctx = ASYNC_WAIT_CTX_new();
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 1, NULL, count_cleanup), 1);
    one = paused_in(wait_until_it_arrives);
    other = paused_in(wait_until_it_arrives);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleanups, 1);
    CHECK_CANCELS(one, GAVE_UP);
    CHECK_CANCELS(other, GAVE_UP);
    CHECK_EQUAL(cleanups, 1);
    ASYNC_cleanup_thread();
}

/* -------------------------------------------------------------------------------------------------- blocked pauses */

static int block_after_the_pause(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 0);
    ASYNC_unblock_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 0);
    return 1;
}

CASE(a_blocked_pause_returns_zero_too, "Header: async.h; Rules: K4")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job = paused_in(block_after_the_pause);

        CHECK_CANCELS(job, 1);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
    }
}

static int block_for_ever(void *unused)
{
    (void)unused;
    ASYNC_block_pause();
    return 1;
}

static int skip_and_unblock(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_unblock_pause();
    return 1;
}

CASE(a_block_that_another_job_left_stays_and_does_not_prevent_cancelling, "Header: async.h; Rules: K5, K6")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job = paused_in(wait_until_it_arrives), *other = NULL;
        int ret = UNWRITTEN;

        CHECK_EQUAL(begin(&other, &ret, block_for_ever), ASYNC_FINISH);
        ones = zeros = 0;
        CHECK_CANCELS(job, GAVE_UP);
        CHECK_EQUAL(ones, 1);
        CHECK_EQUAL(zeros, 1);
        /* The block is still there, so this job's pause is skipped. */
        CHECK_EQUAL(begin(&other, &ret, skip_and_unblock), ASYNC_FINISH);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
    }
}

/* -------------------------------------------------------------------------------------------------------- refusals */

/* Cancels with this handle, which must be refused with this entry. Nothing is written. */
static void refuse(ASYNC_JOB *handle, unsigned long entry)
{
    ASYNC_JOB *job = handle, *me = ASYNC_get_current_job();
    int ret = UNWRITTEN;

    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_ERR);
    CHECK(job == handle);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), entry);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, NULL), ASYNC_ERR);
    CHECK(job == handle);
    CHECK_EQUAL(only_error(), entry);
    CHECK(ASYNC_get_current_job() == me);
}

/* The same without a pointer to a handle. */
static void refuse_without_a_place(unsigned long entry)
{
    int ret = UNWRITTEN;

    CHECK_EQUAL(OSSL_ASYNC_cancel_job(NULL, &ret), ASYNC_ERR);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), entry);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(NULL, NULL), ASYNC_ERR);
    CHECK_EQUAL(only_error(), entry);
}

CASE(null_is_refused, "Header: async.h; Rules: D10")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job;

        /* Also on a thread that has never had a job. */
        refuse_without_a_place(REFUSED_NULL);
        refuse(NULL, REFUSED_NULL);
        job = paused_in(pause_once);
        refuse_without_a_place(REFUSED_NULL);
        refuse(NULL, REFUSED_NULL);
        CHECK_FINISHES(job);
        ASYNC_free_pool();
    }
}

CASE(the_handle_of_a_job_that_has_ended_is_refused, "Header: async.h; Rules: D6")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job = paused_in(pause_once), *finished = job, *cancelled;

        CHECK_FINISHES(job);
        refuse(finished, REFUSED_HANDLE);
        cancelled = job = paused_in(wait_until_it_arrives);
        CHECK_CANCELS(job, GAVE_UP);
        refuse(cancelled, REFUSED_HANDLE);
        CHECK_EQUAL(begin(&cancelled, NULL, NULL), ASYNC_ERR);
        CHECK_EQUAL(only_error(), REFUSED_HANDLE);
        ASYNC_free_pool();
        refuse(finished, REFUSED_HANDLE);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
    }
}

static void *cancel_elsewhere(void *job)
{
    refuse(job, REFUSED_HANDLE);
    CHECK_STILL_WORKS();
    refuse(job, REFUSED_HANDLE);
    return NULL;
}

CASE(another_threads_job_is_refused_and_still_works_on_its_own_thread, "Header: async.h; Rules: D8")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job = paused_in(pause_twice);
        int ret = UNWRITTEN;

        on_thread(cancel_elsewhere, job);
        CHECK_EQUAL(begin(&job, &ret, NULL), ASYNC_PAUSE);
        CHECK_FINISHES(job);
        ASYNC_free_pool();
    }
}

static void *leave_paused(void *unused)
{
    (void)unused;
    return paused_in(pause_once);
}

CASE(a_job_whose_thread_has_ended_is_refused, "Header: async.h; Rules: D15")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *left = on_thread(leave_paused, NULL);

        refuse(left, REFUSED_HANDLE);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
    }
}

static ASYNC_JOB *other; /* a paused job, for the cases that pass one */

/* Tries everything that is refused inside a job. */
static void try_everything(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    refuse(other, REFUSED_NESTED);
    refuse(ASYNC_get_current_job(), REFUSED_NESTED);
    refuse(NULL, REFUSED_NESTED);
    refuse_without_a_place(REFUSED_NESTED);
    CHECK_EQUAL(begin(&job, &ret, return_one), ASYNC_ERR);
    CHECK(job == NULL);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    job = other;
    CHECK_EQUAL(begin(&job, &ret, NULL), ASYNC_ERR);
    CHECK(job == other);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    CHECK_EQUAL(ret, UNWRITTEN);
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
}

static int try_everything_between_pauses(void *unused)
{
    (void)unused;
    try_everything();
    pause_and_count();
    try_everything();
    pause_and_count();
    try_everything();
    return 1;
}

CASE(inside_a_job_every_cancel_is_refused_even_of_itself, "Header: async.h; Rules: D5, D7")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job;
        int ret = UNWRITTEN;

        ones = zeros = 0;
        other = paused_in(pause_twice);
        job = paused_in(try_everything_between_pauses);
        /* The cancel is refused, so it has not cancelled itself. */
        CHECK_EQUAL(begin(&job, &ret, NULL), ASYNC_PAUSE);
        CHECK_FINISHES(job);
        CHECK_EQUAL(ones, 2);
        CHECK_EQUAL(begin(&other, &ret, NULL), ASYNC_PAUSE);
        CHECK_FINISHES(other);
        ASYNC_free_pool();
    }
}

CASE(refused_calls_inside_a_cancelled_job_leave_it_cancelled, "Header: async.h; Rules: D4, D5, D7")
{
    FOR_BOTH_GENERATIONS {
        ASYNC_JOB *job;
        int ret = UNWRITTEN;

        ones = zeros = 0;
        other = paused_in(pause_twice);
        job = paused_in(try_everything_between_pauses);
        CHECK_CANCELS(job, 1);
        CHECK_EQUAL(ones, 1);
        CHECK_EQUAL(zeros, 1);
        CHECK_EQUAL(begin(&other, &ret, NULL), ASYNC_PAUSE);
        CHECK_FINISHES(other);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
    }
}

/* ---------------------------------------------------------------------------------------------------------- counts */

CASE(a_cancel_counts_as_a_resume_and_a_refused_one_as_a_refusal, "Header: async.h, statistics")
{
    FOR_BOTH_GENERATIONS {
        OSSL_ASYNC_STATS before, after;
        ASYNC_JOB *job, *stale;

        stale = job = paused_in(pause_a_hundred_times);
        before = thread_stats();
        CHECK_CANCELS(job, 7);
        after = thread_stats();
        CHECK_EQUAL(after.jobs_created, before.jobs_created);
        CHECK_EQUAL(after.jobs_idle, before.jobs_idle + 1);
        CHECK_EQUAL(after.jobs_running, 0);
        CHECK_EQUAL(after.jobs_paused, before.jobs_paused - 1);
        CHECK_EQUAL(after.jobs_abandoned, 0);
        CHECK_EQUAL(after.starts, before.starts);
        CHECK_EQUAL(after.pauses, before.pauses);
        CHECK_EQUAL(after.resumes, before.resumes + 1);
        CHECK_EQUAL(after.finishes, before.finishes + 1);
        CHECK_EQUAL(after.refusals, before.refusals);
        CHECK_EQUAL(after.stack_bytes, before.stack_bytes);

        refuse(stale, REFUSED_HANDLE);
        refuse_without_a_place(REFUSED_NULL);
        before = after;
        after = thread_stats();
        CHECK_EQUAL(after.refusals, before.refusals + 4);
        CHECK_EQUAL(after.resumes, before.resumes);
        CHECK_EQUAL(after.finishes, before.finishes);
        ASYNC_free_pool();
    }
}

/* --------------------------------------------------------------------------------------------- threads and processes */

static void *cancel_many(void *unused)
{
    int round;

    for (round = 0; round < 200; round++) {
        ASYNC_JOB *jobs[3], *next;
        int i;

        for (i = 0; i < 3; i++)
            jobs[i] = paused_in(block_after_the_pause);
        for (i = 0; i < 3; i++)
            CHECK_CANCELS(jobs[i], 1);
        next = paused_in(pause_once);
        CHECK_FINISHES(next);
    }
    return unused;
}

CASE(threads_that_cancel_at_the_same_time_do_not_disturb_each_other, "Header: async.h; Rules: B29")
{
    pthread_t threads[4];
    int i;

    for (i = 0; i < 4; i++)
        NEED(pthread_create(&threads[i], NULL, cancel_many, NULL) == 0);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void cancel_the_copy(void)
{
    CHECK_CANCELS(other, GAVE_UP);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(a_child_cancels_its_copy_and_the_parents_job_can_be_resumed, "Rules: D16")
{
    FOR_BOTH_GENERATIONS {
        int ret = UNWRITTEN;

        other = paused_in(wait_until_it_arrives);
        CHECK_EQUAL(in_child(cancel_the_copy), 0);
        CHECK_EQUAL(begin(&other, &ret, NULL), ASYNC_PAUSE);
        CHECK_CANCELS(other, GAVE_UP);
        ASYNC_free_pool();
    }
}
