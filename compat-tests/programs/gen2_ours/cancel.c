/* OSSL_ASYNC_cancel_job: jobs of both calls that look and leave, what they hold, and what is refused. */
#include "second.h"

enum call { FIVE_ARGUMENTS, SIX_ARGUMENTS, CALLS };

/* Starts a job by either call, with these arguments copied. */
static int start_by(enum call call, ASYNC_JOB **job, int *ret, int (*function)(void *), void *args, size_t size)
{
    if (call == FIVE_ARGUMENTS)
        return ASYNC_start_job_2015(job, ret, function, args, size);
    return ASYNC_start_job(job, NULL, ret, function, args, size);
}

/* What a job of poll_until_ready has to do with. */
struct connection {
    int ready;   /* set by whoever has the answer */
    int refused; /* pauses that did not happen */
    void *held;  /* freed by the job, however it ends */
};

#define GAVE_UP (-1)

/* As an engine waits: in a loop, which it leaves when it cannot pause. */
static int poll_until_ready(void *args)
{
    struct connection *connection = *(struct connection **)args;
    int result = 0;

    connection->held = malloc(100);
    CHECK(connection->held != NULL);
    while (!connection->ready)
        if (ASYNC_pause_job() == 0) {
            result = GAVE_UP;
            break;
        }
    if (result == GAVE_UP)
        for (connection->refused = 1; connection->refused < 1000; connection->refused++)
            CHECK_EQUAL(ASYNC_pause_job(), 0);
    free(connection->held);
    connection->held = NULL;
    return result;
}

static ASYNC_JOB *start_polling(enum call call, struct connection *connection)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    memset(connection, 0, sizeof(*connection));
    CHECK_EQUAL(start_by(call, &job, &ret, poll_until_ready, &connection, sizeof(connection)), ASYNC_PAUSE);
    CHECK_EQUAL(ret, UNWRITTEN);
    return job;
}

/*
 * The pause that it is in when it is cancelled goes on as after a resume; the one after that is the first that is refused.
 */
CASE(a_job_that_looks_leaves_by_its_own_error_path_and_frees_what_it_holds, "Header: async.h; Rules: S3, B20, B34")
{
    struct connection connection;
    enum call call;

    for (call = 0; call < CALLS; call++) {
        ASYNC_JOB *job = start_polling(call, &connection);
        int ret = UNWRITTEN;

        CHECK(connection.held != NULL);
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
        CHECK(job == NULL);
        CHECK_EQUAL(ret, GAVE_UP);
        CHECK_EQUAL(connection.refused, 1000);
        CHECK(connection.held == NULL);
        CHECK_EQUAL(only_error(), 0);
    }
    ASYNC_free_pool();
}

static int pause_and_count(void *args)
{
    int *pauses = *(int **)args;

    while (ASYNC_pause_job() == 1)
        ++*pauses;
    return *pauses;
}

CASE(the_next_job_on_the_record_pauses_as_ever, "Header: async.h; Rules: P4, S3")
{
    enum call call;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    for (call = 0; call < CALLS; call++) {
        int pauses = 0, *args = &pauses, ret = UNWRITTEN, i;
        ASYNC_JOB *job = NULL, *record;

        CHECK_EQUAL(start_by(call, &job, &ret, pause_and_count, &args, sizeof(args)), ASYNC_PAUSE);
        record = job;
        for (i = 1; i <= 5; i++) {
            CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
            CHECK_EQUAL(pauses, i);
        }
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
        CHECK_EQUAL(ret, 6);
        CHECK_PAUSES(job);
        CHECK(job == record);
        CHECK_FINISHES(job);
    }
    ASYNC_free_pool();
}

