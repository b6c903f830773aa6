/*
 * The cases of OpenSSL's own test of this facility, in our own code, as far as 1.1.0 to 3.x run
 * them. OpenSSL's test checks its results itself. This one prints each result, and comments give
 * the expected values.
 */
#include "transcript.h"

static int counter;
static ASYNC_JOB *current_job;

static int only_pause(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return 1;
}

static int add_two(void *unused)
{
    (void)unused;
    counter++;
    ASYNC_pause_job();
    counter++;
    return 2;
}

static int save_current(void *unused)
{
    (void)unused;
    current_job = ASYNC_get_current_job();
    ASYNC_pause_job();
    return 1;
}

static int blockpause(void *unused)
{
    (void)unused;
    ASYNC_block_pause();
    ASYNC_pause_job();
    ASYNC_unblock_pause();
    ASYNC_pause_job();
    return 1;
}

/* Three jobs, two at a time: NO_JOBS for the third until the first has finished. */
CASE(init_thread, "Rules: T6")
{
    ASYNC_JOB *job1 = NULL, *job2 = NULL, *job3 = NULL;
    int ret1 = UNWRITTEN, ret2 = UNWRITTEN, ret3 = UNWRITTEN;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_is_capable());
    SAY(ctx != NULL);
    SAY(ASYNC_init_thread(2, 0));
    go("job1", &job1, ctx, &ret1, only_pause);
    go("job2", &job2, ctx, &ret2, only_pause);
    go("job3", &job3, ctx, &ret3, only_pause);
    go("job1", &job1, ctx, &ret1, only_pause);
    go("job3", &job3, ctx, &ret3, only_pause);
    go("job2", &job2, ctx, &ret2, only_pause);
    go("job3", &job3, ctx, &ret3, only_pause);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

/* The counter is 1 after the pause, 2 at the end, and the value is 2. */
CASE(start_job, "Rules: T7")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(1, 0));
    go("start", &job, ctx, &ret, add_two);
    SAY(counter);
    go("resume", &job, ctx, &ret, add_two);
    SAY(counter);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

CASE(get_current_job, "Rules: T8")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(1, 0));
    go("start", &job, ctx, &ret, save_current);
    SAY(current_job == job);
    go("resume", &job, ctx, &ret, save_current);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

/* The first pause is skipped, so one resume is enough. */
CASE(block_pause, "Rules: T9")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(1, 0));
    go("start", &job, ctx, &ret, blockpause);
    go("resume", &job, ctx, &ret, blockpause);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

static int set_and_clear_99(void *unused)
{
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;

    (void)unused;
    ASYNC_pause_job();
    job = ASYNC_get_current_job();
    if (job == NULL)
        return 0;
    ctx = ASYNC_get_wait_ctx(job);
    if (ctx == NULL)
        return 0;
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 99, NULL, NULL));
    ASYNC_pause_job();
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, ctx));
    return 1;
}

/* 0, then 1 with 1 added, then 0 with 1 deleted. */
CASE(get_all_fds, "Rules: T10")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(1, 0));
    go("start", &job, ctx, &ret, set_and_clear_99);
    say_fds("(a)", ctx);
    go("resume", &job, ctx, &ret, set_and_clear_99);
    say_fds("(b)", ctx);
    go("resume", &job, ctx, &ret, set_and_clear_99);
    say_fds("(c)", ctx);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

static int set_clear_and_both(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)unused;
    if (ctx == NULL)
        return 0;
    ASYNC_pause_job();
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 99, NULL, NULL));
    ASYNC_pause_job();
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, ctx));
    ASYNC_pause_job();
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 99, NULL, NULL));
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, ctx));
    return 1;
}

/* As before, and in the end 0 with 0/0 for one set and cleared at once. */
CASE(get_all_fds_extended, "Rules: T11")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(1, 0));
    go("start", &job, ctx, &ret, set_clear_and_both);
    say_fds("(a)", ctx);
    go("resume", &job, ctx, &ret, set_clear_and_both);
    say_fds("(b)", ctx);
    go("resume", &job, ctx, &ret, set_clear_and_both);
    say_fds("(c)", ctx);
    go("resume", &job, ctx, &ret, set_clear_and_both);
    say_fds("(d)", ctx);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

#if defined(OPENSSL_VERSION_MAJOR) && OPENSSL_VERSION_MAJOR >= 3

static int one_if_it_is_the_counter(void *arg)
{
    return arg == &counter;
}

CASE(callback_status, "Rules: T12")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_callback_fn function = NULL;
    void *argument = NULL;

    SAY(ASYNC_init_thread(1, 0));
    SAY(ASYNC_WAIT_CTX_set_callback(ctx, one_if_it_is_the_counter, &counter));
    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(function == one_if_it_is_the_counter);
    SAY(argument == &counter);
    SAY(function(argument));
    SAY(ASYNC_WAIT_CTX_set_status(ctx, 1));
    SAY(ASYNC_WAIT_CTX_get_status(ctx));
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

/* The present default library context. To find it out, another one must be set for a moment. */
static OSSL_LIB_CTX *current_libctx(void)
{
    OSSL_LIB_CTX *current = OSSL_LIB_CTX_set0_default(NULL);

    return current;
}

static int use_own_libctx(void *unused)
{
    OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
    OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(own);

    (void)unused;
    ASYNC_pause_job();
    SAY(current_libctx() == own);
    SAY(OSSL_LIB_CTX_set0_default(own) == own);
    ASYNC_pause_job();
    SAY(current_libctx() == own);
    SAY(OSSL_LIB_CTX_set0_default(before) == own);
    OSSL_LIB_CTX_free(own);
    return 1;
}

/*
 * The job and its caller each find their own after every switch. Without init_thread: the pool is
 * made by the start.
 */
CASE(start_job_with_default_libctx, "Rules: T13")
{
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    OSSL_LIB_CTX *global = OSSL_LIB_CTX_set0_default(libctx);
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    go("start", &job, ctx, &ret, use_own_libctx);
    SAY(current_libctx() == libctx);
    go("resume", &job, ctx, &ret, use_own_libctx);
    SAY(OSSL_LIB_CTX_set0_default(global) == libctx);
    go("resume", &job, ctx, &ret, use_own_libctx);
    SAY(current_libctx() == global);
    OSSL_LIB_CTX_free(libctx);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
}

#endif
