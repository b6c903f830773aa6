/*
 * The wait context in every order: all sequences of operations. After each operation, the job or
 * caller that made it prints everything that can be asked of the context. The caller does so again
 * after each pause.
 *
 * An operation is two letters. The first says who acts:
 *
 *     o  the caller, outside a job; a job that is running pauses first
 *     j  the first job, k the second; it is started if there is none, and resumed if it is paused
 *
 * The second says what is done on the context that all share:
 *
 *     a b c d  an entry is set with key 1, 2, 3, 4 and a descriptor that was never used before
 *     A B C D  the entry with that key is cleared
 *     p        the job pauses and is resumed at once
 *     x        the job tries to pause while pauses are blocked
 *     f        the job returns
 *
 * Several operations in a row by the same job form one stretch, without a pause in between. One
 * line is one sequence.
 */
#include "transcript.h"

static const char key[4];

static ASYNC_WAIT_CTX *ctx;
static ASYNC_JOB *jobs[2];
static const char *script; /* the present operation, and those after it */
static int next_fd;
static int in_cleanup;

static void after(const char *what)
{
    char k;
    int hit[4] = {UNWRITTEN, UNWRITTEN, UNWRITTEN, UNWRITTEN};
    void *data[4] = {NULL, NULL, NULL, NULL};

    printf(" %s ", what);
    for (k = 0; k < 4; k++) {
        if (ASYNC_WAIT_CTX_get_fd(ctx, key + k, &hit[(int)k], &data[(int)k]) != (hit[(int)k] != UNWRITTEN)
            || (intptr_t)data[(int)k] != (hit[(int)k] != UNWRITTEN ? hit[(int)k] : 0))
            printf("(get_fd: %d) ", k);
        else if (hit[(int)k] != UNWRITTEN)
            printf("%d=%d ", k + 1, hit[(int)k]);
    }
    print_fds(ctx);
    printf(";");
}

static void say_freed(ASYNC_WAIT_CTX *freed, const void *freed_key, OSSL_ASYNC_FD fd, void *data)
{
    printf(" %s%d=%d%s", in_cleanup++ ? "" : "freed ", (int)((const char *)freed_key - key) + 1, fd,
           freed == ctx && (intptr_t)data == fd ? "" : "(wrong)");
}

/* Does an operation that is the same for jobs and caller. */
static void act(char verb)
{
    const char what[3] = {script[0], script[1], '\0'};
    int answer = 1;

    if (verb >= 'a' && verb <= 'd') {
        int fd = next_fd++;

        answer = ASYNC_WAIT_CTX_set_wait_fd(ctx, key + (verb - 'a'), fd, (void *)(intptr_t)fd, say_freed);
    } else if (verb >= 'A' && verb <= 'D') {
        answer = ASYNC_WAIT_CTX_clear_fd(ctx, key + (verb - 'A'));
    }
    printf(" %d", answer);
    after(what);
}

/* Both jobs: does its own operations, and pauses before any other. */
static int follow_script(void *name_place)
{
    char name = *(char *)name_place;

    for (;;) {
        if (script[0] != name) {
            ASYNC_pause_job();
            continue;
        }
        switch (script[1]) {
        case 'f':
            return name;
        case 'p':
            ASYNC_pause_job();
            break;
        case 'x':
            ASYNC_block_pause();
            ASYNC_pause_job();
            ASYNC_unblock_pause();
            break;
        }
        act(script[1]);
        script += 2;
    }
}

/* Starts or resumes a job. The script says what it does then. */
static void switch_to(int which)
{
    char name = "jk"[which];
    int ret = UNWRITTEN;
    int result = ASYNC_start_job(&jobs[which], ctx, &ret, follow_script, &name, 1);

    if (result == ASYNC_FINISH) {
        printf(" %c returned %c%s", name, ret, jobs[which] == NULL ? "" : " (job not NULL)");
        after("F");
        script += 2;
    } else {
        printf(" %c", name);
        if (result != ASYNC_PAUSE || jobs[which] == NULL || ret != UNWRITTEN)
            printf(" (%s, ret %d)", result_name(result), ret);
        after("P");
    }
}

static void run_script(const char *text)
{
    static const char both_finish[] = "jfkf";
    int which;

    ctx = ASYNC_WAIT_CTX_new();
    next_fd = 100;
    in_cleanup = 0;
    printf("%s:", text);
    for (script = text; *script != '\0';) {
        if (script[0] == 'o') {
            act(script[1]);
            script += 2;
        } else {
            switch_to(script[0] == 'k');
        }
    }
    for (which = 0; which < 2; which++) {
        if (jobs[which] != NULL) {
            script = both_finish + 2 * which;
            switch_to(which);
        }
    }
    ASYNC_WAIT_CTX_free(ctx);
    printf("\n");
}

