/*
 * A thread uses the library while it ends, in the destructors of the program's own keys. It does
 * so before and after the library has ended the thread's jobs, in each round of destructors, the
 * last one included (D15). Nothing may be left over.
 */
#define OSSL_ASYNC_WAIT_CTX_API
#include "cases.h"

#include <malloc.h>

/*
 * A destructor that is called this often is called in every round that the system makes. It is the
 * last one to run.
 */
#ifdef WITHOUT_THE_LAST_ROUND
# define EVERY_ROUND 2
#else
# define EVERY_ROUND 100
#endif

typedef void action(void);

/*
 * What the threads of a case do in the destructor. There are two keys, so that one destructor runs
 * before the library's.
 */
static pthread_key_t early, late;
static action *act;
static int rounds_early, rounds_late, calls;
static __thread int early_left, late_left;

static void run_early(void *value)
{
    act();
    __sync_fetch_and_add(&calls, 1);
    if (--early_left > 0)
        pthread_setspecific(early, value);
}

static void run_late(void *value)
{
    act();
    __sync_fetch_and_add(&calls, 1);
    if (--late_left > 0)
        pthread_setspecific(late, value);
}

/* The library's key lies between the two. */
static void make_keys(void)
{
    CHECK_EQUAL(pthread_key_create(&early, run_early), 0);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
    CHECK_EQUAL(pthread_key_create(&late, run_late), 0);
}

static void set_keys(void)
{
    if ((early_left = rounds_early) > 0)
        pthread_setspecific(early, &early);
    if ((late_left = rounds_late) > 0)
        pthread_setspecific(late, &late);
}

static void *with_jobs(void *unused)
{
    ASYNC_JOB *job;

    CHECK_PAUSES(job);
    CHECK_FINISHES(job);
    set_keys();
    return unused;
}

static void *without_jobs(void *unused)
{
    set_keys();
    return unused;
}

/* How many bytes malloc has allocated that were not freed, or 0 if that is not known. */
static size_t in_use(void)
{
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
# if __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
# endif
#endif
    return 0;
}

static void run_threads(void *(*thread)(void *), int count)
{
    int i;

    for (i = 0; i < count; i++)
        on_thread(thread, NULL);
}

/* Threads that do this in their destructors leave nothing behind. */
static void check(action *does)
{
    static void *(*const threads[])(void *) = {with_jobs, without_jobs};
    static const int rounds[] = {0, 1, 2, EVERY_ROUND};
    int i, e, l;

    act = does;
    for (i = 0; i < 2; i++)
        for (e = 0; e < 4; e++)
            for (l = 0; l < 4; l++) {
                OSSL_ASYNC_STATS before = process_stats(), after;
                size_t bytes;
                int descriptors;

                rounds_early = rounds[e];
                rounds_late = rounds[l];
                run_threads(threads[i], 3);
                bytes = in_use();
                descriptors = open_descriptors();
                calls = 0;
                run_threads(threads[i], 20);
                after = process_stats();
                CHECK(calls >= 20 * ((rounds_early > 0) + (rounds_late > 0)));
                CHECK_EQUAL(after.jobs_idle, 0);
                CHECK_EQUAL(after.jobs_running, 0);
                CHECK_EQUAL(after.jobs_paused, 0);
                CHECK_EQUAL(after.stack_bytes, before.stack_bytes);
                CHECK_EQUAL(after.jobs_abandoned, before.jobs_abandoned);
                CHECK_EQUAL(open_descriptors(), descriptors);
                /* A lost thread would be more than this: its state alone is half a kibibyte. */
                CHECK(in_use() < bytes + 20 * 64);
            }
}

static void starts(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, return_one), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
}

CASE(jobs_that_a_thread_starts_while_it_ends_leave_nothing, "Rules: D15, P4")
{
    make_keys();
    check(starts);
}

static void starts_by_six(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char large[5000] = "";

    CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, pause_once, large, sizeof(large)), ASYNC_PAUSE);
    CHECK(ASYNC_get_wait_ctx(job) == ctx);
    CHECK_EQUAL(ASYNC_start_job(&job, ctx, &ret, NULL, NULL, 0), ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
}

CASE(jobs_with_contexts_and_arguments_leave_nothing_either, "Rules: D15, G6")
{
    make_keys();
    check(starts_by_six);
}

/* Several at once, which end in another order. They are woken, and one is cancelled. */
static void several(void)
{
    ASYNC_JOB *jobs[3];
    int i, ret = UNWRITTEN;

    for (i = 0; i < 3; i++)
        CHECK_PAUSES(jobs[i]);
    ASYNC_wake(jobs[1]);
    CHECK(readable(ASYNC_get_wait_fd(jobs[1])));
    CHECK_FINISHES(jobs[1]);
    CHECK_EQUAL(OSSL_ASYNC_cancel_job(&jobs[0], &ret), ASYNC_FINISH);
    starts();
    CHECK_FINISHES(jobs[2]);
}

CASE(jobs_that_pause_and_are_resumed_while_a_thread_ends_leave_nothing, "Rules: D15, B22")
{
    make_keys();
    check(several);
}

static void makes_pools(void)
{
    CHECK_EQUAL(ASYNC_init_pool(4, 4), 1);
    starts();
    CHECK_EQUAL(ASYNC_init_thread(3, 2), 1);
    ASYNC_free_pool();
    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
}

