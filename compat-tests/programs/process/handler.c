/*
 * Signal handlers that interrupt malloc, and call the functions that the header allows in
 * handlers. The program's own malloc raises the signal where glibc's would hold its lock, and
 * aborts if a handler calls it. The library is loaded by dlopen from the file in the argument.
 * Most threads have never used it. Prints "ok".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static __thread int raises, in_handler;
static int handled;

static void fail(const char *what)
{
    ssize_t written = write(2, what, strlen(what));

    (void)written;
    abort();
}

/* As if a signal arrived in the middle of the function. */
static void enter(void)
{
    if (in_handler)
        fail("a handler has called the allocator\n");
    if (raises) {
        raises = 0;
        raise(SIGUSR1);
    }
}

void *malloc(size_t size) { enter(); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { enter(); return __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { enter(); return __libc_realloc(block, size); }
void free(void *block) { enter(); __libc_free(block); }
void *memalign(size_t align, size_t size) { enter(); return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { enter(); return __libc_memalign(align, size); }
int posix_memalign(void **block, size_t align, size_t size)
{
    enter();
    *block = __libc_memalign(align, size);
    return *block == NULL ? ENOMEM : 0;
}

static struct {
    int (*start)(void **, int *, int (*)(void *), void *, size_t);
    int (*pause)(void);
    void *(*current)(void);
    int (*in_job)(void), (*wait_fd)(void *);
    void (*wake)(void *), (*clear)(void *);
} library[2]; /* by the plain names, and by those of the five-argument API */

/* A job that is paused on another thread, or NULL. The job that runs here, or NULL. */
static void *paused;
static __thread void *here;

static int is_readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) == 1;
}

static void handler(int signal)
{
    int i;

    (void)signal;
    in_handler = 1;
    for (i = 0; i < 2; i++) {
        void *jobs[3] = {NULL, here, paused};
        int j;

        if (library[i].current() != here || library[i].in_job() != (here != NULL))
            fail("the wrong job\n");
        for (j = 0; j < 3; j++) {
            int fd = library[i].wait_fd(jobs[j]);

            if ((fd == -1) != (jobs[j] == NULL))
                fail("the wrong descriptor\n");
            library[i].wake(jobs[j]);
            if (fd != -1 && !is_readable(fd))
                fail("not woken\n");
            library[i].clear(jobs[j]);
            if (fd != -1 && is_readable(fd))
                fail("not cleared\n");
        }
    }
    in_handler = 0;
    __sync_fetch_and_add(&handled, 1);
}

/* Each function of the allocator is interrupted once. */
static void interrupted(void)
{
    void *volatile block;

    raises = 1;
    block = malloc(100);
    raises = 1;
    block = realloc(block, 200000);
    raises = 1;
    free(block);
    raises = 1;
    block = calloc(10, 10);
    free(block);
}

static int job(void *unused)
{
    (void)unused;
    here = library[0].current();
    interrupted();
    here = NULL; /* while it is paused */
    library[0].pause();
    here = library[0].current();
    interrupted();
    here = NULL;
    return 1;
}

static int pauses(void *unused) { (void)unused; library[0].pause(); return 1; }

/*
 * A thread that has not used the library, and one that has jobs. Its first call is in the handler.
 */
static void *thread(void *has_jobs)
{
    interrupted();
    if (has_jobs != NULL) {
        void *handle = NULL;
        int ret;

        library[1].start(&handle, &ret, job, NULL, 0);
        interrupted();
        library[1].start(&handle, &ret, job, NULL, 0);
        interrupted();
    }
    return NULL;
}

/* A thread whose jobs have ended. */
static pthread_key_t key;

static void ends(void *unused) { (void)unused; interrupted(); }

static void *ends_with_a_handler(void *unused)
{
    void *handle = NULL;
    int ret;

    library[1].start(&handle, &ret, pauses, NULL, 0);
    library[1].start(&handle, &ret, pauses, NULL, 0);
    pthread_setspecific(key, &key);
    return unused;
}

static void *find(void *handle, const char *api, const char *name)
{
    char whole[64];
    void *found;

    snprintf(whole, sizeof(whole), "%s%s", api, name);
    found = dlsym(handle, whole);
    if (found == NULL)
        fail("a function is missing\n");
    return found;
}

static void run(void *(*function)(void *), void *argument, int expected)
{
    pthread_t id;
    int before = handled;

    if (pthread_create(&id, NULL, function, argument) != 0 || pthread_join(id, NULL) != 0)
        fail("pthread_create failed\n");
    if (handled - before != expected)
        fail("the wrong number of signals was handled\n");
}

int main(int argc, char **argv)
{
    struct sigaction action;
    void *handle = NULL;
    int i, ret;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    if (argc > 1)
        handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        fail("the library cannot be loaded\n");
    for (i = 0; i < 2; i++) {
        const char *api = i == 0 ? "ASYNC_" : "OSSL_ASYNC_";

        *(void **)&library[i].start = find(handle, "ASYNC_", "start_job_2015");
        *(void **)&library[i].pause = find(handle, api, "pause_job");
        *(void **)&library[i].current = find(handle, api, "get_current_job");
        *(void **)&library[i].in_job = find(handle, api, "in_job");
        *(void **)&library[i].wait_fd = find(handle, api, "get_wait_fd");
        *(void **)&library[i].wake = find(handle, api, "wake");
        *(void **)&library[i].clear = find(handle, api, "clear_wake");
    }
    sigaction(SIGUSR1, &action, NULL);
    run(thread, NULL, 4); /* before any thread has had a job */
    library[0].start(&paused, &ret, pauses, NULL, 0);
    pthread_key_create(&key, ends);
    for (i = 0; i < 20; i++) {
        run(thread, NULL, 4);
        run(thread, &key, 5 * 4);
        run(ends_with_a_handler, NULL, 4);
    }
    puts("ok");
    return 0;
}
