// Ends the process by exit() inside a job, with other jobs paused, from the main thread or
// another. Objects that C++ then destroys can still call the library. Prints which objects were
// destroyed, and whether inside a job. The argument is "main" or "thread".
#include <openssl/async.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>

namespace {

// Does not use stdio, which exit() shuts down too.
struct Teller {
    const char *name;

    explicit Teller(const char *name) : name(name) {}
    ~Teller()
    {
        ASYNC_block_pause();
        int paused = ASYNC_pause_job(); // blocked
        ASYNC_unblock_pause();
        ASYNC_free_pool(); // refused: a job runs on a stack of the pool
        std::printf("%s: in job %d, pause %d, current %s\n", name, ASYNC_in_job(), paused,
                    ASYNC_get_current_job() != nullptr ? "yes" : "no");
        std::fflush(stdout);
    }
};

Teller in_static_storage("static");
thread_local Teller in_thread_local_storage("thread-local");

int only_pause(void *)
{
    return ASYNC_pause_job();
}

int leave(void *)
{
    static Teller in_function("static of the job's function");

    std::atexit([] { std::printf("atexit: in job %d\n", ASYNC_in_job()); });
    std::printf("%s in place\n", in_thread_local_storage.name); // which makes it
    std::exit(5);
}

void *run(void *)
{
    ASYNC_JOB *paused = nullptr, *job = nullptr;
    int ret = 0;

    if (ASYNC_start_job(&paused, &ret, only_pause, nullptr, 0) == ASYNC_PAUSE)
        ASYNC_start_job(&job, &ret, leave, nullptr, 0);
    std::printf("not reached\n");
    return nullptr;
}

} // namespace

int main(int argc, char **argv)
{
    ASYNC_JOB *mains = nullptr;
    pthread_t thread;
    int ret = 0;

    if (argc == 2 && std::strcmp(argv[1], "main") == 0)
        run(nullptr);
    else if (ASYNC_start_job(&mains, &ret, only_pause, nullptr, 0) == ASYNC_PAUSE
             && pthread_create(&thread, nullptr, run, nullptr) == 0)
        pthread_join(thread, nullptr);
    return 1;
}
