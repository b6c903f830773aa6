/*
 * Copyright the ossl-async authors.
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * openssl/async.h: asynchronous jobs, OpenSSL's ASYNC_JOB facility.
 *
 * A job is a function with a stack of its own. ASYNC_start_job runs it on the
 * calling thread, at once, like any call. Anywhere in its calls the function
 * may call ASYNC_pause_job. Then ASYNC_start_job returns ASYNC_PAUSE and a
 * handle, and the thread is free for other work. ASYNC_start_job with that
 * handle resumes the function where it paused. No thread is made and nothing
 * runs in parallel. On one thread at most one job runs at a time; any number
 * may be paused.
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
 * In source the five-argument API is the default. For the six-argument API
 * define OSSL_ASYNC_WAIT_CTX_API before the first of OpenSSL's headers, best
 * on the command line (-DOSSL_ASYNC_WAIT_CTX_API): other headers, openssl/ssl.h
 * among them, include this file. If the definition comes too late, an #error
 * says so. All other names of both generations are declared always. Both work
 * on the same jobs and the same pool, so ASYNC_init_thread is ASYNC_init_pool
 * without pipes, and either call resumes a job of either kind. In a program
 * that also links libcrypto use one API in all source files.
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
 *   A static libcrypto. Link the archive that "make archive" makes. Beside
 *   libcrypto.a the six-argument API, libssl, engines and providers then use
 *   libcrypto's jobs, in any order of the archives. The five-argument API uses
 *   this library's. Errors go to this library's queue only, and jobs do not
 *   keep a library context of their own. docs/c.md has the table.
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
 * thread. The thread that started a job resumes it. Another thread may pass
 * the job to ASYNC_wake, ASYNC_clear_wake, ASYNC_get_wait_fd and
 * ASYNC_get_wait_ctx, at any time. Any thread may call the functions for
 * settings and statistics of the process. No function needs an initialising
 * call before it.
 *
 * Signal handlers may call ASYNC_wake, ASYNC_clear_wake, ASYNC_get_wait_fd,
 * ASYNC_get_current_job and ASYNC_in_job, whatever they have interrupted. They
 * may call no other function here.
 *
 * Errors. A failing call adds one entry to the calling thread's error queue.
 * openssl/err.h reads the queue: OpenSSL's file in a program that uses
 * OpenSSL, the one in csrc/standalone in any other. Successful calls add
 * nothing, and no call clears the queue. Queue and errno are the thread's, not
 * the job's: what a job leaves there is still there after it has paused. Codes
 * are given below as they appear in the library's own queue;
 * openssl/asyncerr.h explains them. In OpenSSL's queue they are packed as the
 * OpenSSL in the process packs its own: from 3.0 on 0x33065067 is 0x19800067.
 *
 * Handles. An ASYNC_JOB pointer is valid from the start of the job to its
 * ASYNC_FINISH. After that it is stale, and the library knows that: it refuses
 * to resume it, and a wake does nothing. That holds after ASYNC_free_pool and
 * after the end of the job's thread too. There are two limits. Records are
 * used again, the one released last first. A stale handle whose record carries
 * a newer job cannot be told from the handle of that job. And an address that
 * never was a handle is undefined behaviour.
 *
 * Job functions. A job has at least 128 KiB of stack, unless another size was
 * set (OSSL_ASYNC_set_stack_size), and below it a guard of at least 80 KiB. A
 * job that overflows its stack crashes at that point and never damages other
 * memory. The exception is a function with more than 80 KiB of locals, which
 * can step over the guard: compile it with -fstack-clash-protection. A job
 * function must leave by returning. Leaving by longjmp or by a C++ exception
 * is undefined behaviour. Signal mask and floating-point modes belong to the
 * thread and are not switched with the job. Where a switch has to be made by
 * swapcontext, each job has its own.
 *
 * The end of the thread inside a job. pthread_exit and cancellation end the
 * thread from inside a job too. The job's own frames are unwound: cleanup
 * handlers and C++ destructors run. With musl, which never unwinds here, only
 * cleanup handlers of C run. The frames of the thread's own stack below the
 * job are not unwound, as with libcrypto. If a Rust function is among the
 * job's frames, to end the thread so is undefined behaviour.
 *
 * C++. What the C++ run-time keeps for the thread goes with the job: the
 * exceptions that are being handled, and how many are in flight. A job may
 * pause in a handler, or in a destructor while an exception is in flight. The
 * library looks for the run-time (libstdc++ or libc++abi) when a thread starts
 * its first job, makes a pool, or needs a new record. It finds a run-time that
 * is loaded later at the next of these. A run-time that is linked into the
 * program statically is found by libossl_async.a, and by the .so only if the
 * program exports __cxa_get_globals.
 *
 * fork. The child has copies of the forking thread's pool and paused jobs,
 * which work. Their pipes are shared with the parent: both processes see what
 * either writes. A child that calls ASYNC_free_pool first closes its own
 * descriptors of idle jobs' pipes, not the parent's. What it starts then has
 * pipes of its own. A paused job keeps its pipe to its end. Jobs of the
 * six-argument call share nothing.
 *
 * End of a thread. Its idle jobs and its pool are freed. Jobs still paused,
 * and a job in which the thread ended, keep their memory, because another
 * thread may still wake them. They can no longer be resumed. The destructor of
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
 *   OSSL_ASYNC_STACK_SIZE=N       as OSSL_ASYNC_set_stack_size(N). An invalid
 *                                 value is reported on standard error and
 *                                 ignored
 *   OSSL_ASYNC_GUARD=mprotect     the guard of every stack is a mapping of its
 *                                 own. Without this variable that is so for
 *                                 the first 256 stacks only. Later guards are
 *                                 lightweight where the kernel has those, and
 *                                 gdb's gcore loses the stacks beside them.
 *                                 Any other value is reported and ignored
 *   OSSL_ASYNC_STATS=1            stacks are measured. When the process ends,
 *                                 one line on standard error has its counts,
 *                                 those of OSSL_ASYNC_process_stats
 *   OSSL_ASYNC_OVERFLOW_REPORT=1  a process that dies of a stack overflow in a
 *                                 job first says on standard error which job
 *                                 it was, where its stack lies and how to make
 *                                 stacks larger. For this the library installs
 *                                 handlers for SIGSEGV and SIGBUS at the first
 *                                 job. Each thread with jobs gets a signal
 *                                 stack if it has none. Handlers that were
 *                                 installed before are called afterwards
 * Without them the library prints nothing and installs nothing.
 */

