/*
 * Measures the jobs of the library that it runs on: usage jobs MEASUREMENT SLICES COUNT. It uses
 * only calls of OpenSSL 1.1.0 and later, so one source serves both libraries. First it prints
 * which library it runs on, then a line for each result.
 *
 * SLICES and COUNT are for MEASURE. The comment at each measurement says what COUNT counts.
 */
#include "bench.h"

#include <link.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/async.h>

/* Each thread has its own: two threads may not use a wait context at once, as with a job. */
static __thread ASYNC_WAIT_CTX *ctx;

/* -------------------------------------------------------------------------------------- which library is measured */

static int find_libcrypto(struct dl_phdr_info *object, size_t size, void *found)
{
    (void)size;
    if (strstr(object->dlpi_name, "/libcrypto.so") != NULL)
        *(int *)found = 1;
    return 0;
}

static void say_libraries(void)
{
    const char *(*version)(int);
    int libcrypto = 0;

    SAY_LIBRARY(ASYNC_start_job);
    SAY_LIBRARY(ASYNC_pause_job);
    SAY_LIBRARY(ASYNC_WAIT_CTX_new);
    dl_iterate_phdr(find_libcrypto, &libcrypto);
    printf("libcrypto %s\n", libcrypto ? "present" : "absent");
    *(void **)&version = dlsym(RTLD_DEFAULT, "OpenSSL_version");
    if (version != NULL)
        printf("version %s\n", version(0));
}

/* ------------------------------------------------------------------------------------------------ jobs, and calls */

static int finish(void *args)
{
    (void)args;
    return 1;
}

static int pause_once(void *args)
{
    (void)args;
    ASYNC_pause_job();
    return 1;
}

/* Pauses until *args says that it is over. */
static int pause_on(void *args)
{
    const volatile int *over = *(const volatile int **)args;

    while (!*over)
        ASYNC_pause_job();
    return 1;
}

/* Starts a job, or resumes it, and requires this result. */
static inline void go(ASYNC_JOB **job, int (*func)(void *), void *args, size_t size, int wanted)
{
    int ret;

    MUST(ASYNC_start_job(job, ctx, &ret, func, args, size) == wanted);
}

static ASYNC_JOB **new_jobs(int count)
{
    /* Written to, so that its pages exist. */
    ASYNC_JOB **jobs = malloc((size_t)count * sizeof(*jobs));

    MUST(jobs != NULL);
    memset(jobs, 0xff, (size_t)count * sizeof(*jobs));
    memset(jobs, 0, (size_t)count * sizeof(*jobs));
    return jobs;
}

static void start_all(ASYNC_JOB **jobs, int count)
{
    int i;

    for (i = 0; i < count; i++)
        go(&jobs[i], pause_once, NULL, 0, ASYNC_PAUSE);
}

static void finish_all(ASYNC_JOB **jobs, int count)
{
    int i;

    for (i = 0; i < count; i++)
        go(&jobs[i], pause_once, NULL, 0, ASYNC_FINISH);
}

/* --------------------------------------------------------------------------------------------------- measurements */

/* Runs COUNT jobs one after the other that end at once. */
static void start_finish(int slices, int count)
{
    static char bytes[4096];
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {{"start_finish", 0}, {"start_finish_64", 64}, {"start_finish_4096", 4096}};
    ASYNC_JOB *job = NULL;
    double ns;
    size_t s;
    int i;

    for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        size_t size = sizes[s].size;
        void *args = size == 0 ? NULL : bytes;

        MEASURE(ns, slices, count, {
            for (i = 0; i < count; i++)
                go(&job, finish, args, size, ASYNC_FINISH);
        });
        say(sizes[s].name, ns);
    }
}

/*
 * Runs COUNT jobs one after the other that pause once, then COUNT resumes of a job that pauses
 * each time.
 */
static void pause_resume(int slices, int count)
{
    ASYNC_JOB *job = NULL;
    volatile int over = 0;
    volatile int *args = &over;
    double ns;
    int i;

    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++) {
            go(&job, pause_once, NULL, 0, ASYNC_PAUSE);
            go(&job, pause_once, NULL, 0, ASYNC_FINISH);
        }
    });
    say("start_pause_resume_finish", ns);

    go(&job, pause_on, &args, sizeof(args), ASYNC_PAUSE);
    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++)
            go(&job, pause_on, NULL, 0, ASYNC_PAUSE);
    });
    over = 1;
    go(&job, pause_on, NULL, 0, ASYNC_FINISH);
    say("pause_resume", ns);
}

/* Starts COUNT jobs, each on a stack that another one used before. */
static void warm(int slices, int count)
{
    ASYNC_JOB **jobs = new_jobs(count);
    double values[MOST_SLICES], begin;
    int s;

    start_all(jobs, count);
    finish_all(jobs, count);
    for (s = 0; s < slices; s++) {
        begin = now();
        start_all(jobs, count);
        values[s] = (now() - begin) / count;
        finish_all(jobs, count);
    }
    say("start_pause_warm", median(values, slices));
}

