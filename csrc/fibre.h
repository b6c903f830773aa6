/*
 * The fibre layer: enter a fresh stack, switch between stacks, serve one call after the other on one. Mechanism only: no
 * allocation, no policy, no state.
 *
 * A suspended fibre is one pointer: where its context was saved, which is in the frame of the call below that
 * suspended it, on its own stack. See src/jobs/dispatch.rs for a drawing of the two stacks.
 */
#ifndef OSSL_ASYNC_FIBRE_H
# define OSSL_ASYNC_FIBRE_H

# include <stddef.h>

/* 1 if this system can make contexts at all, else 0 (F19). */
int ossl_async_fibre_capable(void);

/*
 * Suspends the caller in *from and calls entry at the top of stack[0..size). entry must never return. Comes back
 * with 1 when someone switches to *from, with 0 if the new context could not be entered; nothing has run then (F6).
 */
int ossl_async_fibre_enter(void **from, void *stack, size_t size, void (*entry)(void));

/* Suspends the caller in *from and goes on with the fibre suspended in to. Returns 1 when someone switches to *from. */
int ossl_async_fibre_switch(void **from, void *to);

/* What a fibre does in one use after the other. */
struct ossl_async_work {
    void *context;              /* where the fibre is suspended */
    int (*function)(void *);
    void *argument;
    int result;                 /* of the last call that returned */
    int resumed;                /* whether the switch to the fibre goes on with a call, and does not begin one; set by
                                 * whoever switches, and only speed depends on it */
};

/*
 * The bottom of a fibre: calls work->function(work->argument), stores the result and goes on with the fibre suspended in
 * *back; and again, whenever someone switches to work->context then. Never returns.
 */
void ossl_async_fibre_run(struct ossl_async_work *work, void *const *back);

/* Nobody will ever go on with the fibre that was suspended in context. */
void ossl_async_fibre_forget(void *context);

/* The way this build switches: "registers", "setjmp" or "swapcontext". */
const char *ossl_async_switch_method(void);

#endif