/* A check before the guard: the API cannot be changed by a second include. */
#if defined(OSSL_ASYNC_OPENSSL_ASYNC_H) && defined(OSSL_ASYNC_WAIT_CTX_API) \
    && !defined(OSSL_ASYNC_H_HAS_WAIT_CTX_API)
# error "define OSSL_ASYNC_WAIT_CTX_API before the first include of an openssl/ header"
#endif

#ifndef OSSL_ASYNC_OPENSSL_ASYNC_H
#define OSSL_ASYNC_OPENSSL_ASYNC_H

/* Which API the file was first included for; see the check above. */
#ifdef OSSL_ASYNC_WAIT_CTX_API
# define OSSL_ASYNC_H_HAS_WAIT_CTX_API
#endif

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
 * What OpenSSL's file of this name has in common with this one. It is skipped
 * if that file came first, which its guard shows (that of 3.0 and later, or
 * the one before). Both guards are set here, so that OpenSSL's file is empty
 * if it comes later.
 */
#if !defined(OPENSSL_ASYNC_H) && !defined(HEADER_ASYNC_H)
# define OPENSSL_ASYNC_H
# define HEADER_ASYNC_H

/* A job. Opaque: programs only use pointers to it. */
typedef struct async_job_st ASYNC_JOB;

/* What ASYNC_start_job returns. */
# define ASYNC_ERR 0     /* refused or failed; see the error queue */
# define ASYNC_NO_JOBS 1 /* no job to be had now; nothing was started */
# define ASYNC_PAUSE 2   /* the function paused; the handle is in *job */
# define ASYNC_FINISH 3  /* the function returned; its value is in *ret */

/* The type of a descriptor to wait for, and the value for "none". */
# define OSSL_ASYNC_FD int
# define OSSL_BAD_ASYNC_FD (-1)

/* A wait context: what to wait for while jobs are paused. Opaque. */
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;

/* Undefined again below. */
# define OSSL_ASYNC_H_CAME_FIRST

#endif

/*
 * Since OpenSSL 3.0: the status of the work behind a callback, and the type of
 * the function that an engine calls when a job can be resumed.
 */
