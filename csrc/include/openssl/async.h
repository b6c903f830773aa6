/*
 * Copyright the ossl-async authors.
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * openssl/async.h: asynchronous jobs, OpenSSL's ASYNC_JOB facility.
 *
 * A job is a function with a stack of its own. ASYNC_start_job runs it on the
 * calling thread, at once, like any call. Somewhere down its calls the
 * function may call ASYNC_pause_job: then ASYNC_start_job returns ASYNC_PAUSE
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
 * In source the five-argument API is the default. Compile with
 * -DOSSL_ASYNC_WAIT_CTX_API for the six-argument API. Everything else of both
 * generations has names of its own and is declared always. Both work on the
 * same jobs and the same pool, so ASYNC_init_thread is ASYNC_init_pool without
 * pipes, and a job of either kind is resumed by either call. In a program that
 * also links libcrypto use one API in all source files.
 *
 * Which library answers. libcrypto has functions of these names too. A program
 * must get all of them from one library. Jobs and wait contexts of one must
 * never be given to functions of the other: that crashes.
 *
 *   Five arguments. Each name is a macro for a symbol that only this library
 *   has: ASYNC_pause_job is OSSL_ASYNC_pause_job, and so on. ASYNC_start_job
 *   is ASYNC_start_job_2015, because libssl expects the six-argument call
 *   under the symbol ASYNC_start_job. The program calls this library, with any
 *   order of -lcrypto and -lossl_async. A name that is a macro already when
 *   this file is included is left alone.
 *
 *   Six arguments. The names are plain symbols. The program calls the library
 *   that comes first: put -lossl_async before -lcrypto, or preload this
 *   library, as compat-tests/with-ossl-async does. If libcrypto comes first,
 *   do not use the functions that it does not have: those of 2015 and the
 *   OSSL_ASYNC_ ones, OSSL_ASYNC_serves_libssl excepted.
 *
 * libssl, engines and providers call the plain symbols, whatever the program
 * does. OSSL_ASYNC_serves_libssl says whether they reach this library.
 *
 * -DOSSL_ASYNC_PLAIN_NAMES leaves the macros of the five-argument API out, so
 * that its names are plain symbols as well. It is for generators of bindings,
 * for mocks, and to run one program on different libraries. Put the library
 * before libcrypto then. Only ASYNC_start_job stays ASYNC_start_job_2015: if a
 * five-argument function had the symbol ASYNC_start_job, libssl would call it
 * and crash. A library that is compiled with this file and this option has the
 * right symbols by itself. For a library that has a five-argument
 * ASYNC_start_job, in a process without libssl, compile the program with
 * -DASYNC_start_job_2015=ASYNC_start_job as well.
 *
 * This file may be included before or after OpenSSL's file of the same name.
 * OpenSSL's openssl/ssl.h compiles with either.
 *
 * Threads. Pool, running job and the count of ASYNC_block_pause belong to the
 * thread. A job is resumed on the thread that started it. What another thread
 * may do with a job is to call ASYNC_wake, ASYNC_clear_wake, ASYNC_get_wait_fd
 * and ASYNC_get_wait_ctx, at any time. Settings and statistics of the process
 * are for any thread. No function needs an initialising call before it.
 *
 * Signal handlers may call ASYNC_wake, ASYNC_clear_wake, ASYNC_get_wait_fd,
 * ASYNC_get_current_job and ASYNC_in_job, whatever they have interrupted, and
 * no other function here.
 *
 * Errors. A failing call adds one entry to the calling thread's error queue,
 * which openssl/err.h reads: OpenSSL's where the program uses OpenSSL, the one
 * in csrc/standalone where not. Successful calls add nothing, and no call
 * clears the queue. Queue and errno are the thread's, not the job's: what a
 * job leaves there is still there after it has paused. Codes are given below
 * as they appear in the library's own queue; openssl/asyncerr.h explains them.
 * In OpenSSL's queue they are packed as the OpenSSL in the process packs its
 * own: from 3.0 on 0x33065067 is 0x19800067 there.
 *
 * Handles. An ASYNC_JOB pointer is valid from the start of the job to its
 * ASYNC_FINISH. Later it is stale, and the library knows that: resuming it is
 * refused, waking it does nothing, also when ASYNC_free_pool or the end of its
 * thread came in between. Two limits. Records are used again, the one
 * released last first, and a stale handle whose record carries a newer job
 * cannot be told from the handle of that job. And an address that never was a
 * handle is undefined behaviour.
 *
 * Job functions. A job has at least 128 KiB of stack, unless another size was
 * set (OSSL_ASYNC_set_stack_size), and below it a guard of at least 80 KiB:
 * running off the end is a crash at that point and never damage to other
 * memory, unless a function with locals of more than 80 KiB steps over the
 * guard (compile such with -fstack-clash-protection). A job function must
 * leave by returning. Leaving by longjmp or by a C++ exception is undefined
 * behaviour. Signal mask and floating-point modes are the thread's and are not
 * switched with the job (on platforms where a switch has to be made by
 * swapcontext they are kept apart for each job).
 *
 * The end of the thread inside a job. pthread_exit and cancellation end the
 * thread from inside a job too. The job's own frames are unwound: cleanup
 * handlers and C++ destructors run. The frames of the thread's own stack below
 * the job are not unwound, as with libcrypto. A thread must not end so while a
 * Rust function is among the job's frames: that is undefined behaviour.
 *
 * C++. What the C++ run-time keeps for the thread goes with the job: the
 * exceptions that are being handled, and how many are in flight. A job may
 * pause in a handler, or in a destructor while an exception is in flight. The
 * run-time (libstdc++ or libc++abi) is looked for when a thread starts its
 * first job, makes a pool, or needs a new record; one that is loaded later is
 * found at the next of these. A run-time that is linked into the program
 * statically is found by libossl_async.a, and by the .so only if the program
 * exports __cxa_get_globals.
 *
 * fork. The child has copies of the forking thread's pool and paused jobs,
 * which work. Their pipes are the parent's too: what one process writes both
 * can see. A child that calls ASYNC_free_pool first closes its descriptors of
 * idle jobs' pipes, not the parent's, and what it starts then has pipes of its
 * own; a paused job keeps its pipe to its end. Jobs of the six-argument call
 * have none to share.
 *
 * End of a thread. Its idle jobs and its pool are freed. Jobs still paused,
 * and a job in which the thread ended, keep their memory, because another
 * thread may yet wake them, and can no longer be resumed. The destructor of
 * another thread-specific key may start jobs after that. Nothing is pooled for
 * the thread any more then: each job is freed when it finishes, and a pool has
 * no effect and no limit.
 *
 * Stacks that are not the library's. On a job's stack no function here takes
 * more than 1 KiB for itself, errors included. A thread's first job takes at
 * most 7 KiB of the thread's own stack. An error that a job raises goes to
 * OpenSSL's queue too if OpenSSL was in the process when the thread last
 * started its first job, made a pool or raised an error outside a job.
 *
 * Environment. Four variables, all of them ignored in set-id programs:
 *   OSSL_ASYNC_STACK_SIZE=N       as OSSL_ASYNC_set_stack_size(N); an invalid
 *                                 value is reported on standard error and
 *                                 ignored
 *   OSSL_ASYNC_GUARD=mprotect     the guard of every stack is a mapping of its
 *                                 own. Without it that is so for the first 256
 *                                 only, and later guards are lightweight ones
 *                                 where the kernel has them. gdb's gcore loses
 *                                 the stacks beside lightweight guards. Any
 *                                 other value is reported and ignored
 *   OSSL_ASYNC_STATS=1            stacks are measured, and when the process
 *                                 ends one line on standard error has its
 *                                 counts, those of OSSL_ASYNC_process_stats
 *   OSSL_ASYNC_OVERFLOW_REPORT=1  from the first job on, a process that dies of
 *                                 a stack overflow first says on standard error
 *                                 which job it was, where its stack lies and
 *                                 what makes stacks larger. For this alone the
 *                                 library installs handlers, for SIGSEGV and
 *                                 SIGBUS, on a signal stack that each thread
 *                                 with jobs gets if it has none; what was
 *                                 installed before is called afterwards
 * Without them the library prints nothing and installs nothing.
 */

