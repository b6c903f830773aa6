/*
 * The error queue as C programs use it: codes, texts, order, printing, and the thread that it
 * belongs to.
 */
#include "cases.h"

/* How many entries the queue holds. One more removes the oldest. */
#define QUEUE_HOLDS 16

/* Two entries that a caller can cause, so that one can be distinguished from the other. */
static void push_pool_size(void)
{
    CHECK_EQUAL(ASYNC_init_pool(1, 2), 0);
}

static void push_null_job(void)
{
    int ret = UNWRITTEN;

    CHECK_EQUAL(ASYNC_start_job(NULL, &ret, return_one, NULL, 0), ASYNC_ERR);
}

static int text_is(const char *text, const char *expected)
{
    return text != NULL && strcmp(text, expected) == 0;
}

CASE(a_code_packs_library_function_and_reason, "Rules: B3")
{
    unsigned long code;

    push_pool_size();
    code = ERR_get_error();
    CHECK_EQUAL(code, 0x33065067);
    CHECK_EQUAL(ERR_LIB_ASYNC, 51);
    CHECK_EQUAL(ERR_GET_LIB(code), 51);
    CHECK_EQUAL(ERR_GET_FUNC(code), 101);
    CHECK_EQUAL(ERR_GET_REASON(code), 103);
    CHECK_EQUAL(ERR_get_error(), 0);
}

CASE(without_strings_the_text_of_an_entry_has_numbers, "Rules: B43")
{
    char text[256] = "";

    ERR_error_string_n(E2_INVALID_POOL_SIZE, text, sizeof(text));
    CHECK(text_is(text, "error:33065067:lib(51):func(101):reason(103)"));
    CHECK(text_is(ERR_error_string(E2_INVALID_POOL_SIZE, NULL), "error:33065067:lib(51):func(101):reason(103)"));
    CHECK(ERR_reason_error_string(E2_INVALID_POOL_SIZE) == NULL);
}

CASE(with_strings_the_text_of_an_entry_has_words, "Rules: B43, B4")
{
    char text[256] = "";

    ERR_load_ASYNC_strings();
    ERR_load_ASYNC_strings();
    ERR_error_string_n(E2_INVALID_POOL_SIZE, text, sizeof(text));
    CHECK(text_is(text, "error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size"));
    CHECK(text_is(ERR_error_string(E9_NO_ARGUMENT_COPY, text),
                  "error:33069041:ASYNC routines:ASYNC_start_job:malloc failure"));
    CHECK(text_is(ERR_error_string(REFUSED_NESTED, NULL),
                  "error:33069044:ASYNC routines:ASYNC_start_job:internal error"));
}

