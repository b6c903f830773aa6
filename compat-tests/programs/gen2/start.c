/*
 * Starting, pausing and resuming with six arguments: results, outputs, arguments, contexts,
 * blocking.
 */
#include "transcript.h"

CASE(results_and_outputs, "Rules: B19, B20, B22, G9")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret = UNWRITTEN, unused = UNWRITTEN;

    SAY(ASYNC_init_thread(1, 0));
    go("new, returns", &job, ctx, &ret, return_one);
    ret = UNWRITTEN;
    go("new, pauses", &job, ctx, &ret, pause_twice);
    go("another", &other, ctx, &unused, pause_twice);
    go("resumed, pauses", &job, ctx, &ret, pause_twice);
    /* Function, arguments and context of a resume are ignored. */
    say_start("resumed, returns", &job, NULL, &ret, NULL, NULL, 99);
    go("another", &other, ctx, &unused, return_one);
    ASYNC_WAIT_CTX_free(ctx);
}

static ASYNC_WAIT_CTX *given, *not_given;
static ASYNC_JOB *self;

static void print_context_name(const char *label, ASYNC_WAIT_CTX *seen)
{
    printf("%s: %s\n", label, seen == NULL ? "NULL" : seen == given ? "given" : seen == not_given ? "not given" : "?");
}

static int look_at_own_context(void *unused)
{
    (void)unused;
    self = ASYNC_get_current_job();
    print_context_name("first stretch", ASYNC_get_wait_ctx(self));
    ASYNC_pause_job();
    print_context_name("second stretch", ASYNC_get_wait_ctx(ASYNC_get_current_job()));
    ASYNC_pause_job();
    print_context_name("third stretch", ASYNC_get_wait_ctx(ASYNC_get_current_job()));
    return 1;
}

static void *ask_from_elsewhere(void *job)
{
    print_context_name("from another thread", ASYNC_get_wait_ctx(job));
    return NULL;
}

/*
 * The job has the context that was given at the start as long as it lives, on every thread. An
 * idle record has none.
 */
CASE(a_job_has_the_context_it_was_started_with, "Rules: G9, G11, G12")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    given = ASYNC_WAIT_CTX_new();
    not_given = ASYNC_WAIT_CTX_new();
    go("start", &job, given, &ret, look_at_own_context);
    print_context_name("paused", ASYNC_get_wait_ctx(job));
    on_thread(ask_from_elsewhere, job);
    go("resume", &job, not_given, &ret, look_at_own_context);
    print_context_name("paused", ASYNC_get_wait_ctx(job));
    go("resume", &job, NULL, &ret, look_at_own_context);
    print_context_name("idle", ASYNC_get_wait_ctx(self));
    /* The record is used again, with another context. */
    go("start", &job, not_given, &ret, look_at_own_context);
    SAY(job == self);
    print_context_name("paused", ASYNC_get_wait_ctx(job));
    go("resume", &job, given, &ret, look_at_own_context);
    go("resume", &job, given, &ret, look_at_own_context);
    /* The job never owned it: it still works, and its owner frees it. */
    SAY(ASYNC_WAIT_CTX_set_wait_fd(given, NULL, 1, NULL, NULL));
    ASYNC_WAIT_CTX_free(given);
    ASYNC_WAIT_CTX_free(not_given);
}

/* Without a context a job may run and return, in OpenSSL too. */
CASE(a_job_without_a_context_may_return, "Rules: G13")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    go("start", &job, NULL, &ret, return_one);
    go("start again", &job, NULL, &ret, return_one);
    SAY(ASYNC_get_current_job() == NULL);
}

static int say_text(void *text)
{
    static void *address;

    if (text == NULL) {
        printf("no arguments\n");
        return 3;
    }
    address = text;
    printf("%s, aligned %d\n", (char *)text, (uintptr_t)text % 16 == 0);
    strcpy(text, "changed");
    ASYNC_pause_job();
    printf("%s, moved %d\n", (char *)text, address != text);
    return 2;
}

/*
 * The arguments are a private, unchanging copy, of any size. NULL is passed on as NULL whatever
 * the size is.
 */
CASE(arguments_are_copied, "Rules: B23, B25, B44")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    static const size_t sizes[] = {8, 9, 100, 4096, 1000000};
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = calloc(1, sizes[i]);

        strcpy(text, "a text");
        printf("%zu bytes\n", sizes[i]);
        say_start("start", &job, ctx, &ret, say_text, text, sizes[i]);
        printf("caller's: %s\n", text);
        strcpy(text, "other");
        free(text);
        say_start("resume", &job, ctx, &ret, say_text, NULL, 0);
    }
    say_start("NULL, 0", &job, ctx, &ret, say_text, NULL, 0);
    say_start("NULL, 100", &job, ctx, &ret, say_text, NULL, 100);
    say_start("NULL, most", &job, ctx, &ret, say_text, NULL, (size_t)-1);
    ASYNC_WAIT_CTX_free(ctx);
}

