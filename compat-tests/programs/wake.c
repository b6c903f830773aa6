/*
 * The wait descriptor and its signal: the effect of wake and clear, from which threads, and what
 * happens when a job ends.
 */
#include "cases.h"

#include <sys/ioctl.h>

/* Bytes waiting in the pipe. */
static int bytes_in(int fd)
{
    int count = -1;

    CHECK(ioctl(fd, FIONREAD, &count) == 0);
    return count;
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int own_fd;

static int note_fd(void *unused)
{
    (void)unused;
    own_fd = ASYNC_get_wait_fd(ASYNC_get_current_job());
    CHECK(own_fd >= 0);
    ASYNC_pause_job();
    CHECK_EQUAL(ASYNC_get_wait_fd(ASYNC_get_current_job()), own_fd);
    ASYNC_pause_job();
    return 1;
}

static void *fd_of(void *job)
{
    return (void *)(intptr_t)ASYNC_get_wait_fd(job);
}

CASE(the_wait_fd_is_one_for_the_jobs_life_running_or_paused_from_any_thread, "Rules: B36")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, note_fd), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_get_wait_fd(job), own_fd);
    CHECK_EQUAL((intptr_t)on_thread(fd_of, job), own_fd);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK_EQUAL(ASYNC_get_wait_fd(job), own_fd);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(each_job_has_a_wait_fd_of_its_own, "Rules: B36, W1")
{
    ASYNC_JOB *a, *b;

    CHECK_PAUSES(a);
    CHECK_PAUSES(b);
    CHECK(ASYNC_get_wait_fd(a) != ASYNC_get_wait_fd(b));
    ASYNC_wake(a);
    CHECK(readable(ASYNC_get_wait_fd(a)));
    CHECK(!readable(ASYNC_get_wait_fd(b)));
    CHECK_FINISHES(a);
    CHECK_FINISHES(b);
    ASYNC_free_pool();
}

