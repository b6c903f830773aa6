/* See exceptions.h. */
#include "exceptions.h"

#include <stddef.h>

#ifdef __ELF__
extern void *__cxa_get_globals(void) __attribute__((weak));
# define LINKED __cxa_get_globals
#else
# define LINKED NULL
#endif

ossl_async_get_exceptions *ossl_async_linked_exceptions(void)
{
    return LINKED;
}
