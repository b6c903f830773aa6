/*
 * What the report puts between a program and the library under test, so that one program runs on libraries of either
 * generation. A program finds a function here only if the library under test does not have it: the library comes first.
 *
 * It is compiled for each kind of library. OF_SIX_ARGUMENTS: the wait context API, as libcrypto has it. OF_FIVE_ARGUMENTS:
 * the API of 2015 and no error queue. Neither: this library, which has both and needs nothing.
 *
 * What is not here is absent: the dynamic linker ends the case, and names the function.
 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

#include "../limit_life.h"

int report_cannot_tell(const char *expression, long long seen, long long expected);

/* Whether a check is about an error code. */
static int is_of_errors(const char *expression)
{
    return strstr(expression, "error") != NULL;
}

/* A case may use so much processor time and so much time by the clock, and its crash leaves no core behind. */
__attribute__((constructor)) static void limit_the_case(void)
{
    struct rlimit none = {0, 0}, hard;
    const char *seconds = getenv("OSSL_ASYNC_REPORT_SECONDS"), *clock = getenv("OSSL_ASYNC_REPORT_CLOCK");

    setrlimit(RLIMIT_CORE, &none);
    if (seconds == NULL || clock == NULL)
        return;
    /* Both limits: what the harness asks for in a child may not be more. */
    hard.rlim_cur = (rlim_t)atoi(seconds);
    hard.rlim_max = hard.rlim_cur + 1;
    setrlimit(RLIMIT_CPU, &hard);
    limit_life((rlim_t)atoi(seconds), (unsigned)atoi(clock));
}

/* In the report, what a program knows as the six-argument ASYNC_start_job. A library of five-argument calls has none. */
#if !defined(OF_FIVE_ARGUMENTS)
int report_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *), void *args, size_t size);

int report_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *), void *args, size_t size)
{
    return ASYNC_start_job(job, ctx, ret, func, args, size);
}
#endif

#if defined(OF_SIX_ARGUMENTS)

/* ------------------------------------------------------------------------------- the API of 2015, in terms of that of 1.1.0 */

int ASYNC_start_job_2015(ASYNC_JOB **job, int *ret, int (*func)(void *), void *args, size_t size)
{
    /* All jobs of a thread have one: without any, libcrypto crashes when it resumes a job (D25). */
    static __thread ASYNC_WAIT_CTX *context;

    if (context == NULL)
        context = ASYNC_WAIT_CTX_new();
    return ASYNC_start_job(job, context, ret, func, args, size);
}

int ASYNC_init_pool(size_t max_size, size_t init_size)
{
    return ASYNC_init_thread(max_size, init_size);
}

void ASYNC_free_pool(void)
{
    ASYNC_cleanup_thread();
}

/* ------------------------------------------------------------------------------------------------- libcrypto's error queue */

# include <stdio.h>

unsigned long ERR_get_error(void);
unsigned long ERR_peek_error(void);
unsigned long ERR_peek_last_error(void);
void ERR_clear_error(void);
char *ERR_error_string(unsigned long code, char *buf);
void ERR_error_string_n(unsigned long code, char *buf, size_t len);
const char *ERR_lib_error_string(unsigned long code);
const char *ERR_func_error_string(unsigned long code);
const char *ERR_reason_error_string(unsigned long code);
void ERR_print_errors_fp(FILE *fp);
void ERR_print_errors_cb(int (*cb)(const char *str, size_t len, void *u), void *u);
int ERR_load_ASYNC_strings(void);

unsigned long OSSL_ASYNC_ERR_get_error(void);
unsigned long OSSL_ASYNC_ERR_peek_error(void);
unsigned long OSSL_ASYNC_ERR_peek_last_error(void);
void OSSL_ASYNC_ERR_clear_error(void);
char *OSSL_ASYNC_ERR_error_string(unsigned long code, char *buf);
void OSSL_ASYNC_ERR_error_string_n(unsigned long code, char *buf, size_t len);
const char *OSSL_ASYNC_ERR_lib_error_string(unsigned long code);
const char *OSSL_ASYNC_ERR_func_error_string(unsigned long code);
const char *OSSL_ASYNC_ERR_reason_error_string(unsigned long code);
void OSSL_ASYNC_ERR_print_errors_fp(FILE *fp);
void OSSL_ASYNC_ERR_print_errors_cb(int (*cb)(const char *str, size_t len, void *u), void *u);
void OSSL_ASYNC_ERR_load_ASYNC_strings(void);

