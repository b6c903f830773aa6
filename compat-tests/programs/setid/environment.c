/*
 * Prints how the environment affects the library: whether the process runs with more rights than
 * its user, what happens at a fault, how many guards are mappings without access, and how large a
 * stack is. The library itself prints the statistics.
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

/* Counts the mappings without access that have the size of guards: 80 to 96 KiB. */
static int guards(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], rights[8];
    unsigned long low, high;
    int count = 0;

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx %4s", &low, &high, rights) == 3)
            count += strcmp(rights, "---p") == 0 && high - low >= 80 * 1024 && high - low <= 96 * 1024;
    if (maps != NULL)
        fclose(maps);
    return count;
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
    printf("guards in mappings of their own %d\n", guards());
    printf("stack %llu\n", (unsigned long long)stats.stack_bytes);
    return 0;
}
