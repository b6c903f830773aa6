/*
 * How ASYNC_start_job treats its arguments: the private copy, its sizes, and when *job and *ret
 * are written.
 */
#include "cases.h"

struct message {
    char text[16];
    double number;
};

static struct message *caller_copy;
static void *received, *received_later;

static int change_message(void *arg)
{
    struct message *message = arg;

    received = arg;
    CHECK(strcmp(message->text, "from the caller") == 0);
    CHECK(message->number == 2.5);
    strcpy(message->text, "from the job");
    ASYNC_pause_job();
    /* The caller has changed its own copy meanwhile. */
    received_later = arg;
    CHECK(strcmp(message->text, "from the job") == 0);
    CHECK(message->number == 2.5);
    return 1;
}

CASE(arguments_are_copied_into_a_private_block, "Rules: B23")
{
    struct message message = {"from the caller", 2.5};
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    caller_copy = &message;
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, change_message, &message, sizeof(message)), ASYNC_PAUSE);
    CHECK(received != NULL && received != (void *)caller_copy);
    CHECK(strcmp(message.text, "from the caller") == 0);
    memset(&message, 0, sizeof(message));
    CHECK_FINISHES(job);
    CHECK(received_later == received);
    CHECK_EQUAL(message.text[0], 0);
    ASYNC_free_pool();
}

static int sum(void *arg)
{
    const unsigned char *bytes = (unsigned char *)arg + sizeof(size_t);
    size_t size, i;
    int total = 0;

    memcpy(&size, arg, sizeof(size));
    for (i = sizeof(size); i < size; i++)
        total += *bytes++;
    return total;
}

CASE(every_byte_is_copied_and_no_byte_beyond, "Rules: B23")
{
    static unsigned char buffer[70000];
    static const size_t sizes[] = {sizeof(size_t), 9, 63, 64, 65, 4096, 32768, 70000};
    size_t i, n;

    for (n = 0; n < sizeof(sizes) / sizeof(*sizes); n++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN, total = 0;

        for (i = 0; i < sizes[n]; i++)
            buffer[i] = (unsigned char)(i % 251 + 1);
        memcpy(buffer, &sizes[n], sizeof(sizes[n]));
        for (i = sizeof(size_t); i < sizes[n]; i++)
            total += buffer[i];
        CHECK_EQUAL(ASYNC_start_job(&job, &ret, sum, buffer, sizes[n]), ASYNC_FINISH);
        CHECK_EQUAL(ret, total);
    }
    ASYNC_free_pool();
}

static int own_byte(void *arg)
{
    ASYNC_pause_job();
    return *(unsigned char *)arg;
}

CASE(each_paused_job_has_a_block_of_its_own, "Rules: B23")
{
    ASYNC_JOB *jobs[20] = {NULL};
    int ret = UNWRITTEN, i;
    unsigned char byte;

    for (i = 0; i < 20; i++) {
        byte = (unsigned char)i;
        CHECK_EQUAL(ASYNC_start_job(&jobs[i], &ret, own_byte, &byte, 1), ASYNC_PAUSE);
    }
    for (i = 19; i >= 0; i--) {
        CHECK_EQUAL(resume(&jobs[i], &ret), ASYNC_FINISH);
        CHECK_EQUAL(ret, i);
    }
    ASYNC_free_pool();
}

static int misalignment(void *arg)
{
    return (int)((uintptr_t)arg % (2 * sizeof(size_t)));
}

CASE(the_block_is_aligned_like_any_malloc_block, "Rules: B44")
{
    char buffer[200] = "";
    size_t size;

    for (size = 1; size <= sizeof(buffer); size++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN;

        CHECK_EQUAL(ASYNC_start_job(&job, &ret, misalignment, buffer, size), ASYNC_FINISH);
        CHECK_EQUAL(ret, 0);
    }
    ASYNC_free_pool();
}

