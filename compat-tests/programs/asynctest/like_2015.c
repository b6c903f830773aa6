/*
 * A program in the style of OpenSSL's test program of 2015, for the test of `asynctest`. With FAILS defined its second case
 * does not hold; with WAITS it never ends.
 */
#include <stdio.h>
#include <string.h>
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <../apps/apps.h>

#ifndef OPENSSL_SYS_UNIX
# define ASYNC_NULL
#endif

#ifndef ASYNC_NULL

static int wake_and_pause(void *unused)
{
    (void)unused;
    ASYNC_wake(ASYNC_get_current_job());
    ASYNC_pause_job();
    return 5;
}

static int test_ASYNC_get_wait_fd()
{
    struct timeval none = {0, 0};
    ASYNC_JOB *job = NULL;
    fd_set set;
    int ret, fd;

    if (!ASYNC_init_pool(1, 0) || ASYNC_start_job(&job, &ret, wake_and_pause, NULL, 0) != ASYNC_PAUSE)
        return 0;
    fd = ASYNC_get_wait_fd(job);
    FD_ZERO(&set);
    openssl_fdset(fd, &set);
    if (select(fd + 1, &set, NULL, NULL, &none) != 1 || !FD_ISSET(fd, &set)) {
        fprintf(stderr, "test_ASYNC_get_wait_fd() failed\n");
        return 0;
    }
    return ASYNC_start_job(&job, &ret, wake_and_pause, NULL, 0) == ASYNC_FINISH && ret == 5;
}

static int test_ASYNC_init_pool()
{
    ASYNC_free_pool();
#ifdef WAITS
    for (;;)
        pause();
#endif
#ifdef FAILS
    fprintf(stderr, "test_ASYNC_init_pool() failed\n");
    return 0;
#else
    return ASYNC_init_pool(1, 2) == 0;
#endif
}

static int test_ASYNC_block_pause()
{
    ASYNC_block_pause();
    ASYNC_unblock_pause();
    return ASYNC_pause_job();
}

#endif

int main(void)
{
#ifdef ASYNC_NULL
    fprintf(stderr, "NULL implementation - skipping async tests\n");
#else
    CRYPTO_malloc_debug_init();
    CRYPTO_set_mem_debug_options(V_CRYPTO_MDEBUG_ALL);
    CRYPTO_mem_ctrl(CRYPTO_MEM_CHECK_ON);
    if (!test_ASYNC_get_wait_fd() || !test_ASYNC_init_pool() || !test_ASYNC_block_pause())
        return 1;
#endif
    printf("PASS\n");
    return 0;
}