/* A value from a line of a file in /proc, in bytes. */
static double proc_bytes(const char *file, const char *name)
{
    char line[256];
    double found = -1;
    FILE *f = fopen(file, "r");

    MUST(f != NULL);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            found = strtod(line + strlen(name), NULL) * 1024;
    }
    fclose(f);
    MUST(found >= 0);
    return found;
}

static double resident(void)
{
    /* This is exact, unlike statm and status. */
    return proc_bytes("/proc/self/smaps_rollup", "Rss:");
}

static double page_tables(void)
{
    return proc_bytes("/proc/self/status", "VmPTE:");
}

static void shuffle(ASYNC_JOB **jobs, int count)
{
    uint64_t state = 1;
    int i;

    for (i = count - 1; i > 0; i--) {
        ASYNC_JOB *swapped = jobs[i];
        int other;

        state = state * 6364136223846793005u + 1442695040888963407u;
        other = (int)((state >> 33) % (uint64_t)(i + 1));
        jobs[i] = jobs[other];
        jobs[other] = swapped;
    }
}

/*
 * SLICES times COUNT new jobs, all paused at once, and how much memory they keep. Then all are
 * finished, in scattered order.
 */
static void cold(int slices, int count)
{
    int all = slices * count, s;
    ASYNC_JOB **jobs = new_jobs(all), *first = NULL;
    double values[MOST_SLICES], rss, pte, kept, tables, begin;

    /*
     * Not counted: what the first job of the thread and of the process allocates, and the first
     * use of stdio.
     */
    go(&first, finish, NULL, 0, ASYNC_FINISH);
    page_tables();
    resident();
    memset(values, 0xff, sizeof(values));
    pte = page_tables();
    rss = resident();

    for (s = 0; s < slices; s++) {
        begin = now();
        start_all(jobs + s * count, count);
        values[s] = (now() - begin) / count;
    }
    say("create_cold", median(values, slices));
    kept = resident() - rss;
    tables = page_tables() - pte;
    say("resident", kept / all);
    say("page_tables", tables / all);

    shuffle(jobs, all);
    for (s = 0; s < slices; s++) {
        begin = now();
        finish_all(jobs + s * count, count);
        values[s] = (now() - begin) / count;
    }
    say("finish_scattered", median(values, slices));
}

/* Makes and frees COUNT pools of 100 jobs. */
static void pool(int slices, int count)
{
    enum { JOBS = 100 };
    double ns;
    int i;

    MEASURE(ns, slices, count, {
        for (i = 0; i < count; i++) {
            MUST(ASYNC_init_thread(JOBS, JOBS) == 1);
            ASYNC_cleanup_thread();
        }
    });
    say("pool", ns / JOBS);
}

/* ---- Two threads ---- */

static pthread_barrier_t barrier;

/* How many threads have come to a meeting, in all meetings so far. */
static int arrived;

struct worker {
    /* Whether it is the first of the two to run alone. */
    int first, slices, count;
    /* Nanoseconds of each slice alone, and when each slice together began and ended. */
    double alone[MOST_SLICES], begin[MOST_SLICES], end[MOST_SLICES];
};

/*
 * Both sleep at first, because two threads that spin tend to share a processor. But waking up may
 * take a while.
 */
static void meet(int meeting)
{
    pthread_barrier_wait(&barrier);
    __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < 2 * (meeting + 1))
        ;
}

static void run_alone(struct worker *me, ASYNC_JOB **job)
{
    double begin;
    int s, i;

    for (s = 0; s < me->slices; s++) {
        begin = now();
        for (i = 0; i < me->count; i++)
            go(job, pause_on, NULL, 0, ASYNC_PAUSE);
        me->alone[s] = now() - begin;
    }
}

static void run_together(struct worker *me, ASYNC_JOB **job)
{
    int s, i;

    for (s = 0; s < me->slices; s++) {
        meet(s);
        me->begin[s] = now();
        for (i = 0; i < me->count; i++)
            go(job, pause_on, NULL, 0, ASYNC_PAUSE);
        me->end[s] = now();
    }
}

static void *work(void *arg)
{
    struct worker *me = arg;
    volatile int over = 0;
    volatile int *args = &over;
    ASYNC_JOB *job = NULL;

    MUST((ctx = ASYNC_WAIT_CTX_new()) != NULL);
    go(&job, pause_on, &args, sizeof(args), ASYNC_PAUSE);
    pthread_barrier_wait(&barrier);
    if (me->first)
        run_alone(me, &job);
    pthread_barrier_wait(&barrier);
    if (!me->first)
        run_alone(me, &job);
    pthread_barrier_wait(&barrier);
    run_together(me, &job);
    over = 1;
    go(&job, pause_on, NULL, 0, ASYNC_FINISH);
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
    return NULL;
}

