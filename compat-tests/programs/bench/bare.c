/*
 * Measures switches without a library, a pipe without a job, and what the kernel takes for the
 * memory of a new job: usage bare MEASUREMENT SLICES COUNT. Prints a line for each result.
 */
/* The fortified longjmp refuses to jump to another stack. */
#undef _FORTIFY_SOURCE

#include "bench.h"

#include <poll.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

static ucontext_t caller, fibre;
static jmp_buf caller_jump, fibre_jump;
static char stack[256 * 1024];

static void make(void (*entry)(void))
{
    MUST(getcontext(&fibre) == 0);
    fibre.uc_stack.ss_sp = stack;
    fibre.uc_stack.ss_size = sizeof(stack);
    fibre.uc_link = NULL;
    makecontext(&fibre, entry, 0);
}

/* Never inlined, because variables of a function that calls _setjmp live in memory. */
static __attribute__((noinline)) void jump(jmp_buf from, jmp_buf to)
{
    if (_setjmp(from) == 0)
        _longjmp(to, 1);
}

static void pause_by_jump(void)
{
    for (;;)
        jump(fibre_jump, caller_jump);
}

static void pause_by_swap(void)
{
    for (;;)
        swapcontext(&fibre, &caller);
}

static __attribute__((noinline)) void enter(void)
{
    if (_setjmp(caller_jump) == 0)
        setcontext(&fibre);
}

/* Makes COUNT round trips, switching as OpenSSL does. */
static void by_jump(int slices, int count)
{
    double ns;
    int i;

    make(pause_by_jump);
    enter();
    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++)
            jump(caller_jump, fibre_jump);
    });
    say("pause_resume", ns);
}

/* COUNT round trips. */
static void by_swap(int slices, int count)
{
    double ns;
    int i;

    make(pause_by_swap);
    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++)
            swapcontext(&caller, &fibre);
    });
    say("pause_resume", ns);
}

/* Makes COUNT times the system calls that a wake, a poll and a clear need at least. */
static void by_pipe(int slices, int count)
{
    struct pollfd wait = {-1, POLLIN, 0};
    char byte = 0;
    int ends[2], i;
    double ns;

    MUST(pipe(ends) == 0);
    wait.fd = ends[0];
    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++) {
            MUST(write(ends[1], &byte, 1) == 1);
            MUST(poll(&wait, 1, 0) == 1);
            MUST(read(ends[0], &byte, 1) == 1);
        }
    });
    say("wake", ns);
}

/* Numbers of Linux that older headers lack. */
#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL */
#define POPULATE_WRITE 23 /* MADV_POPULATE_WRITE */
#define THIS_PROCESS (-10001) /* PIDFD_SELF_THREAD_GROUP */

/* The library's stacks, with its default size, where a page has 4 KiB. */
#define SLOT (55 * 4096)
#define GUARD (22 * 4096)
#define TOP 4096

/* Gives the kernel the same advice for a part of each slot. */
static void advise(char *slots, int count, size_t offset, size_t size, int advice)
{
    enum { MOST = 32 };
    struct iovec parts[MOST];
    int i, n;

    for (; count > 0; count -= n, slots += (size_t)n * SLOT) {
        n = count < MOST ? count : MOST;
        for (i = 0; i < n; i++) {
            parts[i].iov_base = slots + (size_t)i * SLOT + offset;
            parts[i].iov_len = size;
        }
        MUST(syscall(SYS_process_madvise, THIS_PROCESS, parts, n, advice, 0) == (long)size * n);
    }
}

/*
 * The memory of SLICES times COUNT new stacks: a guard, and the page that the first frames are in.
 * Nothing else, by the cheapest system calls that there are. Prints nothing where the kernel has no
 * such calls (before Linux 6.15).
 */
static void by_memory(int slices, int count)
{
    size_t size = (size_t)slices * count * SLOT;
    char *slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct iovec part = {slots, GUARD};
    double ns;

    MUST(slots != MAP_FAILED);
    madvise(slots, size, MADV_NOHUGEPAGE);
    if (syscall(SYS_process_madvise, THIS_PROCESS, &part, 1, GUARD_INSTALL, 0) != GUARD)
        return;
    MEASURE(ns, slices, count, {
        advise(slots, count, 0, GUARD, GUARD_INSTALL);
        advise(slots, count, SLOT - TOP, TOP, POPULATE_WRITE);
        slots += (size_t)count * SLOT;
    });
    say("create_cold", ns);
}

int main(int argc, char **argv)
{
    int slices, count;

    if (argc != 4) {
        fprintf(stderr, "usage: %s MEASUREMENT SLICES COUNT\n", argv[0]);
        return 2;
    }
    slices = number(argv[2], MOST_SLICES);
    count = number(argv[3], 1000000);
    if (strcmp(argv[1], "jump") == 0) {
        by_jump(slices, count);
    } else if (strcmp(argv[1], "swap") == 0) {
        by_swap(slices, count);
    } else if (strcmp(argv[1], "pipe") == 0) {
        by_pipe(slices, count);
    } else if (strcmp(argv[1], "memory") == 0) {
        by_memory(slices, count);
    } else {
        fprintf(stderr, "%s: no such measurement\n", argv[1]);
        return 2;
    }
    return 0;
}
