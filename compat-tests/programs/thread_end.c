/*
 * A thread that ends inside a job, by pthread_exit or by cancellation (F11), and what happens to
 * its jobs (D15). With either API.
 */
#define OSSL_ASYNC_WAIT_CTX_API
#include "cases.h"

/* How a job's function leaves. */
enum way { BY_EXIT, BY_CANCELLATION };

/* What a thread does, and what is left of it. */
struct plan {
    enum way way;
    int six;        /* by the six-argument call */
    int resumes;    /* how often the job pauses before */
    int paused;     /* other jobs that are paused then */
    int idle;       /* jobs in the thread's pool then */
    ASYNC_JOB *jobs[16];
    ASYNC_JOB *ended;
    ASYNC_WAIT_CTX *ctx;
    int cleanups;   /* of C's cleanup handlers, in the order in which they ran */
};

static int six_arguments;
static struct plan *current_plan;

static int go(ASYNC_JOB **job, int *ret, int (*function)(void *), void *argument)
{
    size_t size = argument == NULL ? 0 : sizeof(argument);
    void *copied = argument == NULL ? NULL : &argument;

    if (six_arguments)
        return ASYNC_start_job(job, current_plan->ctx, ret, function, copied, size);
    return ASYNC_start_job_2015(job, ret, function, copied, size);
}

static void note(void *digit)
{
    current_plan->cleanups = current_plan->cleanups * 10 + (int)(intptr_t)digit;
}

static void __attribute__((noinline)) leave(enum way way)
{
    if (way == BY_EXIT)
        pthread_exit((void *)5);
    pthread_cancel(pthread_self());
    for (;;)
        pthread_testcancel();
}

static int leaves(void *argument)
{
    struct plan *plan = *(struct plan **)argument;
    int i;

    pthread_cleanup_push(note, (void *)1);
    plan->ended = ASYNC_get_current_job();
    for (i = 0; i < plan->resumes; i++)
        CHECK_EQUAL(ASYNC_pause_job(), 1);
    pthread_cleanup_push(note, (void *)2);
    leave(plan->way);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return 1;
}

/* Makes jobs that pause, and idle jobs: as many more as were in use at once. */
static void prepare(struct plan *plan)
{
    ASYNC_JOB *idle[16];
    int ret, i;

    for (i = 0; i < plan->paused; i++) {
        plan->jobs[i] = NULL;
        CHECK_EQUAL(go(&plan->jobs[i], &ret, pause_twice, NULL), ASYNC_PAUSE);
    }
    for (i = 0; i < plan->idle; i++) {
        idle[i] = NULL;
        CHECK_EQUAL(go(&idle[i], &ret, pause_once, NULL), ASYNC_PAUSE);
    }
    for (i = 0; i < plan->idle; i++)
        CHECK_EQUAL(go(&idle[i], &ret, NULL, NULL), ASYNC_FINISH);
}

static void *ends_in_a_job(void *argument)
{
    struct plan *plan = argument;
    ASYNC_JOB *job = NULL;
    int ret, i;

    prepare(plan);
    pthread_cleanup_push(note, (void *)3);
    for (i = 0; i <= plan->resumes; i++)
        CHECK_EQUAL(go(&job, &ret, leaves, plan), ASYNC_PAUSE);
    pthread_cleanup_pop(0);
    return NULL;
}

/*
 * The thread has ended. Every call with a job that it left paused is refused, and has no other
 * effect.
 */
