/*
 * A process's life with jobs, phase by phase. Each phase lies between two system calls that nobody else makes, so that
 * tests/system.rs can tell with strace which calls the library makes in it. What the C library does at the beginning and
 * the end of threads lies outside. With the argument "locked" all memory is locked first.
 */
#define _GNU_SOURCE 1
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS 2500
#define WITH_PIPES 100
/* More finishes than two rounds after which idle jobs give their memory back. */
#define ENOUGH 140000

/* The numbers are in the list of tests/system.rs too. */
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

/* Keys' destructors run in the order of the keys: the library's between these two. */
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
    int status = -1;

    if (argc > 1 && strcmp(argv[1], "locked") == 0 && mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        printf("cannot lock\n");
        return 0;
    }
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

    begin(GROWTH);
    start(1, JOBS - WITH_PIPES - 1, 0);
    end(GROWTH);
    begin(GROWTH_WITH_PIPES);
    start(JOBS - WITH_PIPES, WITH_PIPES, 1);
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

    finish(0, JOBS);
    begin(WARM);
    start(0, WITH_PIPES, 1); /* the last that finished, which have pipes */
    finish(0, WITH_PIPES);
    start(0, JOBS, 0);
    finish(0, JOBS);
    end(WARM);

    begin(IDLE);
    for (int i = 0; i < ENOUGH; i++) {
        ASYNC_JOB *job = NULL;
        int ret = 0;

        need(ASYNC_start_job(&job, NULL, &ret, returns, NULL, 0) == ASYNC_FINISH);
    }
    start(0, JOBS, 0); /* those that gave it back take it again */
    end(IDLE);
    finish(0, JOBS);
    begin(FREE_POOL);
    ASYNC_free_pool();
    end(FREE_POOL);

    need(pthread_create(&other, NULL, thread, NULL) == 0 && pthread_join(other, NULL) == 0);
    return 0;
}