CASE(the_result_need_not_be_wanted, "Header: async.h; Rules: D10")
{
    struct connection connection;
    ASYNC_JOB *job = start_polling(FIVE_ARGUMENTS, &connection);

    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, NULL), ASYNC_FINISH);
    CHECK(job == NULL);
    CHECK_EQUAL(connection.refused, 1000);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static int block_and_pause(void *unused)
{
    int blocked;

    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    blocked = ASYNC_pause_job();
    ASYNC_unblock_pause();
    return 10 * blocked + ASYNC_pause_job();
}

/* Blocked, ASYNC_pause_job answers 1 otherwise. */
CASE(pausing_is_refused_also_while_it_is_blocked, "Header: async.h; Rules: K4, B31")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, block_and_pause), ASYNC_PAUSE);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 0);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static int look_at_the_signal(void *unused)
{
    ASYNC_JOB *me = ASYNC_get_current_job();
    int fd;

    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    fd = ASYNC_get_wait_fd(me);
    CHECK(fd >= 0);
    CHECK(readable(fd)); /* neither the cancel nor a resume touches it */
    ASYNC_clear_wake(me);
    CHECK(!readable(fd));
    ASYNC_wake(me);
    return ASYNC_pause_job();
}

CASE(the_signal_is_the_jobs_to_its_end_and_the_next_begins_without, "Header: async.h; Rules: B37, D19, W3")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK_EQUAL(start(&job, &ret, look_at_the_signal), ASYNC_PAUSE);
    ASYNC_wake(job);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 0);
    CHECK_PAUSES(job);
    CHECK(!readable(ASYNC_get_wait_fd(job)));
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static int cleanups;

static void count_cleanup(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx;
    (void)key;
    (void)fd;
    (void)data;
    cleanups++;
}

static int set_and_clear(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)unused;
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, &cleanups, 0, NULL, count_cleanup), 1);
    while (ASYNC_pause_job() == 1)
        ;
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, &cleanups), 1);
    return 1;
}

CASE(a_cancelled_job_has_its_wait_context_to_its_end, "Header: async.h; Rules: G23, D26")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    NEED(ctx != NULL);
    CHECK_EQUAL(go(&job, ctx, &ret, set_and_clear), ASYNC_PAUSE);
    CHECK_COUNTS(ctx, 1, 1, 0);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    CHECK_COUNTS(ctx, 0, 0, 1);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleanups, 0);
    ASYNC_cleanup_thread();
}

static int pause_as_long_as_it_can(void *unused)
{
    (void)unused;
    while (ASYNC_pause_job() == 1)
        ;
    return 2;
}

/* The connection goes away first: its context is freed under the paused job, and then the job is cancelled. */
CASE(a_job_whose_context_is_gone_can_be_cancelled, "Header: async.h; Rules: D26, G17")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    NEED(ctx != NULL);
    CHECK_EQUAL(go(&job, ctx, &ret, pause_as_long_as_it_can), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, &cleanups, 0, NULL, count_cleanup), 1);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleanups, 1);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 2);
    CHECK_EQUAL(cleanups, 1);
    ASYNC_cleanup_thread();
}

/* ------------------------------------------------------------------------------------------------------- refusals */

/* A cancel that is refused with this entry: nothing is written. */
#define CHECK_REFUSED(JOB, CODE)                                                                                      \
    do {                                                                                                              \
        ASYNC_JOB *before_ = (JOB);                                                                                   \
        int ret_ = UNWRITTEN;                                                                                         \
                                                                                                                      \
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&(JOB), &ret_), ASYNC_ERR);                                                 \
        CHECK((JOB) == before_);                                                                                      \
        CHECK_EQUAL(ret_, UNWRITTEN);                                                                                 \
        CHECK_EQUAL(only_error(), CODE);                                                                              \
    } while (0)

CASE(without_a_job_there_is_nothing_to_cancel, "Header: async.h; Rules: D10")
{
    ASYNC_JOB *none = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(OSSL_ASYNC_cancel_job(NULL, &ret), ASYNC_ERR);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK_REFUSED(none, REFUSED_NULL);
    ASYNC_free_pool();
}