static void check_left(struct plan *plan)
{
    int i, ret = UNWRITTEN;
    ASYNC_JOB *other = NULL;

    CHECK_EQUAL(start(&other, &ret, pause_once), ASYNC_PAUSE);
    for (i = 0; i <= plan->paused; i++) {
        ASYNC_JOB *job = i < plan->paused ? plan->jobs[i] : plan->ended;

        CHECK(job != NULL && job != other);
        ASYNC_wake(job);
        ASYNC_clear_wake(job);
        CHECK_EQUAL(ASYNC_get_wait_ctx(job) == plan->ctx || ASYNC_get_wait_ctx(job) == NULL, 1);
        CHECK_EQUAL(resume(&job, &ret), ASYNC_ERR);
        CHECK_EQUAL(only_error(), REFUSED_HANDLE);
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&job, &ret), ASYNC_ERR);
        CHECK_EQUAL(only_error(), REFUSED_HANDLE);
        CHECK_EQUAL(ret, UNWRITTEN);
    }
    CHECK_FINISHES(other);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static void run_plan(struct plan *plan)
{
    OSSL_ASYNC_STATS before = process_stats(), after;
    void *expected = plan->way == BY_EXIT ? (void *)5 : PTHREAD_CANCELED;
    int descriptors = open_descriptors();

    current_plan = plan;
    six_arguments = plan->six;
    plan->ctx = plan->six ? ASYNC_WAIT_CTX_new() : NULL;
    CHECK(on_thread(ends_in_a_job, plan) == expected);
    after = process_stats();
    CHECK_EQUAL(after.jobs_running, 0);
    CHECK_EQUAL(after.jobs_idle, 0);
    CHECK_EQUAL(after.jobs_paused, before.jobs_paused);
    CHECK_EQUAL(after.jobs_abandoned - before.jobs_abandoned, plan->paused + 1);
    CHECK_EQUAL(after.finishes - before.finishes, plan->idle);
    CHECK_EQUAL(after.starts - before.starts, plan->idle + plan->paused + 1);
    /* The pipes of jobs that can still be woken stay open, and no others. */
    CHECK_EQUAL(open_descriptors() - descriptors, plan->six ? 0 : 2 * (plan->paused + 1));
    CHECK_EQUAL(plan->cleanups, 213);
    check_left(plan);
}

static void run_ways(int resumes, int paused, int idle)
{
    int i;

    for (i = 0; i < 4; i++) {
        struct plan plan = {BY_EXIT, 0, 0, 0, 0, {NULL}, NULL, NULL, 0};

        plan.way = i & 1 ? BY_CANCELLATION : BY_EXIT;
        plan.six = i >> 1;
        plan.resumes = resumes;
        plan.paused = paused;
        plan.idle = idle;
        run_plan(&plan);
    }
}

CASE(a_thread_may_end_in_its_first_job, "Rules: F11, D15")
{
    run_ways(0, 0, 0);
}

CASE(a_thread_may_end_in_a_job_that_was_resumed, "Rules: F11, D15")
{
    run_ways(1, 0, 0);
    run_ways(3, 0, 0);
}

CASE(idle_jobs_are_freed_and_paused_ones_abandoned_when_a_thread_ends_in_a_job, "Rules: F11, D15")
{
    run_ways(0, 0, 5);
    run_ways(0, 3, 0);
    run_ways(2, 3, 5);
}

CASE(a_hundred_threads_end_in_jobs, "Rules: F11, D15")
{
    int i;

    for (i = 0; i < 25; i++)
        run_ways(i % 3, i % 2, i % 4);
}

/* ---- cancelled from outside, at a point where the job waits ---- */

static int waits_for_ever(void *unused)
{
    static int ends[2];
    char byte;

    (void)unused;
    CHECK_EQUAL(pipe(ends), 0);
    pthread_cleanup_push(note, (void *)1);
    CHECK(read(ends[0], &byte, 1) < 0); /* nothing is written: it is cancelled here */
    pthread_cleanup_pop(0);
    return 1;
}

static void *starts_one_that_waits(void *unused)
{
    ASYNC_JOB *job = NULL;
    int ret;

    ASYNC_start_job_2015(&job, &ret, waits_for_ever, NULL, 0);
    return unused;
}

CASE(a_job_that_waits_in_a_system_call_is_cancelled_by_another_thread, "Rules: F11, D15")
{
    struct plan plan = {BY_CANCELLATION, 0, 0, 0, 0, {NULL}, NULL, NULL, 0};
    pthread_t thread;
    void *end = NULL;

    current_plan = &plan;
    CHECK_EQUAL(pthread_create(&thread, NULL, starts_one_that_waits, NULL), 0);
    CHECK_EQUAL(pthread_cancel(thread), 0); /* before the job waits, or while it does */
    CHECK_EQUAL(pthread_join(thread, &end), 0);
    CHECK(end == PTHREAD_CANCELED);
    CHECK_EQUAL(process_stats().jobs_running, 0);
    CHECK_STILL_WORKS();
}

