/*
 * Says what the library makes of its environment: whether the process is one that runs with more rights than its user,
 * what happens at a fault, and how large a stack is. Statistics are for the library to print.
 */
#define _GNU_SOURCE
#include <openssl/async.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static int pause_once(void *unused)
{
    (void)unused;
    return ASYNC_pause_job();
}

int main(void)
{
    struct sigaction action;
    OSSL_ASYNC_STATS stats;
    ASYNC_JOB *job = NULL;
    int ret = 0;

    if (ASYNC_start_job(&job, &ret, pause_once, NULL, 0) != ASYNC_PAUSE
        || OSSL_ASYNC_process_stats(&stats, sizeof(stats)) != 1 || sigaction(SIGSEGV, NULL, &action) != 0)
        return 1;
    printf("secure %d\n", getauxval(AT_SECURE) != 0);
    printf("handler %s\n", action.sa_handler == SIG_DFL ? "none" : "installed");
    printf("stack %llu\n", (unsigned long long)stats.stack_bytes);
    return 0;
}
