/*
 * A job that uses more stack than it has ends at once: every frame that extends beyond the stack
 * faults.
 */
#include "cases.h"

#define FAULTED 3

/* What a child finds out, for its parent. It may end before the next line. */
static volatile struct {
    char *fault;  /* where it faulted */
    char *lowest; /* the lowest byte that it was about to write */
} *found;

static char *bottom; /* the stack's lowest byte */
static char *go_down_to;
static size_t frame_size;

static void note_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    found->fault = info->si_addr;
    _exit(FAULTED);
}

/*
 * Takes a frame of `size` bytes and writes only its lowest one, as a function with a large local
 * array may do.
 *
 * PowerPC writes to a frame's low end when it makes the frame, so it may fault there. For that case
 * `lowest` is first set a little lower than the frame can be.
 */
static __attribute__((noinline)) int take_frame(size_t size)
{
    found->lowest = (char *)__builtin_frame_address(0) - size - 1024;
    volatile char frame[size];

    found->lowest = (char *)frame;
    frame[0] = 1;
    return frame[0];
}

/* Goes down in small frames, none of which steps over the guard. */
static __attribute__((noinline)) int go_down(void)
{
    volatile char here[128];
    int result;

    here[0] = 1;
    if ((char *)here > go_down_to)
        result = go_down();
    else
        result = take_frame(frame_size);
    return result + here[0];
}

static int overflow(void *unused)
{
    (void)unused;
    return go_down();
}

static void run_with_a_handler(void)
{
    static char other_stack[64 << 10];
    struct sigaction action;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    stack_t stack;

    memset(&stack, 0, sizeof(stack));
    stack.ss_sp = other_stack;
    stack.ss_size = sizeof(other_stack);
    CHECK(sigaltstack(&stack, NULL) == 0);
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = note_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    CHECK_EQUAL(start(&job, &ret, overflow), ASYNC_FINISH);
}

/* Runs the overflow in a child. Returns whether it faulted. */
static int faults(void)
{
    int status;

    found->fault = NULL;
    found->lowest = NULL;
    status = in_child(run_with_a_handler);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == FAULTED || WEXITSTATUS(status) == 0));
    return WIFEXITED(status) && WEXITSTATUS(status) == FAULTED;
}

CASE(a_frame_that_reaches_beyond_the_stack_faults_at_any_depth, "Rules: D22, F8")
{
    static const size_t sizes[] = {1 << 10, 33 << 10, 40 << 10, 66 << 10, 80 << 10};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), i, left;
    ASYNC_JOB *neighbours[3];
    char *top;

    found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(found != MAP_FAILED);

    /* The job that overflows is made between the others, so there are jobs on both sides of it. */
    for (i = 0; i < 3; i++)
        CHECK_PAUSES(neighbours[i]);
    top = (char *)neighbours[1];
    CHECK_FINISHES(neighbours[1]);

    /* Small frames find the end of the stack. */
    frame_size = 16;
    NEED(faults());
    bottom = (char *)(((uintptr_t)found->fault | (page - 1)) + 1);
    /*
     * Handle and stack are close together, so this is roughly the size of the stack. It shows that
     * the stack is not too small.
     */
    CHECK(top < bottom || (size_t)(top - bottom) >= 32768);

    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (left = 2048; left < sizes[i] + 4 * page; left += page - 256) {
            int faulted;

            frame_size = sizes[i];
            go_down_to = bottom + left;
            faulted = faults();
            CHECK(found->lowest != NULL);
            CHECK_EQUAL(faulted, found->lowest < bottom);
            CHECK(!faulted || (found->fault < bottom && found->fault >= found->lowest - page));
        }

    CHECK_FINISHES(neighbours[0]);
    CHECK_FINISHES(neighbours[2]);
    ASYNC_free_pool();
}
