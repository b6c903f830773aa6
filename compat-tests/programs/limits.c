/*
 * Running out of descriptors, memory, address space or thread keys: what functions return, and
 * that the program can continue.
 */
#include "cases.h"

#include <limits.h>
#include <sys/resource.h>

/* ------------------------------------------------------------------------------------------------ descriptors */

static int taken[64], taken_count;

/* Leaves room for exactly `room` more descriptors. */
static void leave_descriptors(int room)
{
    struct rlimit limit = {64, 64};
    int fd;

    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (taken_count < 64 && (fd = dup(STDOUT_FILENO)) >= 0)
        taken[taken_count++] = fd;
    while (room-- > 0 && taken_count > 0)
        close(taken[--taken_count]);
}

static void give_back_descriptors(void)
{
    while (taken_count > 0)
        close(taken[--taken_count]);
}

static void pool_of_five_makes_three(int (*make)(void))
{
    ASYNC_JOB *jobs[5];
    int before, i;

    leave_descriptors(7);
    before = open_descriptors(); /* this count itself needs one of the seven for a moment */
    CHECK_EQUAL(make(), 1);
    CHECK_EQUAL(only_error(), E6_NO_WAIT_PIPE);
    CHECK_EQUAL(open_descriptors(), before + 6);
    for (i = 0; i < 3; i++)
        CHECK_PAUSES(jobs[i]);

    give_back_descriptors();
    for (i = 3; i < 5; i++)
        CHECK_PAUSES(jobs[i]);
    CHECK_NO_JOBS();
    for (i = 0; i < 5; i++)
        CHECK_FINISHES(jobs[i]);
    ASYNC_free_pool();
}

static int init_five(void)
{
    return ASYNC_init_pool(5, 5);
}

CASE(jobs_that_cannot_be_made_up_front_are_made_when_needed, "Rules: B10, P7, P8")
{
    pool_of_five_makes_three(init_five);
}

CASE(without_descriptors_a_start_returns_no_jobs_with_the_reason_and_works_later, "Rules: B19, D18, P8, B45")
{
    ASYNC_JOB *job = NULL, *first, *second;
    int ret = UNWRITTEN, i, before;
    char byte = 1;

    CHECK_EQUAL(ASYNC_init_pool(2, 0), 1);
    CHECK_PAUSES(first);
    leave_descriptors(2);
    before = open_descriptors();
    CHECK_EQUAL(dup(STDOUT_FILENO) >= 0, 1); /* one is left: not enough for a pipe */
    for (i = 0; i < 10; i++) {
        CHECK_EQUAL(start(&job, &ret, pause_once), ASYNC_NO_JOBS);
        CHECK(job == NULL);
        CHECK_EQUAL(ret, UNWRITTEN);
        CHECK_EQUAL(only_error(), E6_NO_WAIT_PIPE);
    }
    /* The arguments are invalid, but are not checked if there is no job for them. */
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, &byte, 0), ASYNC_NO_JOBS);
    CHECK_EQUAL(only_error(), E6_NO_WAIT_PIPE);
    CHECK_EQUAL(open_descriptors(), before + 1);

    /* None of the failures counts for the limit of two. */
    give_back_descriptors();
    CHECK_PAUSES(second);
    CHECK_NO_JOBS();
    CHECK_FINISHES(first);
    CHECK_FINISHES(second);
    ASYNC_free_pool();
}

CASE(a_start_without_descriptors_does_not_make_a_job_and_free_it, "Rules: D18, P8")
{
    OSSL_ASYNC_STATS before, after;
    ASYNC_JOB *job = NULL, *paused;
    int ret = UNWRITTEN, i;

    CHECK_PAUSES(paused);
    leave_descriptors(1);
    before = thread_stats();
    for (i = 0; i < 100; i++) {
        CHECK_EQUAL(start(&job, &ret, return_one), ASYNC_NO_JOBS);
        CHECK_EQUAL(only_error(), E6_NO_WAIT_PIPE);
    }
    after = thread_stats();
    CHECK(memcmp(&before, &after, sizeof(before)) == 0);
    give_back_descriptors();
    CHECK_FINISHES(paused);
    ASYNC_free_pool();
}

/* ---------------------------------------------------------------------------------------------------- memory */

#define MOST_JOBS 20000

static ASYNC_JOB *jobs[MOST_JOBS];

/* Address space in use, in bytes. */
static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        harness_fail(__FILE__, __LINE__, "/proc/self/statm");
    if (file != NULL)
        fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static struct rlimit no_limit;

static void leave_address_space(rlim_t room)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_AS, &no_limit) == 0);
    limit = no_limit;
    limit.rlim_cur = address_space() + room;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void give_back_address_space(void)
{
    CHECK(setrlimit(RLIMIT_AS, &no_limit) == 0);
}

