/*
 * What the programs in this directory share. Each uses OpenSSL's own headers, links libssl and
 * libcrypto, and is run twice: by itself, and with the library in front of libcrypto. Its standard
 * output must be the same both times. So nothing may be printed there that differs from run to
 * run: no address, no thread number.
 *
 * A program is one C file that includes this header first and holds cases:
 *
 *     CASE(name_of_the_behaviour, "Rules: G19, G20")
 *     {
 *         SAY(ASYNC_WAIT_CTX_get_fd(ctx, key, &fd, &data));
 *     }
 *
 * Nothing here says what is right: a case shows what happens, and the two runs are compared.
 * main() is here. It runs each case in a child of its own, so that each begins in a process that
 * has not used the library, and prints how the child ended. With -NAME as an argument it leaves a
 * case out. To standard error it prints which library the program calls, for the runner to check.
 */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#define _GNU_SOURCE /* dladdr */

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "../limit_life.h"

/* The processor time that a case may take, in seconds: see cases.h. */
#ifndef CASE_SECONDS
# define CASE_SECONDS 300
#endif

/* A value that no function here returns: what an output holds until it is written. */
#define UNWRITTEN (-7777)

/* More descriptors than any case has in one context. */
#define MOST_FDS 64

struct transcript_case {
    const char *name;
    const char *rules;
    void (*run)(void);
    struct transcript_case *next;
};

static struct transcript_case *transcript_first, **transcript_end = &transcript_first;

/*
 * Constructors of one file run in the order of the file, so the list keeps the order of the cases.
 */
#define CASE(NAME, RULES)                                                                                             \
    static void NAME(void);                                                                                           \
    static struct transcript_case NAME##_entry = {#NAME, RULES, NAME, NULL};                                          \
    __attribute__((constructor)) static void NAME##_enter(void)                                                       \
    {                                                                                                                 \
        *transcript_end = &NAME##_entry;                                                                              \
        transcript_end = &NAME##_entry.next;                                                                          \
    }                                                                                                                 \
    static void NAME(void)

/* Writes an expression and its value. */
#define SAY(EXPRESSION) printf("%s = %lld\n", #EXPRESSION, (long long)(EXPRESSION))

/*
 * Prints to standard error which file has the function of this name, by the address that the
 * program itself has for it.
 */
static inline void transcript_say_library(const char *name, void *seen_by_program)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    Dl_info program = {0}, process = {0};

    dladdr(seen_by_program, &program);
    dladdr(found, &process);
    fprintf(stderr, "%s program %s\n%s process %s\n", name, program.dli_fname != NULL ? program.dli_fname : "unknown",
            name, process.dli_fname != NULL ? process.dli_fname : "unknown");
}

int main(int argc, char **argv)
{
    const struct transcript_case *c;
    /* A use of libssl, so that it is linked and its own references can be checked. */
    int (*volatile from_libssl)(SSL *, OSSL_ASYNC_FD *, size_t *) = SSL_get_all_async_fds;

    (void)from_libssl;
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    transcript_say_library("ASYNC_start_job", (void *)(uintptr_t)ASYNC_start_job);
    transcript_say_library("ASYNC_pause_job", (void *)(uintptr_t)ASYNC_pause_job);
    transcript_say_library("ASYNC_WAIT_CTX_new", (void *)(uintptr_t)ASYNC_WAIT_CTX_new);
    for (c = transcript_first; c != NULL; c = c->next) {
        int status = 0;
        pid_t child;

        if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1] + 1, c->name) == 0) {
            printf("# %s left out\n", c->name);
            continue;
        }
        if (argc > 1 && argv[1][0] != '-' && strcmp(argv[1], c->name) != 0)
            continue;
        printf("== %s  %s\n", c->name, c->rules);
        fflush(stdout);
        child = fork();
        if (child == 0) {
            limit_life(CASE_SECONDS, CLOCK_SECONDS);
            c->run();
            printf("end\n");
            exit(0);
        }
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        if (WIFSIGNALED(status))
            printf("ended by signal %d\n", WTERMSIG(status));
        else if (child < 0 || status != 0)
            printf("ended with status %d\n", child < 0 ? -1 : WEXITSTATUS(status));
    }
    return 0;
}

/* --------------------------------------------------------------------------------- what cases do repeatedly */

static inline const char *result_name(int result)
{
    switch (result) {
    case ASYNC_ERR:
        return "ERR";
    case ASYNC_NO_JOBS:
        return "NO_JOBS";
    case ASYNC_PAUSE:
        return "PAUSE";
    case ASYNC_FINISH:
        return "FINISH";
    default:
        return "none of the four";
    }
}

