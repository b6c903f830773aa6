/*
 * Checks a library that has the functions of 2015. It needs no error queue and no extension.
 *
 *     check LIBRARY [CASE...]
 *
 * LIBRARY is loaded with RTLD_LOCAL. Its five-argument start is ASYNC_start_job_2015, or
 * ASYNC_start_job if it lacks that symbol. Each case runs in a child of its own and prints "ok
 * NAME" or "FAILED NAME" with the line. The exit status is 1 if a case has failed, 2 if the
 * library cannot be used.
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OSSL_ASYNC_PLAIN_NAMES
#include <openssl/async.h>

#include "../limit_life.h"

/* The processor time for a case. Generous, because valgrind runs the same program. */
#define CASE_SECONDS 60

/* What *ret holds until the library has written it. */
#define UNWRITTEN (-7777)

static struct {
    int (*init_pool)(size_t, size_t);
    void (*free_pool)(void);
    int (*start_job)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t);
    int (*pause_job)(void);
    int (*in_job)(void);
    ASYNC_JOB *(*get_current_job)(void);
    int (*get_wait_fd)(ASYNC_JOB *);
    void (*wake)(ASYNC_JOB *);
    void (*clear_wake)(ASYNC_JOB *);
    void (*block_pause)(void);
    void (*unblock_pause)(void);
} async;

#define CHECK(EXPRESSION)                                                                                             \
    do {                                                                                                              \
        if (!(EXPRESSION)) {                                                                                          \
            printf("  line %d: %s\n", __LINE__, #EXPRESSION);                                                         \
            fflush(stdout);                                                                                           \
            _exit(1);                                                                                                 \
        }                                                                                                             \
    } while (0)

/* ------------------------------------------------------------------------------------------- jobs and helpers */

static int counter;
static ASYNC_JOB *seen;

static int return_one(void *unused)
{
    (void)unused;
    return 1;
}

static int only_pause(void *unused)
{
    (void)unused;
    CHECK(async.pause_job() == 1);
    return 1;
}

static int add_two(void *unused)
{
    (void)unused;
    counter++;
    async.pause_job();
    counter++;
    return 2;
}

static int start(ASYNC_JOB **job, int *ret, int (*function)(void *))
{
    return async.start_job(job, ret, function, NULL, 0);
}

static ASYNC_JOB *paused_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(start(&job, &ret, only_pause) == ASYNC_PAUSE);
    CHECK(job != NULL);
    CHECK(ret == UNWRITTEN);
    return job;
}

static void finish(ASYNC_JOB *job)
{
    int ret = UNWRITTEN;

    CHECK(start(&job, &ret, NULL) == ASYNC_FINISH);
    CHECK(job == NULL);
    CHECK(ret == 1);
}

static void expect_full(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(start(&job, &ret, only_pause) == ASYNC_NO_JOBS);
    CHECK(job == NULL);
    CHECK(ret == UNWRITTEN);
}

