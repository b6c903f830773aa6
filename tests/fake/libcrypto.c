/*
 * Stands in for libcrypto: notes what it is asked, and lets a test look. VERSION is 3, or 1 for 1.1; FORK leaves out what
 * tells OpenSSL from its forks.
 */
#include <stddef.h>

/* Every object of OpenSSL since 1.1.0 has this one. */
#ifndef FORK
void *ASYNC_WAIT_CTX_new(void)
{
    return NULL;
}
#endif

/* What the last entry was: library, function or its name's first letter after "ASYNC_", reason, line. */
int fake_entries, fake_library, fake_function, fake_reason, fake_line;
const char *fake_file, *fake_function_name;

unsigned long ERR_get_error(void)
{
    return 0;
}

#if VERSION == 3
static int global, *current = &global;
int fake_refuses;

void ERR_new(void)
{
    fake_entries++;
}

void ERR_set_debug(const char *file, int line, const char *function)
{
    fake_file = file;
    fake_line = line;
    fake_function_name = function;
}

void ERR_set_error(int library, int reason, const char *format, ...)
{
    fake_library = library;
    fake_reason = reason;
    if (format != NULL)
        fake_entries = -1000; /* there is nothing to add */
}

void *OSSL_LIB_CTX_set0_default(void *context)
{
    int *before = current;

    if (context != NULL) {
        if (fake_refuses)
            return NULL;
        current = context;
    }
    return before;
}
#else
void ERR_put_error(int library, int function, int reason, const char *file, int line)
{
    fake_entries++;
    fake_library = library;
    fake_function = function;
    fake_reason = reason;
    fake_file = file;
    fake_line = line;
}
#endif
