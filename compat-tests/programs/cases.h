/*
 * The harness that all programs here share: cases, checks, and helpers that several programs need.
 *
 * A program is one C file. It includes this header first and holds cases:
 *
 *     CASE(name_of_the_behaviour, "Rules: B19, P4")
 *     {
 *         CHECK(2 + 2 == 4);
 *     }
 *
 * After "Rules:" stand the rules that a case proves. If it proves none, "Header:" names the header
 * whose promise it tests.
 *
 * main() is here. It runs each case in a child of its own, so that every case begins in a process
 * that has never used the library, and a crash fails one case only. A case that hangs is stopped
 * (limit_life.h). It prints one line for each case, and exits with 1 if any failed. With the names
 * of cases as arguments it runs only those, in its own process, for a debugger. With -NAME it
 * leaves a case out.
 */
#ifndef CASES_H
#define CASES_H

#ifndef _GNU_SOURCE
# define _GNU_SOURCE /* dladdr, pipe2 */
#endif

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/err.h>

#include "limit_life.h"

/*
 * The processor time for a case. Generous, because valgrind runs the same programs. Otherwise a
 * case takes milliseconds.
 */
#ifndef CASE_SECONDS
# define CASE_SECONDS 300
#endif

/* Result of in_child() if the process ended too early, but without an error: exit status 255. */
#define LEFT_EARLY 0xff00

/* The errors that a case may expect, packed as in section 1.1 of the rules. */
#define E1_NO_THREAD_RECORD 0x33064041UL
#define E2_INVALID_POOL_SIZE 0x33065067UL
#define E3_NO_POOL_STORAGE 0x33065041UL
#define E4_POOL_NOT_SET 0x33065065UL
#define E5_NO_JOB_RECORD 0x33066041UL
#define E6_NO_WAIT_PIPE 0x33066064UL
#define E9_NO_ARGUMENT_COPY 0x33069041UL
#define REFUSED_HANDLE 0x33069042UL
#define REFUSED_NULL 0x33069043UL
#define REFUSED_NESTED 0x33069044UL
#define REFUSED_FREE 0x33065042UL

/* A value that no job function here returns: what *ret holds until the library has written it. */
#define UNWRITTEN (-7777)

/* ---------------------------------------------------------------------------------------------------- cases */

struct harness_case {
    const char *name;
    const char *rules;
    void (*run)(void);
    struct harness_case *next;
};

static struct harness_case *harness_first, **harness_end = &harness_first;

/* The program's arguments, for programs that use them. */
static int harness_argc;
static char **harness_argv;

/*
 * A case that runs in a child leaves its first failure here for main(), in memory that both share.
 */
static struct {
    int failed;
    int returned; /* the child's function has returned */
    char text[512];
} *harness_report;

/*
 * Constructors of one file run in the order of the file, so the list keeps the order of the cases.
 */
#define CASE(NAME, RULES)                                                                                             \
    static void NAME(void);                                                                                           \
    static struct harness_case NAME##_entry = {#NAME, RULES, NAME, NULL};                                             \
    __attribute__((constructor)) static void NAME##_enter(void)                                                       \
    {                                                                                                                 \
        *harness_end = &NAME##_entry;                                                                                 \
        harness_end = &NAME##_entry.next;                                                                             \
    }                                                                                                                 \
    static void NAME(void)

/*
 * The conformance report runs these programs on other libraries too. Some have no error queue, some
 * pack error codes in another way. Then a code cannot be compared, and programs/report/adapter.c,
 * which stands between program and library, says so.
 */
#ifdef OSSL_ASYNC_REPORT
int report_cannot_tell(const char *expression, long long seen, long long expected);
#else
# define report_cannot_tell(EXPRESSION, SEEN, EXPECTED) 0
#endif

/*
 * Records a failure and continues. Usable in job functions, threads and children. The first
 * failure is reported.
 */
#define CHECK(EXPRESSION) ((EXPRESSION) ? (void)0 : harness_fail(__FILE__, __LINE__, #EXPRESSION))

