/*
 * Signal handlers and jobs: handlers that run on a job's stack or on a signal stack while a job
 * runs, at any moment of a job's life, and the functions that they may call.
 */
#include "cases.h"

#include <sys/time.h>

static __thread ASYNC_JOB *volatile known; /* the only job that can be running, when it is known */
static __thread ASYNC_JOB *volatile last;  /* the job to wake: running, paused, being switched, or ended */
static volatile unsigned long handled, wrong; /* counted by handlers on two threads */
static volatile uintptr_t handler_was_at;

#define ADD_ONE(COUNT) __atomic_add_fetch(&(COUNT), 1, __ATOMIC_RELAXED)
#define VALUE(COUNT) __atomic_load_n(&(COUNT), __ATOMIC_RELAXED)

/* Calls what a handler may call. Leaves errno unchanged, as handlers must. */
static void look_around(void)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    int before = errno;

    if ((job != NULL) != ASYNC_in_job() || (job != NULL && known != NULL && job != known))
        ADD_ONE(wrong);
    if (job != NULL && ASYNC_get_wait_fd(job) < -1)
        ADD_ONE(wrong);
    if (ADD_ONE(handled) % 3 != 0)
        ASYNC_wake(last);
    else
        ASYNC_clear_wake(last);
    errno = before;
}

static void handle(int signal)
{
    char here;

    (void)signal;
    handler_was_at = (uintptr_t)&here;
    look_around();
}

static void install(int signal, void (*handler)(int), int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK_EQUAL(sigaction(signal, &action, NULL), 0);
}

static char signal_stack[64 << 10];

static void use_a_signal_stack(void)
{
    stack_t stack;

    memset(&stack, 0, sizeof(stack));
    stack.ss_sp = signal_stack;
    stack.ss_size = sizeof(signal_stack);
    CHECK_EQUAL(sigaltstack(&stack, NULL), 0);
}

static int is_on_signal_stack(uintptr_t address)
{
    return address - (uintptr_t)signal_stack < sizeof(signal_stack);
}

/* -------------------------------------------------------------------------------------------------- one signal */

static int expected_on_signal_stack;

static int raise_before_and_after_a_pause(void *unused)
{
    char here;
    int i;

    (void)unused;
    last = known = ASYNC_get_current_job();
    for (i = 0; i < 2; i++) {
        handled = 0;
        CHECK(!readable(ASYNC_get_wait_fd(known)));
        raise(SIGUSR1);
        CHECK_EQUAL(handled, 1);
        CHECK_EQUAL(wrong, 0);
        CHECK_EQUAL(is_on_signal_stack(handler_was_at), expected_on_signal_stack);
        CHECK(expected_on_signal_stack || (uintptr_t)&here - handler_was_at < 65536); /* right below this frame, so on this stack */
        /* The handler has woken this job. */
        CHECK(readable(ASYNC_get_wait_fd(known)));
        ASYNC_clear_wake(known);
        CHECK_EQUAL(ASYNC_pause_job(), 1);
    }
    return 1;
}

static void raise_in_a_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, raise_before_and_after_a_pause), ASYNC_PAUSE);
    CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
    /* Outside jobs, the handler wakes the paused job. */
    handled = 0;
    raise(SIGUSR1);
    CHECK(readable(ASYNC_get_wait_fd(job)));
    CHECK_EQUAL(wrong, 0);
    CHECK_FINISHES(job);
}

