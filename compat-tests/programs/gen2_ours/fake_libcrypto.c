/*
 * The library's calls of libcrypto, recorded by replacements for it. They have the error codes of
 * each version, and a default library context that cannot be set. The real libcrypto can hardly be
 * made to fail there.
 *
 * The arguments are the replacements: for OpenSSL 3.0, for 1.1, and for a fork of an older
 * version.
 */
#include "second.h"

static int *entries, *library, *function, *reason, *line, *refuses;
static const char **file, **function_name;
static void **current;

/* Loads one of the three, after all other libraries, with names that all of them can see. */
static int load(int argument)
{
    void *fake = argument < harness_argc ? dlopen(harness_argv[argument], RTLD_NOW | RTLD_GLOBAL) : NULL;

    if (fake == NULL) {
        harness_fail(__FILE__, __LINE__, "the replacement can be loaded");
        return 0;
    }
    entries = dlsym(fake, "fake_entries");
    library = dlsym(fake, "fake_library");
    function = dlsym(fake, "fake_function");
    reason = dlsym(fake, "fake_reason");
    line = dlsym(fake, "fake_line");
    file = dlsym(fake, "fake_file");
    function_name = dlsym(fake, "fake_function_name");
    current = dlsym(fake, "fake_default");
    refuses = dlsym(fake, "fake_refuses");
    return 1;
}

static int nest(void *unused)
{
    ASYNC_JOB *job = NULL;

    (void)unused;
    CHECK_EQUAL(go(&job, NULL, NULL, return_one), ASYNC_ERR);
    ASYNC_cleanup_thread();
    return 1;
}

/*
 * 3.0 has no function codes any more, and the reasons that all libraries share have other numbers.
 */
CASE(entries_of_3_0_have_its_numbers, "Rules: G47, D10, D4")
{
    ASYNC_JOB *job = NULL;
    char byte = 0;

    NEED(load(1));
    CHECK_EQUAL(ASYNC_init_thread(1, 2), 0);
    CHECK_EQUAL(*entries, 1);
    CHECK_EQUAL(*library, 51);
    CHECK_EQUAL(*reason, 103);
    CHECK(*file != NULL && **file != '\0' && *line > 0);
    CHECK(*function_name != NULL && strncmp(*function_name, "ASYNC_init_", 11) == 0);

    CHECK_EQUAL(ASYNC_start_job(&job, NULL, NULL, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(*entries, 2);
    CHECK_EQUAL(*reason, 0xC0102);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, NULL, return_one, &byte, TOO_MANY_BYTES), ASYNC_ERR);
    CHECK_EQUAL(*entries, 3);
    CHECK_EQUAL(*reason, 0xC0100);
    CHECK_EQUAL(go(&job, NULL, NULL, nest), ASYNC_FINISH);
    CHECK_EQUAL(*entries, 5);
    CHECK_EQUAL(*reason, 0xC0101);
    CHECK_EQUAL(*library, 51);

    /* The library's own queue has the usual codes. */
    CHECK_EQUAL(ERR_get_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ERR_get_error(), REFUSED_NULL);
    CHECK_EQUAL(ERR_get_error(), E9_NO_ARGUMENT_COPY);
    CHECK_EQUAL(ERR_get_error(), REFUSED_NESTED);
    CHECK_EQUAL(ERR_get_error(), REFUSED_FREE);
    CHECK_EQUAL(ERR_get_error(), 0);
    ASYNC_cleanup_thread();
}

CASE(entries_of_1_1_have_function_codes, "Header: asyncerr.h; Rules: B3")
{
    ASYNC_JOB *job = NULL;

    NEED(load(2));
    CHECK_EQUAL(ASYNC_init_thread(1, 2), 0);
    CHECK_EQUAL(*entries, 1);
    CHECK_EQUAL(*library, 51);
    CHECK_EQUAL(*function, 101);
    CHECK_EQUAL(*reason, 103);
    CHECK(*file != NULL && **file != '\0' && *line > 0);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, NULL, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(*entries, 2);
    CHECK_EQUAL(*function, 105);
    CHECK_EQUAL(*reason, 67);
    ERR_clear_error();
    CHECK_STILL_WORKS();
    CHECK_EQUAL(*entries, 2);
    ASYNC_cleanup_thread();
}

