/*
 * Eight threads wake, clear and call functions with handles that are new or stale. Meanwhile jobs
 * of both generations start, pause and finish, records are reused and freed, pools are made and
 * freed, and threads end.
 *
 *     races COUNT     how many jobs (and pieces of work) each case runs
 */
#define OSSL_ASYNC_WAIT_CTX_API
#define CASE_SECONDS 1500 /* of all threads together; usually seconds, minutes under a checker */
#include "cases.h"

#include <sched.h>
#include <sys/ioctl.h>

#define WAKERS 8
#define OWNERS 3
#define HELD 5            /* how many jobs an owner has at once */
#define HANDLES 32        /* the last handles of each owner, most of them stale */
#define STARTS_A_LIFE 300 /* after which an owner's thread ends and another begins */

#define LOAD(PLACE) __atomic_load_n(&(PLACE), __ATOMIC_SEQ_CST)
#define STORE(PLACE, VALUE) __atomic_store_n(&(PLACE), VALUE, __ATOMIC_SEQ_CST)
#define ADD(PLACE, VALUE) __atomic_add_fetch(&(PLACE), VALUE, __ATOMIC_SEQ_CST)

/* The events. Each thread counts its own and adds them to `total` at its end. */
struct counts {
    unsigned long wakes, clears, asks, refusals, raced, starts, pauses, resumes, finishes, left, checks;
};

static struct counts total;

static void add_to_total(const struct counts *mine)
{
    const unsigned long *from = (const unsigned long *)mine;
    unsigned long *to = (unsigned long *)&total;
    size_t i;

    for (i = 0; i < sizeof(*mine) / sizeof(*from); i++)
        ADD(to[i], from[i]);
}

static long count(long otherwise)
{
    return harness_argc > 1 ? atol(harness_argv[1]) : otherwise;
}

