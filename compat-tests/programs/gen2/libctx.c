/* The default library context, which since OpenSSL 3.0 follows each job. */
#include "transcript.h"

#include <openssl/evp.h>

#if defined(OPENSSL_VERSION_MAJOR) && OPENSSL_VERSION_MAJOR >= 3

# define CONTEXTS 4

/* Their names are letters: g is the global one, a to d are made here. */
static OSSL_LIB_CTX *contexts[CONTEXTS];
static OSSL_LIB_CTX *global;

static void make_contexts(void)
{
    int i;

    for (i = 0; i < CONTEXTS; i++)
        contexts[i] = OSSL_LIB_CTX_new();
    global = OSSL_LIB_CTX_set0_default(NULL);
}

static void free_contexts(void)
{
    int i;

    for (i = 0; i < CONTEXTS; i++)
        OSSL_LIB_CTX_free(contexts[i]);
}

static char name_of(OSSL_LIB_CTX *context)
{
    int i;

    for (i = 0; i < CONTEXTS; i++)
        if (context == contexts[i])
            return (char)('a' + i);
    return context == global ? 'g' : '?';
}

static char now(void)
{
    return name_of(OSSL_LIB_CTX_set0_default(NULL));
}

static void set(char name)
{
    OSSL_LIB_CTX_set0_default(name == 'g' ? global : contexts[name - 'a']);
}

/*
 * A job that sets one context after another, and pauses after each. The transcript shows what it
 * finds.
 */
static int set_each(void *names)
{
    const char *next;

    printf("job begins with %c\n", now());
    for (next = names; *next != '\0'; next++) {
        set(*next);
        ASYNC_pause_job();
        printf("job set %c, finds %c\n", *next, now());
    }
    return 1;
}

static void run_with(const char *of_job, const char *of_caller)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, result;
    char text[8] = "";

    strcpy(text, of_job);
    printf("job %s, caller %s\n", of_job, of_caller);
    do {
        char own = *of_caller != '\0' ? *of_caller++ : 'g';

        set(own);
        result = ASYNC_start_job(&job, ctx, &ret, set_each, text, sizeof(text));
        printf("%s, caller set %c, finds %c\n", result_name(result), own, now());
    } while (result == ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * Every choice of two contexts and the global one, in the job and its caller, across two pauses.
 */
CASE(neither_side_sees_what_the_other_sets, "Rules: G37, T13")
{
    static const char letters[] = "gab";
    int i, j, k, l, m;

    make_contexts();
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++)
            for (k = 0; k < 3; k++)
                for (l = 0; l < 3; l++)
                    for (m = 0; m < 3; m++) {
                        char of_job[3] = {letters[i], letters[j], '\0'};
                        char of_caller[4] = {letters[k], letters[l], letters[m], '\0'};

                        run_with(of_job, of_caller);
                    }
    free_contexts();
}

/* A job that sets nothing keeps the context that it began with, whatever its callers set later. */
static int set_nothing(void *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < 3; i++) {
        printf("job finds %c\n", now());
        ASYNC_pause_job();
    }
    printf("job finds %c\n", now());
    return 1;
}

CASE(a_job_begins_with_the_threads_choice_and_keeps_it, "Rules: G37")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    const char *own;

    make_contexts();
    ctx = ASYNC_WAIT_CTX_new();
    for (own = "abcd"; *own != '\0'; own++) {
        set(*own);
        go("start or resume", &job, ctx, &ret, set_nothing);
        printf("caller set %c, finds %c\n", *own, now());
    }
    set('g');
    free_contexts();
    ASYNC_WAIT_CTX_free(ctx);
}

/*
 * Several jobs, each with a choice of its own, resumed in another order than they were started.
 * Records are used again.
 */
CASE(each_job_has_its_own, "Rules: G37")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *jobs[3] = {NULL, NULL, NULL};
    char names[3][8] = {"ab", "bc", "gd"};
    static const int order[] = {0, 1, 2, 2, 0, 1, 1, 2, 0};
    int ret = UNWRITTEN, round;
    size_t i;

    make_contexts();
    ctx = ASYNC_WAIT_CTX_new();
    for (round = 0; round < 2; round++)
        for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
            set("dcba"[i % 4]);
            say_start("start or resume", &jobs[order[i]], ctx, &ret, set_each, names[order[i]], sizeof(names[0]));
            printf("job %d; caller set %c, finds %c\n", order[i], "dcba"[i % 4], now());
        }
    set('g');
    free_contexts();
    ASYNC_WAIT_CTX_free(ctx);
}