CASE(a_handler_on_a_jobs_stack_knows_the_job_and_can_wake_it, "Header: openssl/async.h; Rules: B30, B38")
{
    install(SIGUSR1, handle, 0);
    raise_in_a_job();
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

CASE(a_handler_on_a_signal_stack_knows_the_job_and_can_wake_it, "Header: openssl/async.h; Rules: B30, B38")
{
    expected_on_signal_stack = 1;
    use_a_signal_stack();
    install(SIGUSR1, handle, SA_ONSTACK);
    raise_in_a_job();
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
}

/* ---------------------------------------------------------------------------------------------------- a storm */

#define SIGNALS 1000  /* signals to handle in a storm */
#define ROUNDS 3000   /* least number of jobs that each thread runs in a storm */
#define TOO_MANY 10000000 /* signals or rounds: something hangs */

static int pause_twice_in_a_storm(void *unused)
{
    volatile double sum = 0;
    int i;

    (void)unused;
    last = known = ASYNC_get_current_job();
    for (i = 0; i < 2; i++) {
        sum += i + 0.5;
        CHECK_EQUAL(ASYNC_pause_job(), 1);
        CHECK(ASYNC_get_current_job() == known);
    }
    return (int)(2 * sum);
}

static void *run_jobs_in_a_storm(void *unused)
{
    unsigned long round;

    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    for (round = 0; (round < ROUNDS || VALUE(handled) < SIGNALS) && round < TOO_MANY && !harness_report->failed; round++) {
        ASYNC_JOB *job = NULL, *other = NULL;
        int ret = UNWRITTEN;

        known = NULL;
        CHECK_EQUAL(start(&job, &ret, pause_twice_in_a_storm), ASYNC_PAUSE);
        CHECK_EQUAL(resume(&job, &ret), ASYNC_PAUSE);
        known = NULL;
        CHECK_EQUAL(start(&other, &ret, return_one), ASYNC_FINISH);
        known = job;
        CHECK_EQUAL(resume(&job, &ret), ASYNC_FINISH);
        CHECK_EQUAL(ret, 4);
        CHECK(job == NULL);
        if (round % 64 == 0) {
            ASYNC_free_pool();
            CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
        }
    }
    CHECK(VALUE(handled) >= SIGNALS);
    return unused;
}

static void count_and_look(int signal)
{
    (void)signal;
    look_around();
    if (VALUE(handled) > TOO_MANY)
        _exit(1);
}

/* Two threads. Each signal goes to one of them. */
static void storm(int flags)
{
    static const struct itimerval quick = {{0, 100}, {0, 100}}, none = {{0, 0}, {0, 0}};
    int descriptors = open_descriptors();
    pthread_t other;

    install(SIGALRM, count_and_look, flags | SA_RESTART);
    CHECK_EQUAL(setitimer(ITIMER_REAL, &quick, NULL), 0); /* replaces the harness's alarm() */
    NEED(pthread_create(&other, NULL, run_jobs_in_a_storm, NULL) == 0);
    run_jobs_in_a_storm(NULL);
    pthread_join(other, NULL);
    CHECK_EQUAL(setitimer(ITIMER_REAL, &none, NULL), 0);
    CHECK_EQUAL(wrong, 0);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), descriptors);
}

CASE(a_storm_of_signals_on_the_jobs_stacks_disturbs_no_job, "Header: openssl/async.h; Rules: B19, D9")
{
    storm(0);
}

CASE(a_storm_of_signals_on_a_signal_stack_disturbs_no_job, "Header: openssl/async.h; Rules: B19, D9")
{
    use_a_signal_stack(); /* the other thread has none */
    storm(SA_ONSTACK);
}

/* ------------------------------------------------------------------------------------------- every instruction */

#if defined(__x86_64__)
/*
 * The trap flag makes each instruction end in SIGTRAP. Entering the kernel clears it for the
 * handler and restores it afterwards.
 */
# define TRAP_EACH_INSTRUCTION()                                                                                      \
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp"    \
                     ::: "cc", "memory")
# define TRAP_NO_MORE()                                                                                               \
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp"  \
                     ::: "cc", "memory")

static int note_yourself_and_pause(void *unused)
{
    (void)unused;
    last = known = ASYNC_get_current_job();
    return ASYNC_pause_job();
}

static void trap_through_jobs(int flags)
{
    int life;

    install(SIGTRAP, handle, flags);
    ASYNC_free_pool();
    handled = 0;
    for (life = 0; life < 2; life++) {
        ASYNC_JOB *job = NULL;
        int ret = UNWRITTEN, paused, finished;

        known = NULL;
        TRAP_EACH_INSTRUCTION();
        paused = start(&job, &ret, note_yourself_and_pause);
        TRAP_NO_MORE();
        CHECK_EQUAL(paused, ASYNC_PAUSE);
        CHECK(job != NULL && job == known);
        ASYNC_wake(job);
        CHECK(readable(ASYNC_get_wait_fd(job)));
        ASYNC_clear_wake(job);
        CHECK(!readable(ASYNC_get_wait_fd(job)));

        TRAP_EACH_INSTRUCTION();
        finished = resume(&job, &ret);
        TRAP_NO_MORE();
        CHECK_EQUAL(finished, ASYNC_FINISH);
        CHECK_EQUAL(ret, 1);
        CHECK(job == NULL);

        /* It was woken at every moment of its end. Still the next job begins unsignalled (D19). */
        CHECK_EQUAL(start(&job, &ret, note_yourself_and_pause), ASYNC_PAUSE);
        CHECK(!readable(ASYNC_get_wait_fd(job)));
        CHECK_FINISHES(job);
    }
    TRAP_EACH_INSTRUCTION();
    ASYNC_free_pool();
    TRAP_NO_MORE();
    CHECK(handled > 1000);
    known = NULL;
    CHECK_EQUAL(wrong, 0);
}

CASE(a_handler_may_run_between_any_two_instructions_of_a_jobs_life, "Header: openssl/async.h; Rules: B19, D9, D19")
{
    int descriptors = open_descriptors();

    trap_through_jobs(0);
    use_a_signal_stack();
    trap_through_jobs(SA_ONSTACK);
    CHECK_STILL_WORKS();
    ASYNC_free_pool();
    CHECK_EQUAL(open_descriptors(), descriptors);
}
#endif
