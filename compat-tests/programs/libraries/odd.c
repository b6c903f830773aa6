/*
 * Shared libraries that the report has to cope with, for its own test: one for each definition.
 *
 * HANGS: does not come to the end of its constructor, and starts a process that has no end either. HANGS_IN_A_JOB: has the functions of 2015, and its start never returns.
 * PRINTS: writes to standard output when it is loaded. CRASHES: has them, and its start crashes. Nothing defined: has no such function.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int some_function(void);

int some_function(void)
{
    return 1;
}

#if defined(HANGS) || defined(PRINTS)
__attribute__((constructor)) static void when_loaded(void)
{
# ifdef HANGS
    /* Nor does a process that it starts, which writes its number where the test looks. */
    const char *place = getenv("ODD_CHILD");
    FILE *file;

    if (place != NULL && fork() == 0 && (file = fopen(place, "w")) != NULL) {
        fprintf(file, "%d\n", (int)getpid());
        fclose(file);
    }
    for (;;)
        pause();
# else
    printf("\033[31mhello \001\377\n");
# endif
}
#endif

#if defined(HANGS_IN_A_JOB) || defined(CRASHES) || defined(PRINTS)
int ASYNC_start_job(void **job, int *ret, int (*func)(void *), void *args, size_t size);
int ASYNC_pause_job(void);
int ASYNC_get_wait_fd(void *job);

int ASYNC_start_job(void **job, int *ret, int (*func)(void *), void *args, size_t size)
{
    (void)job;
    (void)ret;
    (void)func;
    (void)args;
    (void)size;
# ifdef HANGS_IN_A_JOB
    for (;;)
        ;
# endif
    abort();
}

int ASYNC_pause_job(void)
{
    return 1;
}

int ASYNC_get_wait_fd(void *job)
{
    (void)job;
    return -1;
}
#endif
