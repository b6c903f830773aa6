/*
 * Copyright the ossl-async authors.
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * openssl/async.h: asynchronous jobs, OpenSSL's ASYNC_JOB facility.
 *
 * A job is a function with a stack of its own. ASYNC_start_job runs it on the
 * calling thread, at once, like any call. Somewhere down its calls the
 * function may say ASYNC_pause_job: then ASYNC_start_job returns ASYNC_PAUSE
 * and a handle, and the thread is free for other work. Passing the handle to
 * ASYNC_start_job again lets the function go on from where it paused. No
 * thread is made and nothing runs in parallel; on one thread at most one job
 * runs at a time, while any number may be paused.
 *
 *     ASYNC_JOB *job = NULL;
 *     int value;
 *
 *     switch (ASYNC_start_job(&job, &value, func, &args, sizeof(args))) {
 *     case ASYNC_FINISH:   value is what func returned          break;
 *     case ASYNC_PAUSE:    call again, with this job, later     break;
 *     case ASYNC_NO_JOBS:  the pool is full, try again later    break;
 *     case ASYNC_ERR:      the error queue says why             break;
 *     }
 *
 * Two generations. The facility was first written with the five-argument
 * ASYNC_start_job above and one wait descriptor a job (2015). OpenSSL released
 * it, from 1.1.0 on, with a six-argument ASYNC_start_job and a wait context.
 * The library's symbol ASYNC_start_job is the released, six-argument call,
 * because that is what libssl expects to find under this name. In source the
 * five-argument call is the default: ASYNC_start_job is a macro for
 * ASYNC_start_job_2015. Compile with -DOSSL_ASYNC_WAIT_CTX_API and the macro
 * is not there. This version of the header has the types of the second
 * generation, so that openssl/ssl.h of OpenSSL compiles with this file in
 * front of OpenSSL's, and not yet its functions.
 *
 * Threads. Pool, running job and the count of ASYNC_block_pause belong to the
 * thread. A job is resumed on the thread that started it. Three functions are
 * for any thread at any time: ASYNC_wake, ASYNC_clear_wake and
 * ASYNC_get_wait_fd. No function needs an initialising call before it.
 *
 * Errors. A failing call adds one entry to the calling thread's error queue,
 * which openssl/err.h reads: OpenSSL's where the program uses OpenSSL, the one
 * in csrc/standalone where not. Successful calls add nothing, and no call
 * clears the queue. Queue and errno are the thread's, not the job's: what a
 * job leaves there is still there after it has paused. Codes are given below
 * as they appear in the library's own queue; openssl/asyncerr.h explains them.
 *
 * Handles. An ASYNC_JOB pointer is valid from the start of the job to its
 * ASYNC_FINISH. Later it is stale, and the library knows that: resuming it is
 * refused, waking it does nothing, also when ASYNC_free_pool or the end of its
 * thread came in between. Two limits. Records are used again, the one
 * released last first, and a stale handle whose record carries a newer job
 * cannot be told from the handle of that job. And an address that never was a
 * handle is undefined behaviour.
 *
 * Job functions. A job has at least 128 KiB of stack, and below it a guard of
 * at least 80 KiB: running off the end is a crash at that point and never
 * damage to other memory. A job function must leave by returning. Leaving by
 * longjmp, by a C++ exception, by pthread_exit or by cancellation is undefined
 * behaviour. Signal mask and floating-point modes are the thread's and are not
 * switched with the job (on platforms where a switch has to be made by
 * swapcontext they are kept apart for each job). After fork the child has
 * copies of the forking thread's pool and paused jobs, which work; pipes are
 * shared with the parent.
 *
 * End of a thread. Its idle jobs and its pool are freed. Jobs still paused
 * keep their memory, because another thread may yet wake them, and can no
 * longer be resumed.
 */

#ifndef OSSL_ASYNC_OPENSSL_ASYNC_H
#define OSSL_ASYNC_OPENSSL_ASYNC_H

#include <stdlib.h>

#include <openssl/asyncerr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What OpenSSL's file of this name has in common with this one. Skipped if
 * that file came first (known by its guard, of 3.0 and later or of before);
 * and both its guards are set, so that it is empty if it comes later.
 */
#if !defined(OPENSSL_ASYNC_H) && !defined(HEADER_ASYNC_H)
# define OPENSSL_ASYNC_H
# define HEADER_ASYNC_H