/* As many descriptors as the system allows, so that memory runs out first. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

CASE(without_memory_for_stacks_a_start_returns_no_jobs_with_the_reason_and_works_later, "Rules: B19, D17, D18")
{
    int made, i, ret = UNWRITTEN;

    allow_descriptors();
    CHECK_STILL_WORKS();
    leave_address_space(4 << 20);
    for (made = 0; made < MOST_JOBS; made++) {
        i = start(&jobs[made], &ret, pause_once);
        if (i != ASYNC_PAUSE)
            break;
    }
    CHECK_EQUAL(i, ASYNC_NO_JOBS);
    CHECK(jobs[made] == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    /* The jobs that exist continue to work meanwhile. */
    CHECK(made > 0);
    CHECK_FINISHES(jobs[0]);
    CHECK_STILL_WORKS();

    CHECK_PAUSES(jobs[0]);
    give_back_address_space();
    CHECK_PAUSES(jobs[made]);
    for (i = 0; i <= made; i++)
        CHECK_FINISHES(jobs[i]);
    ASYNC_free_pool();
}

CASE(without_memory_init_makes_what_it_can_and_the_rest_later, "Rules: B10, P7, D17")
{
    int made, i, ret = UNWRITTEN;

    allow_descriptors();
    CHECK_STILL_WORKS();
    leave_address_space(4 << 20);
    CHECK_EQUAL(ASYNC_init_pool(MOST_JOBS, MOST_JOBS), 1);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    for (made = 0; made < MOST_JOBS; made++)
        if (start(&jobs[made], &ret, pause_once) != ASYNC_PAUSE)
            break;
    CHECK(made > 0 && made < MOST_JOBS);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    give_back_address_space();
    CHECK_PAUSES(jobs[made]);
    for (i = 0; i <= made; i++)
        CHECK_FINISHES(jobs[i]);
    ASYNC_free_pool();
}

/* glibc 2.43 on aarch64 keeps up to 2 MiB of room in the heap. This is more. */
static char block[4 << 20];

CASE(an_argument_copy_that_cannot_be_had_is_an_error_and_the_next_start_works, "Rules: B19, B27, D12")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK_STILL_WORKS();
    leave_address_space(256 << 10);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, block, sizeof(block)), ASYNC_ERR);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(only_error(), E9_NO_ARGUMENT_COPY);
    CHECK_STILL_WORKS();
    give_back_address_space();
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, block, sizeof(block)), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    ASYNC_free_pool();
}

CASE(a_size_above_int_max_is_a_size_like_any_other, "Rules: D12")
{
    /*
     * Cast to int these are INT_MIN, -1, 1 and 0: a small block and a copy that goes far beyond
     * it, or a failure.
     */
    static const size_t sizes[] = {
        (size_t)INT_MAX + 1,
        (size_t)-1,
#if SIZE_MAX > UINT_MAX
        ((size_t)UINT_MAX + 1) + 1,
        (size_t)UINT_MAX + 1,
#endif
    };
    size_t i;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    leave_address_space(256 << 20);
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN;

        CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, block, sizes[i]), ASYNC_ERR);
        CHECK(job == NULL);
        CHECK_EQUAL(ret, UNWRITTEN);
        CHECK_EQUAL(only_error(), E9_NO_ARGUMENT_COPY);
    }
    CHECK_STILL_WORKS();
    give_back_address_space();
    ASYNC_free_pool();
}

static int first_and_last(void *arg)
{
    const char *bytes = arg;

    return bytes[0] == 'a' && bytes[sizeof(block) - 1] == 'z';
}

CASE(the_copy_is_freed_before_finish, "Rules: B23")
{
    int i;

    block[0] = 'a';
    block[sizeof(block) - 1] = 'z';
    CHECK_STILL_WORKS();
    leave_address_space(64 << 20);
    /* A thousand megabytes in all, with space for sixty-four. */
    for (i = 0; i < 250; i++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN;

        CHECK_EQUAL(ASYNC_start_job(&job, &ret, first_and_last, block, sizeof(block)), ASYNC_FINISH);
        CHECK_EQUAL(ret, 1);
    }
    give_back_address_space();
    ASYNC_free_pool();
}

/* ----------------------------------------------------------------------------------------------- thread keys */

CASE(without_a_thread_key_nothing_starts_and_one_key_is_enough, "Rules: B18, B19, B9")
{
    static pthread_key_t keys[PTHREAD_KEYS_MAX + 1];
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, made = 0, before = open_descriptors();

    while (made <= PTHREAD_KEYS_MAX && pthread_key_create(&keys[made], NULL) == 0)
        made++;
    NEED(made > 0 && made <= PTHREAD_KEYS_MAX);
    CHECK_EQUAL(ASYNC_init_pool(1, 1), 0);
    CHECK_EQUAL(only_error(), E3_NO_POOL_STORAGE);
    CHECK_EQUAL(start(&job, &ret, return_one), ASYNC_ERR);
    CHECK_EQUAL(only_error(), E1_NO_THREAD_RECORD);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_EQUAL(open_descriptors(), before);

    pthread_key_delete(keys[made - 1]);
    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}