/* Whether this OpenSSL is known to run the function with NULL if the arguments have size 0. */
static int runs_with_no_bytes(void)
{
    unsigned long version = OpenSSL_version_num(), patch = version >> 4 & 0xff;

    switch (version >> 20) {
    case 0x300:
        return patch >= 22;
    case 0x305:
        return patch >= 9;
    case 0x306:
        return patch >= 5;
    case 0x400:
        return patch >= 3;
    default:
        return version > 0x40000000UL;
    }
}

static int say_and_pause(void *argument)
{
    printf("runs with %s\n", argument == NULL ? "NULL" : "something");
    SAY(ASYNC_pause_job());
    return 4;
}

/*
 * 0 bytes are the same as NULL. Older versions of OpenSSL refuse them, some with an entry and some
 * without.
 */
CASE(arguments_of_size_0_are_null, "Rules: B24, D11, B22, B45")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret = UNWRITTEN;
    char byte = 1;

    if (!runs_with_no_bytes()) {
        printf("# arguments of size 0 left out: OpenSSL %lx is not known to run the function (D11)\n",
               OpenSSL_version_num());
        ASYNC_WAIT_CTX_free(ctx);
        return;
    }
    SAY(ASYNC_init_thread(1, 0));
    say_start("start", &job, ctx, &ret, say_and_pause, &byte, 0);
    say_start("full", &other, ctx, &ret, say_and_pause, &byte, 0);
    say_start("resume", &job, ctx, &ret, say_and_pause, &byte, 0);
    /* A record that has had arguments before. */
    say_start("start with a byte", &job, ctx, &ret, say_and_pause, &byte, 1);
    say_start("resume", &job, ctx, &ret, say_and_pause, &byte, 0);
    say_start("start", &job, ctx, &ret, say_and_pause, &byte, 0);
    say_start("resume", &job, ctx, &ret, say_and_pause, NULL, 0);
    SAY(byte);
    ASYNC_WAIT_CTX_free(ctx);
}

/* A job is taken from the pool before the arguments are checked. */
CASE(a_full_pool_is_reported_before_bad_arguments, "Rules: B45, G10")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    SAY(ASYNC_init_thread(1, 1));
    go("start", &job, ctx, &ret, pause_once);
    say_start("no memory, but full", &other, ctx, &ret, return_one, &byte, (size_t)-1 / 2);
    go("resume", &job, ctx, &ret, pause_once);
    say_start("no memory", &other, ctx, &ret, return_one, &byte, (size_t)-1 / 2);
    /* The job that was taken is in the pool again and counted. */
    go("start", &job, ctx, &ret, pause_once);
    go("full", &other, ctx, &ret, pause_once);
    go("resume", &job, ctx, &ret, pause_once);
    ASYNC_WAIT_CTX_free(ctx);
}

static int say_current(void *place)
{
    ASYNC_JOB **note = *(ASYNC_JOB ***)place;

    *note = ASYNC_get_current_job();
    SAY(*note != NULL);
    ASYNC_pause_job();
    SAY(*note == ASYNC_get_current_job());
    return 1;
}

/* Inside a job, its own handle, which the caller gets too. Elsewhere NULL. */
CASE(the_current_job_is_the_one_that_runs, "Rules: B30, B35")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *seen = NULL, **place = &seen;
    int ret = UNWRITTEN;

    SAY(ASYNC_get_current_job() == NULL);
    say_start("start", &job, ctx, &ret, say_current, &place, sizeof(place));
    SAY(seen == job);
    SAY(ASYNC_get_current_job() == NULL);
    go("resume", &job, ctx, &ret, return_one);
    SAY(ASYNC_get_current_job() == NULL);
    ASYNC_cleanup_thread();
    SAY(ASYNC_get_current_job() == NULL);
    ASYNC_WAIT_CTX_free(ctx);
}

static int blocks, unblocks, pauses_after;

static int block_some(void *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < blocks; i++)
        ASYNC_block_pause();
    for (i = 0; i < unblocks; i++)
        ASYNC_unblock_pause();
    for (i = 0; i < pauses_after; i++)
        printf("pause: %d\n", ASYNC_pause_job());
    return 1;
}

/*
 * Every count of blocks and unblocks up to three, in one job after another on one thread. The
 * count belongs to the thread, stays when a job ends, never goes below zero, and cannot be changed
 * outside a job.
 */
