/*
 * Threads that do what takes time, and how a job waits for them. The provider's signatures are in
 * slow_sign.c.
 */
#ifndef OSSL_ASYNC_PROVIDER_WORKERS_H
#define OSSL_ASYNC_PROVIDER_WORKERS_H

/* Counts since the process began. */
struct slow_sign_counts {
    unsigned long in_job;   /* signatures that were asked for in a job */
    unsigned long paused;   /* those of them whose job paused, and did not block its thread */
    unsigned long blocking; /* signatures whose thread was blocked until they were done */
    unsigned long done;     /* signatures that worker threads have made */
    unsigned long by_fd;    /* ends reported by a wait fd */
    unsigned long by_callback;
    unsigned long errors;
};

/* How many threads there will be, and for how long each is busy with one signature. The first
 * request starts them. */
void slow_sign_set_workers(unsigned int number, unsigned long microseconds);

/* While this is set, the workers begin nothing. */
void slow_sign_hold(int hold);

void slow_sign_get_counts(struct slow_sign_counts *counts);

/*
 * Runs `work(arg)` on a worker thread and returns its result. A job is paused meanwhile. Without a
 * job, or if nothing could wake it, the thread is blocked. Returns 0 if there is no thread.
 *
 * When it returns, no thread uses `arg`, the job's wait fd or its callback any more.
 */
int run_on_worker(int (*work)(void *arg), void *arg);

/* Ends the threads. No request may be left. The next request starts them again. */
void end_workers(void);

#endif
