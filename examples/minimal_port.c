/*
 * The ASYNC_JOB API of 2015 in one file: a port written from docs/porting.md, for Linux with glibc.
 *
 * It has every function of the manual page and passes OpenSSL's tests of that time (T1 to T5, T15).
 * It is for reading, and to be compared with. What it leaves out, the library has: guards below the
 * stacks (D22), the error queue (B3), an end of the thread that frees the pool (D15), handles that
 * are known as stale after ASYNC_free_pool (D6), and the API of 1.1.0.
 *
 *     cc -shared -fPIC -Icsrc/include -o libminimal_port.so examples/minimal_port.c
 *
 * Never load it into a process with libssl, which calls ASYNC_start_job with six arguments.
 * A letter with a number is a rule of docs/behaviour.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define OSSL_ASYNC_PLAIN_NAMES
#define ASYNC_start_job_2015 ASYNC_start_job
#include <openssl/async.h>

/* A place where a stack is suspended. */
typedef ucontext_t place;

enum state {
    IDLE,    /* in its thread's pool, or about to go there */
    RUNNING, /* its function runs, and the thread's current job is this one */
    PAUSED   /* suspended in ASYNC_pause_job */
};

/* A record: a stack, and what runs on it in one use after the other (S2). */
struct async_job_st {
    place place; /* where it is suspended: in ASYNC_pause_job, or in serve() */
    void *stack;
    enum state state;
    const void *owner; /* tells its thread from others (D8) */
    unsigned pool;     /* number of the pool that made it (D2, D3) */
    ASYNC_JOB *next;   /* in the pool, released before this one */
    int (*function)(void *);
    void *argument; /* a private copy, or NULL (B23, B25) */
    int value;      /* what the function returned */
    int ends[2];    /* the wait fd, and the end that wakes it (W1) */
};

/* What a thread has: its pool, and who runs. */
static __thread struct {
    place dispatcher;   /* where ASYNC_start_job is suspended */
    ASYNC_JOB *current; /* the running job, or NULL */
    unsigned blocked;   /* ASYNC_block_pause less ASYNC_unblock_pause (K1) */
    ASYNC_JOB *idle;    /* the pool's idle records, released last first (P4) */
    size_t made;        /* records that the pool has ever made (P1) */
    size_t max_size;    /* the most that it may make; 0 is no limit */
    unsigned pool;      /* number of the pool; a record of another one is destroyed */
} thread;

/* ------------------------------------------------------------ what the system brings */

static void switch_stacks(place *from, const place *to)
{
    swapcontext(from, to); /* returns when another call switches to *from */
}

#define STACK_BYTES 65536

/* Gives a record a stack, on which base() begins at the first switch. Returns 0 on failure. */
static int make_stack(place *start, void **stack, void (*base)(void))
{
    *stack = malloc(STACK_BYTES);
    if (*stack == NULL || getcontext(start) != 0)
        return 0;
    start->uc_stack.ss_sp = *stack;
    start->uc_stack.ss_size = STACK_BYTES;
    start->uc_link = NULL; /* base() never returns */
    makecontext(start, base, 0);
    return 1;
}

