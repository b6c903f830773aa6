/*
 * The fibre layer: enters a fresh stack, switches between stacks, and runs one call after the
 * other on a stack. Mechanism only: no allocation, no policy, no state.
 *
 * A suspended fibre is one pointer (OpenSSL's async_fibre is a struct). It points to the saved
 * context, which lies in the frame of the call that suspended the fibre, on the fibre's own
 * stack. See src/jobs/dispatch.rs for a drawing of the two stacks.
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
 * return. Returns 1 when someone switches to *from, 0 if the new context could not be entered;
 * nothing has run then (F6).
 */
int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void));

/*
 * Suspends the caller in *from and resumes the fibre suspended in to. Returns 1 when someone
 * switches to *from.
 */
int ossl_async_fibre_switch(void **from, void *to);

/* What a fibre calls, in one use after the other. */
struct ossl_async_work {
    void *context;              /* where the fibre is suspended */
    int (*func)(void *);        /* names as in OpenSSL's ASYNC_JOB */
    void *funcargs;
    int ret;                    /* of the last call that returned */
    int resumed;                /* set before each switch to the fibre: 1 if that resumes a call,
                                 * 0 if it begins one. Only speed depends on it */
};

/*
 * The base of a fibre. Calls work->func(work->funcargs), stores the result, suspends the
 * fibre in work->context and resumes the fibre suspended in *back. Does the same again when
 * someone switches to work->context. Never returns.
 */
void ossl_async_fibre_run(struct ossl_async_work *work, void *const *back);

#endif
