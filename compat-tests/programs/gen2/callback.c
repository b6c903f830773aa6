/* The callback and the status of a wait context, which OpenSSL has since 3.0. */
#include "transcript.h"

#if defined(OPENSSL_VERSION_MAJOR) && OPENSSL_VERSION_MAJOR >= 3

static int calls;

static int count_call(void *arg)
{
    calls++;
    return arg == &calls ? 5 : 6;
}

static int other_function(void *arg)
{
    (void)arg;
    return 7;
}

CASE(without_a_callback_nothing_is_written, "Rules: G34")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_callback_fn function = other_function;
    void *argument = &calls;

    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(function == other_function);
    SAY(argument == &calls);
    say_errors();
    ASYNC_WAIT_CTX_free(ctx);
}

CASE(a_callback_and_its_argument_come_back, "Rules: G33, G34")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_callback_fn function = NULL;
    void *argument = NULL;

    SAY(ASYNC_WAIT_CTX_set_callback(ctx, count_call, &calls));
    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(function == count_call);
    SAY(function(argument));
    SAY(calls);
    SAY(ASYNC_WAIT_CTX_set_callback(ctx, other_function, NULL));
    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(function == other_function);
    SAY(argument == NULL);
    ASYNC_WAIT_CTX_free(ctx);
}

/* NULL removes it, whatever the argument is. */
CASE(a_null_callback_unsets_it, "Rules: G33, G34")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_callback_fn function = other_function;
    void *argument = NULL;

    SAY(ASYNC_WAIT_CTX_set_callback(ctx, count_call, &calls));
    SAY(ASYNC_WAIT_CTX_set_callback(ctx, NULL, &calls));
    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(function == other_function);
    SAY(argument == NULL);
    ASYNC_WAIT_CTX_free(ctx);
}

CASE(set_callback_refuses_a_null_context, "Rules: G33")
{
    SAY(ASYNC_WAIT_CTX_set_callback(NULL, count_call, &calls));
    SAY(ASYNC_WAIT_CTX_set_callback(NULL, NULL, NULL));
    say_errors();
}

CASE(any_number_is_a_status, "Rules: G35")
{
    static const int numbers[] = {ASYNC_STATUS_UNSUPPORTED, ASYNC_STATUS_ERR, ASYNC_STATUS_OK, ASYNC_STATUS_EAGAIN,
                                  4, -1, 0x7fffffff, -0x7fffffff - 1, 0};
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    size_t i;

    SAY(ASYNC_WAIT_CTX_get_status(ctx));
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        SAY(ASYNC_WAIT_CTX_set_status(ctx, numbers[i]));
        SAY(ASYNC_WAIT_CTX_get_status(ctx));
    }
    say_errors();
    ASYNC_WAIT_CTX_free(ctx);
}

/* Sets status and callback before the pause, as an engine does. */
static int as_an_engine(void *unused)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    ASYNC_callback_fn function = NULL;
    void *argument = NULL;

    (void)unused;
    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_OK));
    SAY(ASYNC_pause_job());
    SAY(ASYNC_WAIT_CTX_get_status(ctx));
    SAY(function(argument));
    return 1;
}

/* Only the engine calls it, no switch changes it, and both stay from job to job. */
CASE(neither_jobs_nor_pauses_touch_callback_and_status, "Rules: G36")
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_callback_fn function = NULL;
    void *argument = NULL;
    ASYNC_JOB *job = NULL;
    int ret = UNWRITTEN, round;

    SAY(ASYNC_WAIT_CTX_set_callback(ctx, count_call, &calls));
    for (round = 0; round < 2; round++) {
        go("start", &job, ctx, &ret, as_an_engine);
        SAY(calls);
        SAY(ASYNC_WAIT_CTX_get_status(ctx));
        SAY(ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_EAGAIN));
        go("resume", &job, ctx, &ret, as_an_engine);
        SAY(calls);
        SAY(ASYNC_WAIT_CTX_get_status(ctx));
    }
    SAY(ASYNC_WAIT_CTX_get_callback(ctx, &function, &argument));
    SAY(function == count_call && argument == &calls);
    ASYNC_WAIT_CTX_free(ctx);
    SAY(calls);
}

#endif
