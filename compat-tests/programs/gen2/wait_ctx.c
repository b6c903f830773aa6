/* The wait context, in single cases that sequences of operations in a table do not show. */
#include "transcript.h"

static const char keys[4];

CASE(a_new_context_is_empty, "Rules: G16, G28")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

    SAY(ctx != NULL);
    say_fds("new", ctx);
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys));
    say_fds("after a clear of nothing", ctx);
    ASYNC_WAIT_CTX_free(ctx);
    say_errors();
}

CASE(freeing_null_does_nothing, "Rules: G17")
{
    ASYNC_WAIT_CTX_free(NULL);
    say_errors();
}

/* Newest first, with what was set. Entries that were cleared, new or reported, are left out. */
CASE(freeing_cleans_up_remaining_entries_newest_first, "Rules: G17, G18, G27")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    cleanup_expects = ctx;
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 10, "first", say_cleanup));
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 1, 11, "second, cleared when reported", say_cleanup));
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 2, 12, "third, without cleanup", NULL));
    go("start", &job, ctx, &ret, pause_once);
    go("resume", &job, ctx, &ret, pause_once);
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, -1, NULL, say_cleanup));
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 3, 14, "fifth, cleared when fresh", say_cleanup));
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 15, "sixth, with the key of the first", say_cleanup));
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 1));
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 3));
    say_fds("before free", ctx);
    ASYNC_WAIT_CTX_free(ctx);
}

/* A reset removes deleted entries without calling their cleanups. */
CASE(neither_clear_nor_reset_cleans_up, "Rules: G18, G24, G27")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, round;

    cleanup_expects = ctx;
    for (round = 0; round < 3; round++) {
        SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 20, "cleared", say_cleanup));
        go("start", &job, ctx, &ret, pause_twice);
        go("resume", &job, ctx, &ret, pause_twice);
        SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys));
        say_fds("cleared", ctx);
        go("resume", &job, ctx, &ret, pause_twice);
        say_fds("reset", ctx);
    }
    ASYNC_WAIT_CTX_free(ctx);
}

/* Keys and descriptors are not checked: NULL and -1 are accepted. */
CASE(any_key_and_any_descriptor_is_accepted, "Rules: G19, G20")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    OSSL_ASYNC_FD fd = UNWRITTEN;
    void *data = (void *)keys;

    SAY(ASYNC_WAIT_CTX_get_fd(ctx, NULL, &fd, &data));
    SAY(fd);
    SAY(data == (void *)keys);
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, NULL, OSSL_BAD_ASYNC_FD, NULL, NULL));
    SAY(ASYNC_WAIT_CTX_get_fd(ctx, NULL, &fd, &data));
    SAY(fd);
    SAY(data == NULL);
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, (const void *)(intptr_t)-1, 0x7fffffff, (void *)(intptr_t)-1, NULL));
    SAY(ASYNC_WAIT_CTX_get_fd(ctx, (const void *)(intptr_t)-1, &fd, &data));
    SAY(fd);
    SAY((intptr_t)data);
    say_fds("both", ctx);
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, NULL));
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, NULL));
    say_fds("one", ctx);
    ASYNC_WAIT_CTX_free(ctx);
}

/* If there is no such key, nothing is written and no error is queued. */
CASE(an_unknown_key_writes_nothing, "Rules: G20, G23")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    OSSL_ASYNC_FD fd = UNWRITTEN;
    void *data = (void *)keys;

    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 30, NULL, NULL));
    SAY(ASYNC_WAIT_CTX_get_fd(ctx, keys + 1, &fd, &data));
    SAY(ASYNC_WAIT_CTX_get_fd(ctx, keys + 1, NULL, NULL));
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys + 1));
    SAY(fd);
    SAY(data == (void *)keys);
    say_fds("as before", ctx);
    SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys));
    SAY(ASYNC_WAIT_CTX_get_fd(ctx, keys, &fd, &data));
    SAY(fd);
    say_errors();
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * Two entries with one key: the newer one hides the older, which is found again when the newer is
 * cleared.
 */
CASE(the_newest_of_two_with_one_key_is_found_first, "Rules: G19, G20, G23")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    OSSL_ASYNC_FD fd = UNWRITTEN;
    void *data = NULL;
    int i;

    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 40, "older", NULL));
    SAY(ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 41, "newer", NULL));
    for (i = 0; i < 2; i++) {
        SAY(ASYNC_WAIT_CTX_get_fd(ctx, keys, &fd, &data));
        printf("%d %s\n", fd, (const char *)data);
        SAY(ASYNC_WAIT_CTX_clear_fd(ctx, keys));
    }
    SAY(ASYNC_WAIT_CTX_get_fd(ctx, keys, &fd, &data));
    ASYNC_WAIT_CTX_free(ctx);
}

