/*
 * The report of an overflow (OSSL_ASYNC_OVERFLOW_REPORT=1) as C programs get it: with frames that
 * the compiler made, on threads for which the program has set no signal stack.
 */
#include "cases.h"

#include <sys/resource.h>

#define INFORMED 3

static size_t frame_size;
static int depth;
static volatile int for_ever = 1; /* the compiler cannot know its value */
static char *volatile nowhere;

/*
 * Takes a frame of `size` bytes and writes only its lowest one, as a function with a large local
 * array may do.
 */
static __attribute__((noinline)) int take_frame(size_t size)
{
    volatile char frame[size];

    frame[0] = 1;
    return frame[0];
}

/*
 * Goes down in small frames for a while, then in one frame, whose size is different in each
 * attempt.
 */
static __attribute__((noinline)) int go_down(int left)
{
    volatile char here[256];
    int result = 0;
    size_t size;

    here[0] = 1;
    if (left > 0)
        result = go_down(left - 1);
    else
        for (size = frame_size; for_ever; size += frame_size)
            result += take_frame(size);
    return result + here[0];
}

/* Small frames without end. */
static __attribute__((noinline)) int go_down_for_ever(int step)
{
    volatile char here[64];

    here[0] = (char)step;
    return for_ever ? go_down_for_ever(step + 1) + here[0] : 0;
}

static int overflow(void *unused)
{
    (void)unused;
    return frame_size != 0 ? go_down(depth) : go_down_for_ever(0);
}

static int only_pause(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return 1;
}

/* Overflows a job between two paused ones. */
static void *run_an_overflow(void *unused)
{
    ASYNC_JOB *before = NULL, *job = NULL, *behind = NULL;
    int ret = UNWRITTEN;

    start(&before, &ret, only_pause);
    start(&job, &ret, only_pause);
    start(&behind, &ret, only_pause);
    resume(&job, &ret);
    start(&job, &ret, overflow);
    return unused;
}

static void inform(int signal, siginfo_t *info, void *context)
{
    static const char text[] = "the program's own handler\n";

    if (signal != SIGSEGV || info->si_addr == NULL || context == NULL)
        _exit(1);
    _exit(write(STDERR_FILENO, text, sizeof(text) - 1) > 0 ? INFORMED : 1);
}

/* What the child does, and how. */
static int asked, on_a_thread, with_a_handler;

static void overflow_in_the_child(void)
{
    static const struct rlimit none = {0, 0};
    struct sigaction action;

    setrlimit(RLIMIT_CORE, &none);
    if (asked)
        setenv("OSSL_ASYNC_OVERFLOW_REPORT", "1", 1);
    else
        unsetenv("OSSL_ASYNC_OVERFLOW_REPORT");
    if (with_a_handler) {
        memset(&action, 0, sizeof(action));
        action.sa_sigaction = inform;
        action.sa_flags = SA_SIGINFO; /* not SA_ONSTACK */
        sigaction(SIGSEGV, &action, NULL);
    }
    if (on_a_thread)
        on_thread(run_an_overflow, NULL);
    else
        run_an_overflow(NULL);
}

static int died_of_sigsegv(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/*
 * Returns the text after the report, or NULL if it is not a report of an overflow in this
 * function.
 */
static const char *after_report(const char *text)
{
    void *job, *function, *fault, *low, *high;
    unsigned long size;
    int length = 0;

    if (sscanf(text,
               "ossl-async: stack overflow in job %p (function %p): fault at %p, below its stack %p-%p of %lu bytes\n%n",
               &job, &function, &fault, &low, &high, &size, &length) != 6
        || length == 0)
        return NULL;
    CHECK(function == (void *)(uintptr_t)overflow);
    CHECK((char *)low - (char *)fault > 0 && (char *)low - (char *)fault <= 96 << 10);
    CHECK_EQUAL((char *)high - (char *)low, size);
    CHECK(size >= 32768);
    text = strchr(text + length, '\n');
    return text != NULL ? text + 1 : NULL;
}

CASE(frames_of_every_size_up_to_what_is_documented_are_reported, "Rules: D22")
{
    static const size_t sizes[] = {0, 1 << 10, 16 << 10, 64 << 10, 80 << 10};
    size_t i;

    asked = 1;
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (depth = 0; depth <= 300; depth += 100) {
            const char *rest;
            int status;

            frame_size = sizes[i];
            on_a_thread = depth % 200 == 0;
            status = observe(overflow_in_the_child);
            CHECK(died_of_sigsegv(status));
            rest = after_report(harness_written);
            CHECK(rest != NULL && *rest == '\0');
        }
}

CASE(without_a_request_there_is_a_signal_and_no_report, "Rules: D22")
{
    for (on_a_thread = 0; on_a_thread < 2; on_a_thread++) {
        CHECK(died_of_sigsegv(observe(overflow_in_the_child)));
        CHECK_EQUAL(strlen(harness_written), 0);
    }
}

CASE(a_handler_without_a_signal_stack_of_its_own_is_called_after_the_report, "Rules: D22")
{
    asked = with_a_handler = 1;
    for (on_a_thread = 0; on_a_thread < 2; on_a_thread++) {
        const char *rest;
        int status = observe(overflow_in_the_child);

        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == INFORMED);
        rest = after_report(harness_written);
        CHECK(rest != NULL && strcmp(rest, "the program's own handler\n") == 0);
    }
}

static int fault_at_null(void *unused)
{
    (void)unused;
    *nowhere = 1;
    return 1;
}

static void null_in_the_child(void)
{
    static const struct rlimit none = {0, 0};
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    setrlimit(RLIMIT_CORE, &none);
    setenv("OSSL_ASYNC_OVERFLOW_REPORT", "1", 1);
    start(&job, &ret, fault_at_null);
}

CASE(another_fault_inside_a_job_is_not_reported, "Rules: D22")
{
    CHECK(died_of_sigsegv(observe(null_in_the_child)));
    CHECK_EQUAL(strlen(harness_written), 0);
}

static void leave(int signal)
{
    (void)signal;
    pthread_exit(NULL);
}

static void *end_on_the_signal_stack(void *unused)
{
    stack_t stack;

    CHECK_STILL_WORKS();
    CHECK(sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0);
    raise(SIGUSR1);
    CHECK(!"reached");
    return unused;
}

CASE(a_thread_that_ends_in_a_handler_on_its_signal_stack_ends_well, "Rules: D22, D15")
{
    struct sigaction action;

    setenv("OSSL_ASYNC_OVERFLOW_REPORT", "1", 1);
    memset(&action, 0, sizeof(action));
    action.sa_handler = leave;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    on_thread(end_on_the_signal_stack, NULL);
    CHECK_STILL_WORKS();
}