static int is_null(void *arg)
{
    return arg == NULL;
}

CASE(null_arguments_reach_the_function_as_null_whatever_the_size, "Rules: B25, D13")
{
    static const size_t sizes[] = {0, 1, 64, (size_t)-1};
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN;

        CHECK_EQUAL(ASYNC_start_job(&job, &ret, is_null, NULL, sizes[i]), ASYNC_FINISH);
        CHECK_EQUAL(ret, 1);
        CHECK_EQUAL(only_error(), 0);
    }
    ASYNC_free_pool();
}

CASE(a_size_of_zero_with_arguments_is_an_error, "Rules: B24, D11")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char byte = 1;

    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, &byte, 0), ASYNC_ERR);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), E9_NO_ARGUMENT_COPY);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(a_failed_start_leaves_its_job_idle_and_counted, "Rules: B27")
{
    ASYNC_JOB *job = NULL, *paused;
    int ret = UNWRITTEN, descriptors;
    char byte = 1;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    descriptors = open_descriptors();
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, &byte, 0), ASYNC_ERR);
    ERR_clear_error();
    CHECK_EQUAL(open_descriptors(), descriptors);
    CHECK_PAUSES(paused);
    CHECK_NO_JOBS();
    CHECK_FINISHES(paused);
    ASYNC_free_pool();
}

CASE(the_pool_is_asked_before_the_arguments_are_looked_at, "Rules: B45")
{
    ASYNC_JOB *paused, *job = NULL;
    int ret = UNWRITTEN;
    char byte = 1;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_PAUSES(paused);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, &byte, 0), ASYNC_NO_JOBS);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), 0);
    CHECK_FINISHES(paused);
    ASYNC_free_pool();
}

static int ran_by_resume;

static int must_not_run(void *unused)
{
    (void)unused;
    ran_by_resume = 1;
    return 99;
}

CASE(a_resume_ignores_function_arguments_and_size, "Rules: B22")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char byte = 7;

    CHECK_EQUAL(ASYNC_start_job(&job, &ret, own_byte, &byte, 1), ASYNC_PAUSE);
    byte = 8;
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, must_not_run, &byte, 1), ASYNC_FINISH);
    CHECK_EQUAL(ret, 7);

    /* Values that would make a new start fail have no effect on a resume. */
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, NULL, &byte, 0), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, NULL, NULL, (size_t)-1), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    CHECK_EQUAL(ran_by_resume, 0);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static ASYNC_JOB *callers_handle;
static int callers_ret;

static int watch_the_caller(void *unused)
{
    ASYNC_JOB *me = ASYNC_get_current_job();

    (void)unused;
    CHECK(callers_handle == NULL);
    CHECK_EQUAL(callers_ret, UNWRITTEN);
    ASYNC_pause_job();
    CHECK(callers_handle == me);
    CHECK_EQUAL(callers_ret, UNWRITTEN);
    ASYNC_pause_job();
    CHECK(callers_handle == me);
    CHECK_EQUAL(callers_ret, UNWRITTEN);
    return 5;
}

CASE(handle_and_value_are_written_only_at_pause_and_finish, "Rules: B20")
{
    callers_handle = NULL;
    callers_ret = UNWRITTEN;
    CHECK_EQUAL(start(&callers_handle, &callers_ret, watch_the_caller), ASYNC_PAUSE);
    CHECK(callers_handle != NULL);
    CHECK_EQUAL(callers_ret, UNWRITTEN);
    CHECK_EQUAL(resume(&callers_handle, &callers_ret), ASYNC_PAUSE);
    CHECK(callers_handle != NULL);
    CHECK_EQUAL(callers_ret, UNWRITTEN);
    CHECK_EQUAL(resume(&callers_handle, &callers_ret), ASYNC_FINISH);
    CHECK(callers_handle == NULL);
    CHECK_EQUAL(callers_ret, 5);
    ASYNC_free_pool();
}
