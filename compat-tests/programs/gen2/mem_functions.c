/*
 * Other memory for stacks, which OpenSSL supports since 3.2. OpenSSL's own test of it runs after
 * stacks have been made, so it is refused and tests nothing. Here each case has a process of its
 * own.
 *
 * The functions are looked up, because the headers and the libcrypto of older versions lack them.
 * In that case this program prints one word, "absent", and the runner knows that there is nothing
 * to compare.
 */
#include "transcript.h"

typedef void *(*alloc_fn)(size_t *);
typedef void (*free_fn)(void *);

static int (*set_mem_functions)(alloc_fn, free_fn);
static void (*get_mem_functions)(alloc_fn *, free_fn *);
static int allocs, frees, null_frees;
static size_t asked;

/* Looks the two functions up. Returns 0 if they do not exist. */
static int find_functions(void)
{
    *(void **)&set_mem_functions = dlsym(RTLD_DEFAULT, "ASYNC_set_mem_functions");
    *(void **)&get_mem_functions = dlsym(RTLD_DEFAULT, "ASYNC_get_mem_functions");
    if (set_mem_functions != NULL && get_mem_functions != NULL)
        return 1;
    printf("absent\n");
    return 0;
}

static void *count_alloc(size_t *size)
{
    allocs++;
    asked = *size;
    *size = 65536;
    return malloc(*size);
}

static void count_free(void *block)
{
    if (block == NULL)
        null_frees++;
    else
        frees++;
    free(block);
}

static void *no_memory(size_t *size)
{
    (void)size;
    allocs++;
    return NULL;
}

/* They are installed, read back and used by a pool, and all blocks are returned. */
CASE(custom_functions_are_used, "Rules: T14, D31, G40, G41, G43")
{
    alloc_fn a = NULL;
    free_fn f = NULL;
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    if (!find_functions())
        return;
    SAY(set_mem_functions(count_alloc, count_free));
    get_mem_functions(&a, &f);
    SAY(a == count_alloc && f == count_free);
    SAY(allocs);
    SAY(ASYNC_init_thread(1, 1));
    SAY(allocs);
    SAY(asked);
    SAY(frees);
    go("start", &job, ctx, &ret, pause_once);
    go("resume", &job, ctx, &ret, pause_once);
    ASYNC_cleanup_thread();
    SAY(allocs);
    SAY(frees);
    say_errors();
    ASYNC_WAIT_CTX_free(ctx);
}

/* NULL keeps the present function. The query writes to each pointer that is not NULL. */
CASE(null_keeps_what_is_there, "Rules: G40, G43")
{
    alloc_fn a = NULL, default_a = NULL;
    free_fn f = NULL, default_f = NULL;

    if (!find_functions())
        return;
    get_mem_functions(&default_a, &default_f);
    SAY(default_a != NULL && default_f != NULL);
    SAY(set_mem_functions(NULL, NULL));
    get_mem_functions(&a, &f);
    SAY(a == default_a && f == default_f);
    SAY(set_mem_functions(count_alloc, NULL));
    get_mem_functions(&a, NULL);
    get_mem_functions(NULL, &f);
    SAY(a == count_alloc && f == default_f);
    SAY(set_mem_functions(NULL, count_free));
    get_mem_functions(&a, &f);
    SAY(a == count_alloc && f == count_free);
    get_mem_functions(NULL, NULL);
    say_errors();
}

static void *try_on_a_thread(void *unused)
{
    printf("on another thread: %d\n", set_mem_functions(count_alloc, count_free));
    return unused;
}

/* One stack is enough, even if it has been freed since. */
CASE(after_the_first_stack_it_is_too_late, "Rules: G40, G42")
{
    alloc_fn before = NULL, a = NULL;

    if (!find_functions())
        return;
    SAY(ASYNC_init_thread(4, 0));
    SAY(set_mem_functions(NULL, NULL));
    get_mem_functions(&before, NULL);
    SAY(ASYNC_init_thread(4, 1));
    SAY(set_mem_functions(count_alloc, count_free));
    ASYNC_cleanup_thread();
    SAY(set_mem_functions(count_alloc, count_free));
    on_thread(try_on_a_thread, NULL);
    get_mem_functions(&a, NULL);
    SAY(a == before);
    say_errors();
}

/*
 * A failed attempt counts too. The jobs cannot be made: fewer in advance, none later, and no
 * entry.
 */
CASE(without_memory_there_are_no_jobs, "Rules: G41, G42, G3, G10")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    if (!find_functions())
        return;
    SAY(set_mem_functions(no_memory, count_free));
    SAY(ASYNC_init_thread(3, 3));
    SAY(allocs);
    SAY(ASYNC_start_job(&job, ctx, &ret, return_one, NULL, 0) == ASYNC_NO_JOBS);
    SAY(allocs);
    SAY(job == NULL && ret == UNWRITTEN);
    SAY(set_mem_functions(count_alloc, count_free));
    ERR_clear_error();
    ASYNC_cleanup_thread();
    SAY(frees);
    ASYNC_WAIT_CTX_free(ctx);
}
