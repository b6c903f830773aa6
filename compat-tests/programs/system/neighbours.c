/*
 * Many paused jobs. Each then overflows its stack, in a child of its own. The child must die of
 * SIGSEGV before another job's frames have changed. This is for systems that report a guard
 * without making it. One is an emulator. The argument "ignores-advice" makes another: a filter
 * returns 0 for every advice of lightweight guards, which then has no effect.
 */
#define _GNU_SOURCE 1
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first 256 jobs have guards of one kind. */
#define JOBS 300
#define MARKED 3000
#define GUARD_INSTALL 102
#define PROCESS_MADVISE 440

static ASYNC_JOB *jobs[JOBS];
static unsigned char *frames[JOBS];
static int running = -1;

/* The number of a job whose frame has changed, except the one that runs, or -1. */
static int destroyed(void)
{
    for (int i = 0; i < JOBS; i++)
        if (i != running && frames[i] != NULL)
            for (int at = 0; at < MARKED; at++)
                if (frames[i][at] != (unsigned char)(i + 1))
                    return i;
    return -1;
}

static void fault(int signal)
{
    if (destroyed() >= 0)
        _exit(6);
    /* Makes the same access again, without a handler. */
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

static int runs_off(void *argument)
{
    unsigned char frame[MARKED];
    uintptr_t low;
    int number;

    memcpy(&number, argument, sizeof(number));
    memset(frame, number + 1, sizeof(frame));
    __asm__ volatile("" : : "r"(frame) : "memory");
    frames[number] = frame;
    ASYNC_pause_job();
    low = (uintptr_t)frame;
    for (uintptr_t below = 64; below < 500 * 1024; below += 64)
        *(volatile unsigned char *)(low - below) = 0;
    return 1;
}

/* Makes the system return 0 for the advice, as if it had been taken. */
static int ignore_advice(void)
{
    struct sock_filter filter[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 3, 0, PROCESS_MADVISE},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_madvise},
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[2])},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, GUARD_INSTALL},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int main(int argc, char **argv)
{
    static char handlers[64 * 1024];
    stack_t stack = {.ss_sp = handlers, .ss_size = sizeof(handlers)};
    struct sigaction action = {.sa_handler = fault, .sa_flags = SA_ONSTACK};
    int faults = 0, ret;

    if (argc > 1 && strcmp(argv[1], "ignores-advice") == 0 && !ignore_advice())
        return 2;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* an emulator writes core files itself */
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < JOBS; i++)
        if (ASYNC_start_job(&jobs[i], NULL, &ret, runs_off, &i, sizeof(i)) != ASYNC_PAUSE)
            return 3;
    for (int i = 0; i < JOBS; i++) {
        int status = -1;
        pid_t child;

        child = fork();
        if (child == 0) {
            running = i;
            ASYNC_start_job(&jobs[i], NULL, &ret, NULL, NULL, 0);
            _exit(5); /* it has not faulted */
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
            return 4;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
            faults++;
        else
            printf("job %d: %s\n", i, status == 6 << 8 ? "a neighbour is destroyed" : "it does not fault");
    }
    printf("%d of %d jobs died of SIGSEGV\n", faults, JOBS);
    return faults != JOBS;
}