#ifndef ASYNC_STATUS_UNSUPPORTED
# define ASYNC_STATUS_UNSUPPORTED 0 /* the callback is not used */
# define ASYNC_STATUS_ERR 1         /* the work failed */
# define ASYNC_STATUS_OK 2          /* the work is under way or done */
# define ASYNC_STATUS_EAGAIN 3      /* nothing was begun; try again later */
typedef int (*ASYNC_callback_fn)(void *arg);
#endif

/*
 * Since OpenSSL 3.2: where stacks come from; see ASYNC_set_mem_functions. If
 * OpenSSL's file came first, it has defined the number of its version.
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
 * max_size   the most jobs this pool will ever have: idle, running and paused
 *            together. 0 is no limit
 * init_size  how many jobs to make now, each with stack, guard and wait pipe
 *            (two descriptors). At most max_size, and for this comparison 0 is
 *            zero: max_size 0 with init_size > 0 is refused. So a pool without
 *            limit cannot be filled in advance
 *
 * Returns 1; or 0 with nothing changed: an earlier pool stays. If memory or
 * descriptors run out while jobs are made, it still returns 1: the pool has
 * the jobs made so far, the entry that says what ran out is queued, and the
 * other jobs are made when they are needed.
 *
 * If the thread has a pool already, the new limits hold from now on. The idle
 * jobs of the old pool are freed. Its running and paused jobs can go on, count
 * against no pool, and are freed when they finish. This also holds inside a
 * job.
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
 * Frees the calling thread's pool and its idle jobs, closes their pipes, and
 * sets the count of ASYNC_block_pause to 0. Without a pool it does only the
 * last of these. Afterwards the thread is as new.
 *
 * Paused jobs are not touched. They can be resumed, with or without a new
 * pool, and are freed when they finish. A job that is never resumed keeps its
 * memory, so finish all jobs first.
 *
 * Not for use inside a job: there it has no effect.
 *
 * Queues:
 *   0x33065042  called inside a job
 */
void ASYNC_free_pool(void);

/*
 * Starts a job or resumes a paused one. Programs write ASYNC_start_job; see
 * the macro below.
 *
 * job   where the handle is kept; must not be NULL. If *job is NULL a new job
 *       is started. Else *job is the handle of the paused job to resume
 * ret   where the function's return value is written; may be NULL
 * func  the function to run; must not be NULL for a new job
 * args  what to pass to it. If args is NULL, func gets NULL. Otherwise func
 *       gets a private copy of size bytes, aligned as malloc aligns. Its
 *       address stays the same until func returns, and func may write there.
 *       The caller's own bytes are not used after this call. They are not
 *       const because OpenSSL's declaration has them so
 * size  the number of bytes at args; not looked at if args is NULL. 0 with
 *       args not NULL is refused
 *
 * func, args and size are ignored for a resume.
 *
 * Returns one of four. *job and *ret are written only where it says so.
 *   ASYNC_FINISH   func returned. *ret is its value, *job is NULL
 *   ASYNC_PAUSE    func paused. *job is the handle
 *   ASYNC_NO_JOBS  the pool's max_size jobs are all in use, which queues
 *                  nothing; or one more could not be made, which queues the
 *                  reason. Nothing was started; try again later. The pool is
 *                  checked before args is copied
 *   ASYNC_ERR      refused or failed. Nothing was started or resumed. A paused
 *                  job stays paused and can be resumed
 *
 * Misuse is refused with ASYNC_ERR and one entry. Neither *job nor *ret is
 * written, and no job and no pool changes. These are misuse:
 *   - a start or resume inside a job, whatever the handle is;
 *   - a resume with the handle of a job that is not paused, has finished, or
 *     was started by another thread (see "Handles" at the head of this file);
 *   - NULL for job, or for func of a new job.
 *
 * Until func pauses for the first time, *job is NULL. Each pause writes the
 * handle to *job again. So other threads should have a copy of their own, and
 * not read *job while the job may be resumed. A new job starts with its wait
 * descriptor unreadable.
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
 * nothing. So its return does not mean that the job has paused. A caller that
 * loops until something has happened spins while pausing is blocked.
 *
 * Returns 1, also if it did nothing. Returns 0, at once, in a job that was
 * cancelled (OSSL_ASYNC_cancel_job). OpenSSL also returns 0 if a switch fails
 * (0x33067066), which happens on no supported platform. Queues nothing.
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
 * Returns the job's wait descriptor. It is readable, for poll or select, from
 * an ASYNC_wake to the next ASYNC_clear_wake. It is the read end of a pipe,
 * close-on-exec, and the same for the job's whole life. Only wait for it: do
 * not read from it, and do not close it. Do not use it after the job has
 * finished: it then serves another job or is closed.
 *
 * Returns -1 for NULL, for a job that has ended, and for a job started by the
 * six-argument call, which has no pipe. May be called from any thread. Queues
 * nothing.
 */
