/*
 * The fibre layer: enters a new stack, switches between stacks, and runs one function after the
 * other on a stack. Mechanism only: no allocation, no policy, no state.
 *
 * A suspended fibre is one pointer (OpenSSL's async_fibre is a struct). It points to the saved
 * context. The context is in the frame of the call that suspended the fibre, on the fibre's own
 * stack. src/jobs/dispatch.rs has a diagram of the two stacks.
 */
#ifndef OSSL_ASYNC_FIBRE_H
# define OSSL_ASYNC_FIBRE_H

# include <stddef.h>

/* 1 if this system can make contexts at all, else 0 (F19). */
int ossl_async_fibre_capable(void);

/* How this build switches: "setjmp", "registers" or "swapcontext". */
const char *ossl_async_switch_method(void);

/*
 * Suspends the caller in *from and calls entry at the top of stack[0..size). entry must never
 * return. Returns 1 when *from is switched to. Returns 0 if the new context could not be entered;
 * then nothing has run (F6).
 */
int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void));

/*
 * Suspends the caller in *from and resumes the fibre that is suspended in to. Returns 1 when *from
 * is switched to.
 */
int ossl_async_fibre_switch(void **from, void *to);

/*
 * Does what ossl_async_fibre_switch does. For a fibre that goes back to what has resumed it, if that
 * will return through several functions, such as an executor's. Where the processor is known to
 * predict it so, those returns are faster, and the switch itself is a little slower.
 */
int ossl_async_fibre_leave(void **from, void *to);

/*
 * Returns value. What follows a switch, and is about to return, may call this as its last step.
 * Only speed depends on it: a processor predicts that a return goes back to the last call that it
 * saw, which after a switch may be one of the other stack. Where a jump is allowed (method.h), this
 * returns by one, which is predicted in another way.
 */
int ossl_async_fibre_return(int value);

/* The function that a fibre calls, use after use. */
struct ossl_async_work {
    void *context;              /* where the fibre is suspended */
    int (*func)(void *);        /* names as in OpenSSL's ASYNC_JOB */
    void *funcargs;
    int ret;                    /* of the last call that returned */
    int resumed;                /* set before each switch to the fibre: 1 if that resumes a call,
                                 * 0 if it begins one. Only speed depends on it */
};

/*
 * The base of a fibre. Calls work->func(work->funcargs), stores the result, suspends the fibre in
 * work->context and resumes the fibre that is suspended in *back. When work->context is switched
 * to, it does the same again. Never returns.
 */
void ossl_async_fibre_run(struct ossl_async_work *work, void *const *back);

#endif