static double fastest(const double *values, int count)
{
    double found = values[0];
    int i;

    for (i = 1; i < count; i++)
        found = values[i] < found ? values[i] : found;
    return found;
}

/*
 * Makes COUNT resumes of one job in a thread: first while the other thread sleeps, then while it
 * does the same. The result is how much more two threads get done than one. The fastest slice
 * counts. In other slices a busy machine had no second processor, and what two threads do to each
 * other shows in all slices.
 */
static void threads(int slices, int count)
{
    static struct worker workers[2];
    static double both[MOST_SLICES];
    pthread_t thread[2];
    double alone;
    int i, s;

    MUST(pthread_barrier_init(&barrier, NULL, 2) == 0);
    for (i = 0; i < 2; i++) {
        workers[i].first = i == 0;
        workers[i].slices = slices;
        workers[i].count = count;
        MUST(pthread_create(&thread[i], NULL, work, &workers[i]) == 0);
    }
    for (i = 0; i < 2; i++)
        MUST(pthread_join(thread[i], NULL) == 0);
    for (s = 0; s < slices; s++) {
        double begin0 = workers[0].begin[s], begin1 = workers[1].begin[s];
        double end0 = workers[0].end[s], end1 = workers[1].end[s];

        both[s] = (end0 > end1 ? end0 : end1) - (begin0 < begin1 ? begin0 : begin1);
    }
    alone = (fastest(workers[0].alone, slices) + fastest(workers[1].alone, slices)) / 2;
    say("two_threads", 2 * alone / fastest(both, slices));
}

/* ---- A million ---- */

/* Writes to COUNT new pages, and returns what each has taken. */
static double touch_new_pages(int count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (size_t)count * page, at;
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double begin;

    MUST(pages != MAP_FAILED);
    madvise(pages, size, MADV_NOHUGEPAGE);
    begin = now();
    for (at = 0; at < size; at += page)
        ((volatile char *)pages)[at] = 1;
    return (now() - begin) / count;
}

/*
 * SLICES times COUNT new jobs, all paused at once, with the system's present limits.
 *
 * A virtual machine may have memory that its host has not given it yet. The first write to a page
 * of it takes several times as long. So beside the first and the last jobs new pages are written to
 * without any job. What those take more at the end is not the library's doing.
 */
static void many(int slices, int count)
{
    ASYNC_JOB **jobs = new_jobs(slices * count), *first = NULL;
    double values[MOST_SLICES], pages[MOST_SLICES], begin, early, late, pages_early, pages_late;
    /* How many jobs count as the first and as the last: a hundredth. */
    int edge = slices < 100 ? 1 : slices / 100;
    int s, i, ret, made = 0;

    go(&first, finish, NULL, 0, ASYNC_FINISH);
    for (s = 0; s < slices; s++) {
        begin = now();
        for (i = 0; i < count; i++) {
            if (ASYNC_start_job(&jobs[made], ctx, &ret, pause_once, NULL, 0) != ASYNC_PAUSE)
                break;
            made++;
        }
        if (i < count)
            break;
        values[s] = (now() - begin) / count;
        if (s < edge || s >= slices - edge)
            pages[s] = touch_new_pages(count);
    }
    say("many_made", made);
    if (s == slices) {
        early = median(values, edge);
        late = median(values + slices - edge, edge);
        say("many_first", early);
        say("many_last", late);
        say("many_growth", late / early);
        pages_early = median(pages, edge);
        pages_late = median(pages + slices - edge, edge);
        say("many_pages_growth", pages_late / pages_early);
        say("many_own_growth", late / early / (pages_late / pages_early));
        say("many_median", median(values, slices));
    }
    /* The process ends here: the system frees everything faster than ending the jobs would. */
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    int slices, count;

    if (argc != 4) {
        fprintf(stderr, "usage: %s MEASUREMENT SLICES COUNT\n", argv[0]);
        return 2;
    }
    slices = number(argv[2], MOST_SLICES);
    count = number(argv[3], 1000000);
    say_libraries();
    MUST((ctx = ASYNC_WAIT_CTX_new()) != NULL);
    if (strcmp(argv[1], "start_finish") == 0) {
        start_finish(slices, count);
    } else if (strcmp(argv[1], "pause_resume") == 0) {
        pause_resume(slices, count);
    } else if (strcmp(argv[1], "warm") == 0) {
        warm(slices, count);
    } else if (strcmp(argv[1], "cold") == 0) {
        cold(slices, count);
    } else if (strcmp(argv[1], "pool") == 0) {
        pool(slices, count);
    } else if (strcmp(argv[1], "threads") == 0) {
        threads(slices, count);
    } else if (strcmp(argv[1], "many") == 0) {
        many(slices, count);
    } else {
        fprintf(stderr, "%s: no such measurement\n", argv[1]);
        return 2;
    }
    ASYNC_cleanup_thread();
    ASYNC_WAIT_CTX_free(ctx);
    return 0;
}