int ASYNC_get_wait_fd(ASYNC_JOB *job);

/*
 * Signals that the job can go on: its wait descriptor becomes readable. It
 * does not resume the job; the thread that owns the job does that. Pausing and
 * resuming do not change the signal, and a job may wake itself before it
 * pauses. Two wakes have the effect of one.
 *
 * May be called from any thread at any time and from signal handlers, also
 * while the job runs, finishes, is freed, or another thread clears its wake.
 * No effect on NULL or on a job that has ended. Queues nothing. If the system
 * refuses the byte for want of memory, it is as if nobody had woken the job.
 * The next wake tries again.
 */
void ASYNC_wake(ASYNC_JOB *job);

/*
 * Takes the signal back: the wait descriptor is no longer readable, however
 * many wakes there were. Never blocks. A wake at the same moment in another
 * thread is either cleared or stays. So clear first, and look for work after
 * that.
 *
 * May be called wherever ASYNC_wake may. No effect on NULL, on a job that has
 * ended, or on one that is not signalled. Queues nothing.
 */
void ASYNC_clear_wake(ASYNC_JOB *job);

/*
 * Keeps the running job from pausing until ASYNC_unblock_pause has been called
 * as often. It is for the time in which the job holds a lock that code outside
 * the job may want. Outside a job it has no effect.
 *
 * The count belongs to the thread, not to the job. If a function returns
 * without unblocking, no job of this thread can pause until a job has
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
 * Inside a job the library does not look for libcrypto again. There it uses
 * what it found before.
 *
 * ASYNC_init_thread(0, 0) also gives a libcrypto in the process a pool of its
 * own on this thread. libcrypto calls it for that when a program starts jobs
 * with functions that it has looked up in libcrypto itself.
 *
 * Returns 1, or 0 with nothing changed. If memory runs out while jobs are
 * made, it returns 1 with fewer jobs than init_size, as ASYNC_init_pool does.
 * If there is not even the memory to list so many, it returns 0.
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
 * OPENSSL_init_crypto. So, unlike OpenSSL's function, this one still works
 * after OPENSSL_cleanup.
 */
int ASYNC_init_thread(size_t max_size, size_t init_size);

/*
 * ASYNC_free_pool under its later name: frees the calling thread's idle jobs
 * and its pool and sets the count of ASYNC_block_pause to 0. The end of a
 * thread does the same. OPENSSL_thread_stop and OPENSSL_cleanup, which belong
 * to libcrypto, do not.
 *
 * Not for use inside a job: there it has no effect.
 *
 * Queues:
 *   0x33065042  called inside a job
 */
void ASYNC_cleanup_thread(void);

/*
 * Returns 1 on a platform with jobs, and 0 on one without. There the
 * six-argument ASYNC_start_job always returns ASYNC_NO_JOBS and queues
 * nothing. Linux with musl has jobs, other than with OpenSSL. Queues nothing.
 */
int ASYNC_is_capable(void);

#ifdef OSSL_ASYNC_WAIT_CTX_API
/*
 * ASYNC_start_job_2015 with a wait context for the job. Only this differs:
 *
 * size 0 with args not NULL runs func with NULL, and is no error. So does every
 *      OpenSSL that is maintained; 1.1.1 and 3.3.2 return ASYNC_ERR
 * ctx  the context that ASYNC_get_wait_ctx returns while the job lives. When
 *      the job is resumed, ASYNC_pause_job begins to count its changes anew.
 *      The job does not own it, and several jobs may share one. NULL is
 *      allowed: such a job has no context and may pause like any other.
 *      Ignored for a resume: the job keeps the context of its start until it
 *      has finished
 *
 * The job has no pipe: ASYNC_get_wait_fd returns -1 for it, and ASYNC_wake and
 * ASYNC_clear_wake have no effect on it.
 *
 * The default library context (OSSL_LIB_CTX_set0_default) follows the job. For
 * that, OpenSSL 3.0 or later must be in the process when the thread starts its
 * first job or makes a pool. A job begins with the thread's context. What it
 * sets is its own, and the caller finds its own choice again whenever this
 * function returns. A library context that a paused job has set must not be
 * freed meanwhile.
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
 * paused. Returns NULL for a job started without one or by
 * ASYNC_start_job_2015, for a job that has ended, and for NULL. May be called
 * from any thread. Queues nothing.
 *
 * A job that Rust code has started makes its own context when code in the job
 * first calls this; NULL if there is no memory. Its callback wakes the job. It
 * is freed when the job ends.
 */