CASE(the_block_count_is_the_threads, "Rules: K1, K2, K3, K5, K6")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int ret = UNWRITTEN;

    pauses_after = 1;
    for (blocks = 0; blocks <= 3; blocks++)
        for (unblocks = 0; unblocks <= 3; unblocks++) {
            ASYNC_JOB *job = NULL;

            printf("%d blocks, %d unblocks\n", blocks, unblocks);
            if (go("start", &job, ctx, &ret, block_some) == ASYNC_PAUSE)
                go("resume", &job, ctx, &ret, block_some);
            ASYNC_block_pause();
            ASYNC_unblock_pause();
            ASYNC_unblock_pause();
        }
    ASYNC_WAIT_CTX_free(ctx);
}

/* If a job ends with pauses blocked, they are also blocked in a job that was paused earlier. */
CASE(a_block_left_behind_holds_for_jobs_paused_before, "Rules: K5, K4")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *early = NULL, *job = NULL;
    int ret = UNWRITTEN;

    go("early", &early, ctx, &ret, pause_twice);
    blocks = 1;
    go("blocks", &job, ctx, &ret, block_some);
    go("early", &early, ctx, &ret, pause_twice);
    blocks = 0;
    unblocks = 1;
    pauses_after = 1;
    go("unblocks", &job, ctx, &ret, block_some);
    go("unblocks", &job, ctx, &ret, block_some);
    ASYNC_WAIT_CTX_free(ctx);
}

static int wait_until_it_happened(void *place)
{
    volatile int *rounds = *(volatile int **)place;

    ASYNC_block_pause();
    while (*rounds < 1000) {
        if (ASYNC_pause_job() != 1)
            return 0;
        ++*rounds;
    }
    ASYNC_unblock_pause();
    return 1;
}

/*
 * A loop that pauses until something happens does not wait while pauses are blocked: each pause
 * returns 1 at once.
 */
CASE(a_loop_on_pause_spins_while_blocked, "Rules: D32, B31, B34")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, rounds = 0, *place = &rounds;

    say_start("start", &job, ctx, &ret, wait_until_it_happened, &place, sizeof(place));
    SAY(rounds);
    ASYNC_WAIT_CTX_free(ctx);
}

CASE(capability_can_be_asked_at_any_time, "Rules: F19")
{
    SAY(ASYNC_is_capable());
    ASYNC_cleanup_thread();
    SAY(ASYNC_is_capable());
    say_errors();
}

/*
 * No call before this one has used the thread or initialised the library. The pause returns 1 and
 * has no effect.
 */
CASE(a_pause_outside_a_job_returns_one, "Rules: G14, B31")
{
    SAY(OPENSSL_init_crypto(0, NULL));
    SAY(ASYNC_pause_job());
    ASYNC_block_pause();
    SAY(ASYNC_pause_job());
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    SAY(ASYNC_pause_job());
    SAY(ASYNC_get_current_job() == NULL);
    say_errors();
}

#define MANY 200

static int count_to(void *limit)
{
    int i, total = 0;

    for (i = 0; i < *(int *)limit; i++) {
        total += i;
        ASYNC_pause_job();
    }
    return total;
}

/* Many jobs with different numbers of pauses, resumed by turns until all have returned. */
CASE(many_jobs_take_turns, "Rules: B29, S3")
{
    static ASYNC_JOB *jobs[MANY];
    static int rets[MANY], done[MANY];
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int left = MANY, round, i;

    for (round = 0; left > 0; round++) {
        int finished = 0;

        for (i = 0; i < MANY; i++) {
            int limit = i % 7;

            if (done[i])
                continue;
            if (ASYNC_start_job(&jobs[i], ctx, &rets[i], count_to, &limit, sizeof(limit)) == ASYNC_FINISH) {
                done[i] = 1;
                finished++;
                if (jobs[i] != NULL || rets[i] != limit * (limit - 1) / 2)
                    printf("job %d: %d\n", i, rets[i]);
            }
        }
        left -= finished;
        printf("round %d: %d finished\n", round, finished);
    }
    ASYNC_WAIT_CTX_free(ctx);
}

struct worker {
    int number;
    int sum;
};

static void *work(void *place)
{
    struct worker *w = place;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = 0, i, limit;

    for (i = 0; i < 500; i++) {
        limit = (w->number + i) % 5;
        while (ASYNC_start_job(&job, ctx, &ret, count_to, &limit, sizeof(limit)) == ASYNC_PAUSE)
            ;
        w->sum += ret;
    }
    ASYNC_WAIT_CTX_free(ctx);
    return NULL;
}

/* Four threads at once, each with its own jobs. */
CASE(threads_do_not_disturb_each_other, "Rules: B29, G6")
{
    pthread_t threads[4];
    struct worker workers[4];
    int i;

    for (i = 0; i < 4; i++) {
        workers[i].number = i;
        workers[i].sum = 0;
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            printf("no thread\n");
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        printf("thread %d: %d\n", i, workers[i].sum);
    }
}
