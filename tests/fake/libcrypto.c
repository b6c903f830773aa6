/*
 * A shared library that looks like libcrypto to code that searches it by its functions. It notes
 * what it is asked, and refuses when it is told to. It is compiled once for each kind:
 *
 * - -DFAKE_3_0: OpenSSL 3.0, with error entries in three steps and a default library context;
 * - -DFAKE_1_1: OpenSSL 1.1, with error entries with function codes;
 * - -DFAKE_FORK: a fork of an OpenSSL before 1.1.0, which has no asynchronous jobs.
 */
#include <stddef.h>

/* The number of entries so far, and the last one. */
int fake_entries, fake_library, fake_function, fake_reason, fake_line;
const char *fake_file, *fake_function_name;

/* The first entries, oldest first, as the version packs them. */
unsigned int fake_codes[16];

/* The version number, for tests that set it before it is asked for. */
#ifdef FAKE_3_0
unsigned long fake_version = 0x30000160UL;
#else
unsigned long fake_version = 0x1010117fUL;
#endif

/* How often a pool of its own was asked for, and how often other pools. */
int fake_own_pools, fake_other_pools;

/* The default library context, how often it was set, and whether setting it fails (2), or asking for it too (1). */
static int global;
void *fake_default = &global;
int fake_sets, fake_refuses;

unsigned long ERR_get_error(void);

unsigned long ERR_get_error(void)
{
    return 0;
}

#ifndef FAKE_FORK
void *ASYNC_WAIT_CTX_new(void);

void *ASYNC_WAIT_CTX_new(void)
{
    return NULL;
}

unsigned long OpenSSL_version_num(void);
int ASYNC_init_thread(size_t max_size, size_t init_size);

unsigned long OpenSSL_version_num(void)
{
    return fake_version;
}

int ASYNC_init_thread(size_t max_size, size_t init_size)
{
    if (max_size == 0 && init_size == 0)
        fake_own_pools++;
    else
        fake_other_pools++;
    return 1;
}

/* As libcrypto's own start does: through the dynamic linker, which finds the library's function. */
int fake_start(int (*init_thread)(size_t, size_t));

int fake_start(int (*init_thread)(size_t, size_t))
{
    int done = init_thread(0, 0);

    return done == 1; /* after the call, which is so no jump */
}
#endif

static void note(unsigned int code)
{
    if (fake_entries <= 16)
        fake_codes[fake_entries - 1] = code;
}

#ifdef FAKE_3_0
void ERR_new(void);
void ERR_set_debug(const char *file, int line, const char *function);
void ERR_set_error(int library, int reason, const char *format, ...);
void *OSSL_LIB_CTX_set0_default(void *context);

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
    fake_library = format == NULL ? library : -1;
    fake_reason = reason;
    note((unsigned int)library << 23 | (unsigned int)reason);
}

void *OSSL_LIB_CTX_set0_default(void *context)
{
    void *before = fake_default;

    if (fake_refuses == 1 || (fake_refuses == 2 && context != NULL))
        return NULL;
    if (context != NULL) {
        fake_default = context;
        fake_sets++;
    }
    return before;
}
#else
void ERR_put_error(int library, int function, int reason, const char *file, int line);

void ERR_put_error(int library, int function, int reason, const char *file, int line)
{
    fake_entries++;
    fake_library = library;
    fake_function = function;
    fake_reason = reason;
    fake_file = file;
    fake_line = line;
    note((unsigned int)library << 24 | (unsigned int)function << 12 | (unsigned int)reason);
}
#endif
