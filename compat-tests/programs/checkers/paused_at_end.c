/*
 * A program that ends while jobs are paused, for checkers that read memory: LeakSanitizer,
 * valgrind, and gdb's gcore. Memory to which only a paused job's stack or arguments point is not
 * lost. The library is the plain one.
 *
 *     paused_at_end hold          a job with large arguments and a block of its own
 *     paused_at_end lose          the same, and 4000 bytes to which nothing points
 *     paused_at_end wait COUNT    COUNT jobs, each with a marker on its stack; then waits for its end
 *     paused_at_end many          more jobs than have guards of one kind
 */
#define _GNU_SOURCE 1
#include <openssl/async.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MOST 500

static ASYNC_JOB *jobs[MOST];
static void *volatile sink;

/* The argument is a copy of the caller's. It is on the heap if it is large. */
static int holds(void *argument)
{
    char *block = malloc(5000);

    memset(block, 1, 5000);
    ASYNC_pause_job();
    block[0] = *(char *)argument;
    free(block);
    return 1;
}

static int marked(void *argument)
{
    char marker[64];
    int number;

    memcpy(&number, argument, sizeof(number));
    snprintf(marker, sizeof(marker), "<%s %d>", "marker of job", number);
    sink = marker;
    if (number == 50)
        printf("%p\n", (void *)marker);
    ASYNC_pause_job();
    return marker[0];
}

static void start(ASYNC_JOB **job, int (*function)(void *), void *arguments, size_t size)
{
    int ret;

    if (ASYNC_start_job(job, &ret, function, arguments, size) != ASYNC_PAUSE)
        exit(3);
}

static __attribute__((noinline)) void hold(void)
{
    char arguments[1000] = {1};

    start(&jobs[0], holds, arguments, sizeof(arguments));
}

static __attribute__((noinline)) void lose(void)
{
    sink = malloc(4000);
    memset(sink, 1, 4000);
    sink = NULL;
}

/* Overwrites what earlier calls have left on the stack. */
static __attribute__((noinline)) void forget(void)
{
    volatile char array[16384];

    for (size_t i = 0; i < sizeof(array); i++)
        array[i] = 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 330;

    if (strcmp(what, "hold") == 0 || strcmp(what, "lose") == 0) {
        hold();
        if (what[0] == 'l')
            lose();
        forget();
        return 0;
    }
    for (int i = 0; i < count && i < MOST; i++)
        start(&jobs[i], marked, &i, sizeof(i));
    if (strcmp(what, "wait") == 0) {
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        printf("ready\n");
        fflush(stdout);
        alarm(300);
        pause();
    }
    return 0;
}
