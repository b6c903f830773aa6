/*
 * Wait contexts in cases in which OpenSSL crashes: no context, a context freed too early, or used
 * by its own cleanups.
 */
#include "second.h"

static const char keys[8];
static ASYNC_WAIT_CTX *seen;

/* ---------------------------------------------------------------------------------------------------- no context */

static int look_and_pause(void *unused)
{
    (void)unused;
    seen = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) == seen);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

CASE(a_job_without_a_context_pauses_and_resumes, "Rules: D25, G13")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    seen = (ASYNC_WAIT_CTX *)&job;
    CHECK_EQUAL(go(&job, NULL, &ret, look_and_pause), ASYNC_PAUSE);
    CHECK(seen == NULL);
    CHECK(ASYNC_get_wait_ctx(job) == NULL);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_cleanup_thread();
}

static int callback(void *arg)
{
    (void)arg;
    return 1;
}

CASE(every_function_returns_zero_for_a_null_context, "Rules: D28, G17")
{
    OSSL_ASYNC_FD fd = UNWRITTEN;
    void *data = &fd;
    size_t first = 77, second = 78;
    ASYNC_callback_fn function = callback;

    ASYNC_WAIT_CTX_free(NULL);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(NULL, keys, 1, NULL, NULL), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_fd(NULL, keys, &fd, &data), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(NULL, &fd, &first), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_changed_fds(NULL, &fd, &first, &fd, &second), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(NULL, keys), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_callback(NULL, callback, NULL), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_callback(NULL, &function, &data), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_status(NULL, 1), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_status(NULL), 0);
    CHECK_EQUAL(fd, UNWRITTEN);
    CHECK(data == &fd);
    CHECK_EQUAL(first, 77);
    CHECK_EQUAL(second, 78);
    CHECK(function == callback);
    CHECK(ASYNC_get_wait_ctx(NULL) == NULL);
    CHECK_EQUAL(only_error(), 0);
}

CASE(outputs_that_are_null_are_not_written, "Header: async.h; Rules: G20, G22, G34")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    OSSL_ASYNC_FD fd = UNWRITTEN;
    size_t count = 77;
    void *data = NULL;

    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 5, &fd, NULL), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_fd(ctx, keys, NULL, NULL), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_fd(ctx, keys, &fd, NULL), 1);
    CHECK_EQUAL(fd, 5);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_fd(ctx, keys, NULL, &data), 1);
    CHECK(data == &fd);

    fd = UNWRITTEN;
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(ctx, &fd, NULL), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_changed_fds(ctx, &fd, NULL, &fd, &count), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_changed_fds(ctx, &fd, &count, &fd, NULL), 0);
    CHECK_EQUAL(fd, UNWRITTEN);
    CHECK_EQUAL(count, 77);

    CHECK_EQUAL(ASYNC_WAIT_CTX_set_callback(ctx, callback, &count), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_callback(ctx, NULL, &data), 1);
    CHECK(data == &count);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_callback(ctx, NULL, NULL), 1);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_WAIT_CTX_free(ctx);
}

/* ------------------------------------------------------------------------------------------------- freed too early */

static int cleaned, cleaned_fd[8];

static void note_cleanup(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx;
    (void)key;
    (void)data;
    cleaned_fd[cleaned++ % 8] = fd;
}

/* Uses its context as usual, before and after a pause. */
static int use_own_context(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    OSSL_ASYNC_FD fd;
    void *data;

    (void)unused;
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 10, NULL, note_cleanup), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 1, 11, NULL, note_cleanup), 1);
    ASYNC_pause_job();

    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) == ctx);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 2, 12, NULL, note_cleanup), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_fd(ctx, keys, &fd, &data), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, keys), 0);
    CHECK_COUNTS(ctx, 0, 0, 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_status(ctx, 3), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_status(ctx), 3);
    ASYNC_pause_job();
    CHECK_COUNTS(ctx, 0, 0, 0);
    return 1;
}

CASE(a_context_freed_while_its_job_is_paused_is_cleaned_up_at_once_and_once, "Rules: D26, G12, G17")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, ctx, &ret, use_own_context), ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleaned, 2);
    CHECK_EQUAL(cleaned_fd[0], 11);
    CHECK_EQUAL(cleaned_fd[1], 10);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    CHECK_EQUAL(cleaned, 2);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(cleaned, 2);
}

CASE(a_freed_context_lives_until_the_last_of_its_jobs_has_ended, "Rules: D26, G32")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *jobs[3] = {NULL, NULL, NULL};
    int ret = UNWRITTEN, i;

    for (i = 0; i < 3; i++)
        CHECK_EQUAL(go(&jobs[i], ctx, &ret, look_and_pause), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 20, NULL, note_cleanup), 1);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleaned, 1);
    for (i = 0; i < 3; i++)
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, NULL), ASYNC_PAUSE);
    for (i = 2; i >= 0; i--) {
        CHECK(ASYNC_get_wait_ctx(jobs[i]) == ctx);
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, NULL), ASYNC_FINISH);
    }
    CHECK_EQUAL(cleaned, 1);
    ASYNC_cleanup_thread();
}

