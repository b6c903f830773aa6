/* The size of jobs' stacks, set by call and by environment, and how much of them is used. */
#include "cases.h"

#define KIB ((size_t)1024)
#define LEAST (32 * KIB)
#define DEFAULT (128 * KIB)
#define MOST ((size_t)1 << 30)
#define REFUSED_SIZE 0x33066042UL

/* Of each stack, what is used before the job's function begins and what a frame may be larger than it seems. */
#define SLACK (16 * KIB)

/* A frame after the other until the stack has grown by so many bytes. */
static __attribute__((noinline)) size_t grow(uintptr_t top, size_t bytes)
{
    volatile char frame[512];
    size_t deepest;

    memset((char *)frame, 1, sizeof(frame));
    deepest = top - (uintptr_t)frame < bytes ? grow(top, bytes) : top - (uintptr_t)frame;
    return deepest + frame[0] - 1; /* so that it is no jump */
}

static int use_stack(size_t bytes)
{
    char here;

    CHECK(grow((uintptr_t)&here, bytes) >= bytes);
    return 1;
}

static int use(void *args)
{
    return use_stack(*(size_t *)args);
}

static int use_and_pause(void *args)
{
    use_stack(*(size_t *)args);
    return ASYNC_pause_job();
}

/* Runs a job that uses so much stack. */
static void run(size_t bytes)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job(&job, &ret, use, &bytes, sizeof(bytes)), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
}

/* The same, which then pauses. */
static ASYNC_JOB *run_and_pause(size_t bytes)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job(&job, &ret, use_and_pause, &bytes, sizeof(bytes)), ASYNC_PAUSE);
    return job;
}

static OSSL_ASYNC_STATS of_process(void)
{
    OSSL_ASYNC_STATS stats;

    memset(&stats, 0xff, sizeof(stats));
    CHECK_EQUAL(OSSL_ASYNC_process_stats(&stats, sizeof(stats)), 1);
    return stats;
}

/* Jobs have this much, as the question and the statistics say, and all of it can be used. */
static void check_size(size_t bytes)
{
    ASYNC_JOB *job = NULL;
    size_t each;
    int i;

    CHECK_EQUAL(ASYNC_init_pool(3, 3), 1);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), bytes);
    each = of_process().stack_bytes / 3;
    CHECK_EQUAL(of_process().stack_bytes % 3, 0);
    CHECK(each >= bytes && each < bytes + 2 * SLACK); /* whole pages, and the record's */
    for (i = 0; i < 3; i++)
        run(bytes - SLACK);
    job = run_and_pause(bytes - SLACK);
    CHECK(OSSL_ASYNC_get_stack_used(job) >= bytes - SLACK);
    CHECK(OSSL_ASYNC_get_stack_used(job) <= each);
    CHECK_FINISHES(job);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

/* ----------------------------------------------------------------------------------------------------- the size */

CASE(without_a_setting_jobs_have_128_kib, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), DEFAULT);
    check_size(DEFAULT);
}

CASE(the_size_that_was_set_last_before_the_first_job_counts, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(2 * DEFAULT), 1);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), 2 * DEFAULT);
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(1024 * KIB), 1);
    check_size(1024 * KIB);
}

CASE(the_least_size_can_be_used, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(LEAST), 1);
    check_size(LEAST);
}

CASE(a_size_need_not_be_a_multiple_of_anything, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(100001), 1);
    check_size(100001);
}

CASE(the_largest_size_costs_addresses_only, "Header: async.h; Rules: F8")
{
    ASYNC_JOB *job;

    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(MOST), 1);
    job = run_and_pause(300 * KIB);
    CHECK(OSSL_ASYNC_get_stack_used(job) >= 300 * KIB);
    CHECK(OSSL_ASYNC_get_stack_used(job) < 1024 * KIB);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(a_size_out_of_range_is_refused_and_changes_nothing, "Header: async.h; Rules: F8")
{
    static const size_t refused[] = {0, 1, LEAST - 1, MOST + 1, (size_t)-1};
    size_t i;

    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(64 * KIB), 1);
    for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        CHECK_EQUAL(OSSL_ASYNC_set_stack_size(refused[i]), 0);
        CHECK_EQUAL(only_error(), REFUSED_SIZE);
        CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), 64 * KIB);
    }
    check_size(64 * KIB);
}

static void *set_too_late(void *unused)
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(64 * KIB), 0);
    CHECK_EQUAL(only_error(), REFUSED_SIZE);
    return unused;
}

CASE(after_the_processs_first_job_it_is_too_late_for_every_thread_and_for_ever, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(LEAST), 1);
    run(KIB);
    set_too_late(NULL);
    on_thread(set_too_late, NULL);
    ASYNC_free_pool();
    set_too_late(NULL);
    check_size(LEAST);
}

static void *set_here(void *unused)
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(64 * KIB), 1);
    return unused;
}

CASE(any_thread_can_set_it_for_all, "Header: async.h; Rules: F8")
{
    on_thread(set_here, NULL);
    check_size(64 * KIB);
}

