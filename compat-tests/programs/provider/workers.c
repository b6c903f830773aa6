/*
 * Worker threads, and waiting for them in a job: by wait fd, or by the callback of the wait
 * context if there is one.
 *
 *      the thread of a job                                       a worker thread
 *
 *      run_on_worker --- request, on the job's stack ---->  work
 *      pause, until DONE   <----- eventfd or callback ----  SIGNALLING, then DONE
 */
#define _GNU_SOURCE /* eventfd */

#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <openssl/async.h>

#define MOST_WORKERS 1024

enum state { PENDING, SIGNALLING, DONE };

struct request {
    int (*work)(void *);
    void *arg;
    int result;
    /* How its end is reported. With neither, nobody pauses. The status is for callbacks. */
    ASYNC_WAIT_CTX *ctx;
    ASYNC_callback_fn callback;
    void *callback_arg;
    int fd;
    enum state state;        /* under the lock */
    pthread_cond_t finished; /* it is DONE */
    struct request *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *first, **end;
    unsigned int wanted, running;
    unsigned long microseconds;
    int held, ending;
    struct slow_sign_counts counts;
    pthread_t threads[MOST_WORKERS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .end = &pool.first, .wanted = 1};

/* --------------------------------------------------------------------------------------------------- worker threads */

static struct request *take(void)
{
    struct request *request;

    while (!pool.ending && (pool.held || pool.first == NULL))
        pthread_cond_wait(&pool.changed, &pool.lock);
    request = pool.ending ? NULL : pool.first;
    if (request != NULL) {
        pool.first = request->next;
        if (pool.first == NULL)
            pool.end = &pool.first;
    }
    return request;
}

/* Reports the end. The lock is not held, because a callback is the program's code. */
static int report(const struct request *request, int fd)
{
    const uint64_t one = 1;
    ssize_t written;

    if (request->callback != NULL)
        return ASYNC_WAIT_CTX_set_status(request->ctx, ASYNC_STATUS_OK) == 1
               && request->callback(request->callback_arg);
    if (fd < 0)
        return 1;
    do
        written = write(fd, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
    return written == sizeof(one);
}

/* The request may be gone as soon as it is DONE and the lock is free. */
static void serve(struct request *request)
{
    struct timespec busy = {(time_t)(pool.microseconds / 1000000), (long)(pool.microseconds % 1000000) * 1000};
    int result, fd, reported;

    pthread_mutex_unlock(&pool.lock);
    while (nanosleep(&busy, &busy) != 0)
        ;
    result = request->work(request->arg);
    pthread_mutex_lock(&pool.lock);
    request->result = result;
    request->state = SIGNALLING;
    fd = request->fd;
    pthread_mutex_unlock(&pool.lock);
    reported = report(request, fd);
    pthread_mutex_lock(&pool.lock);
    pool.counts.done++;
    pool.counts.by_callback += request->callback != NULL;
    pool.counts.by_fd += request->callback == NULL && fd >= 0;
    pool.counts.errors += !reported;
    request->state = DONE;
    pthread_cond_signal(&request->finished);
}

static void *run_worker(void *unused)
{
    struct request *request;

    (void)unused;
    pthread_mutex_lock(&pool.lock);
    while ((request = take()) != NULL)
        serve(request);
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Starts the threads that are not running. Signals are for the program's own threads. */
static void start_workers(void)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.running < pool.wanted && pthread_create(&pool.threads[pool.running], NULL, run_worker, NULL) == 0)
        pool.running++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void end_workers(void)
{
    unsigned int i, running;

    pthread_mutex_lock(&pool.lock);
    pool.ending = 1;
    running = pool.running;
    pthread_cond_broadcast(&pool.changed);
    pthread_mutex_unlock(&pool.lock);
    for (i = 0; i < running; i++)
        pthread_join(pool.threads[i], NULL);
    pool.ending = 0;
    pool.running = 0;
}

/* ---------------------------------------------------------------------------------------------------------- waiting */

/* The key of the wait fd in a wait context. Only its address matters. */
static const char key_of_fd = 0;

/* The context is freed while the job is paused. The worker must not write to the number any more. */
static void close_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    struct request *request = data;

    (void)ctx;
    (void)key;
    pthread_mutex_lock(&pool.lock);
    while (request->state == SIGNALLING)
        pthread_cond_wait(&request->finished, &pool.lock);
    request->fd = -1;
    pthread_mutex_unlock(&pool.lock);
    close(fd);
}

/* Chooses how the job is told of the end. Returns 0 if there is no way. */
static int choose_signal(struct request *request, ASYNC_WAIT_CTX *ctx)
{
    if (ctx == NULL)
        return 0;
    if (ASYNC_WAIT_CTX_get_callback(ctx, &request->callback, &request->callback_arg) == 1
        && request->callback != NULL) {
        request->ctx = ctx;
        return ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_EAGAIN) == 1;
    }
    request->callback = NULL;
    request->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (request->fd < 0)
        return 0;
    if (ASYNC_WAIT_CTX_set_wait_fd(ctx, &key_of_fd, request->fd, request, close_fd) == 1)
        return 1;
    close(request->fd);
    request->fd = -1;
    return 0;
}

