// Jobs that pause while the C++ run-time has state for them: a handled exception, or one that is
// being thrown. Prints one line for each case, "ok" or "WRONG".
#include <openssl/async.h>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>

static int go(ASYNC_JOB **job, int *ret, int (*function)(void *), int number = 0)
{
#ifdef OSSL_ASYNC_WAIT_CTX_API
    return ASYNC_start_job(job, NULL, ret, function, &number, sizeof(number));
#else
    return ASYNC_start_job(job, ret, function, &number, sizeof(number));
#endif
}

static int failures;
static void check(const char *what, bool ok) { std::printf("%s %s\n", ok ? "ok" : "WRONG", what); failures += !ok; }

static int number_of(void *argument) { return *static_cast<int *>(argument); }
static int uncaught() { return std::uncaught_exception() ? 1 : 0; }

// The exception that is handled now. It is thrown again and caught.
static int handled()
{
    if (std::current_exception() == nullptr)
        return -1;
    try {
        throw;
    } catch (std::exception &again) {
        return std::stoi(again.what());
    } catch (int again) {
        return again;
    }
}

// Pauses once for each level of handlers, on entering and on leaving. Returns whether each
// exception was its own.
static bool nested(int level, int number)
{
    try {
        throw std::runtime_error(std::to_string(number + level));
    } catch (std::exception &mine) {
        ASYNC_pause_job();
        bool well = handled() == number + level && mine.what() == std::to_string(number + level);
        if (level > 0)
            well = nested(level - 1, number) && well;
        ASYNC_pause_job();
        return well && handled() == number + level && uncaught() == 0;
    }
}

static int in_handlers(void *argument)
{
    int number = number_of(argument);
    bool none_at_first = handled() == -1 && uncaught() == 0;
    return none_at_first && nested(2, number) && handled() == -1 ? number : 0;
}

static int in_a_handler(void *argument)
{
    int number = number_of(argument);
    try {
        throw std::runtime_error(std::to_string(number));
    } catch (std::exception &) {
        ASYNC_pause_job();
        return handled() == number ? number : 0;
    }
}

struct Pauses {
    int *count;
    ~Pauses()
    {
        count[0] = uncaught();
        ASYNC_pause_job();
        count[1] = uncaught();
    }
};

static int while_unwinding(void *argument)
{
    int count[2] = {-1, -1};
    try {
        Pauses pauses = {count};
        throw number_of(argument);
    } catch (int caught) {
        return count[0] == 1 && count[1] == 1 && uncaught() == 0 ? caught : 0;
    }
}

static int sees_nothing(void *argument) { return uncaught() == 0 && handled() == -1 ? number_of(argument) : 0; }

// An exception that is kept after its handler has ended, and thrown in another job.
static std::exception_ptr kept;
static int keeps(void *argument)
{
    try {
        throw number_of(argument);
    } catch (int) {
        kept = std::current_exception();
        ASYNC_pause_job();
    }
    return number_of(argument);
}
static int throws_what_is_kept(void *)
{
    try {
        std::rethrow_exception(kept);
    } catch (int caught) {
        ASYNC_pause_job();
        return caught;
    }
}

// Starts two jobs and resumes them until they end, in this order or the other.
static bool two(int (*function)(void *), bool last_first)
{
    ASYNC_JOB *jobs[2] = {NULL, NULL};
    int ret[2] = {0, 0};
    bool well = true;
    for (int i = 0; i < 2; i++)
        well = go(&jobs[i], &ret[i], function, 10 * (i + 1)) == ASYNC_PAUSE && handled() == -1 && uncaught() == 0 && well;
    for (int i = 0; i < 2; i++) {
        int next = last_first ? 1 - i : i;
        while (jobs[next] != NULL)
            go(&jobs[next], &ret[next], NULL);
    }
    return well && ret[0] == 10 && ret[1] == 20 && handled() == -1 && uncaught() == 0;
}

