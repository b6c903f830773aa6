/*
 * A plugin that is linked with the library's .so, for a program that contains the library:
 * tests/two_copies.rs.
 */
#define _GNU_SOURCE 1
#include <openssl/async.h>

#include <dlfcn.h>
#include <string.h>

static int pauses_once(void *argument)
{
    int number;

    memcpy(&number, argument, sizeof(number));
    return ASYNC_pause_job() == 1 && ASYNC_in_job() ? number : -1;
}

/* The file of the functions that the plugin calls. */
const char *plugin_library(void)
{
    static Dl_info info;

    return dladdr((void *)ASYNC_pause_job, &info) ? info.dli_fname : "";
}

/*
 * Starts a job that pauses, or resumes it. Returns 2 or 3, with the job's result. 1 means that
 * there is no job.
 */
int plugin_go(ASYNC_JOB **job, int number, int *ret)
{
    return ASYNC_start_job(job, ret, pauses_once, &number, sizeof(number));
}

int plugin_in_job(void)
{
    return ASYNC_in_job();
}

int plugin_pause(void)
{
    return ASYNC_pause_job();
}

int plugin_init_pool(size_t most)
{
    return ASYNC_init_pool(most, most);
}

void plugin_free_pool(void)
{
    ASYNC_free_pool();
}

/*
 * Counts of this thread's idle and paused jobs, and of all jobs that the process has made and not
 * destroyed.
 */
void plugin_counts(unsigned long long counts[2], unsigned long long *everywhere)
{
    OSSL_ASYNC_STATS stats;

    OSSL_ASYNC_thread_stats(&stats, sizeof(stats));
    counts[0] = stats.jobs_idle;
    counts[1] = stats.jobs_paused;
    OSSL_ASYNC_process_stats(&stats, sizeof(stats));
    *everywhere = stats.jobs_idle + stats.jobs_paused + stats.jobs_running;
}
