/*
 * Allocations fail one after the other: this program replaces the allocator, and chooses which
 * call fails.
 */
#include "cases.h"

/* How many more allocations succeed. Negative: all do. For one thread only. */
static int allowed = -1, refused;

static int refuse(void)
{
    if (allowed < 0)
        return 0;
    if (allowed > 0) {
        allowed--;
        return 0;
    }
    refused++;
    errno = ENOMEM;
    return 1;
}

#ifdef __GLIBC__
/* glibc's own malloc, for programs that replace it. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size)
{
    return refuse() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return refuse() ? NULL : __libc_realloc(block, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = refuse() ? NULL : __libc_memalign(alignment, size);
    return *block != NULL ? 0 : ENOMEM;
}
#endif

static int echo(void *arg)
{
    int value = *(int *)arg;

    ASYNC_pause_job();
    return value;
}

/* Whether this is the error entry for this result of a start, during which memory was refused. */
static int belongs(int result, unsigned long code)
{
    if (result == ASYNC_NO_JOBS)
        return code == E5_NO_JOB_RECORD || code == E6_NO_WAIT_PIPE || code == E3_NO_POOL_STORAGE;
    if (result == ASYNC_ERR)
        return code == E9_NO_ARGUMENT_COPY || code == E1_NO_THREAD_RECORD;
    return result == ASYNC_PAUSE && code == 0;
}

CASE(any_failed_allocation_of_a_start_is_reported_and_the_next_start_works, "Rules: B19, B27, D18")
{
    int n, result = ASYNC_ERR, ret = UNWRITTEN, arg = 31, failures = 0;
    ASYNC_JOB *job = NULL;

    /* Each round allows one allocation more, until none that the start needs is refused. */
    for (n = 0; n < 100; n++) {
        refused = 0;
        allowed = n;
        result = ASYNC_start_job(&job, &ret, echo, &arg, sizeof(arg));
        allowed = -1;
        CHECK(belongs(result, only_error()));
        CHECK((job != NULL) == (result == ASYNC_PAUSE));
        CHECK_EQUAL(ret, UNWRITTEN);
        if (refused == 0)
            break;
        failures += result != ASYNC_PAUSE;
        if (result == ASYNC_PAUSE) {
            CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
            ret = UNWRITTEN;
        }
    }
    CHECK(failures > 0);
    CHECK_EQUAL(result, ASYNC_PAUSE);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 31);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(any_failed_allocation_of_an_init_is_reported_and_the_pool_works, "Rules: B9, B10, P7")
{
    int n, result = 0;

    for (n = 0; n < 100; n++) {
        unsigned long code;

        refused = 0;
        allowed = n;
        result = ASYNC_init_pool(3, 3);
        allowed = -1;
        code = only_error();
        if (result == 1)
            CHECK(code == 0 || code == E5_NO_JOB_RECORD || code == E6_NO_WAIT_PIPE);
        else
            CHECK_EQUAL(code, E3_NO_POOL_STORAGE);
        CHECK_STILL_WORKS();
        ASYNC_free_pool();
        if (refused == 0)
            break;
    }
    CHECK_EQUAL(result, 1);
}

CASE(pausing_resuming_waking_and_finishing_need_no_memory, "Rules: D20")
{
    int ret = UNWRITTEN, arg = 8, i;
    ASYNC_JOB *jobs[20] = {NULL}, *again[20] = {NULL};

    for (i = 0; i < 20; i++)
        CHECK_EQUAL(ASYNC_start_job(&jobs[i], &ret, echo, &arg, sizeof(arg)), ASYNC_PAUSE);
    refused = 0;
    allowed = 0;
    for (i = 0; i < 20; i++) {
        ASYNC_wake(jobs[i]);
        CHECK_EQUAL(resume(&jobs[i], &ret), ASYNC_FINISH);
        CHECK_EQUAL(ret, 8);
    }
    /* All twenty returned to the pool, so twenty can start without any new record. */
    for (i = 0; i < 20; i++)
        CHECK_EQUAL(start(&again[i], &ret, pause_once), ASYNC_PAUSE);
    for (i = 0; i < 20; i++)
        CHECK_EQUAL(resume(&again[i], &ret), ASYNC_FINISH);
    ASYNC_free_pool();
    allowed = -1;
    CHECK_EQUAL(refused, 0);
    CHECK_EQUAL(only_error(), 0);
}
