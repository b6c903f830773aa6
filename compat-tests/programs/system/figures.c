/*
 * What paused jobs cost the system: addresses, memory, page tables, locked memory, and time at a
 * fork. Each figure is measured in a process of its own. Prints one line for each figure.
 * docs/system.md lists them.
 */
#define _GNU_SOURCE 1
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

#include "locked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 10000
#define FORKS 31

static ASYNC_JOB *jobs[MOST];

static void need(int holds, const char *what)
{
    if (!holds) {
        printf("failed: %s\n", what);
        exit(1);
    }
}

static int pauses_once(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return 1;
}

static void start(int count)
{
    for (int i = 0; i < count; i++) {
        int ret;

        need(ASYNC_start_job(&jobs[i], NULL, &ret, pauses_once, NULL, 0) == ASYNC_PAUSE, "a job");
    }
}

static void finish(int count)
{
    for (int i = 0; i < count; i++) {
        int ret;

        need(ASYNC_start_job(&jobs[i], NULL, &ret, NULL, NULL, 0) == ASYNC_FINISH, "a resume that does not finish");
    }
}

/* The sum of all lines of a file of this process that begin with this text, in KiB. */
static long kib(const char *file, const char *line)
{
    FILE *in = fopen(file, "r");
    char text[512];
    long sum = 0;

    need(in != NULL, file);
    while (fgets(text, sizeof(text), in) != NULL)
        if (strncmp(text, line, strlen(line)) == 0)
            sum += atol(text + strlen(line));
    fclose(in);
    return sum;
}

/* One figure for each of this many jobs. */
static void each(const char *what, const char *file, const char *line, int count)
{
    long before;

    start(1);
    before = kib(file, line);
    finish(1);
    start(count);
    printf("%s: %ld bytes a job\n", what, (kib(file, line) - before) * 1024 / (count - 1));
}

static void addresses(void)
{
    each("addresses", "/proc/self/status", "VmSize:", 8192);
}

static void memory(void)
{
    each("memory", "/proc/self/status", "VmRSS:", MOST);
}

static void page_tables(void)
{
    each("page tables", "/proc/self/status", "VmPTE:", MOST);
}

static void locked(const char *what, int flags, size_t job)
{
    int count = lock_memory(flags, 400, job);

    if (count == 0)
        printf("%s: cannot lock\n", what);
    else
        each(what, "/proc/self/smaps", "Locked:", count);
}

static void locked_all(void)
{
    locked("locked", MCL_CURRENT | MCL_FUTURE, STACK_LOCKED);
}

static void locked_on_fault(void)
{
    /* The kernel counts all addresses. */
    locked("locked on fault", MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT, GUARD_LOCKED);
}

/*
 * Jobs that exist when the memory is locked. Their guards count too then, and so do up to as many
 * more jobs in their slabs.
 */
static void locked_later(void)
{
    int count = lock_memory(MCL_CURRENT | MCL_FUTURE, 2 * 400, GUARD_LOCKED) / 2;
    long before;

    munlockall();
    start(count);
    before = kib("/proc/self/smaps", "Locked:");
    if (count == 0 || mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        printf("locked later: cannot lock\n");
        return;
    }
    before += kib("/proc/self/smaps", "Locked:");
    finish(count);
    printf("locked later: %ld KiB in all, %d jobs\n", before, count);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;

    return (difference > 0) - (difference < 0);
}

/* The median time that fork takes in the parent, in microseconds. */
static double forks(void)
{
    static double times[FORKS];

    for (int i = 0; i < FORKS; i++) {
        double begin = now();
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        times[i] = now() - begin;
        need(child > 0 && waitpid(child, NULL, 0) == child, "a fork");
    }
    qsort(times, FORKS, sizeof(times[0]), compare);
    return times[FORKS / 2];
}

static void fork_without(void)
{
    printf("fork without jobs: %.0f us\n", forks());
}

static void fork_with(void)
{
    start(MOST);
    printf("fork with %d paused jobs: %.0f us\n", MOST, forks());
}

int main(void)
{
    static void (*const figures[])(void) = {addresses, memory, page_tables, locked_all, locked_on_fault,
                                            locked_later, fork_without, fork_with};

    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        int status = -1;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0) {
            figures[i]();
            exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            return 1;
    }
    return 0;
}
