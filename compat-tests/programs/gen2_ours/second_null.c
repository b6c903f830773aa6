/* The second generation without jobs: what every function returns there. */
#include "second.h"

static int ran;

static int must_not_run(void *unused)
{
    (void)unused;
    ran = 1;
    return 1;
}

CASE(init_succeeds_and_makes_nothing, "Rules: F16, G2")
{
    CHECK_EQUAL(ASYNC_is_capable(), 0);
    CHECK_EQUAL(ASYNC_init_thread(0, 0), 1);
    CHECK_EQUAL(ASYNC_init_thread(4, 2), 1);
    CHECK_EQUAL(only_error(), 0);
    CHECK_EQUAL(ASYNC_init_thread(1, 2), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
    ASYNC_cleanup_thread();
}

CASE(start_returns_no_jobs_without_an_entry_and_runs_nothing, "Rules: F16")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, arg = 1;

    CHECK_EQUAL(go(&job, ctx, &ret, must_not_run), ASYNC_NO_JOBS);
    CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, must_not_run, &arg, sizeof(arg)), ASYNC_NO_JOBS);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(ran, 0);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_WAIT_CTX_free(ctx);
}

static void *alloc_nothing(size_t *size)
{
    (void)size;
    return NULL;
}

CASE(stack_functions_cannot_be_set, "Rules: F16, G40, G43")
{
    ASYNC_stack_alloc_fn a = alloc_nothing;
    ASYNC_stack_free_fn f = free;

    CHECK_EQUAL(ASYNC_set_mem_functions(alloc_nothing, free), 0);
    ASYNC_get_mem_functions(&a, &f);
    CHECK(a == NULL);
    CHECK(f == NULL);
}

static int cleaned;

static void count(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx;
    (void)key;
    (void)fd;
    (void)data;
    cleaned++;
}

/* Wait contexts are the same everywhere. */
CASE(contexts_work, "Rules: F16, G19, G23")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    NEED(ctx != NULL);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, 1, NULL, count), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 2, NULL, count), 1);
    CHECK_COUNTS(ctx, 2, 2, 0);
    CHECK_EQUAL(ASYNC_WAIT_CTX_clear_fd(ctx, NULL), 1);
    CHECK_COUNTS(ctx, 1, 1, 0);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQUAL(cleaned, 1);
}

CASE(there_is_nothing_to_count, "Header: async.h, statistics")
{
    OSSL_ASYNC_STATS stats, zero;

    memset(&zero, 0, sizeof(zero));
    stats = process_stats();
    CHECK(memcmp(&stats, &zero, sizeof(stats)) == 0);
}
