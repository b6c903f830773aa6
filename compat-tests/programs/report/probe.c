/*
 * What a library under test is. The report runs this program with the library preloaded.
 *
 * Without an argument it writes, for each function of either API that the process has, a line with the function's name and
 * the file that it comes from, then a line "version" with what the library says of itself, then a line "end". With the
 * argument "five" or "six" it runs a job by the ASYNC_start_job of so many arguments, and writes a line "value" with what
 * came of it.
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    "ASYNC_start_job",
    "ASYNC_start_job_2015",
    "ASYNC_pause_job",
    "ASYNC_get_current_job",
    "ASYNC_block_pause",
    "ASYNC_unblock_pause",
    "ASYNC_init_pool",
    "ASYNC_free_pool",
    "ASYNC_in_job",
    "ASYNC_get_wait_fd",
    "ASYNC_wake",
    "ASYNC_clear_wake",
    "ASYNC_init_thread",
    "ASYNC_cleanup_thread",
    "ASYNC_is_capable",
    "ASYNC_get_wait_ctx",
    "ASYNC_WAIT_CTX_new",
    "ASYNC_WAIT_CTX_free",
    "ASYNC_WAIT_CTX_set_wait_fd",
    "ASYNC_WAIT_CTX_get_fd",
    "ASYNC_WAIT_CTX_get_all_fds",
    "ASYNC_WAIT_CTX_get_changed_fds",
    "ASYNC_WAIT_CTX_clear_fd",
    "ASYNC_WAIT_CTX_set_callback",
    "ASYNC_WAIT_CTX_get_callback",
    "ASYNC_WAIT_CTX_set_status",
    "ASYNC_WAIT_CTX_get_status",
    "ASYNC_set_mem_functions",
    "ASYNC_get_mem_functions",
    "OSSL_ASYNC_version",
    "OpenSSL_version",
    "ERR_get_error",
};

static int return_seven(void *unused)
{
    (void)unused;
    return 7;
}

/* A function's address has another type than an object's; POSIX promises that the bytes are the same. */
static int find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static int run_a_job(int arguments)
{
    int (*five)(void **, int *, int (*)(void *), void *, size_t);
    int (*six)(void **, void *, int *, int (*)(void *), void *, size_t);
    void *job = NULL;
    int ret = -1, result;

    if (!find("ASYNC_start_job", arguments == 5 ? (void *)&five : (void *)&six))
        return 1;
    result = arguments == 5 ? five(&job, &ret, return_seven, NULL, 0) : six(&job, NULL, &ret, return_seven, NULL, 0);
    printf("value %d %d\n", result, ret);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long (*our_version)(void);
    const char *(*their_version)(int);
    Dl_info info;
    size_t i;

    if (argc > 1)
        return run_a_job(strcmp(argv[1], "five") == 0 ? 5 : 6);
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *symbol = dlsym(RTLD_DEFAULT, names[i]);

        if (symbol != NULL && dladdr(symbol, &info) != 0 && info.dli_fname != NULL)
            printf("%s %s\n", names[i], info.dli_fname);
    }
    if (find("OSSL_ASYNC_version", &our_version))
        printf("version %lu.%lu.%lu\n", our_version() >> 28, our_version() >> 20 & 0xff, our_version() >> 4 & 0xff);
    else if (find("OpenSSL_version", &their_version))
        printf("version %s\n", their_version(0));
    printf("end\n");
    return 0;
}
