/*
 * The size of stacks: how it is set, by call and by environment, that jobs have it, and how much
 * of it has been used.
 */
#define OSSL_ASYNC_WAIT_CTX_API
#include "cases.h"

#include <limits.h>

#define KIB ((size_t)1024)
#define LEAST (32 * KIB)
#define DEFAULT (128 * KIB)
#define MOST ((size_t)1 << 30)
#define REFUSED_SIZE 0x33066042UL

/*
 * How much stack the library and checkers may need besides the function's own frames, if all of it
 * is to be used.
 */
#define SPARE (8 * KIB)

/* How much more they may have touched when a function has used as much as it says. */
#define SLACK (44 * KIB + page_size())

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Takes a frame of this many bytes, a multiple of 1024, and writes to all of it, from its high end
 * down.
 */
static __attribute__((noinline)) int use_stack(size_t bytes)
{
    volatile char frame[bytes];
    size_t left;

    for (left = bytes; left > 0; left -= KIB)
        frame[left - KIB] = 1;
    return frame[0];
}

/* Job functions: use this much stack, and then return or pause. */
static int use(void *bytes)
{
    return use_stack(*(size_t *)bytes);
}

static int use_and_pause(void *bytes)
{
    int used = use_stack(*(size_t *)bytes);

    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return used;
}

static void run(size_t bytes)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job_2015(&job, &ret, use, &bytes, sizeof(bytes)), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
}

static ASYNC_JOB *paused_after(size_t bytes)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job_2015(&job, &ret, use_and_pause, &bytes, sizeof(bytes)), ASYNC_PAUSE);
    return job;
}

/*
 * Fails unless jobs have stacks of this size, and at most the rest of a page more. The thread has
 * no stacks yet.
 */
static void check_stacks_have(size_t size)
{
    ASYNC_JOB *job;
    size_t bytes;

    CHECK_PAUSES(job);
    bytes = thread_stats().stack_bytes;
    CHECK(bytes >= size);
    CHECK(bytes < size + page_size());
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), size);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), 0);
}

static void refuse(size_t size)
{
    size_t before = OSSL_ASYNC_get_stack_size();

    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(size), 0);
    CHECK_EQUAL(only_error(), REFUSED_SIZE);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), before);
}

/* -------------------------------------------------------------------------------------------------------- by call */

CASE(the_default_size_is_128_kib, "Header: async.h, head and OSSL_ASYNC_get_stack_size")
{
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), DEFAULT);
    check_stacks_have(DEFAULT);
}

CASE(sizes_from_32_kib_to_1_gib_are_accepted_and_others_refused, "Header: async.h, OSSL_ASYNC_set_stack_size; Rules: F8")
{
    static const size_t good[] = {LEAST, LEAST + 1, DEFAULT, 100000, MOST - 1, MOST};
    static const size_t bad[] = {0, 1, 4096, LEAST - 1, MOST + 1, INT_MAX, (size_t)-1 / 2, (size_t)-1};
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        refuse(bad[i]);
    for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
        CHECK_EQUAL(OSSL_ASYNC_set_stack_size(good[i]), 1);
        CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), good[i]);
        CHECK_EQUAL(only_error(), 0);
        refuse(bad[i]);
    }
}

/* The size for check_size(), which runs in a child: a process can only have one size. */
static size_t size_to_check;

static void check_size(void)
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(77777), 1);
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(size_to_check), 1);
    check_stacks_have(size_to_check);
    /* Again on the same memory. */
    check_stacks_have(size_to_check);
}

CASE(the_last_call_before_the_first_job_counts_and_sizes_are_rounded_to_pages, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    static const size_t sizes[] = {LEAST, LEAST + 1, 100000, DEFAULT - 1, 256 * KIB, 1024 * KIB};
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        size_to_check = sizes[i];
        CHECK_EQUAL(in_child(check_size), 0);
    }
}

CASE(the_largest_size_works_and_only_touched_pages_use_memory, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    ASYNC_JOB *job;

    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(MOST), 1);
    CHECK_PAUSES(job);
    CHECK(thread_stats().stack_bytes >= MOST);
    CHECK(OSSL_ASYNC_get_stack_used(job) <= SLACK);
    CHECK_FINISHES(job);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static void *refuse_elsewhere(void *unused)
{
    refuse(64 * KIB);
    return unused;
}

static int refuse_inside(void *unused)
{
    (void)unused;
    refuse(64 * KIB);
    return 1;
}

