/* The pool by its later names: sizes, limits, a second init, cleanup, threads. */
#include "transcript.h"

#include <limits.h>
#include <sys/resource.h>

#define FEW 6

static int pause_quietly(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return 1;
}

/* Starts jobs until no more can be made, FEW at most, then finishes them all. Prints how many. */
static void say_how_many(ASYNC_WAIT_CTX *ctx)
{
    ASYNC_JOB *jobs[FEW] = {NULL};
    int ret = UNWRITTEN, got = 0, i, last = ASYNC_PAUSE;

    while (got < FEW && (last = ASYNC_start_job(&jobs[got], ctx, &ret, pause_quietly, NULL, 0)) == ASYNC_PAUSE)
        got++;
    printf("%d paused%s%s\n", got, got < FEW ? ", then " : "", got < FEW ? result_name(last) : "");
    say_errors();
    for (i = 0; i < got; i++)
        if (ASYNC_start_job(&jobs[i], ctx, &ret, NULL, NULL, 0) != ASYNC_FINISH || jobs[i] != NULL || ret != 1)
            printf("job %d does not finish\n", i);
}

/* The first call of the process: the size is checked before everything else. */
CASE(more_up_front_than_the_limit_is_refused, "Rules: G2, G1, B8")
{
    SAY(ASYNC_init_thread(1, 2));
    say_errors();
}

CASE(every_small_size, "Rules: G1, P6, P1")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    size_t most, first;

    for (most = 0; most <= 4; most++)
        for (first = 0; first <= 5; first++) {
            int answer = ASYNC_init_thread(most, first);

            printf("init_thread(%zu, %zu) = %d\n", most, first, answer);
            say_errors();
            say_how_many(ctx);
            ASYNC_cleanup_thread();
        }
    ASYNC_WAIT_CTX_free(ctx);
}

/* A limit may be any number, however large. Only making jobs in advance costs memory. */
CASE(large_limits_are_accepted, "Rules: G1, G2")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(0x7fffffff, 1));
    say_how_many(ctx);
    ASYNC_cleanup_thread();
    SAY(ASYNC_init_thread((size_t)-2, (size_t)-1));
    say_errors();
    SAY(ASYNC_init_thread(0, (size_t)-1));
    say_errors();
    SAY(ASYNC_init_thread(3, 0x100000001));
    say_errors();
    say_how_many(ctx);
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * More than an int holds: 3.6 and later refuse that as an invalid size, and the pool that was
 * there stays.
 */
CASE(a_limit_above_what_an_int_holds, "Rules: G2, G4")
{
    static const size_t limits[] = {(size_t)INT_MAX + 1, (size_t)INT_MAX + 3, SIZE_MAX - 1, SIZE_MAX};
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    size_t i, first;

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        for (first = 0; first <= 2; first++) {
            SAY(ASYNC_init_thread(1, 0));
            printf("init_thread(%zx, %zu) = %d\n", limits[i], first, ASYNC_init_thread(limits[i], first));
            say_errors();
            say_how_many(ctx);
            ASYNC_cleanup_thread();
        }
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * There is no memory for a list of this length: nothing is made, and the pool that was there
 * stays. Most versions add two entries, the allocator's first.
 */
CASE(more_up_front_than_could_be_listed_is_refused, "Rules: G2, B9, G48")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    struct rlimit limit;

    SAY(ASYNC_init_thread(2, 1));
    SAY(getrlimit(RLIMIT_AS, &limit));
    limit.rlim_cur = (rlim_t)1 << 30;
    SAY(setrlimit(RLIMIT_AS, &limit));
    SAY(ASYNC_init_thread(0x20000000, 0x20000000));
    say_errors();
    say_how_many(ctx);
    ASYNC_WAIT_CTX_free(ctx);
}

/* If no job is paused, the new limits replace the old ones. A refused call leaves the old ones. */
CASE(a_second_init_replaces_the_limits, "Rules: G4, G1")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ASYNC_init_thread(1, 1));
    SAY(ASYNC_init_thread(3, 2));
    say_how_many(ctx);
    SAY(ASYNC_init_thread(4, 5));
    say_errors();
    say_how_many(ctx);
    SAY(ASYNC_init_thread(2, 0));
    say_how_many(ctx);
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
}

/* Without init the pool has no limit, and again after a cleanup. */
CASE(a_start_makes_an_unlimited_pool, "Rules: G1, G5, B17, B21")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    say_how_many(ctx);
    ASYNC_cleanup_thread();
    say_how_many(ctx);
    SAY(ASYNC_init_thread(2, 2));
    say_how_many(ctx);
    ASYNC_cleanup_thread();
    say_how_many(ctx);
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
}