/* A job. Only pointers to it are used; what it holds is the library's. */
typedef struct async_job_st ASYNC_JOB;

/* What ASYNC_start_job returns. */
# define ASYNC_ERR 0     /* refused or failed; see the error queue */
# define ASYNC_NO_JOBS 1 /* no job to be had now; nothing was started */
# define ASYNC_PAUSE 2   /* the function paused; the handle is in *job */
# define ASYNC_FINISH 3  /* the function returned; its value is in *ret */

/*
 * Types of the second generation: a descriptor to wait for, the value that is
 * none, the wait context, and the function called when a job can go on.
 */
# define OSSL_ASYNC_FD int
# define OSSL_BAD_ASYNC_FD (-1)
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;
typedef int (*ASYNC_callback_fn)(void *arg);

#endif

/*
 * Gives the calling thread a pool of jobs. Optional: without it the first
 * ASYNC_start_job makes a pool without limit, empty at first, which stays.
 *
 * max_size   the most jobs this pool will ever have, idle, running and paused
 *            together; 0 is no limit
 * init_size  how many to make now: stack, guard and wait pipe (two
 *            descriptors each). At most max_size. The comparison takes 0
 *            literally, so a pool without limit cannot be filled in advance:
 *            max_size 0 with init_size > 0 is refused
 *
 * Returns 1, or 0 with nothing changed, an earlier pool included. Running out
 * of memory or descriptors while making jobs is not a failure: the pool has
 * those made so far, the entry that says what ran out is queued, and the rest
 * are made when they are needed.
 *
 * With a pool already there the new limits hold from now on: the idle jobs of
 * the old pool are freed; its running and paused jobs go on, count against no
 * pool, and are freed when they finish. This also holds inside a job.
 *
 * Queues, returning 0:
 *   0x33065067  init_size is larger than max_size
 *   0x33065041  the process has no thread-specific key (pthread_key_create)
 *               left to free the pool with when the thread ends
 *   0x33065065  no jobs on this platform
 * Queues, returning 1:
 *   0x33066041  no memory, or no guarded stack, for one more job
 *   0x33066064  no pipe for one more job
 */
int ASYNC_init_pool(size_t max_size, size_t init_size);

/*
 * Frees the calling thread's idle jobs, closing their pipes, and its pool, and
 * forgets the count of ASYNC_block_pause. Without a pool only the latter; a
 * second call has no effect. Afterwards the thread is as new.
 *
 * Paused jobs are not touched. They can be resumed, with or without a new
 * pool, and are freed when they finish; one that is never resumed keeps its
 * memory. Finish all jobs first.
 *
 * Not for use inside a job: there it has no effect.
 *
 * Queues:
 *   0x33065042  called inside a job
 */
void ASYNC_free_pool(void);

/*
 * Starts a job or lets a paused one go on. Write ASYNC_start_job; see the
 * macro below.
 *
 * job   where the handle is kept; must not be NULL. *job NULL starts a new
 *       job, anything else is the handle of the paused job to resume
 * ret   where the function's return value goes; NULL if it is not wanted
 * func  the function to run; must not be NULL for a new job
 * args  what to pass to it. NULL: func gets NULL. Otherwise func gets a
 *       private copy of size bytes, aligned as malloc aligns, at an address
 *       that stays the same until it returns; it may write there. The
 *       caller's own bytes are not used after this call
 * size  the number of bytes at args; not looked at if args is NULL. 0 with
 *       args not NULL is refused
 *
 * func, args and size are ignored for a resume.
 *
 * Returns one of four. *job and *ret are written only where it says so.
 *   ASYNC_FINISH   func returned. *ret is its value, *job is NULL
 *   ASYNC_PAUSE    func paused. *job is the handle
 *   ASYNC_NO_JOBS  the pool's max_size jobs are all in use, which queues
 *                  nothing, or one more could not be made, which queues the
 *                  reason. Nothing was started; try again later. The pool is
 *                  asked before args is copied
 *   ASYNC_ERR      refused or failed. Nothing was started or resumed; a paused
 *                  job stays paused and can be resumed
 *
 * Misuse is refused with ASYNC_ERR and one entry; neither *job nor *ret is
 * written, and no job and no pool changes. Misuse is: a start or resume inside
 * a job, whatever the handle, the running job's own included; a resume with
 * the handle of a job that is not paused, has finished, or was started by
 * another thread; NULL for job, or for func of a new job. About stale handles
 * see the head of this file.
 *
 * While func runs for the first time *job is still NULL. A new job begins
 * with its wait descriptor unsignalled.
 *
 * Queues, returning ASYNC_ERR:
 *   0x33064041  no thread-specific key left, as for ASYNC_init_pool
 *   0x33069041  no memory for the copy of args; or args with size 0
 *   0x33069042  *job is not a paused job of this thread
 *   0x33069043  job is NULL, or func of a new job is
 *   0x33069044  called inside a job; or the first switch to the job failed
 *   nothing     no jobs on this platform
 * Queues, returning ASYNC_NO_JOBS:
 *   0x33066041  no memory, or no guarded stack, for the job
 *   0x33066064  no pipe for the job
 */
