/*
 * How much of the stacks of jobs and threads the library uses, measured by painting them.
 *
 * Arguments: "job" or the name of the first call that a thread makes, then any library. A third
 * argument is a library to load before, whose names no other object can see.
 *
 * "job": each exported function is called in a job, on the smallest stack that the program may
 * provide. A library is loaded while the job is paused, so that there is something new to look up.
 * A line has a function, what was done with it, and the bytes that the call used. They are counted
 * from the caller's stack pointer to the lowest byte that was changed. The last two lines have how
 * many entries libcrypto's error queue received, and how many bytes below the stack were changed.
 *
 * Otherwise there is one line: the bytes that a thread used for its call, counted in the same way.
 * The end of the thread counts if it uses more stack than that of an empty thread.
 *
 * Every function is looked up before, so that the dynamic linker does nothing on these stacks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

enum { PAINT = 0x5a, LEAST = 8192, BELOW = 32768 };

typedef void *function(const void *, const void *, const void *, const void *, const void *, const void *);

static int (*start_job)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t);
static int (*start_job_2015)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t);
static ASYNC_JOB *(*current_job)(void);
static ASYNC_WAIT_CTX *(*new_context)(void);
static int (*init_pool)(size_t, size_t), (*init_thread)(size_t, size_t);
static int (*set_mem_functions)(void *(*)(size_t *), void (*)(void *));
static int (*pause_job)(void), (*serves_libssl)(void);
static void (*block_pause)(void), (*cleanup_thread)(void);
static function *set_wait_fd;
static unsigned long (*peek_error)(void);

static void *find(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL) {
        fprintf(stderr, "no %s\n", name);
        exit(2);
    }
    return found;
}

/* ------------------------------------------------------------------------------------------- on a job's stack */

static unsigned char measured[BELOW + LEAST] __attribute__((aligned(4096)));
static unsigned char spare[64][LEAST] __attribute__((aligned(4096)));
static int measured_is_taken, refuse;
static size_t spares;

static void *get(size_t *size)
{
    *size = LEAST;
    if (refuse)
        return NULL;
    if (!measured_is_taken) {
        measured_is_taken = 1;
        return measured + BELOW;
    }
    return spares < 64 ? spare[spares++] : NULL;
}

static void put(void *stack)
{
    if (stack == measured + BELOW)
        measured_is_taken = 0;
}

/* Arguments that become known later. These addresses stand for them. */
static char CURRENT, PAUSED, CONTEXT, FRESH, NULL_FILE;

static ASYNC_JOB *paused, *none;
static ASYNC_WAIT_CTX *context, *fresh;
static FILE *null_file;
static int number, numbers[64];
static size_t count, other_count;
static void *pointer, *other_pointer;
static char text[256];
static unsigned char statistics[1024];

static int returns_one(void *unused) { (void)unused; return 1; }
static int goes_on(const char *line, size_t length, void *unused) { (void)line; (void)length; (void)unused; return 1; }
static void cleanup(ASYNC_WAIT_CTX *c, const void *key, int fd, void *data) { (void)c; (void)key; (void)fd; (void)data; }

#define N(NUMBER) ((const void *)(uintptr_t)(NUMBER))
#define TOO_MANY N(SIZE_MAX / 16)
#define CODE N(0x33065067)