#ifndef OSSL_ASYNC_OPENSSL_ASYNC_H
#define OSSL_ASYNC_OPENSSL_ASYNC_H

#include <stdlib.h>

#include <openssl/asyncerr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of this file, packed as OpenSSL 3 packs its own: 0xMNN00PP0L for
 * version M.N.P. OSSL_ASYNC_version returns that of the library.
 */
#define OSSL_ASYNC_VERSION_NUMBER 0x00100000L

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

/* A descriptor to wait for, and the value that is none. */
# define OSSL_ASYNC_FD int
# define OSSL_BAD_ASYNC_FD (-1)

/* A wait context: what to wait for while jobs are paused. Opaque as a job. */
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;

/* Gone again below. */
# define OSSL_ASYNC_H_CAME_FIRST

#endif

/*
 * Since OpenSSL 3.0, numbers and type together: how the work behind a callback
 * stands, and the function that an engine calls when a job can go on.
 */
#ifndef ASYNC_STATUS_UNSUPPORTED
# define ASYNC_STATUS_UNSUPPORTED 0 /* the callback is not used */
# define ASYNC_STATUS_ERR 1         /* the work failed */
# define ASYNC_STATUS_OK 2          /* the work is under way or done */
# define ASYNC_STATUS_EAGAIN 3      /* nothing was begun; try again later */
typedef int (*ASYNC_callback_fn)(void *arg);
#endif

