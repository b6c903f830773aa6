/*
 * The switch by registers, for x86-64 (System V) and aarch64 with glibc: saves what a called function must preserve, on the
 * stack that is left, and loads the same from the other. The signal mask and the floating-point modes stay the thread's
 * (F7, F20), also when a fibre begins: no system call reads or sets them. Defines OSSL_ASYNC_REGISTERS where it exists.
 *
 * A processor predicts that a return goes back behind the call that it saw last, whatever stack that was on, and when
 * that is wrong it costs as much as the rest of the switch. So a switch leaves by an indirect jump where landing pads
 * allow it. On x86-64 there is one more case: when a function returns without having paused, every call since the switch
 * to it is answered by its return (in any use of a fibre but its first), so that the last one is the call of that switch,
 * where it goes back to. Then a return is right, and so is the caller's.
 */
#ifndef OSSL_ASYNC_REGISTERS_H
# define OSSL_ASYNC_REGISTERS_H

# include "fibre.h"

# include <ucontext.h>

/* glibc, because where a context has its registers is the C library's own affair. */
# if defined(__GLIBC__) && !defined(__ILP32__)
#  if defined(__x86_64__) || (defined(__aarch64__) && !defined(__AARCH64EB__))
#   define OSSL_ASYNC_REGISTERS 1
#  endif
# endif

# ifdef OSSL_ASYNC_REGISTERS
/* Suspends the caller in *from and goes on where to was suspended. Returns 1 when someone switches to *from. */
int ossl_async_registers_switch(void **from, void *to) __attribute__((visibility("hidden")));

/*
 * Suspends the caller in *from and begins where a context begins that makecontext has made, without arguments. Of the
 * context no more than that is looked at. Returns 1 when someone switches to *from.
 */
int ossl_async_registers_enter(void **from, const ucontext_t *fresh) __attribute__((visibility("hidden")));

#  ifdef __x86_64__
#   define OSSL_ASYNC_REGISTERS_SERVE 1
/* ossl_async_fibre_serve, for fibres that are left and gone on with by the functions above. */
void ossl_async_registers_serve(struct ossl_async_work *work, void *const *back)
    __attribute__((visibility("hidden"), noreturn));
#  endif
# endif

#endif