/* After the first job, even if it failed. */
static void check_too_late(size_t size)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    refuse(64 * KIB);
    refuse(size);
    refuse(1);
    on_thread(refuse_elsewhere, NULL);
    CHECK_EQUAL(start(&job, &ret, refuse_inside), ASYNC_FINISH);
    ASYNC_free_pool();
    refuse(64 * KIB);
    check_stacks_have(size);
}

CASE(after_the_first_start_it_is_too_late_for_every_thread, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(48 * KIB), 1);
    CHECK_STILL_WORKS();
    check_too_late(48 * KIB);
}

CASE(after_a_pool_with_a_job_it_is_too_late, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    check_too_late(DEFAULT);
}

static void *have_a_job(void *unused)
{
    CHECK_STILL_WORKS();
    return unused;
}

CASE(after_another_threads_job_it_is_too_late, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    on_thread(have_a_job, NULL);
    check_too_late(DEFAULT);
}

CASE(calls_that_make_no_job_leave_time, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_init_pool(4, 0), 1);
    CHECK_EQUAL(ASYNC_start_job_2015(NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(start(&job, &ret, NULL), ASYNC_ERR);
    ERR_clear_error();
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(NULL), 0);
    CHECK_EQUAL(process_stats().stack_bytes, 0);
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(200 * KIB), 1);
    check_stacks_have(200 * KIB);
}

/* ------------------------------------------------------------------------------------------------- by environment */

static const char *value; /* what OSSL_ASYNC_STACK_SIZE is set to */

static void set_value(void)
{
    CHECK_EQUAL(setenv("OSSL_ASYNC_STACK_SIZE", value, 1), 0);
}

static void check_size_by_value(void)
{
    set_value();
    CHECK_EQUAL(OSSL_ASYNC_get_stack_size(), DEFAULT);
    check_stacks_have(size_to_check);
}

CASE(the_environment_sets_it_where_no_call_does, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    static const struct {
        const char *value;
        size_t size;
    } good[] = {{"32768", LEAST}, {"100000", 100000}, {"0000262144", 256 * KIB}, {"1048576", 1024 * KIB}};
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
        value = good[i].value;
        size_to_check = good[i].size;
        CHECK_EQUAL(observe(check_size_by_value), 0);
        CHECK(harness_written[0] == '\0');
    }
}

CASE(a_value_that_is_not_a_size_in_digits_is_reported_and_ignored, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    static const char *const bad[] = {"",          "0",      "many",   "-1",     "+65536", "64k",      "65536 ",
                                      " 65536",    "0x9000", "65536.", "32767",  "1e6",    "65536\xff", "6553\xc3\xa9",
                                      "1073741825", "18446744073709617152", "000000000000000000131072999"};
    size_t i;

    size_to_check = DEFAULT;
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        value = bad[i];
        CHECK_EQUAL(observe(check_size_by_value), 0);
        CHECK(strncmp(harness_written, "ossl-async: OSSL_ASYNC_STACK_SIZE=", 34) == 0);
        /* It is reported once, in one line. */
        CHECK(strchr(harness_written, '\n') == harness_written + strlen(harness_written) - 1);
    }
}

CASE(a_call_goes_before_the_environment_and_a_refused_one_does_not, "Header: async.h, OSSL_ASYNC_set_stack_size")
{
    value = "65536";
    set_value();
    refuse(1);
    size_to_check = 64 * KIB;
    CHECK_EQUAL(in_child(check_size_by_value), 0);
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(80 * KIB), 1);
    check_stacks_have(80 * KIB);
}

CASE(after_the_first_job_the_environment_is_not_read, "Header: async.h, OSSL_ASYNC_get_stack_size")
{
    check_stacks_have(DEFAULT);
    value = "65536";
    set_value();
    check_stacks_have(DEFAULT);
}

/* ---------------------------------------------------------------------------------------------------- what there is */

static void use_almost_all(void)
{
    size_t bytes = size_to_check - SPARE;
    ASYNC_JOB *jobs[4];
    int i;

    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(size_to_check), 1);
    for (i = 0; i < 4; i++)
        jobs[i] = paused_after(bytes);
    for (i = 0; i < 4; i++) {
        size_t used = OSSL_ASYNC_get_stack_used(jobs[i]);

        CHECK(used >= bytes);
        CHECK(used <= size_to_check + 2 * page_size());
        CHECK_FINISHES(jobs[i]);
    }
    CHECK_EQUAL(thread_stats().stack_bytes % 4, 0);
    CHECK(thread_stats().stack_bytes >= 4 * size_to_check);
    ASYNC_free_pool();
    CHECK_EQUAL(thread_stats().stack_bytes, 0);
}