/* A code as it was packed before 3.0, but for the number of the function, which is 0: since 3.0 there is none. */
static unsigned long as_before_3_0(unsigned long code)
{
    unsigned long reason = code & 0x7fffffUL;

    if (code >> 23 != 51)
        return code;
    /* Reasons of all libraries count from 256, and have a flag. */
    if ((reason & 0x80000UL) != 0)
        reason = 65 + (reason & 0xffUL);
    return 51UL << 24 | (reason & 0xfffUL);
}

unsigned long OSSL_ASYNC_ERR_get_error(void)
{
    return as_before_3_0(ERR_get_error());
}

unsigned long OSSL_ASYNC_ERR_peek_error(void)
{
    return as_before_3_0(ERR_peek_error());
}

unsigned long OSSL_ASYNC_ERR_peek_last_error(void)
{
    return as_before_3_0(ERR_peek_last_error());
}

void OSSL_ASYNC_ERR_clear_error(void)
{
    ERR_clear_error();
}

char *OSSL_ASYNC_ERR_error_string(unsigned long code, char *buf)
{
    return ERR_error_string(code, buf);
}

void OSSL_ASYNC_ERR_error_string_n(unsigned long code, char *buf, size_t len)
{
    ERR_error_string_n(code, buf, len);
}

const char *OSSL_ASYNC_ERR_lib_error_string(unsigned long code)
{
    return ERR_lib_error_string(code);
}

const char *OSSL_ASYNC_ERR_func_error_string(unsigned long code)
{
    return ERR_func_error_string(code);
}

const char *OSSL_ASYNC_ERR_reason_error_string(unsigned long code)
{
    return ERR_reason_error_string(code);
}

void OSSL_ASYNC_ERR_print_errors_fp(FILE *fp)
{
    ERR_print_errors_fp(fp);
}

void OSSL_ASYNC_ERR_print_errors_cb(int (*cb)(const char *str, size_t len, void *u), void *u)
{
    ERR_print_errors_cb(cb, u);
}

void OSSL_ASYNC_ERR_load_ASYNC_strings(void)
{
    ERR_load_ASYNC_strings();
}

/* A code without a function is compared without it. */
int report_cannot_tell(const char *expression, long long seen, long long expected)
{
    return is_of_errors(expression) && seen >> 24 == 51 && (expected & 0xff000fffLL) == seen;
}

#elif defined(OF_FIVE_ARGUMENTS)

int ASYNC_start_job_2015(ASYNC_JOB **job, int *ret, int (*func)(void *), void *args, size_t size)
{
    /* The library's own function of this name takes five arguments, which the header does not know. */
    union {
        int (*six)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t);
        int (*five)(ASYNC_JOB **, int *, int (*)(void *), void *, size_t);
    } start_job;

    start_job.six = ASYNC_start_job;
    return start_job.five(job, ret, func, args, size);
}

/* ---------------------------------------------------------------------------------------------------------- no error queue */

# define NOT_KNOWN (~0UL)

unsigned long OSSL_ASYNC_ERR_get_error(void);
unsigned long OSSL_ASYNC_ERR_peek_error(void);
unsigned long OSSL_ASYNC_ERR_peek_last_error(void);
void OSSL_ASYNC_ERR_clear_error(void);

unsigned long OSSL_ASYNC_ERR_get_error(void)
{
    return NOT_KNOWN;
}

unsigned long OSSL_ASYNC_ERR_peek_error(void)
{
    return NOT_KNOWN;
}

unsigned long OSSL_ASYNC_ERR_peek_last_error(void)
{
    return NOT_KNOWN;
}

void OSSL_ASYNC_ERR_clear_error(void)
{
}

/* Says once that an error code was not looked at. The report shows such a case as "ok, no codes". */
int report_cannot_tell(const char *expression, long long seen, long long expected)
{
    static const char remark[] = "# no error queue\n";
    static int said;

    (void)expected;
    if (!is_of_errors(expression) || seen != (long long)NOT_KNOWN)
        return 0;
    if (!said++ && write(STDOUT_FILENO, remark, sizeof(remark) - 1) < 0)
        return 0;
    return 1;
}

#else

int report_cannot_tell(const char *expression, long long seen, long long expected)
{
    (void)is_of_errors;
    (void)expression;
    (void)seen;
    (void)expected;
    return 0;
}

#endif