/* It has an error queue, but of another kind: its library 51 need not be ASYNC. */
CASE(a_fork_of_openssl_is_left_alone, "Header: async.h; Rules: B3")
{
    NEED(load(3));
    CHECK_EQUAL(ASYNC_init_thread(1, 2), 0);
    CHECK_EQUAL(*entries, 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
    CHECK_STILL_WORKS();
    ASYNC_cleanup_thread();
}

static char of_thread, of_job, of_other_job;
static int steps;

static int choose_own(void *unused)
{
    (void)unused;
    CHECK(*current == &of_thread);
    *current = &of_job;
    steps = 1;
    ASYNC_pause_job();
    CHECK(*current == &of_job);
    steps = 2;
    return 4;
}

static int choose_other(void *unused)
{
    (void)unused;
    *current = &of_other_job;
    ASYNC_pause_job();
    return 5;
}

/*
 * OpenSSL would put the paused record into the pool, and the next start would resume the old
 * function.
 */
CASE(a_job_whose_library_context_cannot_be_restored_stays_paused, "Rules: D30, G39, G37")
{
    ASYNC_JOB *job = NULL, *handle, *other = NULL;
    int ret = UNWRITTEN, i;

    NEED(load(1));
    *current = &of_thread;
    CHECK_EQUAL(go(&job, NULL, &ret, choose_own), ASYNC_PAUSE);
    CHECK(*current == &of_thread);
    handle = job;
    *refuses = 1;
    for (i = 0; i < 3; i++) {
        CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_ERR);
        CHECK_EQUAL(only_error(), REFUSED_NESTED);
        CHECK_EQUAL(*entries, i + 1);
        CHECK_EQUAL(*reason, 0xC0103);
        CHECK(job == handle);
        CHECK_EQUAL(ret, UNWRITTEN);
        CHECK_EQUAL(steps, 1);
    }
    *refuses = 0;
    CHECK(*current == &of_thread);
    /* Another start uses another record, and runs its own function. */
    CHECK_EQUAL(go(&other, NULL, &ret, choose_other), ASYNC_PAUSE);
    CHECK(other != job);
    CHECK_EQUAL(steps, 1);
    CHECK(*current == &of_thread);

    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 4);
    CHECK_EQUAL(steps, 2);
    CHECK(*current == &of_thread);
    CHECK_EQUAL(go(&other, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 5);
    CHECK(*current == &of_thread);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_cleanup_thread();
}

static int pause_with_own(void *unused)
{
    (void)unused;
    *current = &of_job;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK(*current == &of_job);
    return 10 + ASYNC_pause_job();
}

CASE(a_job_that_could_not_be_cancelled_for_its_library_context_pauses_as_before, "Header: async.h; Rules: D30, G37, G39")
{
    ASYNC_JOB *job = NULL, *handle;
    int ret = UNWRITTEN;

    NEED(load(1));
    *current = &of_thread;
    CHECK_EQUAL(go(&job, NULL, &ret, pause_with_own), ASYNC_PAUSE);
    handle = job;
    *refuses = 1;
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    CHECK(job == handle);
    CHECK_EQUAL(ret, UNWRITTEN);
    *refuses = 0;
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_PAUSE);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 10);
    CHECK(*current == &of_thread);
    ASYNC_cleanup_thread();
}

/*
 * libcrypto is loaded while jobs are paused: these have no library context to restore, and new
 * jobs do.
 */
CASE(libcrypto_may_be_loaded_between_a_start_and_its_resume, "Rules: G37")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
    NEED(load(1));
    *current = &of_thread;
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK(*current == &of_thread);
    /* The library looks for libcrypto when jobs are made. */
    ASYNC_cleanup_thread();
    CHECK_EQUAL(go(&job, NULL, &ret, choose_own), ASYNC_PAUSE);
    CHECK(*current == &of_thread);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK(*current == &of_thread);
    ASYNC_cleanup_thread();
}
