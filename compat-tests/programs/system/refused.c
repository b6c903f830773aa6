/*
 * Jobs under a seccomp filter that refuses system calls with EPERM. The arguments are the calls,
 * such as "mprotect", or "madvise:102" for one advice alone. These words among them say how:
 *
 *     later    the filter is installed after the first job, otherwise before
 *     locked   all memory is locked (mlockall). There are as many jobs as there is space for
 *     behind   before that and the filter, as many jobs as have guards of one kind are paused
 *     forked   all happens in a forked child
 *     ignored  the calls return 0 and do nothing, as emulators do for calls that they do not know
 *
 * Every start must pause or report why not, and every job that exists must have a guard.
 * tests/system.rs has the expected numbers of jobs. All output is written by writev, so that write
 * can be refused too.
 */
#define _GNU_SOURCE 1
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>
#include <openssl/err.h>

#include "locked.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* More jobs than have guards of one kind. */
#define SIX 400
#define FIVE 20
/* The first job, and two of a thread. */
#define OTHERS 3
#define GUARD (80 * 1024)

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    {"brk", SYS_brk},
    {"close", SYS_close},
    {"madvise", SYS_madvise},
    {"mincore", SYS_mincore},
    {"mmap", SYS_mmap},
    {"mprotect", SYS_mprotect},
    {"munlock", SYS_munlock},
    {"munmap", SYS_munmap},
    {"newfstatat", SYS_newfstatat},
    {"openat", SYS_openat},
    {"pipe2", SYS_pipe2},
    {"process_madvise", 440},
    {"read", SYS_read},
    {"rt_sigaction", SYS_rt_sigaction},
    {"sigaltstack", SYS_sigaltstack},
    {"write", SYS_write},
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));



static void say(const char *format, ...)
{
    char text[512];
    struct iovec part = {text, 0};
    va_list arguments;

    va_start(arguments, format);
    part.iov_len = (size_t)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (writev(STDOUT_FILENO, &part, 1) != (ssize_t)part.iov_len)
        _exit(3);
}

static void fail(const char *what)
{
    say("failed: %s (errno %d)\n", what, errno);
    _exit(1);
}

/* ------------------------------------------------------------------------------------------------------- the filter */

static struct sock_filter filter[64];
static unsigned short length;
static unsigned answer = EPERM;

static void add(unsigned short code, unsigned value, unsigned char if_true, unsigned char if_false)
{
    filter[length++] = (struct sock_filter){code, if_true, if_false, value};
}

/*
 * Refuses the call of this number. With an advice, it refuses only calls whose third argument is
 * that advice (of madvise).
 */
static void refuse(unsigned number, int has_advice, unsigned advice)
{
    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    add(BPF_JMP | BPF_JEQ | BPF_K, number, 0, has_advice ? 3 : 1);
    if (has_advice) {
        add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]), 0, 0);
        add(BPF_JMP | BPF_JEQ | BPF_K, advice, 0, 1);
    }
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer, 0, 0);
}

static void refuse_named(char *argument)
{
    char *advice = strchr(argument, ':');

    if (advice != NULL)
        *advice++ = '\0';
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(calls[i].name, argument) == 0) {
            refuse(calls[i].number, advice != NULL, advice != NULL ? (unsigned)atoi(advice) : 0);
            return;
        }
    }
    fail(argument);
}