static int readable(int fd)
{
    struct pollfd p = {0, POLLIN, 0};

    p.fd = fd;
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

static void on_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* ------------------------------------------------------------------------------------------------------ cases */

// Rules: T1, P1, P2, P3
static void T1_a_pool_of_two_holds_two_paused_jobs(void)
{
    ASYNC_JOB *first, *second, *third;

    CHECK(async.init_pool(2, 0) == 1);
    first = paused_job();
    second = paused_job();
    expect_full();
    finish(first);
    third = paused_job();
    expect_full();
    finish(second);
    finish(third);
}

// Rules: T2, B19, B20
static void T2_a_job_runs_to_its_pause_and_then_to_its_end(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    counter = 0;
    CHECK(async.init_pool(1, 0) == 1);
    CHECK(start(&job, &ret, add_two) == ASYNC_PAUSE);
    CHECK(counter == 1 && ret == UNWRITTEN);
    CHECK(start(&job, &ret, add_two) == ASYNC_FINISH);
    CHECK(counter == 2 && ret == 2 && job == NULL);
}

static int save_current(void *unused)
{
    (void)unused;
    seen = async.get_current_job();
    CHECK(async.in_job() == 1);
    async.pause_job();
    CHECK(async.get_current_job() == seen);
    return 1;
}

// Rules: T3, B30, B35, B42
static void T3_the_job_sees_the_handle_that_its_caller_gets(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(async.get_current_job() == NULL && async.in_job() == 0);
    CHECK(async.init_pool(1, 0) == 1);
    CHECK(start(&job, &ret, save_current) == ASYNC_PAUSE);
    CHECK(seen != NULL && seen == job);
    CHECK(async.get_current_job() == NULL && async.in_job() == 0);
    finish(job);
}

static int signal_itself(void *unused)
{
    (void)unused;
    async.pause_job();
    async.wake(async.get_current_job());
    async.pause_job();
    async.clear_wake(async.get_current_job());
    return 1;
}

// Rules: T4, B22, B37, W4, W5, W6
static void T4_the_wait_fd_follows_wake_and_clear(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, fd;

    CHECK(async.init_pool(1, 0) == 1);
    CHECK(start(&job, &ret, signal_itself) == ASYNC_PAUSE);
    fd = async.get_wait_fd(job);
    CHECK(fd >= 0 && !readable(fd));
    CHECK(start(&job, &ret, add_two) == ASYNC_PAUSE); /* another function, which a resume ignores */
    CHECK(async.get_wait_fd(job) == fd && readable(fd));
    async.clear_wake(job);
    CHECK(!readable(fd));
    async.clear_wake(job); /* does not block */
    async.wake(job);
    async.wake(job);
    CHECK(readable(fd));
    async.clear_wake(job);
    CHECK(!readable(fd));
    async.wake(job);
    finish(job);
    CHECK(!readable(fd));
}

static int block_and_pause(void *unused)
{
    (void)unused;
    counter = 1;
    async.block_pause();
    async.block_pause();
    CHECK(async.pause_job() == 1);
    async.unblock_pause();
    CHECK(async.pause_job() == 1);
    async.unblock_pause();
    async.unblock_pause(); /* at zero: no effect */
    counter = 2;
    async.pause_job();
    counter = 3;
    return 1;
}

// Rules: T5, K2, K3, K4
static void T5_a_blocked_pause_is_skipped(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(async.init_pool(1, 0) == 1);
    async.block_pause(); /* outside a job: no effect */
    CHECK(start(&job, &ret, block_and_pause) == ASYNC_PAUSE);
    CHECK(counter == 2);
    finish(job);
    CHECK(counter == 3);
}

static int example(void *argument)
{
    ASYNC_JOB *self = async.get_current_job();

    CHECK(self != NULL);
    CHECK(strcmp(argument, "Hello world!") == 0);
    async.wake(self);
    async.pause_job();
    async.clear_wake(self);
    return 1;
}

// Rules: T15, B10
static void T15_the_example_of_the_manual(void)
{
    char message[13] = "Hello world!";
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, fd;

    CHECK(async.init_pool(1, 1) == 1);
    CHECK(async.start_job(&job, &ret, example, message, sizeof(message)) == ASYNC_PAUSE);
    fd = async.get_wait_fd(job);
    CHECK(readable(fd));
    CHECK(async.start_job(&job, &ret, example, message, sizeof(message)) == ASYNC_FINISH);
    CHECK(ret == 1 && job == NULL);
}

static int change_the_copy(void *argument)
{
    int *numbers = argument;

    numbers[0]++;
    async.pause_job();
    CHECK(numbers == argument && numbers[0] == 8 && numbers[1] == -9);
    return 1;
}

static int is_null(void *argument)
{
    return argument == NULL;
}

// Rules: B23, B24, B25, B27, B45
static void the_argument_is_a_private_copy(void)
{
    int numbers[2] = {7, -9}, ret = UNWRITTEN;
    ASYNC_JOB *job = NULL, *other = NULL;

    CHECK(async.init_pool(1, 0) == 1);
    CHECK(async.start_job(&job, &ret, change_the_copy, numbers, sizeof(numbers)) == ASYNC_PAUSE);
    CHECK(numbers[0] == 7);
    numbers[1] = 0;
    CHECK(async.start_job(&other, &ret, is_null, numbers, 0) == ASYNC_NO_JOBS); /* a job is taken from the pool first */
    finish(job);
    job = NULL;
    CHECK(async.start_job(&job, &ret, is_null, NULL, 100) == ASYNC_FINISH && ret == 1);
    ret = UNWRITTEN;
    CHECK(async.start_job(&job, &ret, is_null, numbers, 0) == ASYNC_ERR);
    CHECK(job == NULL && ret == UNWRITTEN);
    finish(paused_job()); /* the failed start has returned its job to the pool */
}

// Rules: B8, B17, B21, P4, P6
static void pools_have_limits_and_reuse_the_job_released_last(void)
{
    ASYNC_JOB *first, *second, *third;

    CHECK(async.init_pool(1, 2) == 0);
    CHECK(async.init_pool(0, 1) == 0);
    first = paused_job(); /* a pool without limit, made by this start */
    second = paused_job();
    finish(first);
    finish(second);
    third = paused_job();
    CHECK(third == second);
    CHECK(paused_job() == first);
    finish(third);
    finish(first);
    CHECK(async.init_pool(1, 1) == 1);
    first = paused_job();
    expect_full();
    CHECK(async.init_pool(1, 2) == 0); /* changes nothing */
    expect_full();
    finish(first);
}

static int start_inside(void *unused)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    (void)unused;
    CHECK(start(&job, &ret, return_one) == ASYNC_ERR);
    CHECK(job == NULL && ret == UNWRITTEN);
    async.pause_job();
    job = async.get_current_job();
    CHECK(start(&job, &ret, return_one) == ASYNC_ERR);
    job = seen;
    CHECK(start(&job, &ret, return_one) == ASYNC_ERR);
    CHECK(job == seen && ret == UNWRITTEN);
    async.free_pool(); /* no effect */
    return 1;
}