static int free_own_context(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)unused;
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 30, NULL, note_cleanup), 1);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleaned, 1);
    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) == ctx);
    ASYNC_pause_job();
    CHECK_COUNTS(ctx, 0, 0, 0);
    return 1;
}

CASE(a_job_may_free_the_context_that_it_runs_on, "Rules: D26")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, ASYNC_WAIT_CTX_new(), &ret, free_own_context), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(cleaned, 1);
    ASYNC_cleanup_thread();
}

static void *free_elsewhere(void *ctx)
{
    ASYNC_WAIT_CTX_free(ctx);
    return NULL;
}

CASE(another_thread_may_free_the_context_of_a_paused_job, "Rules: D26")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, ctx, &ret, use_own_context), ASYNC_PAUSE);
    on_thread(free_elsewhere, ctx);
    CHECK_EQUAL(cleaned, 2);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    ASYNC_cleanup_thread();
}

/*
 * The pool is freed, then the context, then the job ends. At that time the context and the pool
 * are gone.
 */
CASE(pool_and_context_may_both_be_gone_when_a_job_ends, "Rules: D26, D3")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, ctx, &ret, use_own_context), ASYNC_PAUSE);
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(cleaned, 2);
    ASYNC_cleanup_thread();
}

/* ----------------------------------------------------------------------------------- cleanups that call back in */

static void use_context(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    size_t count = 99, added = 99, deleted = 99;
    OSSL_ASYNC_FD fds[8];

    cleaned_fd[cleaned++ % 8] = fd;
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_fd(ctx, key, &fds[0], &data), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, key, 99, NULL, use_context), 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(ctx, fds, &count), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_changed_fds(ctx, fds, &added, fds, &deleted), 1);
    CHECK_EQUAL(count, 3 - cleaned);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, key), 0);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_status(ctx, fd), 1);
}

CASE(a_cleanup_may_use_the_context_but_not_add_to_it, "Rules: G18, D26")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int i;

    for (i = 0; i < 3; i++)
        CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + i, 40 + i, NULL, use_context), 1);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleaned, 3);
    for (i = 0; i < 3; i++)
        CHECK_EQUAL(cleaned_fd[i], 42 - i);
    CHECK_EQUAL(only_error(), 0);
}

static void clear_the_others(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)key;
    (void)data;
    cleaned_fd[cleaned++ % 8] = fd;
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, keys), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 2), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 2), 0);
}

/* The entries are reported ones and new ones, because each kind is cleared differently. */
CASE(entries_that_a_cleanup_clears_are_not_cleaned_up, "Rules: G18, G27")
{
    int reported;

    for (reported = 0; reported < 2; reported++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN, i;

        for (i = 0; i < 4; i++)
            CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + i, 50 + i, NULL,
                                                   i == 3 ? clear_the_others : note_cleanup),
                        1);
        if (reported) {
            CHECK_EQUAL(go(&job, ctx, &ret, pause_once), ASYNC_PAUSE);
            CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
        }
        cleaned = 0;
        ASYNC_WAIT_CTX_free(ctx);
        CHECK_EQUAL(cleaned, 2);
        CHECK_EQUAL(cleaned_fd[0], 53);
        CHECK_EQUAL(cleaned_fd[1], 51);
    }
    ASYNC_cleanup_thread();
}

static void run_a_job(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    (void)key;
    (void)data;
    cleaned_fd[cleaned++ % 8] = fd;
    CHECK_EQUAL(go(&job, ctx, &ret, look_and_pause), ASYNC_PAUSE);
    CHECK(seen == ctx);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
}

CASE(a_cleanup_may_run_jobs_on_the_context, "Rules: D26, G18")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 60, NULL, run_a_job), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 1, 61, NULL, run_a_job), 1);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleaned, 2);
    ASYNC_cleanup_thread();
}

/*
 * As in 1.1.1, no trace is left of an entry that is cleared before the next resume, wherever it is
 * in the list.
 */
CASE(a_new_entry_after_deleted_ones_can_be_cleared, "Rules: D27, G25, G26")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, i;

    for (i = 0; i < 3; i++)
        CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + i, i, NULL, NULL), 1);
    CHECK_EQUAL(go(&job, ctx, &ret, pause_twice), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_PAUSE);
    CHECK_COUNTS(ctx, 3, 0, 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 3, 3, NULL, NULL), 1);
    for (i = 0; i < 3; i++)
        CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, keys + i), 1);
    CHECK_COUNTS(ctx, 1, 1, 3);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 3), 1);
    CHECK_COUNTS(ctx, 0, 0, 3);
    CHECK_EQUAL(go(&job, ctx, &ret, NULL), ASYNC_FINISH);
    CHECK_COUNTS(ctx, 0, 0, 0);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}
