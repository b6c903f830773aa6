/*
 * Limits the life of a test program that may hang. The limit is on the processor time of the
 * process itself, because on a busy machine a few seconds of it can take minutes. A process that
 * waits for ever uses none, so there is also a limit by the clock.
 */
#ifndef LIMIT_LIFE_H
#define LIMIT_LIFE_H

#include <sys/resource.h>
#include <unistd.h>

/*
 * The longest time by the clock that a process may live, in seconds. It is the last resort, and
 * much more than any of them needs.
 */
#define CLOCK_SECONDS 1800

/*
 * SIGXCPU ends the process after this much of its own processor time, and SIGALRM after this much
 * time by the clock, in seconds.
 */
static inline void limit_life(rlim_t processor_seconds, unsigned clock_seconds)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CPU, &limit) == 0) {
        limit.rlim_cur = processor_seconds < limit.rlim_max ? processor_seconds : limit.rlim_max;
        setrlimit(RLIMIT_CPU, &limit);
    }
    alarm(clock_seconds);
}

#endif
