/*
 * An engine for the openssl command whose SHA-256 takes time: a worker thread computes each
 * digest, and the job that asked for it is paused meanwhile. Outside a job, digests are computed
 * at once.
 *
 *     cc -shared -fPIC -o slow_sha256.so slow_sha256.c -lcrypto -lpthread
 *     openssl speed -engine ./slow_sha256.so -async_jobs 8 sha256
 *
 * The engines that come with OpenSSL hardly ever pause, so programs with asynchronous jobs show
 * little with them.
 *
 *     a job                                                    the worker thread
 *
 *     final() --- request, on the job's stack --- queue ---->  computes the digest
 *     pause, until done  <--------------------- wait fd -----  signals, then says that it is done
 *
 * With SLOW_SHA256_REPORT in the environment it prints its counts to standard error at the end.
 */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED /* engines and EVP_MD_meth_new are older than providers */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
# define EVP_MD_CTX_get0_md_data EVP_MD_CTX_md_data
#endif

static const char engine_id[] = "slow_sha256";
static const char engine_name[] = "SHA-256 on a worker thread";

static struct {
    atomic_ulong in_job, outside, pauses, fds, errors;
} count;

/* ---------------------------------------------------------------------------------------------------- worker thread */

struct request {
    SHA256_CTX *state;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int result;
    int fd;
    atomic_int done;
    struct request *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *first, **end;
    int running, ending;
    pthread_t thread;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &queue.first, 0, 0, 0};

/*
 * A request is finished by setting `done`, as the last step: after that its job may end and close
 * its wait fd. A job that the signal resumes before that pauses once more.
 */
static void serve(struct request *request)
{
    const uint64_t one = 1;

    request->result = SHA256_Final(request->digest, request->state);
    while (write(request->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    atomic_store(&request->done, 1);
}

static void *work(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&queue.lock);
    for (;;) {
        struct request *request = queue.first;

        if (request == NULL) {
            if (queue.ending)
                break;
            pthread_cond_wait(&queue.changed, &queue.lock);
            continue;
        }
        queue.first = request->next;
        if (queue.first == NULL)
            queue.end = &queue.first;
        pthread_mutex_unlock(&queue.lock);
        serve(request);
        pthread_mutex_lock(&queue.lock);
    }
    pthread_mutex_unlock(&queue.lock);
    return NULL;
}

/*
 * Queues a request. The first request starts the thread. Returns 0 if the thread cannot be
 * started.
 */
static int submit(struct request *request)
{
    int running;

    pthread_mutex_lock(&queue.lock);
    if (!queue.running)
        queue.running = pthread_create(&queue.thread, NULL, work, NULL) == 0;
    running = queue.running;
    if (running) {
        *queue.end = request;
        queue.end = &request->next;
        pthread_cond_signal(&queue.changed);
    }
    pthread_mutex_unlock(&queue.lock);
    return running;
}

/* The engine's code may be unmapped after this. */
static void end_worker(void)
{
    int running;

    pthread_mutex_lock(&queue.lock);
    running = queue.running;
    queue.ending = 1;
    pthread_cond_signal(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    if (running)
        pthread_join(queue.thread, NULL);
    queue.running = queue.ending = 0;
}

/* ----------------------------------------------------------------------------------------------------------- digest */

static void close_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx;
    (void)key;
    (void)data;
    close(fd);
}

/*
 * The job's wait fd, which is made once for each wait context and closed with it. Returns -1 if it
 * cannot be made.
 */
static int wait_fd(ASYNC_WAIT_CTX *ctx)
{
    OSSL_ASYNC_FD fd = -1;
    void *data = NULL;

    if (ASYNC_WAIT_CTX_get_fd(ctx, engine_id, &fd, &data))
        return fd;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -1;
    if (!ASYNC_WAIT_CTX_set_wait_fd(ctx, engine_id, fd, NULL, close_wait_fd)) {
        close(fd);
        return -1;
    }
    atomic_fetch_add(&count.fds, 1);
    return fd;
}

static int init(EVP_MD_CTX *ctx)
{
    return SHA256_Init(EVP_MD_CTX_get0_md_data(ctx));
}

static int update(EVP_MD_CTX *ctx, const void *data, size_t length)
{
    return SHA256_Update(EVP_MD_CTX_get0_md_data(ctx), data, length);
}

static int final(EVP_MD_CTX *ctx, unsigned char *digest)
{
    SHA256_CTX *state = EVP_MD_CTX_get0_md_data(ctx);
    ASYNC_JOB *job = ASYNC_get_current_job();
    struct request request = {.state = state};
    uint64_t signals;

    if (job == NULL) {
        atomic_fetch_add(&count.outside, 1);
        return SHA256_Final(digest, state);
    }
    atomic_fetch_add(&count.in_job, 1);
    request.fd = wait_fd(ASYNC_get_wait_ctx(job));
    if (request.fd < 0 || !submit(&request)) {
        atomic_fetch_add(&count.errors, 1);
        return 0;
    }
    do {
        atomic_fetch_add(&count.pauses, 1);
        if (!ASYNC_pause_job())
            atomic_fetch_add(&count.errors, 1);
    } while (!atomic_load(&request.done));
    if (read(request.fd, &signals, sizeof(signals)) != sizeof(signals) || ASYNC_get_current_job() != job)
        atomic_fetch_add(&count.errors, 1);
    memcpy(digest, request.digest, sizeof(request.digest));
    return request.result;
}

static EVP_MD *digest;

static int digests(ENGINE *engine, const EVP_MD **chosen, const int **nids, int nid)
{
    static const int offered[] = {NID_sha256};

    (void)engine;
    if (chosen == NULL) {
        *nids = offered;
        return 1;
    }
    *chosen = nid == NID_sha256 ? digest : NULL;
    return *chosen != NULL;
}

/* ----------------------------------------------------------------------------------------------------------- engine */

static int destroy(ENGINE *engine)
{
    (void)engine;
    end_worker();
    EVP_MD_meth_free(digest);
    digest = NULL;
    if (getenv("SLOW_SHA256_REPORT") != NULL)
        fprintf(stderr, "slow_sha256: in_job=%lu outside=%lu pauses=%lu fds=%lu errors=%lu\n", count.in_job,
                count.outside, count.pauses, count.fds, count.errors);
    return 1;
}

/* `id` is what the program asked for. It may be the name of this file. */
static int bind(ENGINE *engine, const char *id)
{
    (void)id;
    digest = EVP_MD_meth_new(NID_sha256, NID_sha256WithRSAEncryption);
    return digest != NULL
           && EVP_MD_meth_set_result_size(digest, SHA256_DIGEST_LENGTH)
           && EVP_MD_meth_set_input_blocksize(digest, SHA256_CBLOCK)
           /* Plain data, which libcrypto copies itself. */
           && EVP_MD_meth_set_app_datasize(digest, sizeof(SHA256_CTX))
           && EVP_MD_meth_set_flags(digest, EVP_MD_FLAG_DIGALGID_ABSENT)
           && EVP_MD_meth_set_init(digest, init)
           && EVP_MD_meth_set_update(digest, update)
           && EVP_MD_meth_set_final(digest, final)
           && ENGINE_set_id(engine, engine_id)
           && ENGINE_set_name(engine, engine_name)
           && ENGINE_set_digests(engine, digests)
           && ENGINE_set_destroy_function(engine, destroy);
}

IMPLEMENT_DYNAMIC_CHECK_FN()
IMPLEMENT_DYNAMIC_BIND_FN(bind)