/* The wait fd, and the end that wakes it: close-on-exec, and never blocking. */
static int make_pipe(int ends[2])
{
    int i;

    if (pipe(ends) != 0)
        return 0;
    for (i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return 1;
}

/* Makes the wait fd readable. A full pipe is readable already. */
static void put_byte(int end)
{
    const char byte = 0;

    while (write(end, &byte, 1) < 0 && errno == EINTR)
        ;
}

/* Makes the wait fd unreadable. */
static void take_bytes(int end)
{
    char bytes[64];
    ssize_t taken;

    do
        taken = read(end, bytes, sizeof(bytes));
    while (taken > 0 || (taken < 0 && errno == EINTR));
}

/* The base of every job's stack. */
static void serve(void)
{
    for (;;) {
        ASYNC_JOB *job = thread.current;

        job->value = job->function(job->argument);
        job->state = IDLE;
        switch_stacks(&job->place, &thread.dispatcher);
    }
}

/* ------------------------------------------------------------ records and the pool */

/* Frees a record and closes its pipe (D1). Never on the record's own stack. */
static void destroy(ASYNC_JOB *job)
{
    close(job->ends[0]);
    close(job->ends[1]);
    free(job->stack);
    free(job);
}

/* One more record for the thread's pool, or NULL (E5, E6, without the error queue). */
static ASYNC_JOB *make(void)
{
    ASYNC_JOB *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    if (!make_pipe(job->ends)) {
        free(job);
        return NULL;
    }
    if (!make_stack(&job->place, &job->stack, serve)) {
        destroy(job);
        return NULL;
    }
    job->state = IDLE;
    job->owner = &thread;
    job->pool = thread.pool;
    thread.made++; /* Only what was made counts (P8). */
    return job;
}

/* A record is not in use any more: back to its pool, if the thread still has that one (D2, D3). */
static void put_back(ASYNC_JOB *job)
{
    if (job->pool != thread.pool) {
        destroy(job);
        return;
    }
    job->next = thread.idle;
    thread.idle = job;
}

/* The idle record that was released last (P4), or one more if the limit allows (P2). */
static ASYNC_JOB *take(void)
{
    ASYNC_JOB *job = thread.idle;

    if (job != NULL) {
        thread.idle = job->next;
        return job;
    }
    if (thread.max_size != 0 && thread.made >= thread.max_size)
        return NULL;
    return make();
}

/* The thread's pool ends: idle records are destroyed, those in use when they end (B14, B15). */
static void drop_pool(void)
{
    ASYNC_JOB *job;

    while ((job = thread.idle) != NULL) {
        thread.idle = job->next;
        destroy(job);
    }
    thread.pool++;
    thread.made = 0;
    thread.max_size = 0; /* as a pool that the next start makes (B17, B21) */
}

int ASYNC_init_pool(size_t max_size, size_t init_size)
{
    ASYNC_JOB *job;

    if (init_size > max_size) /* compared as numbers: 0 is zero here (B8, P6) */
        return 0;
    drop_pool(); /* inside a job too: the running record is in use (B12, D2) */
    thread.max_size = max_size;
    while (thread.made < init_size) {
        job = make();
        if (job == NULL)
            break; /* a smaller pool is a pool (B10) */
        put_back(job);
    }
    return 1;
}

void ASYNC_free_pool(void)
{
    if (thread.current != NULL)
        return; /* D4 */
    drop_pool();
    thread.blocked = 0; /* K5 */
}

/* ------------------------------------------------------------ start, pause, resume */

/* Gives a record its own copy of the argument. Returns 0 if there can be none (B24). */
static int copy_argument(ASYNC_JOB *job, const void *args, size_t size)
{
    job->argument = NULL;
    if (args == NULL)
        return 1; /* whatever the size (B25) */
    if (size == 0)
        return 0;
    job->argument = malloc(size);
    if (job->argument == NULL)
        return 0;
    memcpy(job->argument, args, size);
    return 1;
}

/* Lets a record run until it pauses or its function returns. */
static int run(ASYNC_JOB *record, ASYNC_JOB **job, int *ret)
{
    record->state = RUNNING;
    thread.current = record;
    switch_stacks(&thread.dispatcher, &record->place);
    thread.current = NULL;
    if (record->state == PAUSED) {
        *job = record;
        return ASYNC_PAUSE; /* *ret is not written (B20) */
    }
    if (ret != NULL)
        *ret = record->value;
    free(record->argument); /* before ASYNC_FINISH (B23) */
    put_back(record);
    *job = NULL; /* last (S4) */
    return ASYNC_FINISH;
}

int ASYNC_start_job(ASYNC_JOB **job, int *ret, int (*func)(void *), void *args, size_t size)
{
    ASYNC_JOB *record;

    if (job == NULL || thread.current != NULL)
        return ASYNC_ERR; /* D10; D5, D7 */
    if (*job != NULL) {
        if ((*job)->state != PAUSED || (*job)->owner != &thread)
            return ASYNC_ERR;       /* D6, D8 */
        return run(*job, job, ret); /* the rest is not looked at (B22) */
    }
    if (func == NULL)
        return ASYNC_ERR; /* D10 */
    record = take();      /* before the argument is looked at (B45) */
    if (record == NULL)
        return ASYNC_NO_JOBS;
    take_bytes(record->ends[0]); /* no wake of an earlier use is left (D19) */
    if (!copy_argument(record, args, size)) {
        put_back(record); /* and still counted (B27) */
        return ASYNC_ERR;
    }
    record->function = func;
    return run(record, job, ret);
}

int ASYNC_pause_job(void)
{
    ASYNC_JOB *record = thread.current;

    if (record == NULL || thread.blocked != 0)
        return 1; /* B31, K4 */
    record->state = PAUSED;
    switch_stacks(&record->place, &thread.dispatcher);
    return 1; /* resumed (B32) */
}

ASYNC_JOB *ASYNC_get_current_job(void)
{
    return thread.current; /* B35 */
}

int ASYNC_in_job(void)
{
    return thread.current != NULL; /* B42 */
}

void ASYNC_block_pause(void)
{
    if (thread.current != NULL) /* K2 */
        thread.blocked++;
}

void ASYNC_unblock_pause(void)
{
    if (thread.current != NULL && thread.blocked > 0) /* K3 */
        thread.blocked--;
}

/* ------------------------------------------------------------ the wake signal */

int ASYNC_get_wait_fd(ASYNC_JOB *job)
{
    return job != NULL ? job->ends[0] : -1; /* B36, D10 */
}

/* From any thread, and in signal handlers: only the pipe is touched (B38). */
void ASYNC_wake(ASYNC_JOB *job)
{
    if (job != NULL)
        put_byte(job->ends[1]);
}

void ASYNC_clear_wake(ASYNC_JOB *job)
{
    if (job != NULL)
        take_bytes(job->ends[0]);
}
