/*
 * What the programs in this directory share. They test what the library does where OpenSSL
 * crashes, leaks, or lacks the function. So they use the library's own headers, in the second
 * generation, and are linked with it alone.
 */
#ifndef SECOND_H
#define SECOND_H

#define OSSL_ASYNC_WAIT_CTX_API
#include "../cases.h"

#define E_NO_WAIT_FD 0x3306a041UL

/*
 * More bytes than can be had. With 64 bits half of all addresses: valgrind reports a size that is
 * negative when it is taken as signed. With 32 bits that half can be had.
 */
#define TOO_MANY_BYTES (sizeof(size_t) > 4 ? (size_t)-1 / 2 : (size_t)-1)

/* Starts or resumes a job without arguments by the six-argument call. */
static inline int go(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*function)(void *))
{
    return ASYNC_start_job(job, ctx, ret, function, NULL, 0);
}

/* How many descriptors a context has, and how many were added and deleted, checked together. */
#define CHECK_COUNTS(CTX, ALL, ADDED, DELETED)                                                                        \
    do {                                                                                                              \
        size_t all_ = 99, added_ = 99, deleted_ = 99;                                                                 \
                                                                                                                      \
        CHECK_EQUAL(ASYNC_WAIT_CTX_get_all_fds(CTX, NULL, &all_), 1);                                                 \
        CHECK_EQUAL(ASYNC_WAIT_CTX_get_changed_fds(CTX, NULL, &added_, NULL, &deleted_), 1);                          \
        CHECK_EQUAL(all_, ALL);                                                                                       \
        CHECK_EQUAL(added_, ADDED);                                                                                   \
        CHECK_EQUAL(deleted_, DELETED);                                                                               \
    } while (0)

#endif