/* The questions change nothing: the results are the same however often they are asked. */
CASE(asking_resets_nothing, "Rules: G29, G21, G22")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, i;

    ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 50, NULL, NULL);
    go("start", &job, ctx, &ret, pause_twice);
    go("resume", &job, ctx, &ret, pause_twice);
    ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 1, 51, NULL, NULL);
    ASYNC_WAIT_CTX_clear_fd(ctx, keys);
    for (i = 0; i < 3; i++)
        say_fds("again", ctx);
    go("resume", &job, ctx, &ret, pause_twice);
    ASYNC_WAIT_CTX_free(ctx);
}

static int add_then_pause_blocked(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)unused;
    ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 60, NULL, NULL);
    ASYNC_block_pause();
    SAY(ASYNC_pause_job());
    say_fds("blocked", ctx);
    ASYNC_unblock_pause();
    SAY(ASYNC_pause_job());
    say_fds("resumed", ctx);
    ASYNC_WAIT_CTX_clear_fd(ctx, keys);
    ASYNC_block_pause();
    SAY(ASYNC_pause_job());
    say_fds("blocked again", ctx);
    ASYNC_unblock_pause();
    return 1;
}

/* Only a pause that was not skipped resets, and only when it ends. */
CASE(a_blocked_pause_resets_nothing, "Rules: K4, G30")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    go("start", &job, ctx, &ret, add_then_pause_blocked);
    say_fds("paused", ctx);
    go("resume", &job, ctx, &ret, add_then_pause_blocked);
    say_fds("finished", ctx);
    ASYNC_WAIT_CTX_free(ctx);
}

/* Outside a job a pause has no effect on any context. */
CASE(a_pause_outside_a_job_resets_nothing, "Rules: G30, G13")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    SAY(ASYNC_init_thread(0, 0));
    ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 70, NULL, NULL);
    go("start", &job, ctx, &ret, pause_once);
    SAY(ASYNC_pause_job());
    say_fds("still added", ctx);
    go("resume", &job, ctx, &ret, pause_once);
    say_fds("reset", ctx);
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * The changes after the last pause stay, and count in the next job until that has paused and been
 * resumed.
 */
CASE(changes_carry_into_the_next_job, "Rules: G31, G30")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 80, NULL, NULL);
    go("no pause", &job, ctx, &ret, return_one);
    say_fds("finished", ctx);
    go("next", &job, ctx, &ret, pause_once);
    say_fds("paused", ctx);
    go("resume", &job, ctx, &ret, pause_once);
    say_fds("finished", ctx);
    ASYNC_WAIT_CTX_free(ctx);
}

/* Contexts are independent of each other. */
CASE(a_resume_resets_the_context_of_its_job_alone, "Rules: G30, G9")
{
    ASYNC_WAIT_CTX *one = ASYNC_WAIT_CTX_new(), *other = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    ASYNC_WAIT_CTX_set_wait_fd(one, keys, 90, NULL, NULL);
    ASYNC_WAIT_CTX_set_wait_fd(other, keys, 91, NULL, NULL);
    go("start", &job, one, &ret, pause_once);
    /* The context that is given to a resume is ignored. */
    go("resume", &job, other, &ret, pause_once);
    say_fds("one", one);
    say_fds("other", other);
    ASYNC_WAIT_CTX_free(one);
    ASYNC_WAIT_CTX_free(other);
}

static void *set_on_another_thread(void *ctx)
{
    printf("thread: %d\n", ASYNC_WAIT_CTX_set_wait_fd(ctx, keys + 1, 101, NULL, NULL));
    printf("thread: %d\n", ASYNC_WAIT_CTX_clear_fd(ctx, keys));
    return NULL;
}

/* An engine's thread may set and clear while the job is paused. The resume resets the changes. */
CASE(another_thread_may_change_the_context_of_a_paused_job, "Rules: G45")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    ASYNC_WAIT_CTX_set_wait_fd(ctx, keys, 100, NULL, NULL);
    go("start", &job, ctx, &ret, pause_twice);
    go("resume", &job, ctx, &ret, pause_twice);
    say_fds("paused", ctx);
    on_thread(set_on_another_thread, ctx);
    say_fds("changed", ctx);
    go("resume", &job, ctx, &ret, pause_twice);
    say_fds("after the resume", ctx);
    ASYNC_WAIT_CTX_free(ctx);
}