/* Every sequence of `length` operations out of a list of them. */
static void every_sequence(const char *const *operations, int count, int length)
{
    int digits[16] = {0}, i;
    char text[64];

    for (;;) {
        text[0] = '\0';
        for (i = 0; i < length; i++)
            strcat(text, operations[digits[i]]);
        run_script(text);
        for (i = length - 1; i >= 0 && ++digits[i] == count; i--)
            digits[i] = 0;
        if (i < 0)
            return;
    }
}

#define EVERY_SEQUENCE(LIST, LENGTH) every_sequence(LIST, (int)(sizeof(LIST) / sizeof((LIST)[0])), LENGTH)

/*
 * Two keys, one job: what is added and cleared before and after each reset, with blocked pauses
 * and with new jobs.
 */
CASE(one_job_sets_and_clears_two_keys, "Rules: G19, G20, G21, G22, G23, G24, G25, G28, G29, G30, G31")
{
    static const char *const operations[] = {"ja", "jA", "jb", "jB", "jp", "jx", "jf"};

    EVERY_SEQUENCE(operations, 5);
}

/*
 * One key that is set more than once, and that is cleared and set again without a pause in
 * between.
 */
CASE(one_job_sets_and_clears_one_key, "Rules: G19, G24, G25, G46, K4")
{
    static const char *const operations[] = {"ja", "jA", "jp", "jx"};

    EVERY_SEQUENCE(operations, 7);
}

/* The caller also acts: before the first start, while the job is paused, and after its end. */
CASE(the_caller_changes_what_the_job_waits_for, "Rules: G31, G45, G24, G30")
{
    static const char *const operations[] = {"oa", "oA", "ja", "jA", "jp", "jf"};

    EVERY_SEQUENCE(operations, 6);
}

/* Two jobs on one context: a resume of either resets the changes of both. */
CASE(two_jobs_share_a_context, "Rules: G32, G12, G31")
{
    static const char *const operations[] = {"ja", "jA", "jf", "kb", "kB", "kf"};

    EVERY_SEQUENCE(operations, 5);
}

/* Two jobs that set and clear the same key. */
CASE(two_jobs_share_a_key, "Rules: G32, G19, G23")
{
    static const char *const operations[] = {"ja", "jA", "ka", "kA"};

    EVERY_SEQUENCE(operations, 6);
}

/* The next order of four numbers, in place. Returns 0 after the last one. */
static int next_order(int order[4])
{
    int i = 2, j = 3, t;

    while (i >= 0 && order[i] >= order[i + 1])
        i--;
    if (i < 0)
        return 0;
    while (order[j] <= order[i])
        j--;
    t = order[i], order[i] = order[j], order[j] = t;
    for (i++, j = 3; i < j; i++, j--)
        t = order[i], order[i] = order[j], order[j] = t;
    return 1;
}

/*
 * Four entries, with four keys or fewer. After none, one, ... all of them there is a reset. Then
 * they are cleared in every order, with a reset after any of the clears. So a new entry stands
 * after deleted ones in every possible way.
 *
 * Rules: G21, G22, G24, G25, G26, G17, G18, D27
 */
CASE(four_entries_are_cleared_in_every_order, "Rules: G26, D27, G25, G17, G18")
{
    static const char *const patterns[] = {"abcd", "aabb", "abab", "abba", "aaab", "aaaa"};
    size_t p;
    int reset, second;

    for (p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
        for (reset = 0; reset <= 4; reset++)
            for (second = 0; second <= 4; second++) {
                int order[4] = {0, 1, 2, 3};

                do {
                    char text[64] = "";
                    int i;

                    for (i = 0; i < 4; i++) {
                        char add[3] = {'j', patterns[p][i], '\0'};

                        strcat(text, add);
                        if (reset == i + 1)
                            strcat(text, "jp");
                    }
                    for (i = 0; i < 4; i++) {
                        char clear[3] = {'j', (char)(patterns[p][order[i]] - 'a' + 'A'), '\0'};

                        strcat(text, clear);
                        if (second == i + 1)
                            strcat(text, "jp");
                    }
                    run_script(text);
                } while (next_order(order));
            }
}

/*
 * As many entries as fit here, cleared from either end, so that a list of any kind has to grow and
 * to shrink.
 */
CASE(many_entries_are_added_and_cleared, "Rules: G19, G21, G22, G24, G17")
{
    static const char keys[MOST_FDS];
    int i, round;

    ctx = ASYNC_WAIT_CTX_new();
    for (i = 0; i < MOST_FDS - 1; i++)
        ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + i, i, NULL, NULL);
    say_fds("all set", ctx);
    for (round = 0; round < 2; round++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN;

        go("start", &job, ctx, &ret, pause_once);
        for (i = 0; i < 10; i++) {
            SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 20 * round + i));
            SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys + MOST_FDS - 2 - 20 * round - i));
        }
        say_fds("twenty cleared", ctx);
        go("resume", &job, ctx, &ret, pause_once);
        say_fds("after the reset", ctx);
        for (i = 0; i < 10; i++)
            SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 20 * round + 10 + i));
        say_fds("ten more", ctx);
    }
    ASYNC_WAIT_CTX_free(ctx);
}
