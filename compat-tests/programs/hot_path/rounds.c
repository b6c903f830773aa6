/*
 * Rounds of starts, pauses, resumes and finishes between two system calls that nothing else makes.
 * tests/hot_path.rs examines the calls between them with strace. It is compiled twice: with the
 * library's headers, and with OpenSSL's for a program that runs with the library in front of
 * libcrypto.
 */
#define _GNU_SOURCE 1
#include <openssl/async.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS 2000
#define BEGIN (-20001)
#define END (-20002)

static void mark(int descriptor)
{
    syscall(SYS_close, descriptor);
}

/* The argument's first byte says how often the job pauses. */
static int pauses(void *argument)
{
    for (unsigned char left = *(unsigned char *)argument; left > 0; left--) {
        if (!ASYNC_pause_job())
            abort();
    }
    return 7;
}

/* The two functions that start and resume. */
static int second(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, void *arguments, size_t size)
{
    return ASYNC_start_job(job, ctx, ret, pauses, arguments, size);
}

#ifdef OSSL_ASYNC_WAIT_CTX_API
static int first(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, void *arguments, size_t size)
{
    (void)ctx;
    return ASYNC_start_job_2015(job, ret, pauses, arguments, size);
}
#endif

typedef int start(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, void *arguments, size_t size);

static void rounds(start *go, ASYNC_WAIT_CTX *ctx, int count)
{
    static const size_t sizes[] = {1, 64, 65, 4096};
    static unsigned char arguments[4096];

    for (int round = 0; round < count; round++) {
        for (size_t size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
            for (unsigned char times = 0; times < 3; times++) {
                ASYNC_JOB *job = NULL;
                int ret = 0;

                arguments[0] = times;
                for (int left = times; left > 0; left--) {
                    if (go(&job, ctx, &ret, arguments, sizes[size]) != ASYNC_PAUSE)
                        abort();
                }
                if (go(&job, ctx, &ret, arguments, sizes[size]) != ASYNC_FINISH || ret != 7)
                    abort();
            }
        }
    }
}

/*
 * A round has 4 sizes with 0, 1 and 2 pauses, each from start to finish. It makes this many
 * switches.
 */
#define SWITCHES (4 * (2 + 4 + 6))

int main(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    start *ways[] = {
        second,
#ifdef OSSL_ASYNC_WAIT_CTX_API
        first,
#endif
    };
    Dl_info library;
    int switches = 0;

    if (ctx == NULL || !ASYNC_WAIT_CTX_set_wait_fd(ctx, ways, 0, NULL, NULL))
        return 1;
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
        rounds(ways[way], ctx, 10);
    mark(BEGIN);
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        rounds(ways[way], ctx, ROUNDS);
        switches += ROUNDS * SWITCHES;
    }
    mark(END);
    if (!dladdr(dlsym(RTLD_DEFAULT, "ASYNC_pause_job"), &library))
        return 1;
    printf("%s\n%d\n", library.dli_fname, switches);
    ASYNC_WAIT_CTX_free(ctx);
    return 0;
}