ASYNC_WAIT_CTX *ASYNC_get_wait_ctx(ASYNC_JOB *job);

/* --------------------------------------------------------- wait contexts */

/*
 * A wait context says what a paused job waits for. The code that does the work
 * for a job, usually an engine, adds a descriptor. The program gets all
 * descriptors, waits until one is ready, and resumes the job. The library only
 * keeps the list: it never reads from a descriptor, waits for one or closes
 * one.
 *
 * Entries are told apart by key, an address that the code that adds an entry
 * chooses. Keys are compared and never followed. NULL is a key like any other.
 * Lists always have one order: what was added last comes first.
 *
 * Changes. A program may keep a set of descriptors registered, for example
 * with epoll. After each ASYNC_PAUSE it asks only what was added and deleted.
 * Counting begins anew when a paused job is resumed: in ASYNC_pause_job, before
 * it returns to the job. From then on entries count as old, and deleted ones
 * are forgotten. Nothing else begins it anew: not a start, not a finish, not a
 * pause that was blocked, and not a question. So
 *   - what was added before the first start counts as added;
 *   - after ASYNC_FINISH the last changes can still be seen. They stay counted
 *     in the next job on this context, until that one has paused and been
 *     resumed;
 *   - what is changed while the job is paused counts until the resume only;
 *   - jobs that share a context share the count.
 *
 * A context has no lock: any thread may use it, one at a time. Only the status
 * may be set and asked for at any moment. For ctx NULL every function here
 * returns 0 or does nothing, writes nothing and queues nothing.
 *
 * The time to find an entry grows with the number of entries added after it.
 * The time to add one does not grow, nor does the time to resume a job whose
 * entries have not changed.
 *
 * No ctx here is const, because OpenSSL's declarations have none.
 */

/*
 * Returns a new context, empty, with status 0 and no callback. Returns NULL if
 * there is no memory. Queues nothing.
 */
ASYNC_WAIT_CTX *ASYNC_WAIT_CTX_new(void);

/*
 * Frees a context. First it calls the cleanup of each entry that is not
 * deleted, exactly once, in the order of the list. NULL has no effect.
 *
 * If a job is still paused on it, the cleanups run in this call all the same.
 * The context stays, empty, until the last of its jobs has finished, so that
 * they can be resumed. The program must not use it any more. A job that asks
 * for its ASYNC_get_wait_ctx may.
 *
 * A cleanup may use ctx. Its own entry is gone already. The cleanup of an entry
 * that it clears is not called. ASYNC_WAIT_CTX_set_wait_fd returns 0, and
 * freeing ctx once more has no effect. Queues nothing.
 */
void ASYNC_WAIT_CTX_free(ASYNC_WAIT_CTX *ctx);

/*
 * Adds an entry in front of all others. It counts as added. If there is an
 * entry with this key already, both stay, and the newer one is found first.
 *
 * key          tells the entry from others; any value
 * fd           the descriptor to wait for; any value, not looked at
 * custom_data  for the caller's use; not looked at
 * cleanup      called by ASYNC_WAIT_CTX_free with ctx, key, fd and custom_data
 *              if the entry is still there. No other function calls it, also
 *              not ASYNC_WAIT_CTX_clear_fd. NULL if there is nothing to do
 *
 * Returns 1. Returns 0 for ctx NULL, for a context that is being freed, and if
 * there is no memory.
 *
 * Queues, returning 0:
 *   0x3306a041  no memory
 */
int ASYNC_WAIT_CTX_set_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key,
                               OSSL_ASYNC_FD fd, void *custom_data,
                               void (*cleanup)(ASYNC_WAIT_CTX *, const void *,
                                               OSSL_ASYNC_FD, void *));