static int set_and_return(void *name)
{
    set(*(char *)name);
    return 1;
}

/* If a job returns with another choice, neither its caller nor the next job sees it. */
CASE(a_jobs_choice_ends_with_it, "Rules: G37")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    char name = 'a';
    int ret = UNWRITTEN;

    make_contexts();
    ctx = ASYNC_WAIT_CTX_new();
    set('b');
    say_start("start", &job, ctx, &ret, set_and_return, &name, 1);
    printf("caller finds %c\n", now());
    go("start", &job, ctx, &ret, set_nothing);
    set('g');
    while (go("resume", &job, ctx, &ret, set_nothing) == ASYNC_PAUSE)
        ;
    printf("caller finds %c\n", now());
    free_contexts();
    ASYNC_WAIT_CTX_free(ctx);
}

static int block_and_set(void *unused)
{
    (void)unused;
    set('c');
    ASYNC_block_pause();
    ASYNC_pause_job();
    printf("job finds %c\n", now());
    ASYNC_unblock_pause();
    set('d');
    return 1;
}

/* A pause that is blocked switches no context. */
CASE(a_blocked_pause_switches_no_context, "Rules: G37, K4")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    make_contexts();
    ctx = ASYNC_WAIT_CTX_new();
    set('a');
    go("start", &job, ctx, &ret, block_and_set);
    printf("caller finds %c\n", now());
    set('g');
    free_contexts();
    ASYNC_WAIT_CTX_free(ctx);
}

/* Starts that start no job leave the thread's choice unchanged. */
CASE(a_start_that_fails_changes_no_context, "Rules: G37, B27")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL, *none = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    make_contexts();
    ctx = ASYNC_WAIT_CTX_new();
    SAY(ASYNC_init_thread(1, 0));
    set('a');
    say_start("no memory", &job, ctx, &ret, set_nothing, &byte, (size_t)-1 / 2);
    printf("caller finds %c\n", now());
    go("start", &job, ctx, &ret, set_nothing);
    set('b');
    go("full", &none, ctx, &ret, set_nothing);
    printf("caller finds %c\n", now());
    set('g');
    while (go("resume", &job, ctx, &ret, set_nothing) == ASYNC_PAUSE)
        ;
    free_contexts();
    ASYNC_WAIT_CTX_free(ctx);
}

static OSSL_LIB_CTX *lent;

static int use_what_is_lent(void *unused)
{
    EVP_MD *digest;

    (void)unused;
    OSSL_LIB_CTX_set0_default(lent);
    ASYNC_pause_job();
    SAY(OSSL_LIB_CTX_set0_default(NULL) == lent);
    digest = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    SAY(digest != NULL);
    EVP_MD_free(digest);
    return 1;
}

/*
 * The library only borrows the context that the job has chosen. After the job's end it is still
 * usable, and its owner frees it.
 */
CASE(a_chosen_context_still_belongs_to_its_owner, "Rules: G38")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    EVP_MD *digest;
    int ret = UNWRITTEN;

    lent = OSSL_LIB_CTX_new();
    go("start", &job, ctx, &ret, use_what_is_lent);
    digest = EVP_MD_fetch(lent, "SHA2-256", NULL);
    SAY(digest != NULL);
    EVP_MD_free(digest);
    go("resume", &job, ctx, &ret, use_what_is_lent);
    digest = EVP_MD_fetch(lent, "SHA2-512", NULL);
    SAY(digest != NULL);
    EVP_MD_free(digest);
    OSSL_LIB_CTX_free(lent);
    /* The record is used again, and has nothing left of it. */
    go("start", &job, ctx, &ret, return_one);
    ASYNC_WAIT_CTX_free(ctx);
}

static void *on_a_thread(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    printf("thread begins with %c\n", now());
    set('b');
    go("thread start", &job, ctx, &ret, set_nothing);
    set('g');
    while (go("thread resume", &job, ctx, &ret, set_nothing) == ASYNC_PAUSE)
        ;
    ASYNC_WAIT_CTX_free(ctx);
    return unused;
}

/* Each thread has its own choice. */
CASE(threads_choose_for_themselves, "Rules: G37")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    make_contexts();
    ctx = ASYNC_WAIT_CTX_new();
    set('a');
    go("start", &job, ctx, &ret, set_nothing);
    on_thread(on_a_thread, NULL);
    printf("caller finds %c\n", now());
    set('g');
    while (go("resume", &job, ctx, &ret, set_nothing) == ASYNC_PAUSE)
        ;
    free_contexts();
    ASYNC_WAIT_CTX_free(ctx);
}

#endif
