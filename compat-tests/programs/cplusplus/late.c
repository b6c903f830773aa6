/*
 * A C program that loads a C++ library when it already has jobs. Its arguments are:
 *
 * "global" or "local": how the library is loaded. "pool", "record" or "thread": when the run-time
 * is to be found, at the next pool, at a new record, or on a new thread. "before", if a job that
 * was started earlier is in a handler at that time. Last, the library. Prints "ok".
 */
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int (*stays_in_a_handler)(void (*)(void), const char *);
static int (*handles_nothing)(void);

static void pauses(void) { ASYNC_pause_job(); }
static int once(void *unused) { (void)unused; pauses(); return 1; }
static int in_a_handler(void *name) { return stays_in_a_handler(pauses, name); }

static int go(ASYNC_JOB **job, int *ret, int (*function)(void *), const char *name)
{
    char copied[16] = "";

    strcpy(copied, name);
    return ASYNC_start_job(job, NULL, ret, function, copied, sizeof(copied));
}

/* Two jobs in handlers, resumed in both orders. */
static int two_jobs(void)
{
    int order, well = 1;

    for (order = 0; order < 2; order++) {
        ASYNC_JOB *jobs[2] = {NULL, NULL};
        int ret[2] = {0, 0};

        well &= go(&jobs[0], &ret[0], in_a_handler, "first") == ASYNC_PAUSE && handles_nothing();
        well &= go(&jobs[1], &ret[1], in_a_handler, "second") == ASYNC_PAUSE && handles_nothing();
        well &= go(&jobs[order], &ret[order], NULL, "") == ASYNC_FINISH;
        well &= go(&jobs[1 - order], &ret[1 - order], NULL, "") == ASYNC_FINISH;
        well &= ret[0] == 1 && ret[1] == 1 && handles_nothing();
    }
    return well;
}

static void *on_a_thread(void *well)
{
    *(int *)well = two_jobs();
    return NULL;
}

int main(int argc, char **argv)
{
    ASYNC_JOB *held[3] = {NULL, NULL, NULL}, *early = NULL, *job = NULL;
    int ret[3], early_ret = 0, i, well = 0;
    const char *when = argc > 2 ? argv[2] : "";
    void *library;
    pthread_t thread;

    if (dlsym(RTLD_DEFAULT, "__cxa_get_globals") != NULL)
        return 3; /* there is no run-time to find */
    /* Three jobs. One of them becomes idle. */
    for (i = 0; i < 3; i++)
        go(&held[i], &ret[i], once, "");
    go(&held[2], &ret[2], NULL, "");
    library = dlopen(argv[3], RTLD_NOW | (strcmp(argv[1], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL));
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&stays_in_a_handler = dlsym(library, "stays_in_a_handler");
    *(void **)&handles_nothing = dlsym(library, "handles_nothing");
    if (strcmp(when, "pool") == 0) {
        ASYNC_init_thread(0, 0);
        well = two_jobs();
    } else if (strcmp(when, "record") == 0) {
        ASYNC_JOB *idle = NULL;
        go(&idle, ret, once, ""); /* uses the idle job, so the next one is new */
        go(&job, ret, once, "");
        well = two_jobs();
        go(&job, ret, NULL, "");
        go(&idle, ret, NULL, "");
    } else if (strcmp(when, "thread") == 0) {
        pthread_create(&thread, NULL, on_a_thread, &well);
        pthread_join(thread, NULL);
    } else {
        /*
         * The job that was idle is in a handler when a new one is made. That must not lose its
         * exception.
         */
        well = go(&early, &early_ret, in_a_handler, "early") == ASYNC_PAUSE;
        well &= go(&job, ret, once, "") == ASYNC_PAUSE;
        well &= go(&job, ret, NULL, "") == ASYNC_FINISH;
        well &= go(&early, &early_ret, NULL, "") == ASYNC_FINISH && early_ret == 1 && handles_nothing();
        well &= two_jobs();
    }
    /* The jobs from before are resumed. */
    for (i = 0; i < 2; i++)
        well &= go(&held[i], &ret[i], NULL, "") == ASYNC_FINISH && ret[i] == 1;
    puts(well ? "ok" : "WRONG");
    return !well;
}
