/*
 * The second generation without memory: what functions return, and that the program can continue.
 */
#include "second.h"

#include <sys/resource.h>

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

/* Limits the address space so that this many bytes are left. */
static void leave_memory(rlim_t bytes)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = address_space() + bytes;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void give_back_memory(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Takes all memory that malloc still has, down to the smallest blocks, and returns it. */
static void *hoard;

static void take_all_memory(void)
{
    size_t size;

    leave_memory(0);
    for (size = 1 << 20; size >= sizeof(void *); size /= 2) {
        void **block;

        while ((block = malloc(size)) != NULL) {
            *block = hoard;
            hoard = block;
        }
    }
}

static void give_all_back(void)
{
    give_back_memory();
    while (hoard != NULL) {
        void *next = *(void **)hoard;

        free(hoard);
        hoard = next;
    }
}

/* No job is made, unlike when single jobs cannot be made. The pool that was there stays. */
CASE(more_jobs_than_could_be_listed_are_refused, "Rules: G2, G1, B9")
{
    ASYNC_JOB *job = NULL, *none = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    leave_memory(64 << 20);
    CHECK_EQUAL(ASYNC_init_thread((size_t)1 << 30, (size_t)1 << 30), 0);
    CHECK_EQUAL(only_error(), E3_NO_POOL_STORAGE);
    CHECK_EQUAL(ASYNC_init_thread((size_t)-1, (size_t)-1), 0);
    CHECK_EQUAL(only_error(), E3_NO_POOL_STORAGE);
    give_back_memory();
    CHECK_EQUAL(go(&job, NULL, &ret, pause_once), ASYNC_PAUSE);
    CHECK_EQUAL(go(&none, NULL, &ret, pause_once), ASYNC_NO_JOBS);
    CHECK_EQUAL(only_error(), 0);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    ASYNC_cleanup_thread();
}

/*
 * As many as there is memory for are made, and the reason is in the queue. The rest are made when
 * there is memory again.
 */
CASE(jobs_that_cannot_be_made_up_front_are_made_later, "Rules: G1, G3, G10, P7")
{
    ASYNC_JOB *jobs[4000] = {NULL};
    OSSL_ASYNC_STATS stats;
    int ret = UNWRITTEN, paused = 0, i, last;

    leave_memory(64 << 20);
    CHECK_EQUAL(ASYNC_init_thread(4000, 4000), 1);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    stats = thread_stats();
    CHECK(stats.jobs_idle > 0 && stats.jobs_idle < 4000);
    while (paused < 4000 && (last = go(&jobs[paused], NULL, &ret, pause_once)) == ASYNC_PAUSE)
        paused++;
    CHECK_EQUAL(last, ASYNC_NO_JOBS);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    CHECK(paused >= (int)stats.jobs_idle);
    CHECK(jobs[paused] == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    give_back_memory();
    for (i = paused; i < 4000; i++)
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, pause_once), ASYNC_PAUSE);
    for (i = 0; i < 4000; i++)
        CHECK_EQUAL(go(&jobs[i], NULL, &ret, NULL), ASYNC_FINISH);
    ASYNC_cleanup_thread();
}

CASE(arguments_larger_than_memory_are_an_error, "Rules: D12")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    CHECK_EQUAL(ASYNC_start_job(&job, NULL, &ret, return_one, &byte, (size_t)-1), ASYNC_ERR);
    CHECK_EQUAL(only_error(), E9_NO_ARGUMENT_COPY);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
    CHECK_STILL_WORKS();
    ASYNC_cleanup_thread();
}

CASE(without_memory_there_is_no_context_and_no_entry, "Rules: G16")
{
    ASYNC_WAIT_CTX *ctx;

    CHECK_EQUAL(only_error(), 0); /* the queue has allocated what it needs */
    take_all_memory();
    ctx = ASYNC_WAIT_CTX_new();
    give_all_back();
    CHECK(ctx == NULL);
    CHECK_EQUAL(only_error(), 0);
    ctx = ASYNC_WAIT_CTX_new();
    CHECK(ctx != NULL);
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * A few may be added until more memory is needed. Then the call returns 0 with one entry, and
 * nothing has changed.
 */
CASE(without_memory_a_descriptor_is_not_added, "Rules: G19")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    size_t count = 99;
    int added = 0, answer = 1;

    CHECK_EQUAL(only_error(), 0);
    take_all_memory();
    while (added < 100000 && (answer = ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, added, NULL, NULL)) == 1)
        added++;
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count), 1);
    give_all_back();
    CHECK_EQUAL(answer, 0);
    CHECK_EQUAL(only_error(), E_NO_WAIT_FD);
    CHECK_EQUAL(count, added);
    CHECK_EQUAL(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, added, NULL, NULL), 1);
    CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count), 1);
    CHECK_EQUAL(count, added + 1);
    ASYNC_WAIT_CTX_free(ctx);
}