/*
 * Since OpenSSL 3.2: where stacks come from; see ASYNC_set_mem_functions.
 * OpenSSL's file, if it came first, has brought its version's number along.
 */
#if defined(OSSL_ASYNC_H_CAME_FIRST) || !defined(OPENSSL_VERSION_MAJOR) \
    || OPENSSL_VERSION_MAJOR < 3                                        \
    || (OPENSSL_VERSION_MAJOR == 3 && OPENSSL_VERSION_MINOR < 2)
typedef void *(*ASYNC_stack_alloc_fn)(size_t *num);
typedef void (*ASYNC_stack_free_fn)(void *addr);
#endif
#undef OSSL_ASYNC_H_CAME_FIRST

/*
 * The symbols of the five-argument API; see the head of this file. The macros
 * are object-like, so that the address of each function can be taken.
 */
#if !defined(OSSL_ASYNC_WAIT_CTX_API) && !defined(OSSL_ASYNC_PLAIN_NAMES)
# ifndef ASYNC_init_pool
#  define ASYNC_init_pool OSSL_ASYNC_init_pool
# endif
# ifndef ASYNC_free_pool
#  define ASYNC_free_pool OSSL_ASYNC_free_pool
# endif
# ifndef ASYNC_pause_job
#  define ASYNC_pause_job OSSL_ASYNC_pause_job
# endif
# ifndef ASYNC_in_job
#  define ASYNC_in_job OSSL_ASYNC_in_job
# endif
# ifndef ASYNC_get_current_job
#  define ASYNC_get_current_job OSSL_ASYNC_get_current_job
# endif
# ifndef ASYNC_get_wait_fd
#  define ASYNC_get_wait_fd OSSL_ASYNC_get_wait_fd
# endif
# ifndef ASYNC_wake
#  define ASYNC_wake OSSL_ASYNC_wake
# endif
# ifndef ASYNC_clear_wake
#  define ASYNC_clear_wake OSSL_ASYNC_clear_wake
# endif
# ifndef ASYNC_block_pause
#  define ASYNC_block_pause OSSL_ASYNC_block_pause
# endif
# ifndef ASYNC_unblock_pause
#  define ASYNC_unblock_pause OSSL_ASYNC_unblock_pause
# endif
# ifndef ASYNC_init_thread
#  define ASYNC_init_thread OSSL_ASYNC_init_thread
# endif
# ifndef ASYNC_cleanup_thread
#  define ASYNC_cleanup_thread OSSL_ASYNC_cleanup_thread
# endif
# ifndef ASYNC_is_capable
#  define ASYNC_is_capable OSSL_ASYNC_is_capable
# endif
# ifndef ASYNC_get_wait_ctx
#  define ASYNC_get_wait_ctx OSSL_ASYNC_get_wait_ctx
# endif
# ifndef ASYNC_WAIT_CTX_new
#  define ASYNC_WAIT_CTX_new OSSL_ASYNC_WAIT_CTX_new
# endif
# ifndef ASYNC_WAIT_CTX_free
#  define ASYNC_WAIT_CTX_free OSSL_ASYNC_WAIT_CTX_free
# endif
# ifndef ASYNC_WAIT_CTX_set_wait_fd
#  define ASYNC_WAIT_CTX_set_wait_fd OSSL_ASYNC_WAIT_CTX_set_wait_fd
# endif
# ifndef ASYNC_WAIT_CTX_get_fd
#  define ASYNC_WAIT_CTX_get_fd OSSL_ASYNC_WAIT_CTX_get_fd
# endif
# ifndef ASYNC_WAIT_CTX_get_all_fds
#  define ASYNC_WAIT_CTX_get_all_fds OSSL_ASYNC_WAIT_CTX_get_all_fds
# endif
# ifndef ASYNC_WAIT_CTX_get_changed_fds
#  define ASYNC_WAIT_CTX_get_changed_fds OSSL_ASYNC_WAIT_CTX_get_changed_fds
# endif
# ifndef ASYNC_WAIT_CTX_clear_fd
#  define ASYNC_WAIT_CTX_clear_fd OSSL_ASYNC_WAIT_CTX_clear_fd
# endif
# ifndef ASYNC_WAIT_CTX_set_callback
#  define ASYNC_WAIT_CTX_set_callback OSSL_ASYNC_WAIT_CTX_set_callback
# endif
# ifndef ASYNC_WAIT_CTX_get_callback
#  define ASYNC_WAIT_CTX_get_callback OSSL_ASYNC_WAIT_CTX_get_callback
# endif
# ifndef ASYNC_WAIT_CTX_set_status
#  define ASYNC_WAIT_CTX_set_status OSSL_ASYNC_WAIT_CTX_set_status
# endif
# ifndef ASYNC_WAIT_CTX_get_status
#  define ASYNC_WAIT_CTX_get_status OSSL_ASYNC_WAIT_CTX_get_status
# endif
# ifndef ASYNC_set_mem_functions
#  define ASYNC_set_mem_functions OSSL_ASYNC_set_mem_functions
# endif
# ifndef ASYNC_get_mem_functions
#  define ASYNC_get_mem_functions OSSL_ASYNC_get_mem_functions
# endif
#endif

