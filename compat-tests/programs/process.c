/* What happens to jobs when their process ends or forks, inside a job and with others paused. */
#include "cases.h"

static ASYNC_JOB *paused[3];
static int ends[2];

static int value_after_a_pause(void *arg)
{
    int value = *(int *)arg;

    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK_EQUAL(*(int *)arg, value);
    return value;
}

static void pause_three(void)
{
    int i, ret = UNWRITTEN;

    for (i = 0; i < 3; i++) {
        paused[i] = NULL;
        CHECK_EQUAL(ASYNC_start_job(&paused[i], &ret, value_after_a_pause, &i, sizeof(i)), ASYNC_PAUSE);
    }
}

/* Not in the order in which they were started. */
static void finish_three(void)
{
    int i, ret;

    for (i = 2; i >= 0; i--) {
        ret = UNWRITTEN;
        CHECK_EQUAL(resume(&paused[i], &ret), ASYNC_FINISH);
        CHECK_EQUAL(ret, i);
    }
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

/* ----------------------------------------------------------------------------------------------------- the end */

enum leaving { BY_EXIT, BY_UNDERSCORE_EXIT, BY_QUICK_EXIT };

static enum leaving way;

static void tell(const char *text)
{
    CHECK(write(ends[1], text, strlen(text)) > 0);
}

static void tell_of_exit(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_in_job(), 1);
    /* Still inside the job, on its stack. */
    CHECK_EQUAL(start(&job, &ret, return_one), ASYNC_ERR);
    CHECK_EQUAL(only_error(), REFUSED_NESTED);
    ASYNC_free_pool();
    CHECK_EQUAL(only_error(), REFUSED_FREE);
    tell("exit");
}

static void tell_of_quick_exit(void)
{
    CHECK_EQUAL(ASYNC_in_job(), 1);
    tell("quick");
}

static int leave(void *unused)
{
    (void)unused;
    /* Not earlier, because children of other cases would run it too. */
    atexit(tell_of_exit);
    at_quick_exit(tell_of_quick_exit);
    if (way == BY_EXIT)
        exit(7);
    if (way == BY_QUICK_EXIT)
        quick_exit(7);
    _exit(7);
}

static void *leave_from_a_job(void *unused)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    pause_three();
    start(&job, &ret, leave);
    return unused;
}

static void leave_from_main(void)
{
    leave_from_a_job(NULL);
}

static void leave_from_a_thread(void)
{
    ASYNC_JOB *mains = NULL;

    CHECK_PAUSES(mains);
    on_thread(leave_from_a_job, NULL);
}

/* Checks how a child ends that exits inside a job, and what its handlers print. */
static void check_leaving(void (*function)(void))
{
    static const char *const expected[] = {"exit", "", "quick"};
    char said[16];
    ssize_t size;
    int status;

    NEED(pipe(ends) == 0);
    status = in_child(function);
    close(ends[1]);
    size = read(ends[0], said, sizeof(said) - 1);
    close(ends[0]);
    said[size > 0 ? size : 0] = '\0';
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 7);
    CHECK(strcmp(said, expected[way]) == 0);
}

CASE(a_job_can_end_the_process_in_every_way_with_others_paused_from_any_thread, "Header: openssl/async.h; Rules: D4, D15")
{
    for (way = BY_EXIT; way <= BY_QUICK_EXIT; way++) {
        check_leaving(leave_from_main);
        check_leaving(leave_from_a_thread);
    }
}

static void end_with_paused_jobs(void)
{
    pause_three();
}

/* in_child() ends by exit(), on the thread's own stack. */
CASE(a_process_can_end_with_paused_jobs, "Rules: D15")
{
    CHECK_EQUAL(in_child(end_with_paused_jobs), 0);
}

/* ------------------------------------------------------------------------------------------------------- forks */

CASE(a_child_finishes_its_copies_of_paused_jobs_and_so_does_its_parent, "Rules: D16")
{
    pause_three();
    CHECK_EQUAL(in_child(finish_three), 0);
    CHECK_EQUAL(in_child(finish_three), 0);
    finish_three();
}

static pid_t forked_in_job;

static int fork_and_pause(void *arg)
{
    char here[256];
    pid_t parent = getpid();

    memset(here, 42, sizeof(here));
    forked_in_job = fork();
    CHECK(ASYNC_get_current_job() != NULL);
    if (forked_in_job == 0)
        CHECK(getppid() == parent);
    CHECK_EQUAL(ASYNC_pause_job(), 1);
    CHECK(here[0] == 42 && here[255] == 42);
    return *(int *)arg + (forked_in_job == 0);
}

/* Both processes continue in the job, leave it by the pause, and finish it. */
CASE(a_fork_inside_a_job_makes_two_processes_that_finish_it, "Rules: D16")
{
    int ret = UNWRITTEN, arg = 20, status;
    ASYNC_JOB *job = NULL;

    pause_three();
    CHECK_EQUAL(ASYNC_start_job(&job, &ret, fork_and_pause, &arg, sizeof(arg)), ASYNC_PAUSE);
    NEED(forked_in_job >= 0);
    if (forked_in_job == 0)
        limit_life(CASE_SECONDS, CLOCK_SECONDS);
    ASYNC_wake(job);
    ASYNC_clear_wake(job);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
    CHECK_EQUAL(ret, forked_in_job == 0 ? 21 : 20);
    finish_three();
    if (forked_in_job == 0)
        _exit(0);
    CHECK(waitpid(forked_in_job, &status, 0) == forked_in_job);
    CHECK_EQUAL(status, 0);
}

static ASYNC_JOB *woken;

static void wake_in_the_child(void)
{
    ASYNC_wake(woken);
    CHECK(readable(ASYNC_get_wait_fd(woken)));
}

/* Both processes share the pipe, and each knows only its own wakes. */
CASE(a_childs_wake_is_seen_by_its_parent_whose_clear_does_not_remove_it, "Rules: D16")
{
    CHECK_PAUSES(woken);
    CHECK_EQUAL(in_child(wake_in_the_child), 0);
    CHECK(readable(ASYNC_get_wait_fd(woken)));
    ASYNC_clear_wake(woken);
    CHECK(readable(ASYNC_get_wait_fd(woken)));
    /* From here on there are two bytes, and each process takes as many as it has written. */
    ASYNC_wake(woken);
    ASYNC_clear_wake(woken);
    CHECK(readable(ASYNC_get_wait_fd(woken)));
    CHECK_FINISHES(woken);
    ASYNC_free_pool();
}

static void finish_and_free(void)
{
    int fd = ASYNC_get_wait_fd(woken);

    CHECK_FINISHES(woken);
    ASYNC_free_pool();
    CHECK(fcntl(fd, F_GETFD) == -1);
}

CASE(a_child_that_frees_its_jobs_closes_its_own_descriptors_only, "Rules: D16, D1")
{
    CHECK_PAUSES(woken);
    CHECK_EQUAL(in_child(finish_and_free), 0);
    ASYNC_wake(woken);
    CHECK(readable(ASYNC_get_wait_fd(woken)));
    ASYNC_clear_wake(woken);
    CHECK(!readable(ASYNC_get_wait_fd(woken)));
    CHECK_FINISHES(woken);
    ASYNC_free_pool();
}