static int block_and_return(void *unused)
{
    (void)unused;
    ASYNC_block_pause();
    return 1;
}

/* With and without a pool, twice in a row, and after a job that left pauses blocked. */
CASE(cleanup_makes_the_thread_as_new, "Rules: G5, K5, B14")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    ASYNC_cleanup_thread();
    ASYNC_cleanup_thread();
    SAY(ASYNC_get_current_job() == NULL);
    go("start", &job, ctx, &ret, block_and_return);
    go("start", &job, ctx, &ret, pause_once);
    ASYNC_cleanup_thread();
    go("start", &job, ctx, &ret, pause_once);
    go("resume", &job, ctx, &ret, pause_once);
    ASYNC_cleanup_thread();
    ASYNC_cleanup_thread();
    say_errors();
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * Each init and each new thread record registers something that libcrypto calls at the end.
 * Repeating it does no harm.
 */
CASE(init_and_cleanup_may_be_cycled, "Rules: G7, G5")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int i, ret = UNWRITTEN, well = 0;

    for (i = 0; i < 1000; i++) {
        ASYNC_JOB *job = NULL;

        well += ASYNC_init_thread(2, 1) == 1;
        well += ASYNC_start_job(&job, ctx, &ret, return_one, NULL, 0) == ASYNC_FINISH;
        ASYNC_cleanup_thread();
    }
    SAY(well);
    say_errors();
    ASYNC_WAIT_CTX_free(ctx);
}

static int take_note(void *place)
{
    **(ASYNC_JOB ***)place = ASYNC_get_current_job();
    return 1;
}

/*
 * The job that was released last is used next. Of jobs made in advance, the last one is used
 * first.
 */
CASE(reuse_is_last_in_first_out, "Rules: P4")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *a = NULL, *b = NULL, *was_a, *was_b, *seen = NULL, **place = &seen, *job = NULL;
    int ret = UNWRITTEN;

    SAY(ASYNC_init_thread(2, 2));
    go("a", &a, ctx, &ret, pause_once);
    go("b", &b, ctx, &ret, pause_once);
    was_a = a;
    was_b = b;
    go("b", &b, ctx, &ret, pause_once);
    go("a", &a, ctx, &ret, pause_once);
    say_start("next", &job, ctx, &ret, take_note, &place, sizeof(place));
    SAY(seen == was_a);
    go("b again", &b, ctx, &ret, pause_once);
    SAY(b == was_a);
    go("a again", &a, ctx, &ret, pause_once);
    SAY(a == was_b);
    go("a again", &a, ctx, &ret, pause_once);
    go("b again", &b, ctx, &ret, pause_once);
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
}

static void *on_a_thread_of_its_own(void *ctx)
{
    say_how_many(ctx);
    SAY(ASYNC_init_thread(1, 1));
    say_how_many(ctx);
    return NULL;
}

/*
 * Threads that end without a cleanup of their own, one after the other, while a thread has paused
 * jobs.
 */
CASE(each_thread_has_its_own_pool_which_ends_with_it, "Rules: G6, P1")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new(), *theirs = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *none = NULL;
    int ret = UNWRITTEN, i;

    SAY(ASYNC_init_thread(1, 1));
    go("start", &job, ctx, &ret, pause_once);
    for (i = 0; i < 3; i++)
        on_thread(on_a_thread_of_its_own, theirs);
    go("none left here", &none, ctx, &ret, pause_once);
    go("resume", &job, ctx, &ret, pause_once);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_WAIT_CTX_free(theirs);
}

/*
 * Both can be compared after libcrypto's cleanup only so far: outside a job nothing happens, and
 * contexts still work.
 */
CASE(after_the_end_of_libcrypto_contexts_still_work, "Rules: G8")
{
    static const char key;
    ASYNC_WAIT_CTX *before = ASYNC_WAIT_CTX_new(), *after;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    go("start", &job, before, &ret, pause_once);
    go("resume", &job, before, &ret, pause_once);
    OPENSSL_cleanup();
    SAY(ASYNC_get_current_job() == NULL);
    SAY(ASYNC_pause_job());
    after = ASYNC_WAIT_CTX_new();
    SAY(after != NULL);
    SAY(ASYNC_WAIT_CTX_set_wait_fd(before, &key, 3, NULL, NULL));
    SAY(ASYNC_WAIT_CTX_set_wait_fd(after, &key, 4, NULL, NULL));
    say_fds("before", before);
    say_fds("after", after);
    SAY(ASYNC_WAIT_CTX_clear_fd(after, &key));
    say_fds("after", after);
    ASYNC_WAIT_CTX_free(before);
    ASYNC_WAIT_CTX_free(after);
}
