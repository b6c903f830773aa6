/*
 * A program that uses the library only by dlopen(). It unloads and loads it again with idle jobs,
 * with paused ones, and while threads have jobs. The argument is the library's file. Prints "ok"
 * at the end.
 */
#define _GNU_SOURCE
#include <openssl/async.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define NEED(EXPRESSION)                                                                                              \
    do {                                                                                                              \
        if (!(EXPRESSION)) {                                                                                          \
            fprintf(stderr, "%d: %s\n", __LINE__, #EXPRESSION);                                                       \
            _exit(1);                                                                                                 \
        }                                                                                                             \
    } while (0)

static struct {
    void *handle;
    int (*start)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t);
    int (*pause)(void);
    void (*free_pool)(void);
    int (*init_pool)(size_t, size_t);
} library;

static const char *file;

static void *symbol(const char *name)
{
    void *address = dlsym(library.handle, name);

    NEED(address != NULL);
    return address;
}

static void load(void)
{
    library.handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    NEED(library.handle != NULL);
    *(void **)&library.start = symbol("ASYNC_start_job_2015");
    *(void **)&library.pause = symbol("ASYNC_pause_job");
    *(void **)&library.free_pool = symbol("ASYNC_free_pool");
    *(void **)&library.init_pool = symbol("ASYNC_init_pool");
}

static void unload(void)
{
    NEED(dlclose(library.handle) == 0);
    library.handle = NULL;
}

static int pause_once(void *unused)
{
    (void)unused;
    return library.pause();
}

static ASYNC_JOB *paused(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    NEED(library.start(&job, &ret, pause_once, NULL, 0) == ASYNC_PAUSE);
    return job;
}

static void finish(ASYNC_JOB *job)
{
    int ret = 0;

    NEED(library.start(&job, &ret, NULL, NULL, 0) == ASYNC_FINISH);
    NEED(ret == 1 && job == NULL);
}

static pthread_barrier_t both;

/* Has idle and paused jobs while the other thread unloads the library. Ends after that. */
static void *have_jobs(void *unused)
{
    ASYNC_JOB *jobs[2];

    jobs[0] = paused();
    jobs[1] = paused();
    finish(jobs[0]);
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    return unused;
}

/* ------------------------------------------------- a fault on a thread that has never used the library */

static volatile int in_fault, allocations;

/* Replaces the C library's malloc, also for the dynamic linker. */
void *__libc_malloc(size_t size);
void *malloc(size_t size);

void *malloc(size_t size)
{
    if (in_fault)
        allocations++;
    return __libc_malloc(size);
}

static char *closed;

static void mend(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    in_fault = 0;
    NEED(info->si_addr == closed && mprotect(closed, 1, PROT_READ | PROT_WRITE) == 0);
}

static void *fault(void *unused)
{
    in_fault = 1;
    *(volatile char *)closed = 1;
    return unused;
}

int main(int argc, char **argv)
{
    struct sigaction action = {0};
    pthread_t thread;
    ASYNC_JOB *job;
    int round;

    NEED(argc == 2);
    file = argv[1];
    NEED(pthread_barrier_init(&both, NULL, 2) == 0);

    /* Set first: if reports are requested, the library's handler runs before this one. */
    action.sa_sigaction = mend;
    action.sa_flags = SA_SIGINFO;
    NEED(sigaction(SIGSEGV, &action, NULL) == 0);

    /* A library that is not used. */
    load();
    unload();
    for (round = 0; round < 5; round++) {
        /* Idle jobs. */
        load();
        NEED(library.init_pool(4, 4) == 1);
        unload();
        load();
        finish(paused());
        unload();

        /* A paused job, which is resumed in the middle of the library. */
        load();
        job = paused();
        unload();
        load();
        finish(job);
        finish(paused());

        /*
         * A thread whose jobs the library must free at its end, when the program has unloaded it.
         */
        NEED(pthread_create(&thread, NULL, have_jobs, NULL) == 0);
        pthread_barrier_wait(&both);
        if (round % 2 == 0)
            library.free_pool();
        unload();
        pthread_barrier_wait(&both);
        NEED(pthread_join(thread, NULL) == 0);
    }
    load();
    finish(paused());

    closed = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(closed != MAP_FAILED);
    NEED(pthread_create(&thread, NULL, fault, NULL) == 0);
    NEED(pthread_join(thread, NULL) == 0);
    NEED(*closed == 1);
    NEED(allocations == 0);

    job = paused(); /* and the process ends with it */
    NEED(job != NULL);
    unload();
    puts("ok");
    return 0;
}
