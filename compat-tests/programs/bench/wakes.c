/*
 * Measures the wait descriptor of the five-argument generation: usage wakes wake SLICES COUNT.
 * First it prints which library it calls, then the result: COUNT times ASYNC_wake, poll,
 * ASYNC_clear_wake.
 */
#include "bench.h"

#include <poll.h>
#include <string.h>

#include <openssl/async.h>

static int pause_once(void *args)
{
    (void)args;
    ASYNC_pause_job();
    return 1;
}

int main(int argc, char **argv)
{
    struct pollfd wait = {-1, POLLIN, 0};
    ASYNC_JOB *job = NULL;
    int slices, count, ret, i;
    double ns;

    if (argc != 4 || strcmp(argv[1], "wake") != 0) {
        fprintf(stderr, "usage: %s wake SLICES COUNT\n", argv[0]);
        return 2;
    }
    slices = number(argv[2], MOST_SLICES);
    count = number(argv[3], 1000000);
    SAY_LIBRARY(ASYNC_start_job);
    SAY_LIBRARY(ASYNC_wake);
    SAY_LIBRARY(ASYNC_clear_wake);

    MUST(ASYNC_start_job(&job, &ret, pause_once, NULL, 0) == ASYNC_PAUSE);
    wait.fd = ASYNC_get_wait_fd(job);
    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++) {
            ASYNC_wake(job);
            MUST(poll(&wait, 1, 0) == 1);
            ASYNC_clear_wake(job);
        }
    });
    MUST(poll(&wait, 1, 0) == 0);
    say("wake", ns);
    MUST(ASYNC_start_job(&job, &ret, pause_once, NULL, 0) == ASYNC_FINISH);
    ASYNC_free_pool();
    return 0;
}