CASE(every_number_has_its_text, "Rules: B4, B43")
{
    static const char *const functions[] = {"ASYNC_CTX_NEW",   "ASYNC_init_pool",  "ASYNC_JOB_NEW",
                                            "ASYNC_pause_job", "ASYNC_START_FUNC", "ASYNC_start_job"};
    static const struct {
        int number;
        const char *text;
    } reasons[] = {
        {65, "malloc failure"},
        {66, "called a function you should not call"},
        {67, "passed a null parameter"},
        {68, "internal error"},
        {100, "cannot create wait pipe"},
        {101, "failed to set pool"},
        {102, "failed to swap context"},
        {103, "invalid pool size"},
    };
    unsigned i;

    ERR_load_ASYNC_strings();
    CHECK(text_is(ERR_lib_error_string(E2_INVALID_POOL_SIZE), "ASYNC routines"));
    for (i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        CHECK(text_is(ERR_func_error_string(51UL << 24 | (100UL + i) << 12 | 65), functions[i]));
    for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        CHECK(text_is(ERR_reason_error_string(51UL << 24 | 105UL << 12 | (unsigned)reasons[i].number),
                      reasons[i].text));
    CHECK(ERR_func_error_string(51UL << 24 | 999UL << 12 | 65) == NULL);
    CHECK(ERR_reason_error_string(51UL << 24 | 105UL << 12 | 999) == NULL);
}

CASE(a_short_buffer_is_filled_and_ended_and_not_overrun, "Header: openssl/err.h")
{
    char text[32];
    size_t size, i;

    ERR_load_ASYNC_strings();
    for (size = 1; size < sizeof(text); size++) {
        memset(text, '#', sizeof(text));
        ERR_error_string_n(E2_INVALID_POOL_SIZE, text, size);
        CHECK(strlen(text) < size);
        for (i = size; i < sizeof(text); i++)
            CHECK_EQUAL(text[i], '#');
    }
    CHECK(strncmp(text, "error:33065067:", 15) == 0);
    /* The size is 0, so not even the final zero may be written. */
    memset(text, '#', sizeof(text));
    ERR_error_string_n(E2_INVALID_POOL_SIZE, text, 0);
    CHECK_EQUAL(text[0], '#');
}

CASE(entries_come_out_in_the_order_they_went_in, "Header: openssl/err.h")
{
    push_pool_size();
    push_null_job();
    CHECK_EQUAL(ERR_peek_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ERR_peek_last_error(), REFUSED_NULL);
    CHECK_EQUAL(ERR_peek_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ERR_get_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ERR_get_error(), REFUSED_NULL);
    CHECK_EQUAL(ERR_get_error(), 0);
    CHECK_EQUAL(ERR_peek_error(), 0);
    CHECK_EQUAL(ERR_peek_last_error(), 0);
}

CASE(a_full_queue_drops_its_oldest_entries, "Header: openssl/err.h")
{
    int i, round;

    /* Twice, so that the second round begins in the middle of the ring. */
    for (round = 0; round < 2; round++) {
        push_pool_size();
        for (i = 0; i < QUEUE_HOLDS - 1; i++)
            push_null_job();
        CHECK_EQUAL(ERR_peek_error(), E2_INVALID_POOL_SIZE);
        push_null_job();
        push_pool_size();
        for (i = 0; i < QUEUE_HOLDS - 1; i++)
            CHECK_EQUAL(ERR_get_error(), REFUSED_NULL);
        CHECK_EQUAL(ERR_get_error(), E2_INVALID_POOL_SIZE);
        CHECK_EQUAL(ERR_get_error(), 0);
    }
}

CASE(clear_forgets_every_entry, "Header: openssl/err.h")
{
    int i;

    for (i = 0; i < 5; i++)
        push_pool_size();
    ERR_clear_error();
    CHECK_EQUAL(ERR_peek_error(), 0);
    CHECK_EQUAL(ERR_get_error(), 0);
    push_null_job();
    CHECK_EQUAL(only_error(), REFUSED_NULL);
}

CASE(an_entry_says_where_it_was_raised, "Header: openssl/err.h")
{
    const char *file = NULL;
    int line = 0;

    push_pool_size();
    push_null_job();
    CHECK_EQUAL(ERR_get_error_line(&file, &line), E2_INVALID_POOL_SIZE);
    CHECK(file != NULL && file[0] != '\0');
    CHECK(line > 0);
    CHECK_EQUAL(ERR_get_error_line(NULL, NULL), REFUSED_NULL);
    CHECK_EQUAL(ERR_get_error_line(&file, &line), 0);
}

/* What the printing callback was given. */
static char printed[4][512];
static int prints, answer;

static int collect(const char *text, size_t length, void *user)
{
    CHECK(user == (void *)printed);
    CHECK_EQUAL(strlen(text), length);
    if (prints < 4)
        snprintf(printed[prints], sizeof(printed[0]), "%s", text);
    prints++;
    return answer;
}

CASE(printing_gives_one_line_an_entry_and_empties_the_queue, "Rules: B43")
{
    ERR_load_ASYNC_strings();
    push_pool_size();
    push_null_job();
    answer = 1;
    ERR_print_errors_cb(collect, printed);
    CHECK_EQUAL(prints, 2);
    CHECK(strstr(printed[0], "error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size:") != NULL);
    CHECK(strstr(printed[1], "error:33069043:ASYNC routines:ASYNC_start_job:passed a null parameter:") != NULL);
    CHECK(strchr(printed[0], '\n') == printed[0] + strlen(printed[0]) - 1);
    CHECK_EQUAL(ERR_peek_error(), 0);
}

CASE(a_callback_that_returns_zero_ends_the_printing, "Header: openssl/err.h")
{
    push_pool_size();
    push_null_job();
    push_pool_size();
    answer = 0;
    ERR_print_errors_cb(collect, printed);
    CHECK_EQUAL(prints, 1);
    CHECK_EQUAL(ERR_get_error(), REFUSED_NULL);
    CHECK_EQUAL(ERR_get_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ERR_get_error(), 0);
}

CASE(printing_to_a_file_gives_the_same_lines, "Header: openssl/err.h")
{
    char text[1024] = "";
    FILE *file = tmpfile();
    size_t length;

    NEED(file != NULL);
    ERR_load_ASYNC_strings();
    push_pool_size();
    push_null_job();
    ERR_print_errors_fp(file);
    CHECK_EQUAL(ERR_peek_error(), 0);
    rewind(file);
    length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    CHECK(strstr(text, "error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size:") != NULL);
    CHECK(strstr(text, "error:33069043:ASYNC routines:ASYNC_start_job:passed a null parameter:") != NULL);
    CHECK(length > 0 && text[length - 1] == '\n');
}

static int queue_across_a_pause(void *unused)
{
    (void)unused;
    CHECK_EQUAL(ERR_peek_last_error(), E2_INVALID_POOL_SIZE);
    ASYNC_free_pool(); /* refused: pushes an entry inside the job */
    ASYNC_pause_job();
    CHECK_EQUAL(ERR_peek_last_error(), REFUSED_NULL);
    return 1;
}

CASE(job_and_caller_share_one_queue_which_no_call_clears, "Rules: B5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    push_pool_size();
    CHECK_EQUAL(ASYNC_init_pool(2, 1), 1);
    CHECK_EQUAL(start(&job, &ret, queue_across_a_pause), ASYNC_PAUSE);
    CHECK_EQUAL(ERR_peek_last_error(), REFUSED_FREE);
    push_null_job();
    ASYNC_wake(job);
    ASYNC_clear_wake(job);
    CHECK_FINISHES(job);
    ASYNC_free_pool();
    CHECK_EQUAL(ERR_get_error(), E2_INVALID_POOL_SIZE);
    CHECK_EQUAL(ERR_get_error(), REFUSED_FREE);
    CHECK_EQUAL(ERR_get_error(), REFUSED_NULL);
    CHECK_EQUAL(ERR_get_error(), 0);
}

static int errno_across_a_pause(void *unused)
{
    (void)unused;
    errno = ENOTTY;
    ASYNC_pause_job();
    CHECK_EQUAL(errno, EDOM);
    return 1;
}

CASE(job_and_caller_share_errno, "Rules: B5")
{
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    CHECK_EQUAL(start(&job, &ret, errno_across_a_pause), ASYNC_PAUSE);
    CHECK_EQUAL(errno, ENOTTY);
    errno = EDOM;
    CHECK_FINISHES(job);
    ASYNC_free_pool();
}

static void *queue_of_another_thread(void *unused)
{
    CHECK_EQUAL(ERR_peek_error(), 0);
    push_null_job();
    CHECK_EQUAL(ERR_peek_last_error(), REFUSED_NULL);
    return unused;
}

CASE(the_queue_is_the_threads_own, "Rules: B5")
{
    push_pool_size();
    on_thread(queue_of_another_thread, NULL);
    CHECK_EQUAL(only_error(), E2_INVALID_POOL_SIZE);
}
