/* Tells valgrind where the stacks are: the one thing here that a checker, and not the machine, needs to know. */
#include "fibre.h"

#if defined(__has_include)
# if __has_include(<valgrind/valgrind.h>)
#  include <valgrind/valgrind.h>
# endif
#endif

#ifdef VALGRIND_STACK_REGISTER
unsigned ossl_async_stack_register(void *low, void *high)
{
    return VALGRIND_STACK_REGISTER(low, high);
}

void ossl_async_stack_deregister(unsigned id)
{
    VALGRIND_STACK_DEREGISTER(id);
}
#else
unsigned ossl_async_stack_register(void *low, void *high)
{
    (void)low;
    (void)high;
    return 0;
}

void ossl_async_stack_deregister(unsigned id)
{
    (void)id;
}
#endif