// Rules: D4, D5, D7
static void inside_a_job_no_start_and_no_free_of_the_pool(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(async.init_pool(2, 0) == 1);
    seen = paused_job();
    CHECK(start(&job, &ret, start_inside) == ASYNC_PAUSE);
    finish(job);
    job = paused_job();
    expect_full();
    finish(job);
    finish(seen);
}

// Rules: D6, D10
static void finished_handles_and_null_are_refused(void)
{
    ASYNC_JOB *job, *null = NULL;
    int ret = UNWRITTEN;

    job = paused_job();
    seen = job;
    finish(job);
    CHECK(start(&seen, &ret, return_one) == ASYNC_ERR);
    CHECK(seen == job && ret == UNWRITTEN);
    CHECK(start(NULL, &ret, return_one) == ASYNC_ERR);
    CHECK(start(&null, &ret, NULL) == ASYNC_ERR);
    CHECK(null == NULL && ret == UNWRITTEN);
    CHECK(start(&null, NULL, return_one) == ASYNC_FINISH);
    CHECK(async.get_wait_fd(NULL) == -1);
    async.wake(NULL);
    async.clear_wake(NULL);
    finish(paused_job());
}

// Rules: B14, B15, D2, D3
static void jobs_in_use_outlive_their_pool(void)
{
    ASYNC_JOB *first, *second, *third;

    CHECK(async.init_pool(2, 1) == 1);
    first = paused_job();
    CHECK(async.init_pool(1, 0) == 1);
    second = paused_job(); /* the first job counts for no pool */
    expect_full();
    finish(first); /* and it does not return to this pool */
    expect_full();
    async.free_pool();
    async.free_pool();
    finish(second);
    third = paused_job(); /* the pool is without limit now */
    finish(paused_job());
    finish(third);
}

static void *wake_it(void *job)
{
    async.wake(job);
    return NULL;
}

static int wake_and_end(void *unused)
{
    (void)unused;
    async.wake(async.get_current_job());
    return 1;
}

// Rules: B38, D9, D19
static void a_wake_comes_from_any_thread_and_ends_with_its_job(void)
{
    ASYNC_JOB *job;
    int ret = UNWRITTEN;

    CHECK(async.init_pool(1, 0) == 1);
    job = paused_job();
    on_thread(wake_it, job);
    CHECK(readable(async.get_wait_fd(job)));
    finish(job);
    job = paused_job();
    CHECK(!readable(async.get_wait_fd(job)));
    finish(job);
    job = NULL;
    CHECK(start(&job, &ret, wake_and_end) == ASYNC_FINISH);
    job = paused_job();
    CHECK(!readable(async.get_wait_fd(job)));
    finish(job);
}

static void *resume_elsewhere(void *handle)
{
    ASYNC_JOB *job = handle;
    int ret = UNWRITTEN;

    CHECK(start(&job, &ret, return_one) == ASYNC_ERR);
    CHECK(job == handle && ret == UNWRITTEN);
    finish(paused_job()); /* a pool of this thread's own */
    async.free_pool();
    return NULL;
}