/* Two integers that must be equal. The report shows both. */
#define CHECK_EQUAL(SEEN, EXPECTED)                                                                                   \
    harness_equal(__FILE__, __LINE__, #SEEN " == " #EXPECTED, (long long)(SEEN), (long long)(EXPECTED))

/* For the body of a case, which ends if this does not hold. */
#define NEED(EXPRESSION)                                                                                              \
    do {                                                                                                              \
        if (!(EXPRESSION)) {                                                                                          \
            harness_fail(__FILE__, __LINE__, #EXPRESSION);                                                            \
            return;                                                                                                   \
        }                                                                                                             \
    } while (0)

static inline void harness_fail(const char *file, int line, const char *expression)
{
    const char *name = strrchr(file, '/');

    if (__sync_lock_test_and_set(&harness_report->failed, 1) == 0)
        snprintf(harness_report->text, sizeof(harness_report->text), "%s:%d: %s", name != NULL ? name + 1 : file, line,
                 expression);
}

static inline void harness_equal(const char *file, int line, const char *expression, long long seen, long long expected)
{
    char text[384];

    if (seen == expected || report_cannot_tell(expression, seen, expected))
        return;
    snprintf(text, sizeof(text), "%s (%lld = 0x%llx, %lld = 0x%llx)", expression, seen, (unsigned long long)seen,
             expected, (unsigned long long)expected);
    harness_fail(file, line, text);
}

/*
 * Runs `function` in a child process and returns how it ended, as waitpid() reports it. The child
 * has a limited life.
 *
 * A child that ends with status 0 before `function` has returned has failed: a process whose
 * context ends does that.
 */
static inline int in_child(void (*function)(void))
{
    int status = -1;
    pid_t child;

    fflush(stdout);
    harness_report->returned = 0;
    child = fork();
    if (child == 0) {
        limit_life(CASE_SECONDS, CLOCK_SECONDS);
        function();
        harness_report->returned = 1;
        exit(harness_report->failed);
    }
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    if (status == 0 && !harness_report->returned)
        status = LEFT_EARLY;
    harness_report->returned = 0;
    return status;
}

/*
 * What the child of the last observe() wrote to standard error, without lines that begin with ==,
 * which are a checker's remarks.
 */
static char harness_written[4096];

static inline void harness_drop_remarks(void)
{
    char *to = harness_written, *line = to, *next;

    for (; *line != '\0'; line = next) {
        next = strchr(line, '\n');
        next = next != NULL ? next + 1 : line + strlen(line);
        if (strncmp(line, "==", 2) != 0) {
            memmove(to, line, (size_t)(next - line));
            to += next - line;
        }
    }
    *to = '\0';
}

/* The same as in_child(), and keeps what the child writes to standard error. */
static inline int observe(void (*function)(void))
{
    int ends[2], before, status;
    ssize_t size;

    if (pipe(ends) != 0 || (before = dup(STDERR_FILENO)) < 0)
        return -1;
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    status = in_child(function);
    dup2(before, STDERR_FILENO);
    close(before);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    size = read(ends[0], harness_written, sizeof(harness_written) - 1);
    close(ends[0]);
    harness_written[size > 0 ? size : 0] = '\0';
    harness_drop_remarks();
    return status;
}

/*
 * Prints which file ASYNC_pause_job is in, so that the runner can prove which library it tested.
 * In a program that is not position-independent the function's own address may be that of a stub
 * in the program. dlsym() finds the real address.
 */
static inline void harness_say_library(void)
{
    void *function = dlsym(RTLD_DEFAULT, "ASYNC_pause_job");
    Dl_info info;

    if (function == NULL)
        function = (void *)ASYNC_pause_job;
    if (dladdr(function, &info) == 0 || info.dli_fname == NULL)
        info.dli_fname = "unknown";
    printf("library %s\n", info.dli_fname);
}

static inline int harness_run(const struct harness_case *c, int own_process)
{
    int status = 0;

    harness_report->failed = 0;
    harness_report->text[0] = '\0';
    if (own_process)
        c->run();
    else
        status = in_child(c->run);

    if (status != 0 && !harness_report->failed) {
        if (WIFSIGNALED(status))
            snprintf(harness_report->text, sizeof(harness_report->text), "%s",
                     WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGXCPU ? "out of time"
                                                                                : strsignal(WTERMSIG(status)));
        else if (status == LEFT_EARLY)
            snprintf(harness_report->text, sizeof(harness_report->text), "the process ended early");
        else
            snprintf(harness_report->text, sizeof(harness_report->text), "exit status %d", WEXITSTATUS(status));
        harness_report->failed = 1;
    }
    if (harness_report->failed)
        printf("FAILED %s (%s)  %s\n", c->name, harness_report->text, c->rules);
    else
        printf("ok %s  %s\n", c->name, c->rules);
    return harness_report->failed;
}

static inline int harness_wanted(const struct harness_case *c)
{
    int i;

    for (i = 1; i < harness_argc; i++)
        if (strcmp(harness_argv[i], c->name) == 0)
            return 1;
    return 0;
}

static inline int harness_left_out(const struct harness_case *c)
{
    int i;

    for (i = 1; i < harness_argc; i++)
        if (harness_argv[i][0] == '-' && strcmp(harness_argv[i] + 1, c->name) == 0)
            return printf("# %s left out\n", c->name);
    return 0;
}

int main(int argc, char **argv)
{
    const struct harness_case *c;
    int failed = 0, chosen = 0;

    harness_argc = argc;
    harness_argv = argv;
    harness_report = mmap(NULL, sizeof(*harness_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (harness_report == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    harness_say_library();
    for (c = harness_first; c != NULL; c = c->next)
        chosen += harness_wanted(c);
    for (c = harness_first; c != NULL; c = c->next)
        if (harness_wanted(c) || (chosen == 0 && !harness_left_out(c)))
            failed |= harness_run(c, chosen != 0);
    return failed;
}

/* --------------------------------------------------------------------------------- what cases do repeatedly */

/*
 * Starts a job without arguments. It uses the name that the macro of the five-argument call
 * expands to, so that a program for the six-argument call can use it too.
 */
static inline int start(ASYNC_JOB **job, int *ret, int (*function)(void *))
{
    return ASYNC_start_job_2015(job, ret, function, NULL, 0);
}

/* Resumes a paused job. The other arguments of the call are ignored then (B22). */
static inline int resume(ASYNC_JOB **job, int *ret)
{
    return ASYNC_start_job_2015(job, ret, NULL, NULL, 0);
}

/*
 * Removes and returns the only entry on this thread's queue: 0 if there is none, all ones if there
 * are several.
 */
static inline unsigned long only_error(void)
{
    unsigned long first = ERR_get_error();

    if (ERR_peek_error() != 0) {
        ERR_clear_error();
        return ~0UL;
    }
    return first;
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
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

static inline int pause_twice(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    return 1;
}

/*
 * The pool can give a job that pauses, is resumed and finishes, and nothing is on the queue
 * afterwards.
 */
#define CHECK_STILL_WORKS()                                                                                           \
    do {                                                                                                              \
        ASYNC_JOB *job_ = NULL;                                                                                       \
        int ret_ = UNWRITTEN;                                                                                         \
                                                                                                                      \
        CHECK_EQUAL(start(&job_, &ret_, pause_once), ASYNC_PAUSE);                                                    \
        CHECK(job_ != NULL);                                                                                          \
        CHECK_EQUAL(resume(&job_, &ret_), ASYNC_FINISH);                                                              \
        CHECK(job_ == NULL);                                                                                          \
        CHECK_EQUAL(ret_, 1);                                                                                         \
        CHECK_EQUAL(only_error(), 0);                                                                                 \
    } while (0)

/* Resumes `JOB`, which must finish with the value 1. */
#define CHECK_FINISHES(JOB)                                                                                           \
    do {                                                                                                              \
        int ret_ = UNWRITTEN;                                                                                         \
                                                                                                                      \
        CHECK_EQUAL(resume(&(JOB), &ret_), ASYNC_FINISH);                                                             \
        CHECK((JOB) == NULL);                                                                                         \
        CHECK_EQUAL(ret_, 1);                                                                                         \
    } while (0)

/* Starts a job that pauses once and leaves it paused in `JOB`. */
#define CHECK_PAUSES(JOB)                                                                                             \
    do {                                                                                                              \
        int ret_ = UNWRITTEN;                                                                                         \
                                                                                                                      \
        (JOB) = NULL;                                                                                                 \
        CHECK_EQUAL(start(&(JOB), &ret_, pause_once), ASYNC_PAUSE);                                                   \
        CHECK((JOB) != NULL);                                                                                         \
        CHECK_EQUAL(ret_, UNWRITTEN);                                                                                 \
    } while (0)

/* A new start finds the pool full: NO_JOBS, nothing written, nothing queued. */
#define CHECK_NO_JOBS()                                                                                               \
    do {                                                                                                              \
        ASYNC_JOB *job_ = NULL;                                                                                       \
        int ret_ = UNWRITTEN;                                                                                         \
                                                                                                                      \
        CHECK_EQUAL(start(&job_, &ret_, pause_once), ASYNC_NO_JOBS);                                                  \
        CHECK(job_ == NULL);                                                                                          \
        CHECK_EQUAL(ret_, UNWRITTEN);                                                                                 \
        CHECK_EQUAL(only_error(), 0);                                                                                 \
    } while (0)

/* Whether `fd` is ready for reading now. */
static inline int readable(int fd)
{
    struct pollfd p = {0, POLLIN, 0};

    p.fd = fd;
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

/* The library's counts, for this thread and for the process. */
static inline OSSL_ASYNC_STATS thread_stats(void)
{
    OSSL_ASYNC_STATS stats;

    memset(&stats, 0xff, sizeof(stats));
    CHECK_EQUAL(OSSL_ASYNC_thread_stats(&stats, sizeof(stats)), 1);
    return stats;
}

static inline OSSL_ASYNC_STATS process_stats(void)
{
    OSSL_ASYNC_STATS stats;

    memset(&stats, 0xff, sizeof(stats));
    CHECK_EQUAL(OSSL_ASYNC_process_stats(&stats, sizeof(stats)), 1);
    return stats;
}

/* How many descriptors this process has open, without the one that this function uses. */
static inline int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    if (directory == NULL) {
        harness_fail(__FILE__, __LINE__, "opendir /proc/self/fd");
        return -1;
    }
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
            count++;
    closedir(directory);
    return count;
}

/* Runs `function` on a thread of its own until it ends, and returns its result. */
static inline void *on_thread(void *(*function)(void *), void *arg)
{
    pthread_t thread;
    void *result = NULL;

    if (pthread_create(&thread, NULL, function, arg) != 0 || pthread_join(thread, &result) != 0)
        harness_fail(__FILE__, __LINE__, "pthread_create() and pthread_join()");
    return result;
}

#endif
