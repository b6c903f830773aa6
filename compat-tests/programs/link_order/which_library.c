/*
 * A program that uses jobs and libcrypto, in either API. It prints which file has the code of each
 * function that it calls, in lines of the form "program FUNCTION FILE". Then it prints what
 * OSSL_ASYNC_serves_libssl returns. Last are the results of a job that pauses once and returns 7:
 * "3 7" if all is well.
 */
#define _GNU_SOURCE /* dladdr */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#include <openssl/async.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#ifndef ASKS
/* Weak, so that this question is not the reason why the library is linked. */
extern int OSSL_ASYNC_serves_libssl(void) __attribute__((weak));
#endif

#ifdef OSSL_ASYNC_WAIT_CTX_API
# define START(JOB, CTX, RET) ASYNC_start_job(JOB, CTX, RET, function, NULL, 0)
#else
# define START(JOB, CTX, RET) ASYNC_start_job(JOB, RET, function, NULL, 0)
#endif

#define SAY(FUNCTION) say(#FUNCTION, (void *)(uintptr_t)FUNCTION)

static void say(const char *name, void *function)
{
    Dl_info info = {0};

    dladdr(function, &info);
    printf("program %s %s\n", name, info.dli_fname != NULL ? info.dli_fname : "unknown");
}

static void say_all(void)
{
    SAY(ASYNC_start_job);
    SAY(ASYNC_pause_job);
    SAY(ASYNC_get_current_job);
    SAY(ASYNC_block_pause);
    SAY(ASYNC_unblock_pause);
    SAY(ASYNC_init_thread);
    SAY(ASYNC_cleanup_thread);
    SAY(ASYNC_is_capable);
    SAY(ASYNC_get_wait_ctx);
    SAY(ASYNC_WAIT_CTX_new);
    SAY(ASYNC_WAIT_CTX_free);
    SAY(ASYNC_WAIT_CTX_set_wait_fd);
    SAY(ASYNC_WAIT_CTX_get_fd);
    SAY(ASYNC_WAIT_CTX_get_all_fds);
    SAY(ASYNC_WAIT_CTX_get_changed_fds);
    SAY(ASYNC_WAIT_CTX_clear_fd);
#ifndef OSSL_ASYNC_WAIT_CTX_API
    /*
     * Functions that not every libcrypto has. Then the functions of 2015, which no libcrypto has.
     */
    SAY(ASYNC_WAIT_CTX_set_callback);
    SAY(ASYNC_WAIT_CTX_get_callback);
    SAY(ASYNC_WAIT_CTX_set_status);
    SAY(ASYNC_WAIT_CTX_get_status);
    SAY(ASYNC_set_mem_functions);
    SAY(ASYNC_get_mem_functions);
    SAY(ASYNC_init_pool);
    SAY(ASYNC_free_pool);
    SAY(ASYNC_start_job_2015);
    SAY(ASYNC_in_job);
    SAY(ASYNC_get_wait_fd);
    SAY(ASYNC_wake);
    SAY(ASYNC_clear_wake);
#endif
}

static int function(void *unused)
{
    (void)unused;
    ASYNC_pause_job();
    return 7;
}

int main(void)
{
    /* A use of libssl, so that it is linked and its references can be checked. */
    int (*volatile from_libssl)(SSL *, OSSL_ASYNC_FD *, size_t *) = SSL_get_all_async_fds;
    /* Volatile, because a compiler may assume that the address of a function is not NULL. */
    int (*volatile serves_libssl)(void) = OSSL_ASYNC_serves_libssl;
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL;
    int ret = 0, result;

    (void)from_libssl;
    OPENSSL_init_crypto(0, NULL);
    say_all();
    if (serves_libssl != NULL)
        printf("serves libssl %d\n", serves_libssl());
    fflush(stdout);
    ctx = ASYNC_WAIT_CTX_new();
    result = START(&job, ctx, &ret);
    if (result == ASYNC_PAUSE)
        result = START(&job, ctx, &ret);
    ASYNC_WAIT_CTX_free(ctx);
    printf("%d %d\n", result, ret);
    return 0;
}