/* Numbers that look random. A thread gets the same ones in each run. */
static unsigned next(unsigned *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

/* Bytes waiting in a pipe. */
static int bytes_in(int fd)
{
    int bytes = -1;

    CHECK(ioctl(fd, FIONREAD, &bytes) == 0);
    return bytes;
}

/* ------------------------------------------------------------------------------------------------------ wakers */

static int stop;     /* all wakers end */
static int clearing; /* wakers also clear */

/*
 * While `quiet` is set no waker is inside a call: each announces a call first, and then checks
 * `quiet`. Nothing else orders the threads. Handles are passed on relaxed, so the library must do
 * the ordering that it needs.
 */
static int quiet, inside[WAKERS];

static ASYNC_JOB *handles[OWNERS][HANDLES];

/* Odd while an owner is in a call that begins or ends a job, or that frees some. */
static unsigned long steps[OWNERS];

static void be_quiet(void)
{
    int i;

    STORE(quiet, 1);
    for (i = 0; i < WAKERS; i++)
        while (LOAD(inside[i]))
            sched_yield();
}

/*
 * Calls that a thread may not make with another thread's job, whatever has happened to that job.
 * They are refused, and read nothing else.
 */
static void misuse(ASYNC_JOB *job, unsigned choice, struct counts *mine)
{
    ASYNC_JOB *handle = job;
    int ret = UNWRITTEN;

    if (job == NULL)
        return;
    if (choice % 3 == 0)
        CHECK_EQUAL(OSSL_ASYNC_cancel_job(&handle, &ret), ASYNC_ERR);
    else if (choice % 3 == 1)
        CHECK_EQUAL(ASYNC_start_job(&handle, NULL, &ret, NULL, NULL, 0), ASYNC_ERR);
    else
        CHECK_EQUAL(ASYNC_start_job_2015(&handle, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK(handle == job && ret == UNWRITTEN);
    CHECK_EQUAL(only_error(), REFUSED_HANDLE);
    CHECK_EQUAL(OSSL_ASYNC_get_stack_used(job), 0);
    mine->refusals++;
}

static void disturb(ASYNC_JOB *job, unsigned choice, struct counts *mine)
{
    int fd;

    switch (choice % 8) {
    case 0:
        fd = ASYNC_get_wait_fd(job);
        /*
         * The job's own descriptor, or none. The first three descriptors were open before there
         * were any jobs.
         */
        CHECK(fd == -1 || fd > 2);
        mine->asks++;
        break;
    case 1:
        (void)process_stats();
        (void)ASYNC_get_wait_ctx(job);
        misuse(job, choice / 8, mine);
        mine->asks++;
        break;
    case 2:
    case 3:
    case 4:
        if (clearing) {
            ASYNC_clear_wake(job);
            mine->clears++;
            break;
        }
        /* fallthrough */
    default:
        ASYNC_wake(job);
        mine->wakes++;
    }
}

static void *wake_all_the_time(void *number)
{
    int me = (int)(intptr_t)number, owner, i;
    unsigned seed = (unsigned)me;
    struct counts mine = {0};
    unsigned long before;

    while (!LOAD(stop)) {
        STORE(inside[me], 1);
        for (i = 0; i < 16 && !LOAD(quiet); i++) {
            owner = (int)(next(&seed) % OWNERS);
            before = __atomic_load_n(&steps[owner], __ATOMIC_RELAXED);
            disturb(__atomic_load_n(&handles[owner][next(&seed) % HANDLES], __ATOMIC_RELAXED), next(&seed), &mine);
            mine.raced += before % 2 != 0 || before != __atomic_load_n(&steps[owner], __ATOMIC_RELAXED);
        }
        STORE(inside[me], 0);
        sched_yield();
    }
    add_to_total(&mine);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------ owners */

struct owner {
    int number;
    unsigned seed, last_handle;
    ASYNC_JOB *held[HELD];
    struct counts mine;
};

static pthread_mutex_t one_check_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void step(struct owner *owner)
{
    __atomic_add_fetch(&steps[owner->number], 1, __ATOMIC_RELAXED);
}

/* A job: its argument says whether it wakes itself, and how often it pauses. */
static int work(void *arg)
{
    unsigned what = *(unsigned *)arg;

    for (; what > 1; what -= 2) {
        if (what % 2 != 0)
            ASYNC_wake(ASYNC_get_current_job());
        CHECK_EQUAL(ASYNC_pause_job(), 1);
    }
    return 1;
}

/* Starts a job, or resumes one. */
static void start_or_resume(struct owner *owner, ASYNC_JOB **job, int second_generation, unsigned what)
{
    int ret = UNWRITTEN, was_new = *job == NULL, result;

    step(owner);
    result = second_generation ? ASYNC_start_job(job, NULL, &ret, work, &what, sizeof(what))
                               : ASYNC_start_job_2015(job, &ret, work, &what, sizeof(what));
    step(owner);
    if (was_new)
        owner->mine.starts++;
    else
        owner->mine.resumes++;
    if (result == ASYNC_PAUSE) {
        owner->mine.pauses++;
        if (was_new)
            __atomic_store_n(&handles[owner->number][owner->last_handle++ % HANDLES], *job, __ATOMIC_RELAXED);
    } else {
        CHECK_EQUAL(result, ASYNC_FINISH);
        CHECK_EQUAL(ret, 1);
        CHECK(*job == NULL);
        owner->mine.finishes++;
    }
}

static void finish(struct owner *owner, ASYNC_JOB **job)
{
    while (*job != NULL)
        start_or_resume(owner, job, 0, 0);
}

/*
 * While no other thread makes calls, all earlier wakes and clears must have had their effect, and
 * nothing else.
 */
static void check_alone(struct owner *owner, ASYNC_JOB **job)
{
    int fd;

    pthread_mutex_lock(&one_check_at_a_time);
    /*
     * Wakes race with this clear. The next wake comes after it, so at the end the fd is readable.
     */
    ASYNC_clear_wake(*job);
    ASYNC_wake(*job);
    be_quiet();
    fd = ASYNC_get_wait_fd(*job);
    CHECK(fd > 2);
    if (!clearing)
        CHECK(readable(fd));
    CHECK(bytes_in(fd) <= 1);
    ASYNC_clear_wake(*job);
    CHECK(!readable(fd));
    ASYNC_wake(*job);
    ASYNC_wake(*job);
    CHECK_EQUAL(bytes_in(fd), 1);

    /* The next job that uses this record begins unsignalled. */
    finish(owner, job);
    start_or_resume(owner, job, 0, 2);
    fd = ASYNC_get_wait_fd(*job);
    CHECK(fd > 2 && !readable(fd));
    STORE(quiet, 0);
    pthread_mutex_unlock(&one_check_at_a_time);
    owner->mine.checks++;
}

static void make_or_free_the_pool(struct owner *owner, unsigned choice)
{
    step(owner);
    if (choice % 2 != 0)
        ASYNC_free_pool();
    else
        CHECK_EQUAL(ASYNC_init_pool(8, choice % 5), 1);
    step(owner);
}

static void *live(void *argument)
{
    struct owner *owner = argument;
    unsigned long starts = owner->mine.starts;
    int i;

    while (owner->mine.starts < starts + STARTS_A_LIFE) {
        ASYNC_JOB **job = &owner->held[next(&owner->seed) % HELD];
        unsigned choice = next(&owner->seed);

        if (*job == NULL)
            start_or_resume(owner, job, choice % 3 == 0, choice % 6);
        else if (choice % 16 == 0 && ASYNC_get_wait_fd(*job) >= 0)
            check_alone(owner, job);
        else
            start_or_resume(owner, job, 0, 0);
        if (choice % 32 == 1)
            make_or_free_the_pool(owner, next(&owner->seed));
    }
    for (i = 0; i < HELD; i++) {
        /* Sometimes a job is left paused, with its pipe. It can be woken for ever. */
        if (i == 0 && next(&owner->seed) % 8 == 0 && owner->held[i] != NULL && ASYNC_get_wait_fd(owner->held[i]) >= 0) {
            owner->held[i] = NULL;
            owner->mine.left++;
        }
        finish(owner, &owner->held[i]);
    }
    CHECK_EQUAL(only_error(), 0);
    return NULL;
}

/*
 * One owner thread after another, until there have been enough jobs. The wakers run longer than
 * all of them.
 */
static void race(void)
{
    struct owner owners[OWNERS] = {{0}};
    pthread_t wakers[WAKERS], lives[OWNERS];
    int before = open_descriptors(), i;
    OSSL_ASYNC_STATS stats;
    long lived = 0;

    for (i = 0; i < WAKERS; i++)
        NEED(pthread_create(&wakers[i], NULL, wake_all_the_time, (void *)(intptr_t)i) == 0);
    for (i = 0; i < OWNERS; i++)
        owners[i].seed = 100u + (unsigned)(owners[i].number = i);
    while (lived * STARTS_A_LIFE < count(30000)) {
        for (i = 0; i < OWNERS; i++)
            NEED(pthread_create(&lives[i], NULL, live, &owners[i]) == 0);
        for (i = 0; i < OWNERS; i++)
            pthread_join(lives[i], NULL);
        lived += OWNERS;
    }
    STORE(stop, 1);
    for (i = 0; i < WAKERS; i++)
        pthread_join(wakers[i], NULL);
    for (i = 0; i < OWNERS; i++)
        add_to_total(&owners[i].mine);

    CHECK_EQUAL(open_descriptors(), before + 2 * (int)total.left);
    stats = process_stats();
    CHECK_EQUAL(stats.starts, total.starts);
    CHECK_EQUAL(stats.pauses, total.pauses);
    CHECK_EQUAL(stats.resumes, total.resumes);
    CHECK_EQUAL(stats.finishes, total.finishes);
    CHECK_EQUAL(stats.jobs_abandoned, total.left);
    CHECK_EQUAL(stats.refusals, total.refusals);
    CHECK_EQUAL(stats.jobs_idle + stats.jobs_running + stats.jobs_paused, 0);
    printf("# %lu wakes and %lu clears, %lu of them and of %lu questions during a step of their job's thread;"
           " %lu refusals, %lu starts in %ld threads, %lu jobs left paused, %lu checks\n",
           total.wakes, total.clears, total.raced, total.asks, total.refusals, total.starts, lived, total.left, total.checks);
}

CASE(no_wake_is_lost_at_any_step_of_a_jobs_life, "Rules: D9, D19, D24, D1, D15, W5, D6, D8")
{
    race();
}

CASE(wakes_and_clears_at_any_step_of_a_jobs_life_leave_at_most_one_byte, "Rules: D9, D19, D24, D1, D15, W5")
{
    clearing = 1;
    race();
}

/* --------------------------------------------------------------------------------------- a wake for each piece */

static ASYNC_JOB *worker; /* not the handle for resuming the job, which each resume writes */
static long pieces, done[WAKERS], offered[WAKERS];

/*
 * Offers a piece of work, wakes, and waits until it is done. A lost wake stops all of these
 * threads.
 */
static void *offer_pieces(void *number)
{
    int me = (int)(intptr_t)number;
    long i;

    for (i = 1; i <= pieces; i++) {
        __atomic_store_n(&offered[me], i, __ATOMIC_RELEASE);
        ASYNC_wake(worker);
        while (__atomic_load_n(&done[me], __ATOMIC_ACQUIRE) != i)
            sched_yield();
    }
    return NULL;
}

/* Clears the wake and then takes what is offered. A later offer comes with another wake. */
static int take_pieces(void *unused)
{
    ASYNC_JOB *me = ASYNC_get_current_job();
    long taken = 0;
    int i;

    (void)unused;
    while (taken < pieces * WAKERS) {
        CHECK_EQUAL(ASYNC_pause_job(), 1);
        ASYNC_clear_wake(me);
        for (i = 0; i < WAKERS; i++) {
            long now = __atomic_load_n(&offered[i], __ATOMIC_ACQUIRE);

            taken += now - done[i];
            __atomic_store_n(&done[i], now, __ATOMIC_RELEASE);
        }
    }
    return 1;
}

CASE(no_piece_of_work_is_left_if_a_wake_follows_each, "Rules: D9, B37, W8")
{
    struct pollfd p = {0, POLLIN, 0};
    pthread_t wakers[WAKERS];
    int ret = UNWRITTEN, i;
    ASYNC_JOB *job = NULL;
    long polls = 0;

    pieces = count(30000) / WAKERS + 1;
    NEED(start(&job, &ret, take_pieces) == ASYNC_PAUSE);
    worker = job;
    p.fd = ASYNC_get_wait_fd(worker);
    for (i = 0; i < WAKERS; i++)
        NEED(pthread_create(&wakers[i], NULL, offer_pieces, (void *)(intptr_t)i) == 0);
    do {
        CHECK_EQUAL(poll(&p, 1, -1), 1);
        polls++;
    } while (resume(&job, &ret) == ASYNC_PAUSE);
    for (i = 0; i < WAKERS; i++)
        pthread_join(wakers[i], NULL);
    CHECK_EQUAL(ret, 1);
    printf("# %ld pieces in %ld polls\n", pieces * WAKERS, polls);
    ASYNC_free_pool();
}