// Rules: B29, D8
static void only_its_own_thread_resumes_a_job(void)
{
    ASYNC_JOB *job;

    CHECK(async.init_pool(1, 0) == 1);
    job = paused_job();
    on_thread(resume_elsewhere, job);
    finish(job);
}

static int block_and_end(void *unused)
{
    (void)unused;
    async.block_pause();
    return 1;
}

// Rules: B14, K1, K5
static void a_block_that_is_left_behind_holds_until_the_pool_is_freed(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK(start(&job, &ret, block_and_end) == ASYNC_FINISH);
    CHECK(start(&job, &ret, only_pause) == ASYNC_FINISH);
    async.free_pool();
    finish(paused_job());
}

// Rules: B31, B34, B40
static void outside_a_job_a_pause_returns_one_at_once(void)
{
    CHECK(async.pause_job() == 1);
    async.unblock_pause();
    CHECK(async.pause_job() == 1);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CASE(NAME) {#NAME, NAME}
    CASE(T1_a_pool_of_two_holds_two_paused_jobs),
    CASE(T2_a_job_runs_to_its_pause_and_then_to_its_end),
    CASE(T3_the_job_sees_the_handle_that_its_caller_gets),
    CASE(T4_the_wait_fd_follows_wake_and_clear),
    CASE(T5_a_blocked_pause_is_skipped),
    CASE(T15_the_example_of_the_manual),
    CASE(the_argument_is_a_private_copy),
    CASE(pools_have_limits_and_reuse_the_job_released_last),
    CASE(inside_a_job_no_start_and_no_free_of_the_pool),
    CASE(finished_handles_and_null_are_refused),
    CASE(jobs_in_use_outlive_their_pool),
    CASE(a_wake_comes_from_any_thread_and_ends_with_its_job),
    CASE(only_its_own_thread_resumes_a_job),
    CASE(a_block_that_is_left_behind_holds_until_the_pool_is_freed),
    CASE(outside_a_job_a_pause_returns_one_at_once),
};

/* --------------------------------------------------------------------------------------------------- the rest */

/*
 * A function's address has another type than an object's. POSIX guarantees that the bytes are the
 * same.
 */
static void find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    if (symbol == NULL) {
        fprintf(stderr, "no symbol %s\n", name);
        exit(2);
    }
    memcpy(function, &symbol, sizeof(symbol));
}

static void load(const char *file)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    find(library, "ASYNC_init_pool", &async.init_pool);
    find(library, "ASYNC_free_pool", &async.free_pool);
    find(library, dlsym(library, "ASYNC_start_job_2015") != NULL ? "ASYNC_start_job_2015" : "ASYNC_start_job",
         &async.start_job);
    find(library, "ASYNC_pause_job", &async.pause_job);
    find(library, "ASYNC_in_job", &async.in_job);
    find(library, "ASYNC_get_current_job", &async.get_current_job);
    find(library, "ASYNC_get_wait_fd", &async.get_wait_fd);
    find(library, "ASYNC_wake", &async.wake);
    find(library, "ASYNC_clear_wake", &async.clear_wake);
    find(library, "ASYNC_block_pause", &async.block_pause);
    find(library, "ASYNC_unblock_pause", &async.unblock_pause);
}

/*
 * A child passes only with this status. So it fails if it ends before its case has returned, as a
 * process does whose stack ends.
 */
#define PASSED 42

static int run(size_t number)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        limit_life(CASE_SECONDS, CLOCK_SECONDS);
        cases[number].run();
        async.free_pool();
        exit(PASSED);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != PASSED) {
        printf("FAILED %s (wait status 0x%x)\n", cases[number].name, (unsigned)status);
        return 1;
    }
    printf("ok %s\n", cases[number].name);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0, argument;
    size_t number;

    if (argc < 2) {
        fprintf(stderr, "usage: %s LIBRARY [CASE...]\n", argv[0]);
        return 2;
    }
    load(argv[1]);
    for (number = 0; number < sizeof(cases) / sizeof(cases[0]); number++) {
        int wanted = argc == 2;

        for (argument = 2; argument < argc; argument++)
            wanted |= strcmp(argv[argument], cases[number].name) == 0;
        if (wanted)
            failed |= run(number);
    }
    return failed;
}