static void install(void)
{
    struct sock_fprog program = {length, filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        fail("a filter");
}

/* --------------------------------------------------------------------------------------------------------- the jobs */

struct job {
    ASYNC_JOB *job;
    char *local;
};

static struct job six[SIX], five[FIVE], before[IN_MAPPINGS];
static int ends[2];
static unsigned long errors[8];
static int several;

static int pauses_once(void *argument)
{
    char local = 1;
    struct job *job;

    memcpy(&job, argument, sizeof(job));
    job->local = &local;
    ASYNC_pause_job();
    return local;
}

/* Whether the kernel can read a byte there. The program itself does not fault. */
static int accessible(char *address)
{
    struct iovec byte = {address, 1};
    char sink[64];
    struct iovec drain = {sink, sizeof(sink)};
    ssize_t written = writev(ends[1], &byte, 1);

    if (written == 1 && readv(ends[0], &drain, 1) != 1)
        fail("a pipe");
    return written == 1;
}

/* The highest page below a paused job's frames that cannot be read, or NULL. */
static char *guard_of(const struct job *job)
{
    char *page = (char *)((uintptr_t)job->local & ~(uintptr_t)4095);
    int pages;

    for (pages = 0; pages < 64; pages++, page -= 4096)
        if (!accessible(page))
            return page;
    return NULL;
}

static int is_guarded(const struct job *job)
{
    char *guard = guard_of(job);

    if (guard == NULL)
        return 0;
    for (int below = 4096; below < GUARD; below += 4096)
        if (accessible(guard - below))
            return 0;
    return 1;
}

static void note(unsigned long error)
{
    int i;

    for (i = 0; i < 8 && errors[i] != 0; i++)
        if (errors[i] == error)
            return;
    if (i < 8)
        errors[i] = error;
}

/* Makes one start: it must pause, or be refused with one entry that says why. */
static int start(struct job *job, int pipe)
{
    struct job *argument = job;
    int ret = -7, result;

    job->job = NULL;
    result = pipe ? ASYNC_start_job_2015(&job->job, &ret, pauses_once, &argument, sizeof(argument))
                  : ASYNC_start_job(&job->job, NULL, &ret, pauses_once, &argument, sizeof(argument));
    if (result == ASYNC_PAUSE && job->job != NULL && ERR_peek_error() == 0)
        return 1;
    if ((result != ASYNC_NO_JOBS && result != ASYNC_ERR) || job->job != NULL || ret != -7)
        fail("a start that neither pauses nor is refused");
    note(ERR_get_error());
    several |= ERR_peek_error() != 0;
    ERR_clear_error();
    return 0;
}

static int start_all(struct job *jobs, int count, int pipe)
{
    int paused = 0;

    for (int i = 0; i < count; i++)
        paused += start(&jobs[i], pipe);
    return paused;
}

static void finish_all(struct job *jobs, int count)
{
    for (int i = 0; i < count; i++) {
        int ret = 0;

        if (jobs[i].job != NULL
            && (ASYNC_start_job(&jobs[i].job, NULL, &ret, NULL, NULL, 0) != ASYNC_FINISH || ret != 1))
            fail("a resume that does not finish");
    }
}

static int unguarded(struct job *jobs, int count)
{
    int found = 0;

    for (int i = 0; i < count; i++)
        found += jobs[i].job != NULL && !is_guarded(&jobs[i]);
    return found;
}

static int is_readable(int descriptor)
{
    struct pollfd look = {descriptor, POLLIN, 0};

    return poll(&look, 1, 0) == 1;
}

/* A thread of its own: one job that finishes and one that stays paused. */
static void *thread(void *unused)
{
    static struct job ended, left;

    if (start(&left, 0) + start(&ended, 1) > 0)
        finish_all(&ended, 1);
    return unused;
}

/* Writes below its frame, a page at a time. */
static int overflows(void *unused)
{
    char local = 0;
    uintptr_t from = (uintptr_t)&local;

    (void)unused;
    for (uintptr_t below = 0; below < 256 * 1024; below += 4096)
        *(volatile char *)(from - below) = 1;
    return 1;
}

/* Returns how a child ends if one of its jobs uses more stack than it has. */
static int end_of_overflow(void)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        ASYNC_JOB *job = NULL;
        int ret;

        _exit(ASYNC_start_job(&job, NULL, &ret, overflows, NULL, 0) == ASYNC_FINISH ? 4 : 5);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        fail("a child");
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    static struct job first;
    int later = 0, locked = 0, behind = 0, forked = 0, paused, wakes = 0, clears = 0, woken = 0, status = 0;
    int count = SIX, pipes = FIVE;
    Dl_info library;
    pthread_attr_t attributes;
    pthread_t other;

    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "later") == 0)
            later = 1;
        else if (strcmp(argv[i], "locked") == 0)
            locked = 1;
        else if (strcmp(argv[i], "behind") == 0)
            behind = 1;
        else if (strcmp(argv[i], "forked") == 0)
            forked = 1;
        else if (strcmp(argv[i], "ignored") == 0)
            answer = 0;
        else
            refuse_named(argv[i]);
    }
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);

    if (pipe2(ends, O_NONBLOCK) != 0 || !dladdr(dlsym(RTLD_DEFAULT, "ASYNC_pause_job"), &library))
        fail("a pipe, or the library");
    say("%s\n", library.dli_fname);
    if (behind && start_all(before, IN_MAPPINGS, 0) != IN_MAPPINGS)
        fail("jobs before");
    if (locked) {
        int room = lock_memory(behind ? MCL_FUTURE : MCL_CURRENT | MCL_FUTURE, OTHERS + FIVE + SIX, GUARD_LOCKED);

        if (room < 4 * OTHERS) {
            say("cannot lock\n");
            return 0;
        }
        if (room < OTHERS + FIVE + SIX) {
            pipes = (room - OTHERS) / 4;
            count = room - OTHERS - pipes;
        }
    }
    if (forked) {
        pid_t child = fork();

        if (child > 0)
            return waitpid(child, &status, 0) == child && status == 0 ? 0 : 2;
    }
    /* The C library allocates the thread's stack and memory. */
    if (later && !start(&first, 1))
        fail("the first job");
    install();

    say("of %d, pipes %d\n", count, pipes);
    paused = start_all(six, count, 0);
    say("six %d\n", paused);
    paused = start_all(five, pipes, 1);
    say("five %d\n", paused);
    say("unguarded %d\n", unguarded(six, SIX) + unguarded(five, FIVE));
    for (int i = 0; i < pipes; i++) {
        int wait = ASYNC_get_wait_fd(five[i].job);

        ASYNC_wake(five[i].job);
        wakes += wait >= 0 && is_readable(wait);
        ASYNC_clear_wake(five[i].job);
        clears += wait >= 0 && !is_readable(wait);
    }
    say("wakes %d, clears %d\n", wakes, clears);
    finish_all(six, SIX);
    finish_all(five, FIVE);
    ASYNC_free_pool();
    woken = start_all(six, count, 0);
    say("again %d, unguarded %d\n", woken, unguarded(six, SIX));
    finish_all(six, SIX);
    /* A small stack, for which there is space in locked memory. */
    if (pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 128 * 1024) == 0
        && pthread_create(&other, &attributes, thread, NULL) == 0)
        pthread_join(other, NULL);
    say("overflow %d\n", end_of_overflow());
    finish_all(before, IN_MAPPINGS);
    if (later)
        finish_all(&first, 1);
    say("errors");
    for (int i = 0; i < 8 && errors[i] != 0; i++)
        say(" %lx", errors[i]);
    say("%s\n", several ? " several" : "");
    return 0;
}
