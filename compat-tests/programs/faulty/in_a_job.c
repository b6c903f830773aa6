/*
 * Errors inside a job, for AddressSanitizer and UndefinedBehaviorSanitizer to find, and code that
 * only looks like an error. The sanitizers must know where a job's stack is, and what it holds
 * while the job is paused.
 *
 *     in_a_job MISTAKE
 */
#include <openssl/async.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int three = 3, most = INT_MAX;

static int overflow(void *unused)
{
    char array[3], *volatile place = array;

    (void)unused;
    ASYNC_pause_job();
    memset(array, 0, sizeof(array));
    place[three] = 1;
    return array[0];
}

/* A local that is used after its function has returned, in another job. */
static int *volatile local;

static __attribute__((noinline)) void leave_local(void)
{
    int number = three;

    local = &number;
}

static int use_after_return(void *unused)
{
    (void)unused;
    if (local != NULL)
        return *local;
    leave_local();
    ASYNC_pause_job();
    return *local;
}

static int undefined(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return most + three;
}

/* Overwrites what earlier calls have left on the stack. */
static __attribute__((noinline)) int forget(void)
{
    volatile char array[4096];
    size_t i;

    for (i = 0; i < sizeof(array); i++)
        array[i] = 0;
    return array[three];
}

static __attribute__((noinline)) void lose(void)
{
    void *volatile block = malloc(1000);

    block = NULL;
    (void)block;
}

static int leak(void *unused)
{
    (void)unused;
    lose();
    ASYNC_pause_job();
    lose();
    ASYNC_pause_job();
    return forget();
}

/* Not a leak: a paused job holds this, on its stack or in its argument. */
static int hold(void *argument)
{
    void *volatile block = malloc(1000);
    void *volatile *volatile here = &block;

    ASYNC_pause_job();
    free(*here);
    free(*(void **)argument);
    return 0;
}

static __attribute__((noinline)) int leave_paused(size_t size)
{
    ASYNC_JOB *job = NULL;
    int ret;
    void **argument = calloc(1, size);
    int result;

    argument[0] = malloc(1000);
    result = ASYNC_start_job(&job, &ret, hold, argument, size);
    free(argument);
    return result != ASYNC_PAUSE;
}

static const struct {
    const char *name;
    int (*function)(void *);
} mistakes[] = {
    {"overflow", overflow}, {"use_after_return", use_after_return}, {"undefined", undefined}, {"leak", leak},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    size_t i;

    if (strcmp(name, "hold") == 0)
        return leave_paused(sizeof(void *)) + leave_paused(10000) + forget();
    for (i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        if (strcmp(name, mistakes[i].name) == 0) {
            ASYNC_JOB *job = NULL, *other = NULL;
            int ret;

            /* Two at once, so that each is left for the other. */
            while (ASYNC_start_job(&job, &ret, mistakes[i].function, NULL, 0) == ASYNC_PAUSE
                   && ASYNC_start_job(&other, &ret, mistakes[i].function, NULL, 0) == ASYNC_PAUSE)
                ;
            ASYNC_free_pool();
            return forget();
        }
    fprintf(stderr, "in_a_job: no mistake \"%s\"\n", name);
    return 2;
}
