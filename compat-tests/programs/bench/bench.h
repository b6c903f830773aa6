/*
 * What the programs in this directory share: time, medians, and how they print results and the
 * files of the functions that they measured. Each line of standard output has the kind of line, a
 * name, and a value.
 */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE /* dladdr */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Ends the program unless the condition holds, so that only what really happened is measured. */
#define MUST(CONDITION)                                                                                               \
    do {                                                                                                              \
        if (!(CONDITION)) {                                                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #CONDITION);                                   \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

/* Nanoseconds. */
static inline double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* The most slices that a measurement may have. */
#define MOST_SLICES 10000

/*
 * Runs BODY, which does something COUNT times, in SLICES slices. NANOSECONDS becomes the median
 * time of one repetition. A slice in which the machine was busy does not change the median.
 */
#define MEASURE(NANOSECONDS, SLICES, COUNT, BODY)                                                                     \
    do {                                                                                                              \
        double measured_[MOST_SLICES], begin_;                                                                        \
        int slice_;                                                                                                   \
                                                                                                                      \
        for (slice_ = 0; slice_ < (SLICES); slice_++) {                                                               \
            begin_ = now();                                                                                           \
            BODY;                                                                                                     \
            measured_[slice_] = (now() - begin_) / (double)(COUNT);                                                   \
        }                                                                                                             \
        NANOSECONDS = median(measured_, (SLICES));                                                                    \
    } while (0)

/* One result, a line of standard output. */
static inline void say(const char *name, double value)
{
    printf("value %s %.3f\n", name, value);
}

/* Prints which file has a function of this name, by the address that this program calls. */
#define SAY_LIBRARY(FUNCTION) say_library(#FUNCTION, (void *)(uintptr_t)FUNCTION)

static inline void say_library(const char *name, void *function)
{
    Dl_info info = {0};

    dladdr(function, &info);
    printf("library %s %s\n", name, info.dli_fname != NULL ? info.dli_fname : "unknown");
}

/* A number among the program's arguments, 1 to `most`. */
static inline int number(const char *text, int most)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*end != '\0' || value < 1 || value > most) {
        fprintf(stderr, "%s: expected a number from 1 to %d\n", text, most);
        exit(2);
    }
    return (int)value;
}

#endif
