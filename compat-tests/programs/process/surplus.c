/*
 * Loads the library by dlopen when little space is left for thread-locals that are found without a
 * call. Arguments: the library, and how often it is loaded ("new" for new namespaces, "copies" for
 * copies of the file, whose names follow). Or "after" and libraries that are loaded before. Prints
 * how many of them ran a job, on two threads each.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int (*start)(void **, int *, int (*)(void *), void *, size_t);
static int (*pauses)(void);

static int job(void *unused) { (void)unused; return pauses() == 1 ? 7 : 0; }

static void *run(void *well)
{
    void *handle = NULL;
    int ret = 0;

    *(int *)well += start(&handle, &ret, job, NULL, 0) == 2 && start(&handle, &ret, NULL, NULL, 0) == 3 && ret == 7;
    return NULL;
}

/* A new namespace has a libc of its own, which does not know threads that another one makes. */
static int works(void *library, int with_threads)
{
    pthread_t thread;
    int well = 0;

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    *(void **)&start = dlsym(library, "ASYNC_start_job_2015");
    *(void **)&pauses = dlsym(library, "ASYNC_pause_job");
    run(&well);
    if (!with_threads)
        return well == 1;
    return pthread_create(&thread, NULL, run, &well) == 0 && pthread_join(thread, NULL) == 0 && well == 2;
}

int main(int argc, char **argv)
{
    int i, well = 0;

    if (argc < 3)
        return 2;
    if (strcmp(argv[2], "new") == 0) {
        for (i = 0; i < 15; i++)
            well += works(dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW), 0);
    } else if (strcmp(argv[2], "copies") == 0) {
        for (i = 3; i < argc; i++)
            well += works(dlopen(argv[i], RTLD_NOW | RTLD_LOCAL), 1);
    } else {
        for (i = 3; i < argc; i++)
            if (dlopen(argv[i], RTLD_NOW | RTLD_LOCAL) == NULL) {
                fprintf(stderr, "%s\n", dlerror());
                return 2;
            }
        well = works(dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), 1);
    }
    printf("%d\n", well);
    return 0;
}