/* ---------------------------------------------- jobs, as written in 2015 */

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
 * While func runs for the first time *job is still NULL. Each pause writes the
 * handle to *job again, so other threads should have a copy of their own, and
 * not read *job while the job may be resumed. A new job begins
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

/* Its name in the five-argument API, OSSL_ASYNC_PLAIN_NAMES or not. */
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
 * Returns 1, also if it did nothing; 0, at once, in a job that was cancelled
 * (OSSL_ASYNC_cancel_job). OpenSSL also has 0 for a failed switch (0x33067066),
 * which no supported platform knows. Queues nothing.
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
 * is cleared elsewhere, and from signal handlers. No effect on NULL or on a job
 * that has ended. Queues nothing. If the system refuses the byte, for want of
 * memory, it is as if nobody had woken the job, and the next wake tries again.
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

/* ------------------------------------------------ jobs, since OpenSSL 1.1.0 */

/*
 * ASYNC_init_pool under its later name, without pipes: jobs that the
 * six-argument ASYNC_start_job runs have none. The pool is the same; either
 * name replaces a pool that the other one made.
 *
 * max_size may be any number, SIZE_MAX included. With libcrypto 3.6 or later in
 * the process it may be INT_MAX at most, as for OpenSSL's own function.
 * Inside a job the library does not look for libcrypto: it goes by what it
 * found before.
 *
 * ASYNC_init_thread(0, 0) also gives a libcrypto in the process a pool of its
 * own on this thread. libcrypto calls it for that when a program starts jobs
 * with functions that it has looked up in libcrypto itself.
 *
 * Returns 1, or 0 with nothing changed. As ASYNC_init_pool also in this, that
 * it returns 1 with fewer jobs than init_size when memory runs out on the way;
 * but where there is not even the memory to list so many it returns 0.
 *
 * Queues, returning 0:
 *   0x33065067  init_size is larger than max_size; or max_size is larger than
 *               INT_MAX, beside libcrypto 3.6 or later
 *   0x33065041  init_size jobs could not be listed; or no thread-specific key
 *               left, as for ASYNC_init_pool
 * Queues, returning 1:
 *   0x33066041  no memory, or no guarded stack, for one more job
 *
 * On a platform without jobs it returns 1 for sizes that are not refused, and
 * makes none. The library needs no initialising and takes no part in
 * OPENSSL_init_crypto; so unlike OpenSSL's function this one does not begin to
 * fail after OPENSSL_cleanup.
 */