/* Removes and writes what is on this thread's error queue: code, library and reason. */
static inline void say_errors(void)
{
    unsigned long code;
    int any = 0;

    while ((code = ERR_get_error()) != 0) {
        printf("%s%lx", any++ ? " " : "  errors: ", code);
    }
    if (any)
        printf("\n");
}

/* Calls ASYNC_start_job and prints everything that can be observed of it. */
static inline int say_start(const char *label, ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *),
                            void *args, size_t size)
{
    ASYNC_JOB *before = *job;
    int result = ASYNC_start_job(job, ctx, ret, func, args, size);

    printf("%s: %s, job %s, ret %d\n", label, result_name(result),
           *job == NULL       ? "NULL"
           : before == NULL   ? "new"
           : before == *job   ? "same"
                              : "other",
           *ret);
    say_errors();
    return result;
}

/* The same without arguments. */
static inline int go(const char *label, ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *))
{
    return say_start(label, job, ctx, ret, func, NULL, 0);
}

static inline void print_list(const char *heading, const OSSL_ASYNC_FD *fds, size_t count)
{
    size_t i;

    printf("%s%zu[", heading, count);
    for (i = 0; i < count && i < MOST_FDS; i++)
        printf("%s%d", i ? "," : "", fds[i]);
    printf("]");
}

/*
 * Prints all results of the questions about a context in one line, without its end: all
 * descriptors, those added, those deleted. It asks with arrays, with one array, and without. If
 * the results do not fit each other, it prints so.
 */
static inline void print_fds(ASYNC_WAIT_CTX *ctx)
{
    OSSL_ASYNC_FD all[MOST_FDS], added[MOST_FDS], deleted[MOST_FDS], again[MOST_FDS];
    size_t n = 0, a = 0, d = 0, i, n2 = 0, a2 = 0, d2 = 0;
    int fits = 1;

    for (i = 0; i < MOST_FDS; i++)
        all[i] = added[i] = deleted[i] = again[i] = UNWRITTEN;
    fits &= ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &n2) == 1;
    fits &= ASYNC_WAIT_CTX_get_all_fds(ctx, all, &n) == 1 && n == n2;
    fits &= ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &a2, NULL, &d2) == 1;
    fits &= ASYNC_WAIT_CTX_get_changed_fds(ctx, added, &a, deleted, &d) == 1 && a == a2 && d == d2;
    fits &= ASYNC_WAIT_CTX_get_changed_fds(ctx, again, &a2, NULL, &d2) == 1 && a == a2 && d == d2;
    fits &= memcmp(again, added, sizeof(again)) == 0;
    for (i = 0; i < MOST_FDS; i++)
        again[i] = UNWRITTEN;
    fits &= ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &a2, again, &d2) == 1 && a == a2 && d == d2;
    fits &= memcmp(again, deleted, sizeof(again)) == 0;
    /* Nothing after the counted elements is written. */
    fits &= n >= MOST_FDS || all[n] == UNWRITTEN;
    fits &= a >= MOST_FDS || added[a] == UNWRITTEN;
    fits &= d >= MOST_FDS || deleted[d] == UNWRITTEN;
    print_list("all ", all, n);
    print_list(" +", added, a);
    print_list(" -", deleted, d);
    if (!fits)
        printf(" (answers differ)");
}

static inline void say_fds(const char *label, ASYNC_WAIT_CTX *ctx)
{
    printf("%s: ", label);
    print_fds(ctx);
    printf("\n");
}

/* A cleanup that prints what it was called with. custom_data is a name or NULL. */
static ASYNC_WAIT_CTX *cleanup_expects;

static inline void say_cleanup(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *custom_data)
{
    printf("cleanup of %s: fd %d, key %s, ctx %s\n", custom_data != NULL ? (const char *)custom_data : "(no data)", fd,
           key == NULL ? "NULL" : "given", ctx == cleanup_expects ? "the same" : "another");
}

/* Runs `function` on a thread of its own, until it ends. */
static inline void on_thread(void *(*function)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, arg) != 0 || pthread_join(thread, NULL) != 0)
        printf("no thread\n");
}

/* Job functions: return 1 at once; pause once or twice and return 1. */
static inline int return_one(void *unused)
{
    (void)unused;
    return 1;
}

static inline int pause_once(void *unused)
{
    (void)unused;
    SAY(ASYNC_pause_job());
    return 1;
}

static inline int pause_twice(void *unused)
{
    (void)unused;
    SAY(ASYNC_pause_job());
    SAY(ASYNC_pause_job());
    return 1;
}

#endif
