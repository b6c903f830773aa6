/*
 * Enters fibres and switches between them without ucontext, where registers.h defines
 * OSSL_ASYNC_FIRST_FRAME. Elsewhere fibre.c has these functions, and this file is empty.
 */
#define _GNU_SOURCE 1

#include "fibre.h"
#include "checkers.h"
#include "method.h"

#ifdef OSSL_ASYNC_FIRST_FRAME

/* There is no swapcontext to switch a shadow stack with. So with one in force no job is made. */
int ossl_async_fibre_capable(void)
{
    return MAY_JUMP();
}

const char *ossl_async_switch_method(void)
{
    return MAY_JUMP() ? JUMP_METHOD : "null";
}

int OSSL_ASYNC_UNCHECKED(ossl_async_fibre_enter)(void **from, void *stack, size_t size,
                                                 void (*entry)(void))
{
    return MAY_JUMP() ? ossl_async_registers_begin(from, (char *)stack + size, entry) : 0;
}

int OSSL_ASYNC_UNCHECKED(ossl_async_fibre_switch)(void **from, void *to)
{
    return ossl_async_registers_switch(from, to);
}

#endif