int ASYNC_init_thread(size_t max_size, size_t init_size);

/*
 * ASYNC_free_pool under its later name: frees the calling thread's idle jobs
 * and its pool and forgets the count of ASYNC_block_pause. The end of a thread
 * does the same by itself; OPENSSL_thread_stop and OPENSSL_cleanup, which
 * belong to libcrypto, do not.
 *
 * Not for use inside a job: there it has no effect.
 *
 * Queues:
 *   0x33065042  called inside a job
 */
void ASYNC_cleanup_thread(void);

/*
 * Returns 1 where there are jobs, and 0 on a platform that has none: there
 * ASYNC_start_job of six arguments is always ASYNC_NO_JOBS, with nothing
 * queued. Queues nothing.
 */
int ASYNC_is_capable(void);

#ifdef OSSL_ASYNC_WAIT_CTX_API
/*
 * ASYNC_start_job_2015 with a wait context for the job. Only this differs:
 *
 * size 0 with args not NULL runs func with NULL, and is no error. So does every
 *      OpenSSL that is maintained; 1.1.1 and 3.3.2 return ASYNC_ERR
 * ctx  the context that ASYNC_get_wait_ctx gives while the job lives, and
 *      whose changes ASYNC_pause_job settles. The job does not own it, and
 *      several jobs may share one. NULL is allowed: a job without a context,
 *      which may pause like any other. Ignored for a resume; the context given
 *      at the start stays the job's until it has finished
 *
 * The job has no pipe: ASYNC_get_wait_fd of it is -1, ASYNC_wake and
 * ASYNC_clear_wake have no effect on it. With OpenSSL 3.0 or later in the
 * process, at the latest when the thread starts its first job or makes a pool,
 * the default library context (OSSL_LIB_CTX_set0_default) follows the job: a
 * job begins with that of the thread, what it sets is its own, and the caller
 * finds its own choice again after every return of this function. A library
 * context that a paused job has set must not be freed meanwhile.
 *
 * Results, what is written, what is refused and with which error: as for
 * ASYNC_start_job_2015, without 0x33066064 and without 0x33069041 for size 0;
 * also
 *
 * Queues, returning ASYNC_ERR:
 *   0x33069044  the default library context could not be put back for the job,
 *               which stays paused; *job is not written
 *
 * Where there are no jobs it returns ASYNC_NO_JOBS and queues nothing.
 */
int ASYNC_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret,
                    int (*func)(void *), void *args, size_t size);
#endif

/*
 * Returns the wait context that the job was started with, while it runs or is
 * paused. NULL for a job started without one or by ASYNC_start_job_2015, for a
 * job that has ended, and for NULL. From any thread. Queues nothing.
 */
ASYNC_WAIT_CTX *ASYNC_get_wait_ctx(ASYNC_JOB *job);

/* --------------------------------------------------------- wait contexts */

/*
 * A wait context says what a paused job waits for. Whoever does the work for a
 * job, an engine as a rule, puts a descriptor in; the program takes all
 * descriptors out, waits until one is ready, and resumes the job. The library
 * itself only keeps the list: it never reads from a descriptor, waits for one
 * or closes one.
 *
 * Entries are told apart by key, an address that means something to whoever
 * put the entry in. Keys are compared and never followed; NULL is a key like
 * any other. Lists are in one order always: what was put in last comes first.
 *
 * Changes. A program that keeps a set of descriptors registered, with epoll
 * say, asks after each ASYNC_PAUSE only what was added and deleted. Counting
 * begins anew when a job that has paused is resumed, in ASYNC_pause_job,
 * before it returns to the job: entries count as old then, deleted ones are
 * forgotten. Nothing else begins it anew: not a start, not a finish, not a
 * pause that was blocked, and not a question. So
 *   - what was put in before the first start counts as added;
 *   - after ASYNC_FINISH the changes of the last stretch can still be seen, and
 *     go on being counted in the next job on this context, until that one has
 *     paused and been resumed;
 *   - what is changed while the job is paused counts until the resume only;
 *   - jobs that share a context share the count.
 *
 * A context may be used by any thread, by one at a time: it has no lock. Only
 * the status may be set and asked for at any moment. For ctx NULL every
 * function here returns 0 or does nothing, writes nothing and queues nothing.
 *
 * To find an entry takes as long as there are entries put in after it; to put
 * one in, and to resume a job whose entries have not changed, takes the same
 * with one entry and with a thousand.
 */

