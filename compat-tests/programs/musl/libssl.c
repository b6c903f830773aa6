/*
 * A stand-in for libssl: it reads in a job, as SSL_read does in asynchronous mode, and the job
 * pauses once, as in an engine. It calls ASYNC_* through the dynamic linker, and does not know
 * which library has them.
 */
#define OSSL_ASYNC_WAIT_CTX_API
#include <openssl/async.h>

struct connection {
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *ctx;
};

/* What SSL_get_error returns. */
enum { IS_DONE, WANTS_ASYNC, WANTS_ASYNC_JOB, HAS_FAILED };

static int read_in_job(void *argument)
{
    int before = *(int *)argument;

    return ASYNC_get_current_job() != NULL && ASYNC_pause_job() && before == *(int *)argument ? before : -1;
}

int standin_is_capable(void)
{
    return ASYNC_is_capable();
}

int standin_read(struct connection *connection, int *result)
{
    int value = 1234;

    if (connection->ctx == NULL && (connection->ctx = ASYNC_WAIT_CTX_new()) == NULL)
        return HAS_FAILED;
    switch (ASYNC_start_job(&connection->job, connection->ctx, result, read_in_job, &value, sizeof(value))) {
    case ASYNC_FINISH:
        connection->job = NULL;
        return IS_DONE;
    case ASYNC_PAUSE:
        return WANTS_ASYNC;
    case ASYNC_NO_JOBS:
        return WANTS_ASYNC_JOB;
    default:
        return HAS_FAILED;
    }
}

void standin_free(struct connection *connection)
{
    ASYNC_WAIT_CTX_free(connection->ctx);
}
