/*
 * Stacks from the program's own functions: when they can be set, how they are called, and what
 * happens if they fail.
 */
#include "second.h"

/*
 * The blocks that were returned and taken back. A lock protects them, because several threads make
 * stacks.
 */
#define MOST_BLOCKS 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *blocks[MOST_BLOCKS];
static int given, taken_back, foreign;
static size_t asked_for, give_size = 65536;

static void *give(size_t *size)
{
    void *block = malloc(give_size > *size ? give_size : *size);

    pthread_mutex_lock(&lock);
    asked_for = *size;
    blocks[given++ % MOST_BLOCKS] = block;
    pthread_mutex_unlock(&lock);
    *size = give_size;
    return block;
}

static void take_back(void *block)
{
    int i, found = 0;

    pthread_mutex_lock(&lock);
    for (i = 0; i < MOST_BLOCKS && block != NULL; i++)
        if (blocks[i] == block) {
            blocks[i] = NULL;
            found = 1;
            break;
        }
    taken_back += found;
    foreign += !found && block != NULL;
    pthread_mutex_unlock(&lock);
    free(block);
}

static int inside_block(void *address)
{
    char *block = blocks[0];

    return (char *)address >= block && (char *)address < block + give_size;
}

static int run_on_block(void *unused)
{
    int local = 0;

    (void)unused;
    CHECK(inside_block(&local));
    ASYNC_pause_job();
    CHECK(inside_block(&local));
    return local + 1;
}

/* In a new process, where setting the functions has an effect. */
CASE(jobs_run_on_blocks_of_the_program, "Rules: T14, D31, G40, G41")
{
    ASYNC_stack_alloc_fn a = NULL;
    ASYNC_stack_free_fn f = NULL;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, round;

    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 1);
    ASYNC_get_mem_functions(&a, &f);
    CHECK(a == give && f == take_back);
    CHECK_EQUAL(ASYNC_init_thread(1, 1), 1);
    CHECK_EQUAL(given, 1);
    CHECK_EQUAL(asked_for, 32768);
    CHECK_EQUAL(taken_back, 0);
    for (round = 0; round < 3; round++) {
        CHECK_EQUAL(go(&job, NULL, &ret, run_on_block), ASYNC_PAUSE);
        CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
        CHECK_EQUAL(ret, 1);
    }
    CHECK_EQUAL(given, 1);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(taken_back, 1);
    CHECK_EQUAL(foreign, 0);
}

/* Fills `bytes` of the stack it runs on. */
static int fill(void *size)
{
    size_t bytes = *(size_t *)size, i;
    volatile char room[1024];

    for (i = 0; i < sizeof(room); i++)
        room[i] = (char)bytes;
    if (bytes > sizeof(room)) {
        bytes -= sizeof(room);
        return fill(&bytes) + room[7] - room[7];
    }
    ASYNC_pause_job();
    return 1;
}

CASE(a_stack_has_the_size_that_the_function_writes, "Rules: G41")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    size_t deep = 900 * 1024;

    give_size = 1024 * 1024 * 2;
    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 1);
    CHECK_EQUAL(ASYNC_start_job(&job, NULL, &ret, fill, &deep, sizeof(deep)), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(taken_back, 1);
}

/* malloc's blocks are aligned, but a program's own blocks may not be. */
static void *give_crooked(size_t *size)
{
    char *block = give(size);

    *size -= 8;
    return block == NULL ? NULL : block + 8;
}

static void take_back_crooked(void *block)
{
    take_back(block == NULL ? NULL : (char *)block - 8);
}

static int use_aligned(void *unused)
{
    double values[4] __attribute__((aligned(16)));

    (void)unused;
    CHECK_EQUAL((uintptr_t)values % 16, 0);
    values[0] = 0.5;
    ASYNC_pause_job();
    return values[0] + values[0] == 1.0;
}

CASE(a_block_need_not_be_aligned, "Rules: G41")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_set_mem_functions(give_crooked, take_back_crooked), 1);
    CHECK_EQUAL(go(&job, NULL, &ret, use_aligned), ASYNC_PAUSE);
    CHECK_EQUAL(go(&job, NULL, &ret, NULL), ASYNC_FINISH);
    CHECK_EQUAL(ret, 1);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(taken_back, 1);
}

CASE(null_keeps_the_function_that_is_there, "Rules: G40, G43")
{
    ASYNC_stack_alloc_fn a = NULL, default_a = NULL;
    ASYNC_stack_free_fn f = NULL, default_f = NULL;

    ASYNC_get_mem_functions(&default_a, &default_f);
    CHECK(default_a != NULL && default_f != NULL);
    CHECK_EQUAL(ASYNC_set_mem_functions(NULL, NULL), 1);
    CHECK_EQUAL(ASYNC_set_mem_functions(give, NULL), 1);
    ASYNC_get_mem_functions(&a, NULL);
    ASYNC_get_mem_functions(NULL, &f);
    CHECK(a == give && f == default_f);
    CHECK_EQUAL(ASYNC_set_mem_functions(NULL, take_back), 1);
    ASYNC_get_mem_functions(&a, &f);
    CHECK(a == give && f == take_back);
    ASYNC_get_mem_functions(NULL, NULL);
    /* The functions that were there before may be set like any others. */
    CHECK_EQUAL(ASYNC_set_mem_functions(default_a, default_f), 1);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(given, 0);
    ASYNC_cleanup_thread();
}

static void *set_elsewhere(void *unused)
{
    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 0);
    return unused;
}