static const struct row {
    const char *name, *what;
    const void *arguments[6];
} rows[] = {
    {"ASYNC_init_pool", "refused", {N(2), N(3)}},
    {"ASYNC_init_pool", "makes_jobs", {N(4), N(2)}},
    {"ASYNC_init_pool", "no_stacks", {N(4), N(2)}},
    {"ASYNC_init_thread", "refused", {N(2), N(3)}},
    {"ASYNC_init_thread", "too_large", {N((size_t)INT_MAX + 1), N(0)}},
    {"ASYNC_init_thread", "not_listed", {TOO_MANY, TOO_MANY}},
    {"ASYNC_init_thread", "makes_jobs", {N(4), N(2)}},
    {"ASYNC_init_thread", "no_stacks", {N(4), N(2)}},
    {"ASYNC_init_thread", "no_limit", {N(0), N(0)}},
    {"ASYNC_free_pool", "refused", {N(0)}},
    {"ASYNC_cleanup_thread", "refused", {N(0)}},
    {"ASYNC_start_job", "nested", {&none, N(0), &number, returns_one, N(0), N(0)}},
    {"ASYNC_start_job", "nested_resume", {&paused, N(0), &number, returns_one, N(0), N(0)}},
    {"ASYNC_start_job", "null", {N(0), N(0), &number, returns_one, N(0), N(0)}},
    {"ASYNC_start_job_2015", "nested", {&none, &number, returns_one, N(0), N(0)}},
    {"ASYNC_start_job_2015", "null", {N(0), &number, N(0), N(0), N(0)}},
    {"ASYNC_pause_job", "pauses", {N(0)}},
    {"ASYNC_in_job", "", {N(0)}},
    {"ASYNC_get_current_job", "", {N(0)}},
    {"ASYNC_get_wait_fd", "no_pipe", {&CURRENT}},
    {"ASYNC_get_wait_fd", "pipe", {&PAUSED}},
    {"ASYNC_wake", "no_pipe", {&CURRENT}},
    {"ASYNC_wake", "pipe", {&PAUSED}},
    {"ASYNC_clear_wake", "no_pipe", {&CURRENT}},
    {"ASYNC_clear_wake", "pipe", {&PAUSED}},
    {"ASYNC_block_pause", "", {N(0)}},
    {"ASYNC_pause_job", "blocked", {N(0)}},
    {"ASYNC_unblock_pause", "", {N(0)}},
    {"ASYNC_is_capable", "", {N(0)}},
    {"ASYNC_get_wait_ctx", "", {&CURRENT}},
    {"ASYNC_WAIT_CTX_new", "", {N(0)}},
    {"ASYNC_WAIT_CTX_free", "with_an_entry", {&FRESH}},
    {"ASYNC_WAIT_CTX_set_wait_fd", "", {&CONTEXT, N(1), N(0), N(0), cleanup}},
    {"ASYNC_WAIT_CTX_set_wait_fd", "grows", {&FRESH, N(1), N(0), N(0), cleanup}},
    {"ASYNC_WAIT_CTX_set_wait_fd", "null", {N(0), N(1), N(0), N(0), cleanup}},
    {"ASYNC_WAIT_CTX_get_fd", "", {&CONTEXT, N(1), &number, &pointer}},
    {"ASYNC_WAIT_CTX_get_all_fds", "", {&CONTEXT, numbers, &count}},
    {"ASYNC_WAIT_CTX_get_changed_fds", "", {&CONTEXT, numbers, &count, numbers, &other_count}},
    {"ASYNC_WAIT_CTX_clear_fd", "", {&CONTEXT, N(1)}},
    {"ASYNC_pause_job", "settles", {N(0)}},
    {"ASYNC_WAIT_CTX_set_callback", "", {&CONTEXT, returns_one, N(0)}},
    {"ASYNC_WAIT_CTX_get_callback", "", {&CONTEXT, &pointer, &other_pointer}},
    {"ASYNC_WAIT_CTX_set_status", "", {&CONTEXT, N(1)}},
    {"ASYNC_WAIT_CTX_get_status", "", {&CONTEXT}},
    {"ASYNC_set_mem_functions", "too_late", {get, put}},
    {"ASYNC_get_mem_functions", "", {&pointer, &other_pointer}},
    {"OSSL_ASYNC_serves_libssl", "", {N(0)}},
    {"OSSL_ASYNC_version", "", {N(0)}},
    {"OSSL_ASYNC_cancel_job", "nested", {&paused, &number}},
    {"OSSL_ASYNC_cancel_job", "null", {N(0), &number}},
    {"OSSL_ASYNC_set_stack_size", "refused", {N(1)}},
    {"OSSL_ASYNC_get_stack_size", "", {N(0)}},
    {"OSSL_ASYNC_thread_stats", "", {statistics, N(sizeof(statistics))}},
    {"OSSL_ASYNC_process_stats", "", {statistics, N(sizeof(statistics))}},
    {"OSSL_ASYNC_measure_stacks", "off", {N(0)}},
    {"OSSL_ASYNC_get_stack_used", "", {&CURRENT}},
    {"OSSL_ASYNC_ERR_error_string", "numbers", {CODE, text}},
    {"OSSL_ASYNC_ERR_lib_error_string", "none", {CODE}},
    {"OSSL_ASYNC_ERR_load_ASYNC_strings", "", {N(0)}},
    {"OSSL_ASYNC_ERR_error_string", "", {CODE, text}},
    {"OSSL_ASYNC_ERR_error_string", "own_buffer", {CODE, N(0)}},
    {"OSSL_ASYNC_ERR_error_string_n", "", {CODE, text, N(sizeof(text))}},
    {"OSSL_ASYNC_ERR_lib_error_string", "", {CODE}},
    {"OSSL_ASYNC_ERR_func_error_string", "", {CODE}},
    {"OSSL_ASYNC_ERR_reason_error_string", "", {CODE}},
    {"OSSL_ASYNC_ERR_peek_error", "", {N(0)}},
    {"OSSL_ASYNC_ERR_peek_last_error", "", {N(0)}},
    {"OSSL_ASYNC_ERR_get_error", "", {N(0)}},
    {"OSSL_ASYNC_ERR_get_error_line", "", {&pointer, &number}},
    {"OSSL_ASYNC_ERR_print_errors_cb", "all", {goes_on, N(0)}},
    {"ASYNC_cleanup_thread", "refused_again", {N(0)}},
    {"OSSL_ASYNC_ERR_print_errors_fp", "one", {&NULL_FILE}},
    {"ASYNC_cleanup_thread", "refused_once_more", {N(0)}},
    {"OSSL_ASYNC_ERR_clear_error", "", {N(0)}},
};