/*
 * Returns a new context, empty, with status 0 and no callback; NULL if there is
 * no memory. Queues nothing.
 */
ASYNC_WAIT_CTX *ASYNC_WAIT_CTX_new(void);

/*
 * Frees a context. For each entry that is not deleted, the one put in last
 * first, its cleanup is called, exactly once; then the entries and the context
 * are gone. NULL has no effect.
 *
 * With a job still paused on it the cleanups run all the same, in this call.
 * The context itself then stays, empty, until the last of its jobs has
 * finished, so that resuming them is harmless; the program must not use it any
 * more, but a job that asks for its ASYNC_get_wait_ctx may.
 *
 * A cleanup may use ctx. Its own entry is gone already; what it clears is not
 * cleaned up; ASYNC_WAIT_CTX_set_wait_fd returns 0; freeing ctx once more has
 * no effect. Queues nothing.
 */
void ASYNC_WAIT_CTX_free(ASYNC_WAIT_CTX *ctx);

/*
 * Puts an entry in, in front of all others, counted as added. A key that is
 * there already is no obstacle: both entries stay, and the newer one is found
 * first.
 *
 * key          tells the entry from others; any value
 * fd           the descriptor to wait for; any value, not looked at
 * custom_data  for whoever puts it in; not looked at
 * cleanup      called by ASYNC_WAIT_CTX_free with ctx, key, fd and custom_data
 *              if the entry is still there; there alone, and never by
 *              ASYNC_WAIT_CTX_clear_fd. NULL if there is nothing to do
 *
 * Returns 1; 0 for ctx NULL, for a context that is being freed, and if there
 * is no memory.
 *
 * Queues, returning 0:
 *   0x3306a041  no memory
 */
int ASYNC_WAIT_CTX_set_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key,
                               OSSL_ASYNC_FD fd, void *custom_data,
                               void (*cleanup)(ASYNC_WAIT_CTX *, const void *,
                                               OSSL_ASYNC_FD, void *));

/*
 * Finds the newest entry with this key that is not deleted, and writes its
 * descriptor to *fd and its data to *custom_data, each if the pointer is not
 * NULL.
 *
 * Returns 1, or 0 if there is none; then nothing is written. Queues nothing.
 */
int ASYNC_WAIT_CTX_get_fd(ASYNC_WAIT_CTX *ctx, const void *key,
                          OSSL_ASYNC_FD *fd, void **custom_data);

/*
 * Gives all descriptors that are not deleted.
 *
 * fd      where they go. It must have room for all of them; NULL to learn
 *         their number first
 * numfds  where their number goes
 *
 * Returns 1; 0 with nothing written if ctx or numfds is NULL. Queues nothing.
 */
int ASYNC_WAIT_CTX_get_all_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *fd,
                               size_t *numfds);

/*
 * Gives the descriptors added and the descriptors deleted since counting
 * began. One put in and taken out in the same stretch is in neither list; one
 * taken out and put in again is in both, so apply the deletions first.
 *
 * addfd, delfd        where they go, each with room for all; NULL, for either
 *                     or both, to learn the numbers only
 * numaddfds, numdelfds  where their numbers go, always
 *
 * Returns 1; 0 with nothing written if ctx or one of the two numbers is NULL.
 * Queues nothing.
 */
int ASYNC_WAIT_CTX_get_changed_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *addfd,
                                   size_t *numaddfds, OSSL_ASYNC_FD *delfd,
                                   size_t *numdelfds);

/*
 * Takes out the newest entry with this key. One added since counting began
 * disappears without a trace; any other counts as deleted. Descriptor and
 * custom_data are the caller's from then on; the cleanup is not called, now or
 * later.
 *
 * Returns 1, or 0 if there is none. Queues nothing.
 */