CASE(a_job_can_use_what_was_asked_for, "Header: async.h, OSSL_ASYNC_set_stack_size; Rules: F8")
{
    static const size_t sizes[] = {LEAST, 48 * KIB, DEFAULT, 256 * KIB, 1024 * KIB};
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        size_to_check = sizes[i];
        CHECK_EQUAL(in_child(use_almost_all), 0);
    }
}

static void use_too_much(void)
{
    CHECK_EQUAL(OSSL_ASYNC_set_stack_size(size_to_check), 1);
    run(size_to_check + 2 * page_size());
}

CASE(a_job_that_uses_more_than_was_asked_for_faults, "Header: async.h, head; Rules: D22")
{
    static const size_t sizes[] = {LEAST, 64 * KIB, 1024 * KIB};
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        int status;

        size_to_check = sizes[i];
        status = in_child(use_too_much);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
}

/* ------------------------------------------------------------------------------------------------- how much is used */

static size_t used_inside[3];

static int look_between(void *unused)
{
    ASYNC_JOB *me = ASYNC_get_current_job();

    (void)unused;
    used_inside[0] = OSSL_ASYNC_get_stack_used(me);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    use_stack(60 * KIB);
    used_inside[1] = OSSL_ASYNC_get_stack_used(me);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    use_stack(20 * KIB);
    used_inside[2] = OSSL_ASYNC_get_stack_used(me);
    return 1;
}

CASE(stack_use_is_reported_while_a_job_runs_and_while_it_is_paused, "Header: async.h, OSSL_ASYNC_get_stack_used")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, look_between), ASYNC_PAUSE);
    CHECK(used_inside[0] > 0 && used_inside[0] <= SLACK);
    CHECK(OSSL_ASYNC_get_stack_used(job) >= used_inside[0]);
    CHECK(OSSL_ASYNC_get_stack_used(job) <= SLACK);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK(used_inside[1] >= 60 * KIB && used_inside[1] <= 60 * KIB + SLACK);
    CHECK(OSSL_ASYNC_get_stack_used(job) >= used_inside[1]);
    CHECK(OSSL_ASYNC_get_stack_used(job) <= 60 * KIB + SLACK);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(job) % page_size(), 0);
    CHECK_FINISHES(job);
    /* The largest use so far, although less was used since. */
    CHECK(used_inside[2] >= used_inside[1]);
    CHECK(used_inside[2] <= 60 * KIB + SLACK);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

CASE(an_earlier_jobs_use_of_a_stack_counts_until_the_stack_is_freed, "Header: async.h, OSSL_ASYNC_get_stack_used")
{
    ASYNC_JOB *job, *neighbour;

    job = paused_after(90 * KIB);
    neighbour = paused_after(KIB);
    CHECK(OSSL_ASYNC_get_stack_used(neighbour) <= SLACK);
    CHECK_FINISHES(job);
    CHECK_PAUSES(job);
    CHECK(OSSL_ASYNC_get_stack_used(job) >= 90 * KIB);
    CHECK_FINISHES(job);
    CHECK_FINISHES(neighbour);
    ASYNC_free_pool();
    CHECK_PAUSES(job);
    CHECK(OSSL_ASYNC_get_stack_used(job) <= SLACK);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static void *ask_elsewhere(void *job)
{
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(job), 0);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(job), 0);
    return NULL;
}

static void *leave_paused(void *unused)
{
    (void)unused;
    return paused_after(20 * KIB);
}

CASE(stack_use_is_zero_for_handles_without_a_job_of_this_thread, "Header: async.h, OSSL_ASYNC_get_stack_used; Rules: D6, D15")
{
    ASYNC_JOB *job, *ended;

    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(NULL), 0);
    ended = job = paused_after(20 * KIB);
    on_thread(ask_elsewhere, job);
    CHECK(OSSL_ASYNC_get_stack_used(job) >= 20 * KIB);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(NULL), 0);
    CHECK_FINISHES(job);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(ended), 0);
    ASYNC_free_pool();
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(ended), 0);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(on_thread(leave_paused, NULL)), 0);
    CHECK_EQUAL(only_error(), 0);
}

static ASYNC_JOB *other;

static int ask_for_another_inside(void *unused)
{
    (void)unused;
    CHECK(OSSL_ASYNC_get_stack_used(other) >= 60 * KIB);
    CHECK(OSSL_ASYNC_get_stack_used(ASYNC_get_current_job()) <= SLACK);
    return 1;
}