/* ---- jobs in the destructors that run when the thread has ended in a job ---- */

static pthread_key_t key;
static int seen_by_destructor;

static void starts_more(void *unused)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    (void)unused;
    seen_by_destructor += ASYNC_start_job_2015(&job, &ret, return_one, NULL, 0) == ASYNC_FINISH && ret == 1;
}

static void *ends_in_a_job_with_a_key(void *plan)
{
    pthread_setspecific(key, &key);
    return ends_in_a_job(plan);
}

/*
 * The destructors of keys that were made before the library's key run before it. Those of later
 * keys run after it.
 */
static void with_a_key(int key_first)
{
    struct plan plan = {BY_EXIT, 0, 1, 1, 1, {NULL}, NULL, NULL, 0};
    OSSL_ASYNC_STATS stats;

    current_plan = &plan;
    six_arguments = 0;
    if (key_first)
        NEED(pthread_key_create(&key, starts_more) == 0);
    CHECK_STILL_WORKS(); /* makes the library's key */
    ASYNC_free_pool();
    if (!key_first)
        NEED(pthread_key_create(&key, starts_more) == 0);
    CHECK(on_thread(ends_in_a_job_with_a_key, &plan) == (void *)5);
    stats = process_stats();
    CHECK_EQUAL(stats.jobs_running, 0);
    CHECK_EQUAL(stats.jobs_idle, 0);
    CHECK_EQUAL(stats.jobs_abandoned, 2);
    /*
     * Before the library has seen that the thread has left its job, a start is a start inside the
     * job.
     */
    CHECK(key_first || seen_by_destructor == 1);
}

CASE(a_later_destructor_may_start_jobs_after_a_thread_has_ended_in_one, "Rules: F11, D15")
{
    with_a_key(0);
}

CASE(a_destructor_before_the_librarys_is_refused_without_effect, "Rules: F11, D15, D5")
{
    with_a_key(1);
}

/* ---- the main thread ---- */

static pthread_t main_thread;

static void *sees_main_end(void *unused)
{
    void *end = NULL;
    OSSL_ASYNC_STATS stats;

    (void)unused;
    CHECK_EQUAL(pthread_join(main_thread, &end), 0);
    CHECK(end == (void *)5);
    stats = process_stats();
    CHECK_EQUAL(stats.jobs_running, 0);
    CHECK_EQUAL(stats.jobs_idle, 0);
    CHECK_EQUAL(stats.jobs_abandoned, 2);
    CHECK_STILL_WORKS();
    exit(harness_report->failed ? 1 : 42);
}

static void main_ends_in_a_job(void)
{
    static struct plan plan = {BY_EXIT, 0, 1, 1, 2, {NULL}, NULL, NULL, 0};
    pthread_t other;

    main_thread = pthread_self();
    current_plan = &plan;
    six_arguments = 0;
    CHECK_EQUAL(pthread_create(&other, NULL, sees_main_end, NULL), 0);
    ends_in_a_job(&plan);
}

CASE(the_main_thread_may_end_in_a_job_while_another_thread_continues, "Rules: F11, D15")
{
    int status = in_child(main_ends_in_a_job);

    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 42);
}

static void only_main_ends_in_a_job(void)
{
    static struct plan plan = {BY_EXIT, 0, 0, 1, 2, {NULL}, NULL, NULL, 0};

    current_plan = &plan;
    six_arguments = 1;
    ends_in_a_job(&plan);
}

CASE(the_only_thread_may_end_in_a_job_and_the_process_ends_well, "Rules: F11, D15")
{
    /* The child ends by itself, with status 0. The function never returns. */
    CHECK_EQUAL(in_child(only_main_ends_in_a_job), LEFT_EARLY);
}