CASE(after_the_first_stack_of_the_process_it_is_too_late, "Rules: G40, G42")
{
    ASYNC_stack_alloc_fn before = NULL, a = NULL;

    CHECK_EQUAL(ASYNC_init_thread(2, 0), 1);
    ASYNC_get_mem_functions(&before, NULL);
    CHECK_EQUAL(ASYNC_set_mem_functions(NULL, NULL), 1);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 0);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 0);
    on_thread(set_elsewhere, NULL);
    ASYNC_get_mem_functions(&a, NULL);
    CHECK(a == before);
    CHECK_EQUAL(only_error(), 0);
    CHECK_STILL_WORKS();
    CHECK_EQUAL(given, 0);
    ASYNC_cleanup_thread();
}

/* ------------------------------------------------------------------------------------------------------ failures */

static int give_after; /* how many calls return NULL first */

static void *give_nothing_at_first(size_t *size)
{
    if (give_after-- > 0)
        return NULL;
    return give(size);
}

static void check_no_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(go(&job, NULL, &ret, return_one), ASYNC_NO_JOBS);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    CHECK(job == NULL);
    CHECK_EQUAL(ret, UNWRITTEN);
}

CASE(without_a_block_there_is_no_job_until_a_later_call, "Rules: G3, G10, G41, G42")
{
    ASYNC_JOB *jobs[3];
    int i;

    give_after = 3;
    CHECK_EQUAL(ASYNC_set_mem_functions(give_nothing_at_first, take_back), 1);
    CHECK_EQUAL(ASYNC_init_thread(3, 3), 1);
    CHECK_EQUAL(only_error(), E5_NO_JOB_RECORD);
    CHECK_EQUAL(give_after, 2);
    /* The attempt counts, although there is no stack. */
    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 0);
    check_no_job();
    check_no_job();
    for (i = 0; i < 3; i++)
        CHECK_PAUSES(jobs[i]);
    CHECK_NO_JOBS();
    for (i = 0; i < 3; i++)
        CHECK_FINISHES(jobs[i]);
    ASYNC_cleanup_thread();
    CHECK_EQUAL(given, 3);
    CHECK_EQUAL(taken_back, 3);
    CHECK_EQUAL(foreign, 0);
}

static void *give_too_little(size_t *size)
{
    void *block = give(size);

    *size = give_size;
    return block;
}

/* Sizes that are too small for a job, including those that a wrong function might write. */
CASE(a_block_that_is_too_small_is_returned_and_no_job_is_made, "Rules: G41, G10, G3")
{
    static const size_t sizes[] = {0, 1, 16, 4096, 8191};
    size_t i;

    CHECK_EQUAL(ASYNC_set_mem_functions(give_too_little, take_back), 1);
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        give_size = sizes[i];
        check_no_job();
        CHECK_EQUAL(given, i + 1);
        CHECK_EQUAL(taken_back, i + 1);
    }
    give_size = 8192;
    CHECK_STILL_WORKS();
    ASYNC_cleanup_thread();
    CHECK_EQUAL(taken_back, given);
    CHECK_EQUAL(foreign, 0);
}

/* ------------------------------------------------------------------------------------------------------- threads */

#define THREADS 4

static void *pause_some(void *unused)
{
    ASYNC_JOB *jobs[10];
    int i;

    for (i = 0; i < 10; i++)
        CHECK_PAUSES(jobs[i]);
    for (i = 0; i < 10; i++)
        CHECK_FINISHES(jobs[i]);
    /* Without a cleanup, because the end of the thread must do it. */
    return unused;
}

CASE(stacks_go_back_when_their_thread_ends, "Rules: G6, G41")
{
    pthread_t threads[THREADS];
    int i;

    CHECK_EQUAL(ASYNC_set_mem_functions(give, take_back), 1);
    for (i = 0; i < THREADS; i++)
        NEED(pthread_create(&threads[i], NULL, pause_some, NULL) == 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(given, 10 * THREADS);
    CHECK_EQUAL(taken_back, given);
    CHECK_EQUAL(foreign, 0);
}

static pthread_barrier_t barrier;
static int head_start; /* for the thread that sets the functions */

static void *race_with_setting(void *unused)
{
    volatile int i;

    pthread_barrier_wait(&barrier);
    for (i = 0; i < head_start; i++)
        ;
    return pause_some(unused);
}

/*
 * One thread sets the functions while others make the first stacks. All stacks must come from the
 * same pair of functions.
 */
static void set_while_stacks_are_made(void)
{
    ASYNC_stack_alloc_fn a = NULL;
    ASYNC_stack_free_fn f = NULL;
    pthread_t threads[THREADS];
    int i, set;

    NEED(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    for (i = 0; i < THREADS; i++)
        NEED(pthread_create(&threads[i], NULL, race_with_setting, NULL) == 0);
    pthread_barrier_wait(&barrier);
    set = ASYNC_set_mem_functions(give, take_back);
    ASYNC_get_mem_functions(&a, &f);
    CHECK_EQUAL(a == give, set);
    CHECK_EQUAL(f == take_back, set);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(given, set ? 10 * THREADS : 0);
    CHECK_EQUAL(taken_back, given);
    CHECK_EQUAL(foreign, 0);
}

CASE(setting_while_stacks_are_made_is_all_or_nothing, "Rules: G44, G40")
{
    int i;

    for (i = 0; i < 12; i++) {
        head_start = i % 4 * 5000;
        CHECK_EQUAL(in_child(set_while_stacks_are_made), 0);
    }
}
