/*
 * A program that looks libcrypto's functions up by libcrypto's own handle, as Python's ctypes and
 * other run-time bindings do. If a library is preloaded in front of libcrypto, it gets only the
 * calls that libcrypto makes by name. So this program's standard output must be the same with it
 * and without. It prints to standard error which file the functions are in.
 *
 * The argument is libcrypto's name. Status 2: there is no library of that name.
 */
#define _GNU_SOURCE /* dladdr */

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAY(EXPRESSION) printf("%s = %lld\n", #EXPRESSION, (long long)(EXPRESSION))

#define JOBS 3

typedef int job_function(void *);

static int (*start_job)(void **job, void *ctx, int *ret, job_function *function, void *args, size_t size);
static int (*pause_job)(void);
static void *(*get_current_job)(void);
static void *(*get_wait_ctx)(void *job);
static void (*block_pause)(void), (*unblock_pause)(void);
static int (*init_thread)(size_t max_size, size_t init_size);
static void (*cleanup_thread)(void);
static void *(*wait_ctx_new)(void);
static void (*wait_ctx_free)(void *ctx);
static int (*set_wait_fd)(void *ctx, const void *key, int fd, void *data, void (*cleanup)(void *, const void *, int, void *));
static int (*get_all_fds)(void *ctx, int *fds, size_t *count);
static unsigned long (*get_error)(void);

static const struct {
    const char *name;
    void *place;
} functions[] = {
    {"ASYNC_start_job", &start_job},
    {"ASYNC_pause_job", &pause_job},
    {"ASYNC_get_current_job", &get_current_job},
    {"ASYNC_get_wait_ctx", &get_wait_ctx},
    {"ASYNC_block_pause", &block_pause},
    {"ASYNC_unblock_pause", &unblock_pause},
    {"ASYNC_init_thread", &init_thread},
    {"ASYNC_cleanup_thread", &cleanup_thread},
    {"ASYNC_WAIT_CTX_new", &wait_ctx_new},
    {"ASYNC_WAIT_CTX_free", &wait_ctx_free},
    {"ASYNC_WAIT_CTX_set_wait_fd", &set_wait_fd},
    {"ASYNC_WAIT_CTX_get_all_fds", &get_all_fds},
    {"ERR_get_error", &get_error},
};

static int pause_some(void *argument)
{
    int times = *(int *)argument, i;
    void *self = get_current_job(), *ctx = get_wait_ctx(self);

    SAY(set_wait_fd(ctx, self, 10 + times, NULL, NULL));
    block_pause();
    SAY(pause_job());
    unblock_pause();
    for (i = 0; i < times; i++)
        SAY(pause_job());
    SAY(get_current_job() == self);
    return 100 + times;
}

static void say_errors(void)
{
    unsigned long code;

    while ((code = get_error()) != 0)
        printf("  error %lx\n", code);
}

static int start_number(int number, void **job, void *ctx)
{
    int ret = -1, result = start_job(job, ctx, &ret, pause_some, &number, sizeof(number));

    printf("job %d: %d, ret %d, %s\n", number, result, ret, *job != NULL ? "there" : "NULL");
    return result;
}

/* Runs several jobs by turns, until all have ended. */
static void run_jobs(void)
{
    void *jobs[JOBS] = {NULL}, *ctxs[JOBS];
    int results[JOBS], i, round;
    size_t count;

    for (i = 0; i < JOBS; i++)
        ctxs[i] = wait_ctx_new();
    for (i = 0; i < JOBS; i++)
        results[i] = start_number(i + 1, &jobs[i], ctxs[i]);
    SAY(get_current_job() == NULL);
    for (round = 0; round < JOBS; round++)
        for (i = 0; i < JOBS; i++)
            if (results[i] == 2)
                results[i] = start_number(i + 1, &jobs[i], ctxs[i]);
    for (i = 0; i < JOBS; i++) {
        SAY(get_all_fds(ctxs[i], NULL, &count));
        SAY(count);
        wait_ctx_free(ctxs[i]);
    }
}

static void *run_on_a_thread(void *unused)
{
    /* Without a pool: the start makes one. */
    run_jobs();
    cleanup_thread();
    run_jobs();
    SAY(init_thread(2, 1));
    run_jobs();
    SAY(init_thread(1, 2));
    say_errors();
    run_jobs();
    cleanup_thread();
    SAY(pause_job());
    SAY(init_thread(0, 0));
    run_jobs();
    /* The thread's end frees what is left. */
    return unused;
}

int main(int argc, char **argv)
{
    void *handle = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    pthread_t thread;
    size_t i;

    if (handle == NULL)
        return 2;
    for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *function = dlsym(handle, functions[i].name);
        Dl_info info = {0};

        if (function == NULL || dladdr(function, &info) == 0)
            return 3;
        memcpy(functions[i].place, &function, sizeof(function));
        fprintf(stderr, "%s %s\n", functions[i].name, info.dli_fname);
    }
    setvbuf(stdout, NULL, _IOLBF, 1 << 12);
    run_on_a_thread(NULL);
    for (i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, run_on_a_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
            return 4;
    return 0;
}