CASE(pools_that_are_made_while_a_thread_ends_leave_nothing, "Rules: D15, B14")
{
    make_keys();
    check(makes_pools);
}

/* The newest entry is there, whatever else is left of the thread. */
static void makes_errors(void)
{
    ASYNC_JOB *none = NULL;
    int ret;

    ERR_clear_error();
    CHECK_EQUAL(ASYNC_init_pool(2, 3), 0);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(start(&none, &ret, NULL), ASYNC_ERR);
    CHECK_EQUAL(ERR_peek_last_error(), REFUSED_NULL);
    starts(); /* the state is made and freed again, and the entry stays */
    CHECK_EQUAL(only_error(), REFUSED_NULL);
    CHECK_EQUAL(ERR_get_error(), 0);
    CHECK_EQUAL(start(&none, &ret, NULL), ASYNC_ERR);
}

CASE(errors_that_are_made_while_a_thread_ends_can_be_read_and_leave_nothing, "Rules: D15, B5")
{
    make_keys();
    check(makes_errors);
}

static void asks(void)
{
    char *text = ERR_error_string(E2_INVALID_POOL_SIZE, NULL);

    CHECK(strncmp(text, "error:33065067", 14) == 0);
    CHECK_EQUAL(ASYNC_in_job(), 0);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    ASYNC_unblock_pause();
    thread_stats();
    ASYNC_cleanup_thread();
}

CASE(questions_that_are_asked_while_a_thread_ends_leave_nothing, "Rules: D15, B42")
{
    make_keys();
    check(asks);
}

/* ---- what is left paused ---- */

static ASYNC_JOB *left[64];
static int lefts;

static void leaves_one_paused(void)
{
    ASYNC_JOB *job;

    CHECK_PAUSES(job);
    left[lefts++] = job;
}

CASE(a_job_that_is_left_paused_in_a_destructor_is_refused_elsewhere, "Rules: D15, D8")
{
    int e, l, i, ret = UNWRITTEN;
    OSSL_ASYNC_STATS stats;

    make_keys();
    act = leaves_one_paused;
    for (e = 0; e < 3; e++)
        for (l = 0; l < 3; l++) {
            rounds_early = e;
            rounds_late = l;
            run_threads(with_jobs, 1);
        }
    stats = process_stats();
    CHECK_EQUAL(stats.jobs_idle, 0);
    CHECK_EQUAL(stats.jobs_running, 0);
    CHECK_EQUAL(stats.jobs_abandoned + stats.jobs_paused, lefts);
    CHECK_EQUAL(lefts, 18);
    for (i = 0; i < lefts; i++) {
        ASYNC_wake(left[i]);
        CHECK_EQUAL(resume(&left[i], &ret), ASYNC_ERR);
        CHECK_EQUAL(only_error(), REFUSED_HANDLE);
    }
    CHECK_STILL_WORKS();
}

/*
 * A job that the first destructor started is resumed in the next one. That cannot work across the
 * library's own destructor.
 */
static __thread ASYNC_JOB *across;
static int refused_across, finished_across;

static void begins_or_goes_on(void)
{
    int ret = UNWRITTEN, got;

    if (across == NULL) {
        CHECK_PAUSES(across);
        return;
    }
    got = resume(&across, &ret);
    if (got == ASYNC_ERR) {
        CHECK_EQUAL(only_error(), REFUSED_HANDLE);
        __sync_fetch_and_add(&refused_across, 1);
        across = NULL;
    } else {
        CHECK_EQUAL(got, ASYNC_FINISH);
        CHECK(across == NULL);
        __sync_fetch_and_add(&finished_across, 1);
    }
}

CASE(a_job_is_resumed_in_the_next_destructor_unless_its_threads_jobs_have_ended, "Rules: D15, D8")
{
    OSSL_ASYNC_STATS stats;

    make_keys();
    act = begins_or_goes_on;
    rounds_early = 1;
    rounds_late = 1;
    run_threads(with_jobs, 10);
    CHECK_EQUAL(refused_across, 10);
    CHECK_EQUAL(finished_across, 0);
    stats = process_stats();
    CHECK_EQUAL(stats.jobs_idle, 0);
    CHECK_EQUAL(stats.jobs_abandoned, 10);
}

/* ---- stacks of the program's own, freed while a thread ends ---- */

static int stacks;

static void *get(size_t *size)
{
    (void)size;
    __sync_fetch_and_add(&stacks, 1);
    return malloc(32768);
}

static void put(void *stack)
{
    if (stack != NULL)
        __sync_fetch_and_sub(&stacks, 1);
    free(stack);
}

CASE(stacks_of_the_programs_own_are_given_back_by_a_thread_that_ends, "Rules: D15, G41")
{
    CHECK_EQUAL(ASYNC_set_mem_functions(get, put), 1);
    make_keys();
    check(several);
    CHECK_EQUAL(stacks, 0);
}

/* ---- the last thread, and thread-locals ---- */

static void *main_like(void *unused)
{
    set_keys();
    pthread_exit(unused);
}

CASE(a_thread_that_never_used_the_library_before_leaves_nothing_after_pthread_exit, "Rules: D15")
{
    make_keys();
    act = several;
    rounds_early = rounds_late = EVERY_ROUND;
    run_threads(main_like, 50);
    CHECK_EQUAL(process_stats().jobs_idle, 0);
    CHECK_EQUAL(process_stats().stack_bytes, 0);
}