/*
 * Finds the newest entry with this key that is not deleted. Writes its
 * descriptor to *fd and its data to *custom_data. Either pointer may be NULL.
 *
 * Returns 1, or 0 with nothing written if there is none. Queues nothing.
 */
int ASYNC_WAIT_CTX_get_fd(ASYNC_WAIT_CTX *ctx, const void *key,
                          OSSL_ASYNC_FD *fd, void **custom_data);

/*
 * Gets all descriptors that are not deleted.
 *
 * fd      where they are written. There must be room for all of them. NULL to
 *         get only their number
 * numfds  where their number is written
 *
 * Returns 1, or 0 with nothing written if ctx or numfds is NULL. Queues
 * nothing.
 */
int ASYNC_WAIT_CTX_get_all_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *fd,
                               size_t *numfds);

/*
 * Gets the descriptors added and the descriptors deleted since counting began.
 * One that was added and then cleared is in neither list. One that was cleared
 * and added again is in both, so apply the deletions first.
 *
 * addfd, delfd          where they are written, each with room for all. Either
 *                       may be NULL, to get only its number
 * numaddfds, numdelfds  where their numbers are written, always
 *
 * Returns 1, or 0 with nothing written if ctx, numaddfds or numdelfds is NULL.
 * Queues nothing.
 */
int ASYNC_WAIT_CTX_get_changed_fds(ASYNC_WAIT_CTX *ctx, OSSL_ASYNC_FD *addfd,
                                   size_t *numaddfds, OSSL_ASYNC_FD *delfd,
                                   size_t *numdelfds);

/*
 * Clears the newest entry with this key. One added since counting began
 * disappears without a trace. Any other counts as deleted. Descriptor and
 * custom_data belong to the caller from then on. The cleanup is not called,
 * now or later.
 *
 * Returns 1, or 0 if there is none. Queues nothing.
 */
int ASYNC_WAIT_CTX_clear_fd(ASYNC_WAIT_CTX *ctx, const void *key);

/*
 * Keeps a function, as another way than a descriptor: the code that does the
 * work calls it when the job can be resumed. The library never calls it.
 * callback NULL removes it. It stays from job to job.
 *
 * Returns 1, or 0 for ctx NULL. Queues nothing.
 */
int ASYNC_WAIT_CTX_set_callback(ASYNC_WAIT_CTX *ctx,
                                ASYNC_callback_fn callback,
                                void *callback_arg);

/*
 * Writes the function to *callback and its argument to *callback_arg. Either
 * pointer may be NULL.
 *
 * Returns 1, or 0 with nothing written if no function is set, or for ctx NULL.
 * Queues nothing.
 */
int ASYNC_WAIT_CTX_get_callback(ASYNC_WAIT_CTX *ctx,
                                ASYNC_callback_fn *callback,
                                void **callback_arg);

/*
 * Keeps a status, one of ASYNC_STATUS_* or any other number. The code that
 * calls the callback sets it for the program. The library does not look at it.
 * It stays from job to job.
 *
 * Returns 1, or 0 for ctx NULL. Queues nothing.
 */
int ASYNC_WAIT_CTX_set_status(ASYNC_WAIT_CTX *ctx, int status);

/* Returns the status, at first 0; 0 also for ctx NULL. Queues nothing. */
int ASYNC_WAIT_CTX_get_status(ASYNC_WAIT_CTX *ctx);

/* --------------------------------------------------- memory for the stacks */

/*
 * Sets the functions that get and free the memory of stacks. It is possible
 * until any thread has made, or tried to make, the first stack of the process:
 * each stack must go back to where it came from.
 *
 * alloc_fn  called for each new stack with *num 32768. It returns the block,
 *           and may write its real size to *num. If it returns NULL or less
 *           than 8192 bytes, the job is not made: ASYNC_NO_JOBS, or fewer jobs
 *           made in advance. A block that is too small is freed at once
 * free_fn   called with a block that is no longer needed. It should accept
 *           NULL too, which OpenSSL passes to it
 *
 * Either may be NULL, which keeps the current function. The thread that needs
 * or frees a stack calls them. Such a stack has no guard unless alloc_fn makes
 * one: an overflow is undefined behaviour.
 *
 * Returns 1, or 0 with nothing changed if it is too late; always 0 on a
 * platform without jobs. Queues nothing.
 */