CASE(any_number_of_wakes_writes_one_byte_and_one_clear_takes_it, "Rules: B37, W2, W3, W5")
{
    ASYNC_JOB *job;
    int fd, i;

    CHECK_PAUSES(job);
    fd = ASYNC_get_wait_fd(job);
    CHECK_EQUAL(bytes_in(fd), 0);
    for (i = 0; i < 1000; i++)
        ASYNC_wake(job);
    CHECK(readable(fd));
    CHECK_EQUAL(bytes_in(fd), 1);
    ASYNC_clear_wake(job);
    CHECK(!readable(fd));
    CHECK_EQUAL(bytes_in(fd), 0);
    ASYNC_wake(job);
    CHECK_EQUAL(bytes_in(fd), 1);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(a_clear_without_a_wake_does_not_block, "Rules: W4, W5, B37")
{
    ASYNC_JOB *job;
    int i;

    CHECK_PAUSES(job);
    for (i = 0; i < 10; i++)
        ASYNC_clear_wake(job);
    CHECK(!readable(ASYNC_get_wait_fd(job)));
    ASYNC_wake(job);
    CHECK(readable(ASYNC_get_wait_fd(job)));
    ASYNC_clear_wake(job);
    ASYNC_clear_wake(job);
    CHECK(!readable(ASYNC_get_wait_fd(job)));
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(the_byte_is_zero_and_a_reader_may_take_it, "Rules: W3, W9, W11, D9")
{
    ASYNC_JOB *job;
    int fd;
    char byte = 1;

    CHECK_PAUSES(job);
    fd = ASYNC_get_wait_fd(job);
    ASYNC_wake(job);
    NEED(bytes_in(fd) == 1);
    CHECK_EQUAL(read(fd, &byte, 1), 1);
    CHECK_EQUAL(byte, 0);
    /* OpenSSL's clear would now wait for ever, because the byte is gone. */
    ASYNC_clear_wake(job);
    CHECK(!readable(fd));
    ASYNC_wake(job);
    CHECK(readable(fd));
    ASYNC_clear_wake(job);
    CHECK(!readable(fd));
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static void *wake_it(void *job)
{
    ASYNC_wake(job);
    return NULL;
}

static void *clear_it(void *job)
{
    ASYNC_clear_wake(job);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQUAL(only_error(), 0);
    return NULL;
}

CASE(the_handle_alone_is_enough_on_a_thread_that_never_had_a_job, "Rules: B38")
{
    ASYNC_JOB *job;
    int fd;

    CHECK_PAUSES(job);
    fd = ASYNC_get_wait_fd(job);
    on_thread(wake_it, job);
    CHECK(readable(fd));
    on_thread(clear_it, job);
    CHECK(!readable(fd));
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(null_handles_have_no_fd_and_no_effect_and_queue_nothing, "Rules: B39, D10")
{
    CHECK_EQUAL(ASYNC_get_wait_fd(NULL), -1);
    ASYNC_wake(NULL);
    ASYNC_clear_wake(NULL);
    CHECK_EQUAL(only_error(), 0);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(ASYNC_get_wait_fd(NULL), -1);
    ASYNC_wake(NULL);
    ASYNC_clear_wake(NULL);
    CHECK_EQUAL(only_error(), 0);
    ASYNC_free_pool();
}

static int wake_itself_and_pause_twice(void *unused)
{
    (void)unused;
    ASYNC_wake(ASYNC_get_current_job());
    CHECK(readable(ASYNC_get_wait_fd(ASYNC_get_current_job())));
    ASYNC_pause_job();
    CHECK(readable(ASYNC_get_wait_fd(ASYNC_get_current_job())));
    ASYNC_pause_job();
    ASYNC_clear_wake(ASYNC_get_current_job());
    CHECK(!readable(ASYNC_get_wait_fd(ASYNC_get_current_job())));
    ASYNC_pause_job();
    return 1;
}

CASE(pause_and_resume_do_not_touch_the_signal, "Rules: W6")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, fd;

    CHECK_EQUAL(start(&job, &ret, wake_itself_and_pause_twice), ASYNC_PAUSE);
    fd = ASYNC_get_wait_fd(job);
    CHECK(readable(fd));
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK(readable(fd));
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    CHECK(!readable(fd));
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(both_ends_of_the_pipe_are_closed_on_exec, "Rules: W1")
{
    int before[256], fd, found = 0;
    ASYNC_JOB *job;

    for (fd = 0; fd < 256; fd++)
        before[fd] = is_open(fd);
    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1); /* init makes one pipe, a start makes the other */
    CHECK_PAUSES(job);
    {
        ASYNC_JOB *second;

        CHECK_PAUSES(second);
        for (fd = 0; fd < 256; fd++)
            if (!before[fd] && is_open(fd)) {
                found++;
                CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            }
        CHECK_EQUAL(found, 4);
        CHECK_FINISHES(second);
    }
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(the_pipe_stays_open_in_the_pool_and_is_closed_when_its_job_is_freed, "Rules: W1, D1")
{
    ASYNC_JOB *job;
    int before = open_descriptors(), fd;

    CHECK_PAUSES(job);
    fd = ASYNC_get_wait_fd(job);
    CHECK_FINISHES(job);
    CHECK(is_open(fd));
    ASYNC_free_pool();
    CHECK(!is_open(fd));
    CHECK_EQUAL(open_descriptors(), before);
}

static int wake_itself(void *unused)
{
    (void)unused;
    ASYNC_wake(ASYNC_get_current_job());
    return 1;
}

CASE(a_wake_left_behind_does_not_reach_the_next_job, "Rules: D19")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, fd;

    CHECK_EQUAL(ASYNC_init_pool(1, 1), 1);
    CHECK_EQUAL(start(&job, &ret, wake_itself), ASYNC_FINISH);
    CHECK_PAUSES(job);
    fd = ASYNC_get_wait_fd(job);
    CHECK(!readable(fd));
    /* What is left of it must not remove the next job's wake either. */
    ASYNC_wake(job);
    CHECK(readable(fd));
    CHECK_EQUAL(bytes_in(fd), 1);
    CHECK_FINISHES(job);
    CHECK(!readable(fd));
    ASYNC_free_pool();
}

CASE(waking_an_idle_job_has_no_effect, "Rules: D24")
{
    ASYNC_JOB *job, *stale;
    int fd;

    CHECK_PAUSES(job);
    stale = job;
    fd = ASYNC_get_wait_fd(job);
    CHECK_FINISHES(job);
    ASYNC_wake(stale);
    CHECK(!readable(fd));
    ASYNC_clear_wake(stale);
    CHECK_PAUSES(job);
    CHECK(job == stale);
    CHECK(!readable(fd));
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

CASE(waking_a_freed_job_has_no_effect, "Rules: D24, D6")
{
    ASYNC_JOB *jobs[20], *stale[20];
    int ends[2], i;

    for (i = 0; i < 20; i++) {
        CHECK_PAUSES(jobs[i]);
        stale[i] = jobs[i];
    }
    for (i = 0; i < 20; i++)
        CHECK_FINISHES(jobs[i]);
    ASYNC_free_pool();
    /*
     * This pipe most likely gets the descriptor numbers of a closed one. A stray byte would be
     * written here.
     */
    NEED(pipe(ends) == 0);
    for (i = 0; i < 20; i++) {
        ASYNC_wake(stale[i]);
        ASYNC_clear_wake(stale[i]);
        ASYNC_wake(stale[i]);
        CHECK(ASYNC_get_wait_fd(stale[i]) < 0);
    }
    CHECK(!readable(ends[0]));
    CHECK_EQUAL(only_error(), 0);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

/* ------------------------------------------------------------------------------------------ several threads */

static ASYNC_JOB *shared;

static void *wake_and_clear(void *times)
{
    intptr_t i;

    for (i = 0; i < (intptr_t)times; i++) {
        ASYNC_wake(shared);
        if (i % 3 == 0)
            ASYNC_clear_wake(shared);
        if (i % 5 == 0)
            ASYNC_wake(shared);
    }
    return NULL;
}

CASE(concurrent_wakes_and_clears_leave_at_most_one_byte, "Rules: D9, W5")
{
    pthread_t threads[4];
    int round, i, fd;

    CHECK_PAUSES(shared);
    fd = ASYNC_get_wait_fd(shared);
    for (round = 0; round < 200; round++) {
        for (i = 0; i < 4; i++)
            NEED(pthread_create(&threads[i], NULL, wake_and_clear, (void *)(intptr_t)50) == 0);
        for (i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        CHECK(bytes_in(fd) <= 1);
        ASYNC_wake(shared);
        CHECK(readable(fd));
        ASYNC_clear_wake(shared);
        CHECK(!readable(fd));
    }
    CHECK_FINISHES(shared);
    ASYNC_free_pool();
}

/* Only the compiler's atomics access these two. */
static ASYNC_JOB *target;
static int stop;

static void *wake_the_present_target(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        ASYNC_wake(__atomic_load_n(&target, __ATOMIC_RELAXED));
    return unused;
}

CASE(a_wake_may_race_with_finish_reuse_and_free, "Rules: D24, D9")
{
    int before = open_descriptors(), round;
    pthread_t waker;
    ASYNC_JOB *job;

    NEED(pthread_create(&waker, NULL, wake_the_present_target, NULL) == 0);
    for (round = 0; round < 3000; round++) {
        CHECK_PAUSES(job);
        __atomic_store_n(&target, job, __ATOMIC_RELAXED);
        ASYNC_clear_wake(job);
        CHECK_FINISHES(job);
        if (round % 3 == 0)
            ASYNC_free_pool();
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(waker, NULL);
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), before);
}

static void *wake_after_a_while(void *job)
{
    usleep(20000);
    ASYNC_wake(job);
    return NULL;
}

CASE(a_wake_from_another_thread_ends_a_poll, "Rules: B37")
{
    struct pollfd p = {0, POLLIN, 0};
    pthread_t thread;
    ASYNC_JOB *job;

    CHECK_PAUSES(job);
    p.fd = ASYNC_get_wait_fd(job);
    NEED(pthread_create(&thread, NULL, wake_after_a_while, job) == 0);
    CHECK_EQUAL(poll(&p, 1, -1), 1);
    pthread_join(thread, NULL);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static void *wake_and_clear_until_cancelled(void *unused)
{
    (void)unused;
    for (;;) {
        ASYNC_wake(shared);
        ASYNC_clear_wake(shared);
        pthread_testcancel();
    }
    return NULL;
}

/*
 * A thread that is cancelled must not keep the pipe busy: the next user of the record would wait
 * for ever.
 */
CASE(a_thread_that_is_cancelled_while_it_wakes_leaves_the_pipe_in_order, "Rules: D9, D19")
{
    pthread_t waker;
    int round;

    for (round = 0; round < 200 && !harness_report->failed; round++) {
        CHECK_PAUSES(shared);
        NEED(pthread_create(&waker, NULL, wake_and_clear_until_cancelled, NULL) == 0);
        usleep(100);
        pthread_cancel(waker);
        pthread_join(waker, NULL);
        CHECK_FINISHES(shared);
    }
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

/* ----------------------------------------------------------------------------------------------------- fork */

static int deep_value(void *arg)
{
    int value = *(int *)arg;

    ASYNC_pause_job();
    return value + *(int *)arg;
}

static ASYNC_JOB *forked;

static void finish_the_copy(void)
{
    int ret = UNWRITTEN;

    CHECK_NO_JOBS();
    /*
     * The wake was set before the fork. The process that clears second must not wait for the byte.
     */
    ASYNC_clear_wake(forked);
    CHECK_EQUAL(resume(&forked, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 42);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(after_fork_both_processes_resume_their_copy_and_no_clear_blocks, "Rules: D16")
{
    int ret = UNWRITTEN, arg = 21;

    CHECK_EQUAL(ASYNC_init_pool(1, 0), 1);
    CHECK_EQUAL(ASYNC_start_job(&forked, &ret, deep_value, &arg, sizeof(arg)), ASYNC_PAUSE);
    ASYNC_wake(forked);
    CHECK_EQUAL(in_child(finish_the_copy), 0);
    /* The child has taken the byte out of the pipe that both share. */
    ASYNC_clear_wake(forked);
    CHECK_EQUAL(resume(&forked, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, 42);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

static void *wake_and_clear_for_long(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        ASYNC_wake(shared);
        ASYNC_clear_wake(shared);
    }
    return unused;
}

static void use_up_the_copy(void)
{
    limit_life(CASE_SECONDS, CLOCK_SECONDS / 3); /* by the clock well before the case itself is stopped */
    ASYNC_clear_wake(shared);
    CHECK_FINISHES(shared);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

/* The other thread is then most likely at the pipe, and its copy in the child never leaves it. */
CASE(a_fork_while_another_thread_wakes_leaves_the_child_a_job_it_can_finish_and_free, "Rules: D16")
{
    pthread_t waker;
    int round;

    CHECK_PAUSES(shared);
    NEED(pthread_create(&waker, NULL, wake_and_clear_for_long, NULL) == 0);
    for (round = 0; round < 20 && !harness_report->failed; round++)
        CHECK_EQUAL(in_child(use_up_the_copy), 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(waker, NULL);
    CHECK_FINISHES(shared);
    ASYNC_free_pool();
}

