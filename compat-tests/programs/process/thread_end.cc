// A thread that ends inside a C++ job: by pthread_exit ("exit"), by cancellation ("cancel"), or by
// pthread_exit while an exception is handled ("handler"). Prints whose destructors run, and the
// value that the thread is joined with.
#include <openssl/async.h>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <pthread.h>
#include <stdexcept>

static const char *how;

struct Says {
    const char *name;
    ~Says() { std::printf("%s\n", name); }
};

static void leave()
{
    Says says = {"the frame that leaves"};
    if (std::strcmp(how, "cancel") == 0) {
        pthread_cancel(pthread_self());
        for (;;)
            pthread_testcancel();
    }
    pthread_exit(reinterpret_cast<void *>(5));
}

static int job(void *)
{
    Says says = {"the job's function"};
    ASYNC_pause_job();
    try {
        if (std::strcmp(how, "handler") == 0) {
            try {
                throw std::runtime_error("handled");
            } catch (std::exception &) {
                leave();
            }
        }
        leave();
    } catch (...) {
        std::printf("caught and thrown again\n");
        throw;
    }
    return 1;
}

static int hold(void *)
{
    Says says = {"another job, which is paused"};
    try {
        throw 7;
    } catch (int) {
        ASYNC_pause_job();
    }
    return 1;
}

static int go(ASYNC_JOB **handle, int (*function)(void *))
{
    int ret;
#ifdef OSSL_ASYNC_WAIT_CTX_API
    return ASYNC_start_job(handle, NULL, &ret, function, NULL, 0);
#else
    return ASYNC_start_job(handle, &ret, function, NULL, 0);
#endif
}

static void *thread(void *)
{
    Says says = {"the thread's function"};
    ASYNC_JOB *other = NULL, *handle = NULL;
    go(&other, hold);
    go(&handle, job);
    go(&handle, NULL);
    std::printf("the thread goes on\n");
    return NULL;
}

int main(int argc, char **argv)
{
    OSSL_ASYNC_STATS stats;
    pthread_t id;
    void *end = NULL;

    how = argc > 1 ? argv[1] : "exit";
    pthread_create(&id, NULL, thread, NULL);
    pthread_join(id, &end);
    OSSL_ASYNC_process_stats(&stats, sizeof(stats));
    std::printf("joined %ld, running %zu, abandoned %zu\n", reinterpret_cast<long>(end), stats.jobs_running, stats.jobs_abandoned);
    // A job of this thread must not find the other thread's exceptions.
    ASYNC_JOB *handle = NULL;
    try {
        throw 8;
    } catch (int) {
        if (go(&handle, hold) != ASYNC_PAUSE || go(&handle, NULL) != ASYNC_FINISH)
            return 1;
    }
    return 0;
}