static void take_turns()
{
    const int count = 20;
    ASYNC_JOB *jobs[count] = {};
    int ret[count] = {}, left = count;
    unsigned random = 1;
    for (int i = 0; i < count; i++)
        go(&jobs[i], &ret[i], in_handlers, 100 * (i + 1));
    while (left > 0) {
        random = random * 1103515245 + 12345;
        int next = (random >> 16) % count;
        if (jobs[next] != NULL && go(&jobs[next], &ret[next], NULL) == ASYNC_FINISH)
            left--;
    }
    bool well = handled() == -1;
    for (int i = 0; i < count; i++)
        well = well && ret[i] == 100 * (i + 1);
    check("twenty jobs in nested handlers take turns", well);
}

static void callers_handler()
{
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret = 0, other_ret = 0;
    bool well = true;
    try {
        throw 77;
    } catch (int) {
        well = go(&job, &ret, in_a_handler, 5) == ASYNC_PAUSE && handled() == 77;
        well = go(&other, &other_ret, sees_nothing, 6) == ASYNC_FINISH && other_ret == 6 && handled() == 77 && well;
    }
    // Resumed while the thread handles no exception, or another one.
    try {
        throw 78;
    } catch (int) {
        well = go(&job, &ret, NULL) == ASYNC_FINISH && ret == 5 && handled() == 78 && well;
    }
    check("a handler of the caller's starts jobs and another resumes them", well && handled() == -1);
}

struct Starts {
    bool *well;
    ~Starts()
    {
        ASYNC_JOB *job = NULL;
        int ret = 0;
        bool before = uncaught() == 1;
        go(&job, &ret, sees_nothing, 3);
        *well = before && ret == 3 && uncaught() == 1;
    }
};

static void caller_unwinds()
{
    bool well = false;
    try {
        Starts starts = {&well};
        throw 1;
    } catch (int) {
    }
    check("a destructor of the caller's starts a job while unwinding", well && uncaught() == 0);
}

static void cancelled()
{
    ASYNC_JOB *jobs[2] = {NULL, NULL};
    int ret[2] = {0, 0};
    go(&jobs[0], &ret[0], in_handlers, 10);
    go(&jobs[1], &ret[1], while_unwinding, 20);
    bool well = OSSL_ASYNC_cancel_job(&jobs[0], &ret[0]) == ASYNC_FINISH && handled() == -1;
    well = OSSL_ASYNC_cancel_job(&jobs[1], &ret[1]) == ASYNC_FINISH && uncaught() == 0 && well;
    check("cancelled jobs have their own", well && ret[0] == 10 && ret[1] == 20);
}

static void kept_exception()
{
    ASYNC_JOB *a = NULL, *b = NULL;
    int ra = 0, rb = 0;
    go(&a, &ra, keeps, 9);
    go(&b, &rb, throws_what_is_kept);
    go(&a, &ra, NULL);
    go(&b, &rb, NULL);
    kept = nullptr;
    check("one exception is handled in two jobs", ra == 9 && rb == 9 && handled() == -1);
}

static void *all_of_it(void *)
{
    check("two jobs in handlers, first in, first out", two(in_a_handler, false));
    check("two jobs in handlers, last in, first out", two(in_a_handler, true));
    check("two jobs in nested handlers, first in, first out", two(in_handlers, false));
    check("two jobs in nested handlers, last in, first out", two(in_handlers, true));
    check("two jobs pause while unwinding, first in, first out", two(while_unwinding, false));
    check("two jobs pause while unwinding, last in, first out", two(while_unwinding, true));
    take_turns();
    callers_handler();
    caller_unwinds();
    cancelled();
    kept_exception();
    return NULL;
}

static void *leaves_jobs_paused(void *)
{
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret;
    go(&job, &ret, in_handlers, 1);
    go(&other, &ret, while_unwinding, 2);
    return NULL;
}

static void on_a_thread(void *(*function)(void *))
{
    pthread_t thread;
    pthread_create(&thread, NULL, function, NULL);
    pthread_join(thread, NULL);
}

int main()
{
    // Sets a limit, because a corrupt list of exceptions may have no end.
    struct rlimit seconds = {20, 20};
    setrlimit(RLIMIT_CPU, &seconds);
    all_of_it(NULL);
    on_a_thread(leaves_jobs_paused);
    on_a_thread(all_of_it);
    try {
        throw 1;
    } catch (int) {
        on_a_thread(all_of_it);
    }
    ASYNC_free_pool();
    all_of_it(NULL);
    return failures != 0;
}