int ASYNC_WAIT_CTX_clear_fd(ASYNC_WAIT_CTX *ctx, const void *key);

/*
 * Keeps a function for whoever does the work to call when the job can go on,
 * instead of a descriptor. The library never calls it. callback NULL takes it
 * away. It stays from job to job.
 *
 * Returns 1, or 0 for ctx NULL. Queues nothing.
 */
int ASYNC_WAIT_CTX_set_callback(ASYNC_WAIT_CTX *ctx,
                                ASYNC_callback_fn callback,
                                void *callback_arg);

/*
 * Writes the function to *callback and what to pass to it to *callback_arg,
 * each unless the pointer is NULL.
 *
 * Returns 1; 0 with nothing written if no function is set, or for ctx NULL.
 * Queues nothing.
 */
int ASYNC_WAIT_CTX_get_callback(ASYNC_WAIT_CTX *ctx,
                                ASYNC_callback_fn *callback,
                                void **callback_arg);

/*
 * Keeps a status, one of ASYNC_STATUS_* or any other number, for the two sides
 * of a callback. The library does not look at it. It stays from job to job.
 *
 * Returns 1, or 0 for ctx NULL. Queues nothing.
 */
int ASYNC_WAIT_CTX_set_status(ASYNC_WAIT_CTX *ctx, int status);

/* Returns the status, at first 0; 0 also for ctx NULL. Queues nothing. */
int ASYNC_WAIT_CTX_get_status(ASYNC_WAIT_CTX *ctx);

/* --------------------------------------------------- memory for the stacks */

/*
 * Gives the process other memory for stacks than the library's own. Possible
 * until the first stack of the process has been made or attempted, by
 * whichever thread, and not after: the memory in use must go back to where it
 * came from.
 *
 * alloc_fn  called for each new stack with *num 32768. It returns the block,
 *           and may write its real size to *num. NULL is no block, and so is
 *           one of less than 8192 bytes, which is given back at once; the job
 *           is then not made: ASYNC_NO_JOBS, or fewer jobs made in advance
 * free_fn   called with a block that is no longer needed. It should take NULL
 *           too, which OpenSSL passes it
 *
 * Either may be NULL, which keeps the function there is. Both are called by
 * whichever thread needs or frees a stack. Such a stack has no guard unless
 * alloc_fn makes one: running off its end is undefined behaviour.
 *
 * Returns 1, or 0 with nothing changed if it is too late; always 0 on a
 * platform without jobs. Queues nothing.
 */
int ASYNC_set_mem_functions(ASYNC_stack_alloc_fn alloc_fn,
                            ASYNC_stack_free_fn free_fn);

/*
 * Writes the functions in use now, the library's own if nothing else was set,
 * to *alloc_fn and *free_fn, each if the pointer is not NULL; NULL on a
 * platform without jobs. Queues nothing.
 */
void ASYNC_get_mem_functions(ASYNC_stack_alloc_fn *alloc_fn,
                             ASYNC_stack_free_fn *free_fn);

/* ----------------------------------------------- what OpenSSL does not have */

/*
 * Returns 1 if libssl, engines and providers of this process call this
 * library's functions; 0 if they call libcrypto's, or if nobody can tell.
 *
 * With 1, they can pause a job that this program starts, and this program can
 * pause a job that libssl starts (SSL_MODE_ASYNC). With 0, in a program of the
 * five-argument API, neither works: to libcrypto a job of this library is no
 * job, and a pause outside a job has no effect. Ask before the first job.
 * Queues nothing.
 *
 * To get 1, put -lossl_async before -lcrypto or preload this library.
 */
int OSSL_ASYNC_serves_libssl(void);

/*
 * Returns the version of the library that answers, packed as
 * OSSL_ASYNC_VERSION_NUMBER. A program that runs with a newer library than it
 * was compiled for sees a larger number here. Queues nothing.
 */
unsigned long OSSL_ASYNC_version(void);