int ASYNC_set_mem_functions(ASYNC_stack_alloc_fn alloc_fn,
                            ASYNC_stack_free_fn free_fn);

/*
 * Writes the current functions to *alloc_fn and *free_fn. Either pointer may
 * be NULL. If none were set, these are the library's own. On a platform
 * without jobs both are NULL. Queues nothing.
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
 * Resumes a paused job and stops it from pausing again: for a job whose
 * connection is gone, or whose answer nobody wants any more. The
 * ASYNC_pause_job that the job is in returns 1. Every later ASYNC_pause_job in
 * it returns 0, at once. Code that checks the result leaves by its own error
 * path, and frees what it holds. Code that pauses only once does not learn
 * that it was cancelled. No frame is unwound from outside.
 *
 * A function that ignores the result runs on as if it had been resumed. If it
 * pauses in a loop until something has happened, the loop spins until then. Do
 * not cancel such a job before what it waits for has happened.
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
 * Sets the least size of jobs' stacks, in bytes: from 32768 to 1073741824. The
 * default is 131072. It works until any thread has made the first such stack of
 * the process; until then the last call counts. Only pages that a job touches
 * take memory. OSSL_ASYNC_STACK_SIZE in the environment, bytes in decimal
 * digits, does the same if no such call was made, except in set-id programs.
 * Stacks of the program's own (ASYNC_set_mem_functions) have the size that the
 * program gives them.
 *
 * Returns 1, or 0 with nothing changed.
 *
 * Queues, returning 0:
 *   0x33066042  out of range, or too late, or no jobs on this platform
 */
int OSSL_ASYNC_set_stack_size(size_t bytes);

/*
 * Returns the size set by a call, or the default. From the first job on it
 * returns what jobs have, whether a call or the environment set it. Queues
 * nothing.
 */
size_t OSSL_ASYNC_get_stack_size(void);

/*
 * What the library has done, and what there is now. A job counts as created
 * when its record and stack are made. One such job may run many functions, one
 * after the other; each of them counts as a start.
 *
 * This structure may grow at its end in later versions, never in another way.
 * So the functions below take its size.
 */
typedef struct ossl_async_stats_st {
    size_t jobs_created;   /* ever made */
    size_t jobs_idle;      /* now in a pool, waiting for a function */
    size_t jobs_running;   /* now running */
    size_t jobs_paused;    /* now paused, and can be resumed */
    size_t jobs_abandoned; /* paused when their thread ended, or abandoned by
                              Rust code: never resumed again, not freed */
    size_t starts;         /* functions started */
    size_t pauses;         /* pauses that happened; blocked ones do not count */
    size_t resumes;        /* paused jobs resumed */
    size_t finishes;       /* functions that returned */
    size_t refusals;       /* misuse refused with an error */
    size_t stack_bytes;    /* address space of the stacks of all jobs that
                              exist now, touched or not */
    size_t stack_high_water; /* the most that a job had used of its stack when
                              it ended, in bytes; 0 unless it is measured */
} OSSL_ASYNC_STATS;

/*
 * Statistics of the calling thread, and of the whole process.
 *
 * stats  where they are written
 * size   sizeof(OSSL_ASYNC_STATS), which tells the library how many members
 *        the caller knows. Never more than size bytes are written. Bytes for
 *        which this library has no member are not written
 *
 * Returns 1, or 0 if stats is NULL. Queues nothing.
 */
int OSSL_ASYNC_thread_stats(OSSL_ASYNC_STATS *stats, size_t size);
int OSSL_ASYNC_process_stats(OSSL_ASYNC_STATS *stats, size_t size);

/*
 * Switches measuring on (measure not 0) or off, for all threads. While it is
 * on, the stack of each job that ends is measured for stack_high_water. It is
 * off at first, because it costs a system call a job. OSSL_ASYNC_STATS=1 in
 * the environment switches it on at the first job. May be called from any
 * thread. Queues nothing.
 */
void OSSL_ASYNC_measure_stacks(int measure);

/*
 * Returns the most that has been used of a job's stack so far, in bytes and in
 * whole pages. Pages that earlier jobs on the same stack have used count too.
 * The job must run or be paused, on the calling thread. Returns 0 for any
 * other, for NULL, and if the stack is the program's own. Queues nothing.
 */
size_t OSSL_ASYNC_get_stack_used(const ASYNC_JOB *job);

#ifdef __cplusplus
}
#endif

#endif