CASE(the_environment_sets_it_where_no_call_has, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(setenv("OSSL_ASYNC_STACK_SIZE", "262144", 1), 0);
    run(KIB);
    ASYNC_free_pool();
    check_size(256 * KIB);
}

CASE(a_call_goes_before_the_environment, "Header: async.h; Rules: F8")
{
    CHECK_EQUAL(setenv("OSSL_ASYNC_STACK_SIZE", "262144", 1), 0);
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(64 * KIB), 1);
    check_size(64 * KIB);
}

/* What becomes of a value in the environment; the line about it comes on standard error. */
static void check_refused_value(const char *value)
{
    static const char start[] = "ossl-async: OSSL_ASYNC_STACK_SIZE=";
    char line[256] = "";
    int ends[2], saved = dup(2);
    ssize_t length;

    CHECK_EQUAL(setenv("OSSL_ASYNC_STACK_SIZE", value, 1), 0);
    CHECK_EQUAL(pipe(ends), 0);
    dup2(ends[1], 2);
    run(KIB);
    dup2(saved, 2);
    close(ends[1]);
    length = read(ends[0], line, sizeof(line) - 1);
    CHECK(length > 0 && line[length - 1] == '\n');
    CHECK(strncmp(line, start, sizeof(start) - 1) == 0);
    CHECK(strncmp(line + sizeof(start) - 1, value, strlen(value)) == 0);
    ASYNC_free_pool();
    check_size(DEFAULT);
}

#define REFUSED_VALUE(NAME, VALUE)                                                                                    \
    CASE(NAME, "Header: async.h; Rules: F8")                                                                          \
    {                                                                                                                 \
        check_refused_value(VALUE);                                                                                   \
    }

REFUSED_VALUE(a_value_that_is_no_number_is_named_and_ignored, "lots")
REFUSED_VALUE(a_value_with_a_unit_is_named_and_ignored, "128k")
REFUSED_VALUE(a_value_that_is_too_small_is_named_and_ignored, "32767")
REFUSED_VALUE(a_value_that_is_too_large_is_named_and_ignored, "1073741825")
REFUSED_VALUE(an_empty_value_is_named_and_ignored, "")

/* ------------------------------------------------------------------------------------------------- what is used */

static int look_at_myself(void *args)
{
    ASYNC_JOB *me = ASYNC_get_current_job();
    size_t before = OSSL_ASYNC_get_stack_used(me);

    CHECK(before > 0 && before <= SLACK);
    use_stack(*(size_t *)args);
    CHECK(OSSL_ASYNC_get_stack_used(me) >= *(size_t *)args);
    return 1;
}

CASE(a_job_can_ask_how_much_it_has_used, "Header: async.h; Rules: F8")
{
    size_t bytes = 64 * KIB;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job(&job, &ret, look_at_myself, &bytes, sizeof(bytes)), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    ASYNC_free_pool();
}

CASE(what_a_stack_has_been_used_for_earlier_counts, "Header: async.h; Rules: F8, P4")
{
    ASYNC_JOB *job;
    size_t deep;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    run(80 * KIB);
    job = run_and_pause(KIB);
    deep = OSSL_ASYNC_get_stack_used(job);
    CHECK(deep >= 80 * KIB && deep < 80 * KIB + SLACK);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static void *ask_from_here(void *job)
{
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(job), 0);
    return NULL;
}

CASE(of_what_is_no_live_job_of_this_thread_nothing_is_used, "Header: async.h; Rules: D6, D8")
{
    ASYNC_JOB *job = run_and_pause(KIB), *stale = job;

    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(NULL), 0);
    CHECK(OSSL_ASYNC_get_stack_used(job) > 0);
    on_thread(ask_from_here, job);
    CHECK_FINISHES(job);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(stale), 0);
    ASYNC_free_pool();
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(stale), 0);
    CHECK_EQUAL(only_error(), 0);
}

CASE(the_high_water_mark_is_kept_when_asked_for_and_until_it_is_not, "Header: async.h, statistics; Rules: F8")
{
    size_t high;

    run(90 * KIB);
    CHECK_EQUAL(of_process().stack_high_water, 0);
    ASYNC_free_pool();
    OSSL_ASYNC_measure_stacks(1);
    run(KIB);
    high = of_process().stack_high_water;
    CHECK(high > 0 && high <= SLACK);
    run(50 * KIB);
    run(KIB);
    high = of_process().stack_high_water;
    CHECK(high >= 50 * KIB && high < 50 * KIB + SLACK);
    OSSL_ASYNC_measure_stacks(0);
    run(100 * KIB);
    CHECK_EQUAL(of_process().stack_high_water, high);
    ASYNC_free_pool();
}

CASE(the_environment_that_asks_for_statistics_asks_for_the_mark, "Header: async.h, statistics; Rules: F8")
{
    CHECK_EQUAL(setenv("OSSL_ASYNC_STATS", "1", 1), 0);
    run(60 * KIB);
    CHECK(of_process().stack_high_water >= 60 * KIB);
    ASYNC_free_pool();
}