CASE(a_job_that_has_ended_cannot_be_cancelled_before_or_after_its_pool_is_freed, "Header: async.h; Rules: D6")
{
    ASYNC_JOB *job, *stale;
    int ret = UNWRITTEN;

    CHECK_PAUSES(job);
    stale = job;
    CHECK_FINISHES(job);
    CHECK_REFUSED(stale, REFUSED_HANDLE);
    ASYNC_free_pool();
    CHECK_REFUSED(stale, REFUSED_HANDLE);
    CHECK_PAUSES(job);
    stale = job;
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_REFUSED(stale, REFUSED_HANDLE);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static void *cancel_from_here(void *place)
{
    CHECK_REFUSED(*(ASYNC_JOB **)place, REFUSED_HANDLE);
    ASYNC_cleanup_thread();
    return NULL;
}

CASE(another_threads_job_cannot_be_cancelled_and_goes_on_at_home, "Header: async.h; Rules: D8")
{
    ASYNC_JOB *job;

    CHECK_PAUSES(job);
    on_thread(cancel_from_here, &job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static int cancel_another_and_myself(void *args)
{
    ASYNC_JOB *other = *(ASYNC_JOB **)args, *me = ASYNC_get_current_job();

    CHECK_REFUSED(other, REFUSED_NESTED);
    CHECK_REFUSED(me, REFUSED_NESTED);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

CASE(no_job_is_cancelled_inside_a_job, "Header: async.h; Rules: D5, D7")
{
    ASYNC_JOB *job, *inside = NULL;
    int ret = UNWRITTEN;

    CHECK_PAUSES(job);
    CHECK_EQUAL(ASYNC_start_job_2015(&inside, &ret, cancel_another_and_myself, &job, sizeof(job)), ASYNC_PAUSE);
    CHECK_FINISHES(inside);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

/* In the error path of a cancelled job everything is as in a job. */
static int misuse_on_the_way_out(void *unused)
{
    ASYNC_JOB *other = NULL, *me = ASYNC_get_current_job();
    int ret = UNWRITTEN;

    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 0);
    CHECK_EQUAL(start(&other, &ret, return_one), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    CHECK_REFUSED(me, REFUSED_NESTED);
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
    CHECK_EQUAL(ASYNC_in_job(), 1);
    CHECK(ASYNC_get_current_job() == me);
    return ASYNC_pause_job() == 0;
}

CASE(misuse_in_a_cancelled_job_is_refused_as_ever, "Header: async.h; Rules: D4, D5, D7, B42")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, misuse_on_the_way_out), ASYNC_PAUSE);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    CHECK_EQUAL(ASYNC_in_job(), 0);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(a_cancel_counts_as_a_resume_and_frees_the_place_in_the_pool, "Header: async.h, statistics; Rules: P2")
{
    struct connection connections[3];
    OSSL_ASYNC_STATS before, after;
    ASYNC_JOB *jobs[3];
    int i, ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(3, 0), 1);
    for (i = 0; i < 3; i++)
        jobs[i] = start_polling(i % CALLS, &connections[i]);
    CHECK_NO_JOBS();
    CHECK_EQUAL(OSSL_ASYNC_thread_stats(&before, sizeof(before)), 1);
    for (i = 0; i < 3; i++)
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&jobs[i], &ret), ASYNC_FINISH);
    CHECK_EQUAL(OSSL_ASYNC_thread_stats(&after, sizeof(after)), 1);
    CHECK_EQUAL(before.jobs_paused, 3);
    CHECK_EQUAL(after.jobs_paused, 0);
    CHECK_EQUAL(after.jobs_idle, 3);
    CHECK_EQUAL(after.jobs_abandoned, 0);
    CHECK_EQUAL(after.resumes, before.resumes + 3);
    CHECK_EQUAL(after.finishes, before.finishes + 3);
    CHECK_EQUAL(after.pauses, before.pauses);
    CHECK_EQUAL(after.refusals, before.refusals);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}