static const struct row *row;
static const char *another;
static function *called;
static size_t took;

static const void *argument(const void *what)
{
    if (what == &CURRENT)
        return current_job();
    return what == &PAUSED ? (void *)paused : what == &CONTEXT ? (void *)context : what == &FRESH ? (void *)fresh
        : what == &NULL_FILE ? (void *)null_file : what;
}

#if defined(__x86_64__)
# define STACK_POINTER(WHERE) __asm__ volatile("movq %%rsp, %0" : "=r"(WHERE))
#elif defined(__aarch64__)
# define STACK_POINTER(WHERE) __asm__ volatile("mov %0, sp" : "=r"(WHERE))
#else
# define STACK_POINTER(WHERE) ((WHERE) = (volatile unsigned char *)__builtin_frame_address(0) - 256)
#endif

/*
 * Paints the memory below the stack pointer, calls the function, and finds how much paint is gone.
 * It calls nothing else.
 */
static int __attribute__((noinline)) measure(void *at)
{
    const void *const *a = at;
    volatile unsigned char *pointer, *byte;

    STACK_POINTER(pointer);
    for (byte = measured; byte < pointer; byte++)
        *byte = PAINT;
    called(a[0], a[1], a[2], a[3], a[4], a[5]);
    for (byte = measured; byte < pointer && *byte == PAINT; byte++)
        ;
    took = (size_t)(pointer - byte);
    return 1;
}

static size_t below(void)
{
    size_t i, changed = 0;

    for (i = 0; i < BELOW; i++)
        changed += measured[i] != PAINT;
    return changed;
}

static int in_a_job(void *at)
{
    const void *arguments[6];
    int i;

    (void)at;
    pause_job(); /* while a library is loaded */
    for (i = 0; i < 6; i++)
        arguments[i] = argument(row->arguments[i]);
    if (strcmp(row->what, "blocked") == 0)
        block_pause();
    refuse = strcmp(row->what, "no_stacks") == 0;
    return measure(arguments);
}

static int pauses(void *unused)
{
    (void)unused;
    pause_job();
    return 1;
}

/* A new library may have what was not found before. */
static void load_another(void)
{
    void *library = dlopen(another, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL || dlclose(library) != 0)
        exit(2);
}

static void call_in_a_job(const char *name)
{
    ASYNC_JOB *job = NULL;
    int ret = 0, got;

    called = (function *)find(name);
    fresh = new_context();
    if (strcmp(row->what, "with_an_entry") == 0)
        set_wait_fd(fresh, NULL, NULL, NULL, (void *)cleanup, NULL);
    took = 0;
    cleanup_thread(); /* The next job is a new one, on the stack that is measured. */
    spares = 1;
    refuse = 0;
    measured_is_taken = 0;
    got = start_job(&job, context, &ret, in_a_job, NULL, 0);
    load_another();
    while (got == ASYNC_PAUSE) {
        got = start_job(&job, context, &ret, NULL, NULL, 0);
        refuse = 0;
    }
    if (got != ASYNC_FINISH || ret != 1) {
        fprintf(stderr, "%s %s: %d %d\n", name, row->what, got, ret);
        exit(2);
    }
    printf("%s %s %zu\n", name, row->what, took);
}

/* How many errors have reached the queue of libcrypto, if there is one. */
static int libcryptos_errors(void)
{
    unsigned long (*get_error)(void);
    int found = 0;

    *(void **)&get_error = dlsym(RTLD_DEFAULT, "ERR_get_error");
    while (get_error != NULL && get_error() != 0)
        found++;
    return found;
}

static void measure_jobs(void)
{
    static char buffer[4096];
    size_t i, changed = 0;
    int ret;

    set_mem_functions(get, put);
    context = new_context();
    null_file = fopen("/dev/null", "w");
    setvbuf(null_file, buffer, _IOFBF, sizeof(buffer)); /* or stdio would allocate one in the job */
    measured_is_taken = 1; /* this job is on another stack */
    start_job_2015(&paused, &ret, pauses, NULL, 0);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[64];

        row = rows + i;
        call_in_a_job(row->name);
        changed += below();
        snprintf(name, sizeof(name), "OSSL_%s", row->name);
        if (row->name[0] == 'A' && dlsym(RTLD_DEFAULT, name) != NULL) {
            call_in_a_job(name);
            changed += below();
        }
    }
    printf("entries in libcrypto's queue %d\n", libcryptos_errors());
    printf("below the stack %zu\n", changed);
}