/*
 * Has a paused job come to its end: for a job whose connection is gone, or
 * whose answer nobody wants any more. The job is resumed as ASYNC_start_job
 * does it: the ASYNC_pause_job that it is in returns 1. From then on it cannot
 * pause: every later ASYNC_pause_job in it returns 0, at once. Code that checks
 * the result leaves by its own error path, and frees what it holds; code that
 * pauses once only does not learn that it was cancelled. No frame is unwound
 * from outside.
 *
 * A function that does not look at the result goes on as if it had been
 * resumed. One that pauses in a loop until something has happened, and does not
 * look, never ends; let such a job come to its end by what it waits for.
 *
 * job  as for ASYNC_start_job; *job is the handle of a paused job
 * ret  as for ASYNC_start_job
 *
 * Returns ASYNC_FINISH: the function returned, *ret is its value and *job is
 * NULL. Or ASYNC_ERR, with nothing changed.
 *
 * Queues, returning ASYNC_ERR:
 *   0x33069042  *job is not a paused job of this thread
 *   0x33069043  job or *job is NULL
 *   0x33069044  called inside a job; or the default library context could not
 *               be put back, as for the six-argument ASYNC_start_job
 */
int OSSL_ASYNC_cancel_job(ASYNC_JOB **job, int *ret);

/*
 * Sets the stack that jobs have at least, in bytes: from 32768 to 1073741824;
 * without it 131072. Before the process's first such stack is made, by
 * whichever thread; before that, the last call counts. Only what a job touches
 * takes memory. The environment's OSSL_ASYNC_STACK_SIZE, bytes in decimal
 * digits, does the same where no such call was made; not in set-id programs.
 * Stacks of the program's own (ASYNC_set_mem_functions) have the size it gives
 * them.
 *
 * Returns 1, or 0 with nothing changed.
 *
 * Queues, returning 0:
 *   0x33066042  out of range, or too late, or no jobs on this platform
 */
int OSSL_ASYNC_set_stack_size(size_t bytes);

/*
 * Returns what was set by call, or the default; from the first job on it is
 * what jobs have, whoever set it. Queues nothing.
 */
size_t OSSL_ASYNC_get_stack_size(void);

/*
 * What the library has done, and what there is now. A job is counted here from
 * the making of its record and stack to their end, so one job counted as
 * created may have run many functions; these count as starts.
 */
typedef struct ossl_async_stats_st {
    size_t jobs_created;   /* ever made */
    size_t jobs_idle;      /* now in a pool, waiting for a function */
    size_t jobs_running;   /* now running */
    size_t jobs_paused;    /* now paused, and can be resumed */
    size_t jobs_abandoned; /* paused when their thread ended, or let go in
                              Rust: never resumed again, not freed */
    size_t starts;         /* functions started */
    size_t pauses;         /* pauses that happened; blocked ones do not count */
    size_t resumes;        /* paused jobs resumed */
    size_t finishes;       /* functions that returned */
    size_t refusals;       /* misuse refused with an error */
    size_t stack_bytes;    /* address space of the stacks of all jobs there are
                              now, touched or not */
    size_t stack_high_water; /* the most that a job had used of its stack when
                              it ended, in bytes; 0 unless it is measured */
} OSSL_ASYNC_STATS;

/*
 * Statistics of the calling thread, and of the whole process. Later versions
 * append members; size says how many the caller knows.
 *
 * stats  where they go
 * size   sizeof(OSSL_ASYNC_STATS). Never more than size bytes are written, and
 *        bytes that this version has no member for are left alone
 *
 * Returns 1, or 0 if stats is NULL. Queues nothing.
 */
int OSSL_ASYNC_thread_stats(OSSL_ASYNC_STATS *stats, size_t size);
int OSSL_ASYNC_process_stats(OSSL_ASYNC_STATS *stats, size_t size);

/*
 * Switches on (measure not 0) or off that the stack of each job that ends is
 * measured, for stack_high_water. Off at first: it costs a system call a job.
 * OSSL_ASYNC_STATS=1 in the environment switches it on at the first job. For
 * all threads, from any thread. Queues nothing.
 */
void OSSL_ASYNC_measure_stacks(int measure);

/*
 * Returns the most that the stack of a job has been used so far, in bytes:
 * whole pages, those included that earlier jobs on the same stack have used.
 * For a job of the calling thread that runs or is paused; 0 for any other, for
 * NULL, and where the stack is the program's own. Queues nothing.
 */
size_t OSSL_ASYNC_get_stack_used(ASYNC_JOB *job);

#ifdef __cplusplus
}
#endif

#endif
