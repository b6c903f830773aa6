/*
 * The smallest whole program: a job that pauses once, and a caller that waits until it may go on.
 *
 *     cargo build --release
 *     cc -Icsrc/include -o hello_job examples/hello_job.c -Ltarget/release -lossl_async
 *     LD_LIBRARY_PATH=target/release ./hello_job
 */
#include <poll.h>
#include <stdio.h>

#include <openssl/async.h>

/* Runs as the job. `arg` is the library's copy of what main() passed. */
static int greet(void *arg)
{
    ASYNC_JOB *self = ASYNC_get_current_job();

    if (self == NULL)
        return 0; /* called directly, not as a job */
    puts("Executing within a job");
    printf("Passed in message is: %s\n", (const char *)arg);

    /* Usually a device or another thread does this when its work is done. */
    ASYNC_wake(self);

    /* Now ASYNC_start_job() returns in main(). This call returns when main() resumes the job. */
    ASYNC_pause_job();

    ASYNC_clear_wake(self);
    puts("Resumed the job after a pause");
    return 1;
}

/* Waits until ASYNC_wake() has been called for the job. */
static int wait_for(ASYNC_JOB *job)
{
    struct pollfd wake;

    wake.fd = ASYNC_get_wait_fd(job);
    wake.events = POLLIN;
    wake.revents = 0;
    return poll(&wake, 1, -1) == 1;
}

int main(void)
{
    char message[] = "Hello world!";
    ASYNC_JOB *job = NULL;
    int value = 0, result;

    if (!ASYNC_init_pool(1, 1)) { /* one job at a time, made now */
        puts("Error creating pool");
        return 1;
    }

    puts("Starting...");
    while ((result = ASYNC_start_job(&job, &value, greet, message, sizeof(message))) == ASYNC_PAUSE) {
        puts("Job was paused");
        puts("Waiting for the job to be woken up");
        if (!wait_for(job))
            break;
    }
    if (result == ASYNC_FINISH)
        printf("Job finished with return value %d\n", value);
    else
        puts("An error occurred");

    puts("Finishing");
    ASYNC_free_pool();
    return result == ASYNC_FINISH ? 0 : 1;
}