CASE(a_job_may_ask_for_another_of_its_thread, "Header: async.h, OSSL_ASYNC_get_stack_used")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    other = paused_after(60 * KIB);
    CHECK_EQUAL(start(&job, &ret, ask_for_another_inside), ASYNC_FINISH);
    CHECK_FINISHES(other);
    ASYNC_free_pool();
}

static void *give(size_t *size)
{
    *size = 256 * KIB;
    return malloc(*size);
}

/* Their memory may have been used before, so how much a job used is not known. */
CASE(stack_use_of_the_programs_own_stacks_is_not_reported, "Header: async.h, OSSL_ASYNC_get_stack_used; Rules: G41")
{
    ASYNC_JOB *job;

    CHECK_EQUAL(ASYNC_set_mem_functions(give, free), 1);
    OSSL_ASYNC_measure_stacks(1);
    job = paused_after(40 * KIB);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(job), 0);
    CHECK(thread_stats().stack_bytes > 128 * KIB && thread_stats().stack_bytes <= 256 * KIB);
    CHECK_FINISHES(job);
    CHECK_EQUAL(thread_stats().stack_high_water, 0);
    ASYNC_free_pool();
    CHECK_EQUAL(thread_stats().stack_bytes, 0);
}

/* -------------------------------------------------------------------------------------------------- the most of all */

static void *run_deep(void *bytes)
{
    run(*(size_t *)bytes);
    return NULL;
}

CASE(the_most_is_measured_of_jobs_that_end_while_it_is_switched_on, "Header: async.h, OSSL_ASYNC_measure_stacks")
{
    ASYNC_JOB *job;
    size_t most;

    run(50 * KIB);
    CHECK_EQUAL(process_stats().stack_high_water, 0);
    ASYNC_free_pool();

    OSSL_ASYNC_measure_stacks(-1);
    job = paused_after(70 * KIB);
    run(20 * KIB);
    most = thread_stats().stack_high_water;
    CHECK(most >= 20 * KIB && most <= 20 * KIB + SLACK);
    CHECK_EQUAL(most % page_size(), 0);
    CHECK_FINISHES(job);
    most = thread_stats().stack_high_water;
    CHECK(most >= 70 * KIB && most <= 70 * KIB + SLACK);
    CHECK_EQUAL(process_stats().stack_high_water, most);
    ASYNC_free_pool();
    run(20 * KIB);
    CHECK_EQUAL(thread_stats().stack_high_water, most);

    OSSL_ASYNC_measure_stacks(0);
    run(110 * KIB);
    CHECK_EQUAL(thread_stats().stack_high_water, most);
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), 0);
}

CASE(the_process_has_the_most_of_its_threads_those_that_ended_included, "Header: async.h, statistics")
{
    size_t deep = 90 * KIB, shallow = 50 * KIB, most;

    OSSL_ASYNC_measure_stacks(1);
    run(20 * KIB);
    most = thread_stats().stack_high_water;
    on_thread(run_deep, &deep);
    on_thread(run_deep, &shallow);
    CHECK_EQUAL(thread_stats().stack_high_water, most);
    most = process_stats().stack_high_water;
    CHECK(most >= 90 * KIB && most <= DEFAULT + page_size());
    ASYNC_free_pool();
}

CASE(a_cancelled_job_is_measured_too, "Header: async.h, OSSL_ASYNC_cancel_job")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    OSSL_ASYNC_measure_stacks(1);
    job = paused_after(40 * KIB);
    CHECK_EQUAL(thread_stats().stack_high_water, 0);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_FINISH);
    CHECK(thread_stats().stack_high_water >= 40 * KIB);
    ASYNC_free_pool();
}

static void measure_by_environment(void)
{
    CHECK_EQUAL(setenv("OSSL_ASYNC_STATS", value, 1), 0);
    run(40 * KIB);
    CHECK_EQUAL(thread_stats().stack_high_water >= 40 * KIB, strcmp(value, "1") == 0);
    OSSL_ASYNC_measure_stacks(0);
}

CASE(the_environment_switches_it_on_as_the_call_does, "Header: async.h, OSSL_ASYNC_measure_stacks")
{
    value = "1";
    CHECK_EQUAL(observe(measure_by_environment), 0);
    CHECK(strstr(harness_written, " stack_high_water=") != NULL);
    for (value = "0"; value != NULL; value = strcmp(value, "0") == 0 ? "" : NULL) {
        CHECK_EQUAL(observe(measure_by_environment), 0);
        CHECK(harness_written[0] == '\0');
    }
}
