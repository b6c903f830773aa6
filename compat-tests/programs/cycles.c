/* Nothing accumulates: a thousand cycles leave as many descriptors and mappings as one. */
#include "cases.h"

/* Lines in /proc/self/maps, counted without heap memory, because allocating could change them. */
static int mappings(void)
{
    int fd = open("/proc/self/maps", O_RDONLY), lines = 0;
    char buffer[4096];
    ssize_t length, i;

    CHECK(fd >= 0);
    while ((length = read(fd, buffer, sizeof(buffer))) > 0)
        for (i = 0; i < length; i++)
            lines += buffer[i] == '\n';
    close(fd);
    CHECK(lines > 0);
    return lines;
}

/*
 * Runs `cycle` once and then a thousand times, and compares. A checker may map memory of its own
 * at any time. So if a thousand cycles left more mappings, another thousand follow: what
 * accumulates does so each time.
 */
static void nothing_accumulates(void (*cycle)(void))
{
    int i, descriptors, maps, attempts = 10;

    open_descriptors(); /* so that the counting itself has allocated what it needs */
    cycle();
    descriptors = open_descriptors();
    do {
        maps = mappings();
        for (i = 0; i < 1000; i++)
            cycle();
        CHECK_EQUAL(open_descriptors(), descriptors);
    } while (mappings() > maps && --attempts > 0);
    CHECK(attempts > 0);
    CHECK_EQUAL(only_error(), 0);
}

static int message = 12;

static void whole_life(void)
{
    ASYNC_JOB *job = NULL, *other;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(3, 2), 1);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, pause_twice, &message, sizeof(message)), ASYNC_PAUSE);
    CHECK_PAUSES(other);
    ASYNC_wake(job);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK_FINISHES(job);
    CHECK_FINISHES(other);
    ASYNC_free_pool();
}

CASE(init_start_pause_resume_finish_free_leave_nothing, "Rules: D1, B14")
{
    nothing_accumulates(whole_life);
}

static void init_again_and_again(void)
{
    ASYNC_JOB *job;

    CHECK_EQUAL(ASYNC_init_pool(4, 4), 1);
    CHECK_PAUSES(job);
    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    CHECK_FINISHES(job);
}

CASE(init_over_init_leaves_nothing, "Rules: D2")
{
    nothing_accumulates(init_again_and_again);
    ASYNC_free_pool();
}

static void free_with_a_paused_job(void)
{
    ASYNC_JOB *job;

    CHECK_PAUSES(job);
    ASYNC_free_pool();
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(free_with_a_paused_job_that_finishes_later_leaves_nothing, "Rules: D3, D21")
{
    nothing_accumulates(free_with_a_paused_job);
}

static void *leave_the_pool(void *unused)
{
    CHECK_EQUAL(ASYNC_init_pool(3, 2), 1);
    CHECK_STILL_WORKS();
    return unused;
}

static void thread_without_free(void)
{
    on_thread(leave_the_pool, NULL);
}

CASE(threads_that_end_without_free_leave_nothing, "Rules: D15")
{
    nothing_accumulates(thread_without_free);
}

static void refused_calls(void)
{
    ASYNC_JOB *job = NULL, *stale;
    int ret = UNWRITTEN;
    char byte = 0;

    CHECK_EQUAL(ASYNC_init_pool(1, 2), 0);
    CHECK_EQUAL(ASYNC_start_job(NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, return_one, &byte, 0), ASYNC_ERR);
    CHECK_PAUSES(job);
    stale = job;
    CHECK_FINISHES(job);
    CHECK_EQUAL(resume(&stale, &ret), ASYNC_ERR);
    ASYNC_free_pool();
    ERR_clear_error();
}

CASE(refused_calls_leave_nothing, "Rules: B27, D6, D10")
{
    nothing_accumulates(refused_calls);
}
