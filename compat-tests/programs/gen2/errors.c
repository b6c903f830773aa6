/*
 * Error entries as a program that uses libcrypto sees them: packed codes and texts, on libcrypto's
 * own queue.
 */
#include "transcript.h"

/* Takes all entries off the queue and prints their texts. */
static void say_texts(void)
{
    unsigned long code;
    char text[256];

    while ((code = ERR_get_error()) != 0) {
        const char *lib = ERR_lib_error_string(code), *reason = ERR_reason_error_string(code);

        ERR_error_string_n(code, text, sizeof(text));
        printf("%lx lib %d reason %x [%s] [%s] [%s]\n", code, ERR_GET_LIB(code), (unsigned)ERR_GET_REASON(code), text,
               lib != NULL ? lib : "(none)", reason != NULL ? reason : "(none)");
    }
}

/* An error that every program can cause, in this OpenSSL's packing and with its text. */
CASE(invalid_pool_size, "Rules: G2, G47, B8")
{
    SAY(ASYNC_init_thread(1, 2));
    SAY(ERR_peek_error() != 0);
    SAY(ERR_peek_error() == ERR_peek_last_error());
    say_texts();
}

/* Loading OpenSSL's strings first changes nothing in 3.x, where they are loaded automatically. */
CASE(texts_with_strings_loaded, "Rules: G47")
{
    SAY(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL));
    SAY(ASYNC_init_thread(0, 2));
    say_texts();
}

/*
 * File and line may differ between the libraries. That there is one entry without data must be the
 * same.
 */
CASE(an_entry_says_where_it_comes_from, "Rules: B5, G2")
{
    const char *file = NULL, *data = NULL;
    int line = 0, flags = 0;

    SAY(ASYNC_init_thread(2, 3));
#if defined(OPENSSL_VERSION_MAJOR) && OPENSSL_VERSION_MAJOR >= 3
    {
        const char *function = NULL;

        SAY(ERR_get_error_all(&file, &line, &function, &data, &flags));
        SAY(function != NULL);
    }
#else
    SAY(ERR_get_error_line_data(&file, &line, &data, &flags));
#endif
    SAY(file != NULL && *file != '\0');
    SAY(line > 0);
    SAY(data == NULL || *data == '\0');
    SAY(ERR_get_error());
}

/* The arguments cannot be copied: one entry. */
CASE(no_memory_for_arguments, "Rules: B27")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;
    char byte = 0;

    SAY(ASYNC_start_job(&job, ctx, &ret, return_one, &byte, (size_t)-1 / 2));
    say_texts();
    SAY(job == NULL);
    SAY(ret);
    SAY(ASYNC_start_job(&job, ctx, &ret, return_one, &byte, 1));
    say_texts();
    ASYNC_WAIT_CTX_free(ctx);
}

static int all_calls(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    OSSL_ASYNC_FD fd;
    void *data;
    size_t count;

    (void)unused;
    ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 1, NULL, NULL);
    ASYNC_WAIT_CTX_get_fd(ctx, ctx, &fd, &data);
    ASYNC_WAIT_CTX_get_fd(ctx, NULL, &fd, &data);
    ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count);
    ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &count, NULL, &count);
    ASYNC_pause_job();
    ASYNC_block_pause();
    ASYNC_pause_job();
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    ASYNC_WAIT_CTX_clear_fd(ctx, NULL);
    ASYNC_WAIT_CTX_clear_fd(ctx, ctx);
    return 1;
}

/* Neither success nor an ordinary refusal adds an entry, and none removes entries. */
CASE(calls_without_errors_leave_the_queue_alone, "Rules: B5, B19")
{
    ASYNC_WAIT_CTX *ctx;
    ASYNC_JOB *job = NULL, *other = NULL;
    int ret = UNWRITTEN;

    ERR_put_error(ERR_LIB_USER, 0, 77, "somewhere", 1);
    ctx = ASYNC_WAIT_CTX_new();
    SAY(ASYNC_init_thread(1, 1));
    SAY(ASYNC_start_job(&job, ctx, &ret, all_calls, NULL, 0));
    SAY(ASYNC_start_job(&other, ctx, &ret, all_calls, NULL, 0));
    SAY(ASYNC_start_job(&job, ctx, &ret, all_calls, NULL, 0));
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
    SAY(ERR_GET_REASON(ERR_get_error()));
    SAY(ERR_get_error());
}

static int queue_and_look(void *unused)
{
    (void)unused;
    SAY(ERR_GET_REASON(ERR_peek_last_error()));
    ERR_put_error(ERR_LIB_USER, 0, 2, "job", 1);
    ASYNC_pause_job();
    SAY(ERR_GET_REASON(ERR_peek_last_error()));
    ERR_put_error(ERR_LIB_USER, 0, 4, "job", 1);
    return 1;
}

/*
 * The queue belongs to the thread: a job and its caller find each other's entries. The same holds
 * for errno.
 */
CASE(job_and_caller_share_the_queue, "Rules: B5")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN;

    ERR_put_error(ERR_LIB_USER, 0, 1, "caller", 1);
    SAY(ASYNC_start_job(&job, ctx, &ret, queue_and_look, NULL, 0));
    SAY(ERR_GET_REASON(ERR_peek_last_error()));
    ERR_put_error(ERR_LIB_USER, 0, 3, "caller", 1);
    SAY(ASYNC_start_job(&job, ctx, &ret, queue_and_look, NULL, 0));
    while (ERR_peek_error() != 0)
        SAY(ERR_GET_REASON(ERR_get_error()));
    ASYNC_WAIT_CTX_free(ctx);
}

static void *fail_on_a_thread(void *unused)
{
    SAY(ASYNC_init_thread(3, 4));
    say_errors();
    SAY(ASYNC_init_thread(3, 4));
    return unused;
}

/* Each thread has its own queue. */
CASE(threads_have_their_own_queue, "Rules: B5")
{
    SAY(ASYNC_init_thread(1, 2));
    on_thread(fail_on_a_thread, NULL);
    say_errors();
}

/* More than the queue holds: libcrypto's queue loses the oldest, as with its own entries. */
CASE(many_errors, "Rules: B5")
{
    int i;

    for (i = 0; i < 40; i++)
        ASYNC_init_thread(0, (size_t)i + 1);
    say_errors();
}

#if defined(OPENSSL_VERSION_MAJOR) && OPENSSL_VERSION_MAJOR >= 3

/* A program may set a mark in the queue and remove the entries after it. */
CASE(entries_go_with_the_mark, "Rules: B5")
{
    ERR_put_error(ERR_LIB_USER, 0, 5, "caller", 1);
    SAY(ERR_set_mark());
    SAY(ASYNC_init_thread(1, 2));
    SAY(ERR_pop_to_mark());
    say_errors();
}

#endif