int ASYNC_start_job_2015(ASYNC_JOB **job, int *ret, int (*func)(void *),
                         void *args, size_t size);

/* The default generation's name for it; object-like, so its address works. */
#if !defined(OSSL_ASYNC_WAIT_CTX_API) && !defined(ASYNC_start_job)
# define ASYNC_start_job ASYNC_start_job_2015
#endif

/*
 * Pauses the running job: the ASYNC_start_job that started or resumed it
 * returns ASYNC_PAUSE. This call returns when the job is resumed.
 *
 * Outside a job, and while pausing is blocked, it returns at once and does
 * nothing. A caller that loops until something has happened therefore spins if
 * pausing is blocked, and must not take a return for a pause.
 *
 * Returns 1, also if it did nothing. 0 would be a failed switch (0x33067066),
 * which no supported platform has. Queues nothing.
 */
int ASYNC_pause_job(void);

/*
 * Returns 1 inside a job of this thread, that is, exactly when
 * ASYNC_get_current_job is not NULL, else 0. Queues nothing.
 */
int ASYNC_in_job(void);

/*
 * Returns the job running on this thread, the same handle that
 * ASYNC_start_job gives when the job pauses; NULL outside a job. Queues
 * nothing.
 */
ASYNC_JOB *ASYNC_get_current_job(void);

/*
 * Returns the job's wait descriptor, which poll or select find readable from
 * an ASYNC_wake to the next ASYNC_clear_wake. It is the read end of a pipe,
 * close-on-exec, and the same for the job's whole life. Wait for it only: do
 * not read from it, and do not close it. Forget it when the job has finished,
 * for it goes on to serve another job or is closed.
 *
 * -1 for NULL, for a job that has ended, and for a job that has no pipe, as
 * one has not that was started by the six-argument call. From any thread.
 * Queues nothing.
 */
int ASYNC_get_wait_fd(ASYNC_JOB *job);

/*
 * Signals that the job can go on: its wait descriptor becomes readable. This
 * resumes nothing by itself; the thread that owns the job does. Pausing and
 * resuming do not touch the signal, and a job may wake itself before it
 * pauses. Waking twice is as waking once.
 *
 * From any thread at any time, also while the job runs, finishes, is freed or
 * is cleared elsewhere. No effect on NULL or on a job that has ended. Keeps no
 * failure and queues nothing.
 */
void ASYNC_wake(ASYNC_JOB *job);

/*
 * Takes the signal back: the wait descriptor is no longer readable, however
 * many wakes there were. Never blocks. A wake at the same moment in another
 * thread comes either before, and is cleared, or after, and stays; so clear
 * first and look for work then.
 *
 * From any thread at any time, as ASYNC_wake. No effect on NULL, on a job that
 * has ended, or on one that is not signalled. Queues nothing.
 */
void ASYNC_clear_wake(ASYNC_JOB *job);

/*
 * Keeps the running job from pausing, until ASYNC_unblock_pause has been
 * called as often: for the time in which it holds a lock that the code outside
 * the job may want. Outside a job there is no effect.
 *
 * The count is the thread's and not the job's. A function that returns without
 * unblocking leaves it, and no job of this thread pauses until one has
 * unblocked, or until ASYNC_free_pool. Queues nothing.
 */
void ASYNC_block_pause(void);

/*
 * Undoes one ASYNC_block_pause. No effect outside a job, and none when nothing
 * is blocked. Queues nothing.
 */
void ASYNC_unblock_pause(void);

#ifdef __cplusplus
}
#endif

#endif
