/*
 * A process's life with jobs, phase by phase. Each phase lies between two system calls that
 * nothing else makes. With strace, tests/system.rs finds which calls the library makes in it. The
 * C library's work at the beginning and the end of threads lies outside the phases. With the
 * argument "locked" all memory is locked first, and there are as many jobs as there is space for.
 * A user may not be allowed enough for one phase, that of idle jobs. With "locked behind" memory
 * is locked after enough jobs for it have been made.
 */
#define _GNU_SOURCE 1
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

#include "locked.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS 2500
#define WITH_PIPES 100
/* The smallest numbers that make sense. */
#define LEAST 8
/* This many idle jobs keep their memory, and their stacks use up their slabs. */
#define WARM_JOBS 1024
/* More finishes than two rounds, after which idle jobs return their memory. */
#define ENOUGH 140000
/* The first of these have their stacks measured, where stacks are. */
#define MEASURED 1000

/* tests/system.rs has the same list of numbers. */
enum phase {
    FIRST_OF_PROCESS = 1,
    GROWTH,
    GROWTH_WITH_PIPES,
    WAIT_FD,
    WAKES,
    WARM,
    IDLE,
    FREE_POOL,
    FIRST_OF_THREAD,
    END_OF_THREAD,
    END_OF_PROCESS,
    FIRST_AFTER_FORK
};

static void begin(enum phase phase)
{
    syscall(SYS_close, -20000 - (int)phase);
}

static void end(enum phase phase)
{
    syscall(SYS_close, -30000 - (int)phase);
}

static ASYNC_JOB *jobs[JOBS];

static int pauses_once(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return 7;
}

static int returns(void *unused)
{
    (void)unused;
    return 7;
}

static void need(int holds)
{
    if (!holds)
        abort();
}

static void start(int first, int count, int pipes)
{
    for (int i = first; i < first + count; i++) {
        int ret = 0;

        need((pipes ? ASYNC_start_job_2015(&jobs[i], &ret, pauses_once, NULL, 0)
                    : ASYNC_start_job(&jobs[i], NULL, &ret, pauses_once, NULL, 0)) == ASYNC_PAUSE);
    }
}

static void finish(int first, int count)
{
    for (int i = first; i < first + count; i++) {
        int ret = 0;

        need(ASYNC_start_job(&jobs[i], NULL, &ret, NULL, NULL, 0) == ASYNC_FINISH && ret == 7);
    }
}

/* Destructors of keys run in the order of the keys: the library's runs between these two. */
static pthread_key_t before, after;

static void begin_end_of_thread(void *unused)
{
    (void)unused;
    begin(END_OF_THREAD);
}

static void end_end_of_thread(void *unused)
{
    (void)unused;
    end(END_OF_THREAD);
}

static void *thread(void *unused)
{
    static ASYNC_JOB *job;
    int ret = 0;

    need(pthread_setspecific(before, &ret) == 0 && pthread_setspecific(after, &ret) == 0);
    begin(FIRST_OF_THREAD);
    need(ASYNC_start_job_2015(&job, &ret, pauses_once, NULL, 0) == ASYNC_PAUSE);
    end(FIRST_OF_THREAD);
    need(ASYNC_start_job_2015(&job, &ret, pauses_once, NULL, 0) == ASYNC_FINISH);
    return unused;
}

static void begin_end_of_process(void)
{
    begin(END_OF_PROCESS);
}

static void end_end_of_process(void)
{
    end(END_OF_PROCESS);
}

int main(int argc, char **argv)
{
    Dl_info library;
    pthread_t other;
    pthread_attr_t attributes;
    int locked = argc > 1 && strcmp(argv[1], "locked") == 0, behind = argc > 2 && strcmp(argv[2], "behind") == 0;
    int status = -1, count = JOBS, begun = 1, pipes;

    if (locked)
        count = lock_memory(MCL_CURRENT | MCL_FUTURE, JOBS, STACK_LOCKED);
    if (count < LEAST) {
        printf("cannot lock\n");
        return 0;
    }
    if (behind)
        munlockall();
    need(dladdr(dlsym(RTLD_DEFAULT, "ASYNC_pause_job"), &library));
    printf("%s\n", library.dli_fname);
    fflush(stdout);
    if (fork() == 0) {
        begin(FIRST_AFTER_FORK);
        start(0, 1, 1);
        end(FIRST_AFTER_FORK);
        _exit(0);
    }
    need(wait(&status) > 0 && status == 0);

    need(pthread_key_create(&before, begin_end_of_thread) == 0);
    need(atexit(end_end_of_process) == 0);
    begin(FIRST_OF_PROCESS);
    start(0, 1, 1);
    end(FIRST_OF_PROCESS);
    need(pthread_key_create(&after, end_end_of_thread) == 0);
    need(atexit(begin_end_of_process) == 0);

    if (behind) {
        begun = WARM_JOBS;
        start(1, begun - 1, 0);
        count = begun + lock_memory(MCL_FUTURE, JOBS - begun, STACK_LOCKED);
        need(count >= begun + LEAST);
    }
    pipes = count - begun > 2 * WITH_PIPES ? WITH_PIPES : (count - begun) / 2;
    begin(GROWTH);
    start(begun, count - begun - pipes, 0);
    end(GROWTH);
    begin(GROWTH_WITH_PIPES);
    start(count - pipes, pipes, 1);
    end(GROWTH_WITH_PIPES);

    begin(WAIT_FD);
    need(ASYNC_get_wait_fd(jobs[0]) >= 0);
    end(WAIT_FD);
    begin(WAKES);
    ASYNC_wake(jobs[0]);
    ASYNC_wake(jobs[0]);
    ASYNC_clear_wake(jobs[0]);
    ASYNC_clear_wake(jobs[0]);
    end(WAKES);

    finish(0, count);
    begin(WARM);
    start(0, pipes, 1); /* the jobs that finished last, which have pipes */
    finish(0, pipes);
    start(0, count, 0);
    finish(0, count);
    end(WARM);

    if (count > WARM_JOBS) {
        begin(IDLE);
        for (int i = 0; i < ENOUGH; i++) {
            ASYNC_JOB *job = NULL;
            int ret = 0;

            /* A measured stack takes a call at each finish: more of the same, which strace prints. */
            if (i == MEASURED)
                OSSL_ASYNC_measure_stacks(0);
            need(ASYNC_start_job(&job, NULL, &ret, returns, NULL, 0) == ASYNC_FINISH);
        }
        if (getenv("OSSL_ASYNC_STATS") != NULL)
            OSSL_ASYNC_measure_stacks(1);
        start(0, count, 0); /* jobs that returned their memory get it again */
        end(IDLE);
        finish(0, count);
    }
    begin(FREE_POOL);
    ASYNC_free_pool();
    end(FREE_POOL);

    /* A small stack, for which there is space in locked memory. */
    need(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 128 * 1024) == 0);
    need(pthread_create(&other, &attributes, thread, NULL) == 0 && pthread_join(other, NULL) == 0);
    return 0;
}