/* Pauses the job until the work is done. Returns 0 if it cannot pause: then it was cancelled. */
static int pause_until_signalled(struct request *request)
{
    int paused, pending;

    do {
        paused = ASYNC_pause_job() == 1;
        pthread_mutex_lock(&pool.lock);
        pending = request->state == PENDING;
        pthread_mutex_unlock(&pool.lock);
    } while (paused && pending);
    return paused;
}

int run_on_worker(int (*work)(void *), void *arg)
{
    struct request request = {.work = work, .arg = arg, .fd = -1};
    ASYNC_JOB *job = ASYNC_get_current_job();
    ASYNC_WAIT_CTX *ctx = job != NULL ? ASYNC_get_wait_ctx(job) : NULL;
    int can_pause = choose_signal(&request, ctx);
    int paused = 0, running;

    pthread_cond_init(&request.finished, NULL);
    pthread_mutex_lock(&pool.lock);
    start_workers();
    running = pool.running > 0;
    if (running) {
        *pool.end = &request;
        pool.end = &request.next;
        pthread_cond_signal(&pool.changed);
    }
    pool.counts.in_job += job != NULL;
    pool.counts.errors += !running;
    pthread_mutex_unlock(&pool.lock);

    if (running) {
        if (can_pause)
            paused = pause_until_signalled(&request);
        pthread_mutex_lock(&pool.lock);
        paused = paused && request.state != PENDING;
        pool.counts.paused += paused;
        pool.counts.blocking += !paused;
        while (request.state != DONE)
            pthread_cond_wait(&request.finished, &pool.lock);
        pthread_mutex_unlock(&pool.lock);
    }
    if (request.fd >= 0) {
        ASYNC_WAIT_CTX_clear_fd(ctx, &key_of_fd);
        close(request.fd);
    }
    pthread_cond_destroy(&request.finished);
    return request.result;
}

/* --------------------------------------------------------------------------------------------------- for the program */

void slow_sign_set_workers(unsigned int number, unsigned long microseconds)
{
    pthread_mutex_lock(&pool.lock);
    pool.wanted = number < 1 ? 1 : number > MOST_WORKERS ? MOST_WORKERS : number;
    pool.microseconds = microseconds;
    pthread_mutex_unlock(&pool.lock);
}

void slow_sign_hold(int hold)
{
    pthread_mutex_lock(&pool.lock);
    pool.held = hold;
    pthread_cond_broadcast(&pool.changed);
    pthread_mutex_unlock(&pool.lock);
}

void slow_sign_get_counts(struct slow_sign_counts *counts)
{
    pthread_mutex_lock(&pool.lock);
    *counts = pool.counts;
    pthread_mutex_unlock(&pool.lock);
}
