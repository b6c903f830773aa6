/*
 * The implementation without jobs, for systems without a working ucontext: what every function
 * returns there.
 */
#include "cases.h"

CASE(init_says_that_no_pool_can_be_had, "Rules: F15")
{
    CHECK_EQUAL(ASYNC_init_pool(0, 0), 0);
    CHECK_EQUAL(only_error(), E4_POOL_NOT_SET);
    CHECK_EQUAL(ASYNC_init_pool(4, 2), 0);
    CHECK_EQUAL(only_error(), E4_POOL_NOT_SET);
    ERR_load_ASYNC_strings();
    CHECK(strcmp(ERR_error_string(E4_POOL_NOT_SET, NULL),
                 "error:33065065:ASYNC routines:ASYNC_init_pool:failed to set pool") == 0);
}

CASE(bad_sizes_are_reported_first, "Rules: F15, B8")
{
    CHECK_EQUAL(ASYNC_init_pool(1, 2), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
}

static int ran;

static int must_not_run(void *unused)
{
    (void)unused;
    ran = 1;
    return 1;
}

CASE(start_returns_err_without_an_entry_and_runs_nothing, "Rules: F15")
{
    int before = open_descriptors(), ret = UNWRITTEN, arg = 1;
    ASYNC_JOB *job = NULL;

    CHECK_EQUAL(start(&job, &ret, must_not_run), ASYNC_ERR);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, must_not_run, &arg, sizeof(arg)), ASYNC_ERR);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(ran, 0);
    CHECK_EQUAL(only_error(), 0);
    CHECK_EQUAL(open_descriptors(), before);
}

CASE(all_other_functions_have_no_effect, "Rules: F15, B39")
{
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(ASYNC_in_job(), 0);
    ASYNC_block_pause();
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_unblock_pause();
    ASYNC_free_pool();
    CHECK_EQUAL(ASYNC_get_wait_fd(NULL), -1);
    ASYNC_wake(NULL);
    ASYNC_clear_wake(NULL);
    CHECK_EQUAL(only_error(), 0);
}

CASE(functions_that_openssl_lacks_are_refused_or_have_no_effect, "Header: async.h, what OpenSSL does not have")
{
    OSSL_ASYNC_STATS stats, zero;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(65536), 0);
    CHECK_EQUAL(only_error(), 0x33066042UL);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), 131072);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(NULL), 0);
    OSSL_ASYNC_measure_stacks(1);
    memset(&zero, 0, sizeof(zero));
    stats = process_stats();
    CHECK(memcmp(&stats, &zero, sizeof(stats)) == 0);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(NULL, &ret), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
}
