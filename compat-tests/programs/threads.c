/*
 * Several threads: each has its own pool, handles work on their own thread only, and a thread's
 * end.
 */
#include "cases.h"

#define THREADS 8

static pthread_barrier_t barrier;

static void *fill_a_pool_of_two(void *unused)
{
    ASYNC_JOB *jobs[2];
    int round, i;

    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    for (round = 0; round < 20; round++) {
        for (i = 0; i < 2; i++)
            CHECK_PAUSES(jobs[i]);
        /* At this point, all jobs of all threads are paused. */
        pthread_barrier_wait(&barrier);
        CHECK_NO_JOBS();
        for (i = 0; i < 2; i++)
            CHECK_FINISHES(jobs[i]);
    }
    ASYNC_free_pool();
    return unused;
}

CASE(each_thread_has_a_pool_and_a_limit_of_its_own, "Rules: P1, B7")
{
    int before = open_descriptors(), i;
    pthread_t threads[THREADS];

    NEED(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (i = 0; i < THREADS; i++)
        NEED(pthread_create(&threads[i], NULL, fill_a_pool_of_two, NULL) == 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(open_descriptors(), before);
}

static void *free_and_init(void *unused)
{
    ASYNC_free_pool();
    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    ASYNC_free_pool();
    return unused;
}

CASE(init_and_free_touch_the_calling_threads_pool_only, "Rules: B7, B14")
{
    int before = open_descriptors();
    ASYNC_JOB *jobs[2];

    CHECK_EQUAL(ASYNC_init_pool(2, 2), 1);
    on_thread(free_and_init, NULL);
    CHECK_EQUAL(open_descriptors(), before + 4);
    CHECK_PAUSES(jobs[0]);
    CHECK_PAUSES(jobs[1]);
    CHECK_NO_JOBS();
    CHECK_FINISHES(jobs[0]);
    CHECK_FINISHES(jobs[1]);
    ASYNC_free_pool();
}

static void *resume_another_threads_job(void *handle)
{
    ASYNC_JOB *job = handle;
    int ret = UNWRITTEN, round;

    /* First on a thread that never had a job, then on a thread that has had one. */
    for (round = 0; round < 2; round++) {
        CHECK_EQUAL(start(&job, &ret, return_one), ASYNC_ERR);
        CHECK(job == handle);
        CHECK_EQUAL(ret, UNWRITTEN);
        CHECK_EQUAL(only_error(), REFUSED_HANDLE);
        CHECK_STILL_WORKS();
    }
    ASYNC_free_pool();
    return NULL;
}

CASE(another_threads_job_is_refused_and_still_works_on_its_own_thread, "Rules: B29, D8")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(start(&job, &ret, pause_twice), ASYNC_PAUSE);
    on_thread(resume_another_threads_job, job);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    on_thread(resume_another_threads_job, job);
    CHECK_FINISHES(job);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static ASYNC_JOB *running;

static int hand_out_the_running_job(void *unused)
{
    (void)unused;
    running = ASYNC_get_current_job();
    on_thread(resume_another_threads_job, running);
    CHECK(ASYNC_get_current_job() == running);
    ASYNC_pause_job();
    return 1;
}

CASE(a_job_running_on_another_thread_is_refused, "Rules: D8, D7")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, hand_out_the_running_job), ASYNC_PAUSE);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static void *leave_idle_jobs(void *unused)
{
    ASYNC_JOB *jobs[5];
    int i;

    CHECK_EQUAL(ASYNC_init_pool(6, 2), 1);
    for (i = 0; i < 5; i++)
        CHECK_PAUSES(jobs[i]);
    for (i = 0; i < 5; i++)
        CHECK_FINISHES(jobs[i]);
    return unused;
}

CASE(the_end_of_a_thread_frees_its_idle_jobs, "Rules: D15")
{
    int before = open_descriptors(), i;

    for (i = 0; i < 20; i++)
        on_thread(leave_idle_jobs, NULL);
    CHECK_EQUAL(open_descriptors(), before);
}

static void *leave_a_paused_job(void *unused)
{
    ASYNC_JOB *job, *idle;

    (void)unused;
    CHECK_PAUSES(idle);
    CHECK_PAUSES(job);
    CHECK_FINISHES(idle);
    return job;
}

CASE(a_job_paused_at_its_threads_end_can_be_woken_but_not_resumed, "Rules: D15")
{
    int before = open_descriptors(), fd, i;
    ASYNC_JOB *job, *orphan = on_thread(leave_a_paused_job, NULL);

    /* Its two descriptors stay open. Those of the idle job are closed. */
    CHECK_EQUAL(open_descriptors(), before + 2);
    fd = ASYNC_get_wait_fd(orphan);
    CHECK(fd >= 0);
    CHECK(!readable(fd));
    ASYNC_wake(orphan);
    CHECK(readable(fd));
    ASYNC_clear_wake(orphan);
    CHECK(!readable(fd));
    /*
     * Later threads are refused too. One of them may get the memory of the thread that has ended.
     */
    resume_another_threads_job(orphan);
    for (i = 0; i < 5; i++)
        on_thread(resume_another_threads_job, orphan);
    CHECK_PAUSES(job);
    CHECK(job != orphan);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before + 2);
}

static pthread_key_t late_key;
static int late_calls;

/* Runs while the thread is ending, before or after the library has freed its state. */
static void call_late(void *unused)
{
    (void)unused;
    late_calls++;
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_STILL_WORKS();
    if (late_calls < 3)
        pthread_setspecific(late_key, &late_key);
}

static void *end_with_a_late_call(void *unused)
{
    late_calls = 0;
    pthread_setspecific(late_key, &late_key);
    CHECK_STILL_WORKS();
    return unused;
}

CASE(a_call_made_while_the_thread_ends_works_and_leaves_nothing, "Rules: D15")
{
    int before = open_descriptors();

    NEED(pthread_key_create(&late_key, call_late) == 0);
    on_thread(end_with_a_late_call, NULL);
    CHECK_EQUAL(late_calls, 3);
    CHECK_EQUAL(open_descriptors(), before);
}

static int leave_by_exit(void *unused)
{
    (void)unused;
    exit(7);
}

static void exit_inside_a_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    start(&job, &ret, leave_by_exit);
}

/* exit() runs on the job's stack, so nothing that exit() runs may free that stack. */
CASE(exit_from_inside_a_job_ends_the_process_in_order, "Header: openssl/async.h")
{
    int status = in_child(exit_inside_a_job);

    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 7);
}
