/*
 * A bounded life for a test program that may hang. What counts is the processor time that the process uses itself: on a
 * busy machine a few seconds of it can take minutes. A process that waits for ever uses none; the clock ends it.
 */
#ifndef LIMIT_LIFE_H
#define LIMIT_LIFE_H

#include <sys/resource.h>
#include <unistd.h>

/* Longest that a process may live by the clock, in seconds: the last resort. It is far from what any of them needs. */
#define CLOCK_SECONDS 1800

/* SIGXCPU ends the process after so much processor time of its own, and SIGALRM after so long; both in seconds. */
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