/* ---------------------------------------------------------------------------------------- on a thread's stack */

static unsigned char of_thread[65536] __attribute__((aligned(4096)));
static volatile unsigned char *caller;
static volatile int went_well;

static void empty(void) { went_well = 1; }

static void first_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    went_well = start_job(&job, NULL, &ret, pauses, NULL, 0) == ASYNC_PAUSE
        && start_job(&job, NULL, &ret, NULL, NULL, 0) == ASYNC_FINISH;
}

static void first_job_of_2015(void)
{
    ASYNC_JOB *job = NULL;
    int ret = 0;

    went_well = start_job_2015(&job, &ret, pauses, NULL, 0) == ASYNC_PAUSE;
}

static void first_pool(void) { went_well = init_pool(8, 4) == 1; }
static void first_pool_without_pipes(void) { went_well = init_thread(8, 4) == 1; }
static void larger_pool(void) { went_well = init_thread((size_t)INT_MAX + 1, 0) == 1; }
static void first_error(void) { went_well = init_pool(2, 3) == 0 && peek_error() == 0x33065067; }
static void first_question(void) { went_well = serves_libssl() >= 0; }

static const struct thing {
    const char *name;
    void (*run)(void);
} things[] = {
    {"empty", empty},
    {"first_job", first_job},
    {"first_job_of_2015", first_job_of_2015},
    {"first_pool", first_pool},
    {"first_pool_without_pipes", first_pool_without_pipes},
    {"larger_pool", larger_pool},
    {"first_error", first_error},
    {"first_question", first_question},
};

/*
 * Paints the memory below the thread's caller. It is inline, because a call would use that memory.
 */
#define PAINT_BELOW_CALLER() \
    do { \
        volatile unsigned char *byte; \
        for (byte = of_thread; byte < caller; byte++) \
            *byte = PAINT; \
    } while (0)

/* The bytes between the caller and the lowest byte that was changed. */
static size_t changed(void)
{
    volatile unsigned char *byte = of_thread;

    while (byte < caller && *byte == PAINT)
        byte++;
    return (size_t)(caller - byte);
}

/*
 * Paints over what the thread's beginning left there, and what the call left, so that the thread's
 * end is measured by itself.
 */
static void *__attribute__((noinline)) run(void *thing)
{
    STACK_POINTER(caller);
    PAINT_BELOW_CALLER();
    ((const struct thing *)thing)->run();
    took = changed();
    PAINT_BELOW_CALLER();
    return NULL;
}

/* Runs a thread that does this. Returns how much stack its end uses. */
static size_t taken_by_the_end_of(const struct thing *thing)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    went_well = 0;
    if (pthread_attr_setstack(&attributes, of_thread, sizeof(of_thread)) != 0
        || pthread_create(&thread, &attributes, run, (void *)thing) != 0 || pthread_join(thread, NULL) != 0)
        exit(2);
    if (!went_well) {
        fprintf(stderr, "%s went wrong\n", thing->name);
        exit(2);
    }
    return changed();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "job";
    size_t i;

    another = argc > 2 ? argv[2] : "";
    if (argc > 3 && dlopen(argv[3], RTLD_NOW | RTLD_LOCAL) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&start_job = find("ASYNC_start_job");
    *(void **)&start_job_2015 = find("ASYNC_start_job_2015");
    *(void **)&current_job = find("ASYNC_get_current_job");
    *(void **)&new_context = find("ASYNC_WAIT_CTX_new");
    *(void **)&init_pool = find("ASYNC_init_pool");
    *(void **)&init_thread = find("ASYNC_init_thread");
    *(void **)&set_mem_functions = find("ASYNC_set_mem_functions");
    *(void **)&pause_job = find("ASYNC_pause_job");
    *(void **)&serves_libssl = find("OSSL_ASYNC_serves_libssl");
    *(void **)&block_pause = find("ASYNC_block_pause");
    *(void **)&cleanup_thread = find("ASYNC_cleanup_thread");
    *(void **)&set_wait_fd = find("ASYNC_WAIT_CTX_set_wait_fd");
    *(void **)&peek_error = find("OSSL_ASYNC_ERR_peek_error");
    if (strcmp(what, "job") == 0) {
        measure_jobs();
        return 0;
    }
    for (i = 1; i < sizeof(things) / sizeof(things[0]); i++)
        if (strcmp(what, things[i].name) == 0) {
            size_t empty = taken_by_the_end_of(things), end = taken_by_the_end_of(things + i);

            printf("%zu\n", end > empty && end > took ? end : took);
            return 0;
        }
    return 2;
}
