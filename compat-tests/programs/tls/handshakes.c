/*
 * TLS in SSL_MODE_ASYNC: thousands of handshakes, hundreds of them at once on one thread, over
 * socket pairs.
 *
 *     handshakes COUNT IN_FLIGHT fd|callback [KEY_FILE]
 *     handshakes COUNT IN_FLIGHT fd|callback - PROVIDER_DIRECTORY
 *
 * The server's RSA private-key operation gives its work to a worker thread and pauses the job. The
 * worker reports that it is done through a wait fd in the job's wait context, or through the
 * callback that the connection has set. In the second form the key is in the provider slow_sign
 * (../provider), which does the same. Its own counts are on standard error. TLS 1.3 and TLS 1.2
 * take turns. In both the key signs: libssl 3 has no RSA key transport for a key with its own
 * method. The pool is smaller than the number of connections, so sometimes no job is free.
 *
 * The key is made anew each time, unless the file KEY_FILE has one. If there is no such file, the
 * key is written to it. This is for valgrind, under which making a key takes longer than
 * everything else.
 *
 * Standard output has what must be the same with every library that has ASYNC_*: sums, no times
 * and no addresses. Standard error has the library that was called, and how memory grew. Exit
 * status 0: every handshake was done and nothing is left over.
 *
 *                   main thread                                      worker threads
 *
 *     SSL_do_handshake -> job -> private_operation --- queue -----> the operation itself
 *     SSL_ERROR_WANT_ASYNC <- pause ... poll <------- wait fd ----- or callback
 *     SSL_do_handshake -> resume, the operation's result, on with the handshake
 */
#define _GNU_SOURCE /* RTLD_DEFAULT, dladdr */
#define OPENSSL_SUPPRESS_DEPRECATED /* RSA_METHOD is old, and the shortest way to replace a key's operations */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "../limit_life.h"
#include "before_3_0.h"

/*
 * The processor time of the whole program, of which valgrind needs the most, and how long a wait
 * may last.
 */
#define PROGRAM_SECONDS 1500
#define POLL_MILLISECONDS 600000

#define WORKERS 2

/*
 * Memory is compared between this handshake, or half of all, and the last one. It may have grown by
 * this much, and by more with more than 500 connections at once. A run with few handshakes, which
 * is all that valgrind has time for, shows nothing.
 */
#define SETTLED 1000
#define TOO_FEW 200
#define GROWTH_LIMIT(IN_FLIGHT) ((8L << 20) * ((IN_FLIGHT) > 500 ? (IN_FLIGHT) / 500 : 1))

/* What client and server send to each other. */
#define MESSAGE_BYTES 32

/* ------------------------------------------------------------------------------------------------ what is counted */

static struct {
    long handshakes[2]; /* TLS 1.2, TLS 1.3 */
    long values;
    long operations_in_job, operations_outside;
    long pauses, without_job;
    long fds_added, fds_removed, fds_cleared;
    long fds_cleaned_up;
    long callbacks, statuses;
    long errors;
} count;

/* --------------------------------------------------------------------------------------------------- worker threads */

/* One private-key operation, on the stack of the job that waits for it. */
struct request {
    int (*operation)(int, const unsigned char *, unsigned char *, RSA *, int);
    int length;
    const unsigned char *from;
    unsigned char *to;
    RSA *rsa;
    int padding;
    int result;
    /* How the end is reported: by fd, or by callback if there is one. */
    int fd;
    ASYNC_WAIT_CTX *wait_ctx;
    ASYNC_callback_fn callback;
    void *callback_arg;
    atomic_int done;
    struct request *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *first, **end;
    int open, ending;
    pthread_t thread[WORKERS];
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &queue.first, 0, 0, {0}};

static void submit(struct request *request)
{
    pthread_mutex_lock(&queue.lock);
    request->next = NULL;
    *queue.end = request;
    queue.end = &request->next;
    pthread_cond_signal(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

/*
 * Until this is called no request is taken. So all jobs pause, and the pool runs out of jobs at
 * least once.
 */
static void open_queue(void)
{
    pthread_mutex_lock(&queue.lock);
    queue.open = 1;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

static struct request *take(void)
{
    struct request *request = NULL;

    pthread_mutex_lock(&queue.lock);
    while (!queue.ending && (!queue.open || queue.first == NULL))
        pthread_cond_wait(&queue.changed, &queue.lock);
    if (queue.open && queue.first != NULL) {
        request = queue.first;
        queue.first = request->next;
        if (queue.first == NULL)
            queue.end = &queue.first;
    }
    pthread_mutex_unlock(&queue.lock);
    return request;
}

/* Does one request and reports the end to its job.
 *
 * The job may end and close its wait fd as soon as it sees `done`. So with a wait fd `done` is set
 * last. A job that is resumed in between pauses once more, with its fd still readable. A callback
 * is called only once, so `done` is set before it. The main thread does not use the connection
 * until the callback has been called.
 */
static void serve(struct request *request)
{
    const uint64_t one = 1;
    ASYNC_callback_fn callback = request->callback;
    void *callback_arg = request->callback_arg;

    request->result =
        request->operation(request->length, request->from, request->to, request->rsa, request->padding);
    if (callback == NULL) {
        if (write(request->fd, &one, sizeof(one)) != sizeof(one))
            abort();
        atomic_store(&request->done, 1);
        return;
    }
    if (ASYNC_WAIT_CTX_set_status(request->wait_ctx, ASYNC_STATUS_OK) != 1)
        abort();
    atomic_store(&request->done, 1);
    callback(callback_arg);
}

static void *work(void *unused)
{
    struct request *request;

    (void)unused;
    while ((request = take()) != NULL)
        serve(request);
    return NULL;
}

static void start_workers(void)
{
    int i;

    for (i = 0; i < WORKERS; i++)
        if (pthread_create(&queue.thread[i], NULL, work, NULL) != 0)
            abort();
}

static void end_workers(void)
{
    int i;

    pthread_mutex_lock(&queue.lock);
    queue.ending = 1;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    for (i = 0; i < WORKERS; i++)
        pthread_join(queue.thread[i], NULL);
}

/* -------------------------------------------------------------------------------- the key whose operations take time */

/* The key of a job's wait fd in its wait context. Only its address matters. */
static const char key_of_fd = 0;

/* Every second operation clears its wait fd. The others leave it until the connection ends. */
static long fd_serial;

static void clean_up_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx;
    if (key != &key_of_fd || data != &count)
        count.errors++;
    close(fd);
    count.fds_cleaned_up++;
}

static int private_operation(int (*operation)(int, const unsigned char *, unsigned char *, RSA *, int), int length,
                             const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    struct request request = {.operation = operation, .length = length, .from = from, .to = to, .rsa = rsa,
                              .padding = padding, .result = -1, .fd = -1};
    int clears;

    if (job == NULL) {
        count.operations_outside++;
        return operation(length, from, to, rsa, padding);
    }
    count.operations_in_job++;
    clears = fd_serial++ % 2;
    request.wait_ctx = ASYNC_get_wait_ctx(job);
    if (ASYNC_WAIT_CTX_get_callback(request.wait_ctx, &request.callback, &request.callback_arg) == 1) {
        ASYNC_WAIT_CTX_set_status(request.wait_ctx, ASYNC_STATUS_EAGAIN);
    } else {
        request.callback = NULL;
        request.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (request.fd < 0
            || ASYNC_WAIT_CTX_set_wait_fd(request.wait_ctx, &key_of_fd, request.fd, &count, clean_up_fd) != 1) {
            count.errors++;
            return -1;
        }
    }

    submit(&request);
    do {
        if (ASYNC_pause_job() != 1)
            count.errors++;
    } while (!atomic_load(&request.done));

    if (ASYNC_get_current_job() != job || ASYNC_get_wait_ctx(job) != request.wait_ctx)
        count.errors++;
    if (request.fd >= 0) {
        OSSL_ASYNC_FD fd = -1;
        void *data = NULL;

        if (ASYNC_WAIT_CTX_get_fd(request.wait_ctx, &key_of_fd, &fd, &data) != 1 || fd != request.fd || data != &count)
            count.errors++;
        if (clears) {
            if (ASYNC_WAIT_CTX_clear_fd(request.wait_ctx, &key_of_fd) != 1)
                count.errors++;
            close(request.fd);
            count.fds_cleared++;
        }
    }
    return request.result;
}

static int encrypt_with_private_key(int length, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    return private_operation(RSA_meth_get_priv_enc(RSA_PKCS1_OpenSSL()), length, from, to, rsa, padding);
}

/* ----------------------------------------------------------------------------------------------- key and certificate */

static void fail(const char *what)
{
    fprintf(stderr, "handshakes: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

#define NEED(EXPRESSION) ((EXPRESSION) ? (void)0 : fail(#EXPRESSION))

static EVP_PKEY *make_key(const char *file_name)
{
    FILE *file = file_name != NULL ? fopen(file_name, "r") : NULL;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx;

    if (file != NULL) {
        key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
        return key;
    }
    ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    NEED(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1);
    NEED(EVP_PKEY_keygen(ctx, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    if (file_name != NULL) {
        NEED((file = fopen(file_name, "w")) != NULL);
        NEED(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
        NEED(fclose(file) == 0);
    }
    return key;
}

/* A copy of the key, whose operations are those of `method`. */
static EVP_PKEY *key_with_method(EVP_PKEY *plain, RSA_METHOD *method)
{
    EVP_PKEY *key = EVP_PKEY_new();
    RSA *rsa = EVP_PKEY_get1_RSA(plain), *copy;

    /* A copy, because a key of 1.1.1 that was used before is wrong once it has another method. */
    NEED(key != NULL && rsa != NULL && (copy = RSAPrivateKey_dup(rsa)) != NULL);
    RSA_free(rsa);
    rsa = copy;
    NEED(RSA_set_method(rsa, method) == 1);
    NEED(EVP_PKEY_assign_RSA(key, rsa) == 1);
    return key;
}

/* ------------------------------------------------------------------------------------------- the key in the provider */

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static OSSL_PROVIDER *providers[2];

static void load_provider(const char *directory)
{
    NEED(OSSL_PROVIDER_set_default_search_path(NULL, directory) == 1);
    NEED((providers[0] = OSSL_PROVIDER_load(NULL, "default")) != NULL);
    NEED((providers[1] = OSSL_PROVIDER_load(NULL, "slow_sign")) != NULL);
}

static void unload_provider(void)
{
    NEED(OSSL_PROVIDER_unload(providers[1]) == 1 && OSSL_PROVIDER_unload(providers[0]) == 1);
    OPENSSL_cleanup(); /* it ends the provider, which 4.0 does not do at exit */
}

/* A copy of the key in the provider. */
static EVP_PKEY *key_in_provider(const EVP_PKEY *plain)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", "provider=slow_sign");
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    NEED(ctx != NULL);
    NEED(EVP_PKEY_todata(plain, EVP_PKEY_KEYPAIR, &params) == 1);
    NEED(EVP_PKEY_fromdata_init(ctx) == 1);
    NEED(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}
#else
static void load_provider(const char *directory)
{
    (void)directory;
    fail("this OpenSSL has no providers");
}

static void unload_provider(void)
{
}

static EVP_PKEY *key_in_provider(const EVP_PKEY *plain)
{
    (void)plain;
    return NULL;
}
#endif

/*
 * The server's key, which has `method` or else is in the provider, and the certificate that it has
 * signed itself.
 */
static void make_identity(const char *key_file, RSA_METHOD *method, EVP_PKEY **key, X509 **certificate)
{
    EVP_PKEY *plain = make_key(key_file);
    X509_NAME *name = X509_NAME_new();

    NEED(plain != NULL && name != NULL);
    NEED((*certificate = X509_new()) != NULL);
    NEED(X509_set_version(*certificate, 2) == 1); /* which means version 3 */
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(*certificate), 1) == 1);
    NEED(X509_gmtime_adj(X509_getm_notBefore(*certificate), -3600) != NULL);
    NEED(X509_gmtime_adj(X509_getm_notAfter(*certificate), 24 * 3600) != NULL);
    NEED(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"server", -1, -1, 0) == 1);
    NEED(X509_set_subject_name(*certificate, name) == 1);
    NEED(X509_set_issuer_name(*certificate, name) == 1);
    X509_NAME_free(name);
    NEED(X509_set_pubkey(*certificate, plain) == 1);
    NEED(X509_sign(*certificate, plain, EVP_sha256()) > 0);

    *key = method != NULL ? key_with_method(plain, method) : key_in_provider(plain);
    NEED(*key != NULL);
    EVP_PKEY_free(plain);
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    NEED(ctx != NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ASYNC);
    /* Every handshake is a full one. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    NEED(SSL_CTX_set_num_tickets(ctx, 0) == 1);
    return ctx;
}

/* ------------------------------------------------------------------------------------------------------- connections */

enum step { HANDSHAKE, FIRST, SECOND, SHUTDOWN, DONE };

/*
 * One side of a connection. The client writes first and then reads, the server the other way
 * round.
 */
struct endpoint {
    SSL *ssl;
    int socket;
    int is_server;
    enum step step;
    int want;          /* the last result of SSL_get_error(); SSL_ERROR_NONE: continue at once */
    int was_paused;    /* the last call paused its job */
    int wait_fd;       /* as SSL_get_changed_async_fds() reports it */
    atomic_int called; /* set by the callback */
    char message[MESSAGE_BYTES];
};

struct connection {
    struct endpoint client, server;
    long number;
    int in_use;
};

static int with_callback;
static SSL_CTX *client_ctx, *server_ctx;

/* An eventfd that callbacks signal. poll waits for it. */
static int bell = -1;

/* How many jobs are paused now, and how many there may be. */
static size_t paused, most_jobs;

static int call_back(SSL *ssl, void *arg)
{
    struct endpoint *endpoint = arg;
    const uint64_t one = 1;

    (void)ssl;
    /* From here on the main thread may free the connection. */
    atomic_store(&endpoint->called, 1);
    if (write(bell, &one, sizeof(one)) != sizeof(one))
        abort();
    return 1;
}

static void set_message(char *message, long number)
{
    memset(message, 0, MESSAGE_BYTES);
    snprintf(message, MESSAGE_BYTES, "value %ld", number);
}

static void open_endpoint(struct endpoint *endpoint, SSL_CTX *ctx, int socket, int is_server)
{
    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->socket = socket;
    endpoint->is_server = is_server;
    endpoint->wait_fd = -1;
    NEED((endpoint->ssl = SSL_new(ctx)) != NULL);
    NEED(SSL_set_fd(endpoint->ssl, socket) == 1);
    if (is_server) {
        SSL_set_accept_state(endpoint->ssl);
        if (with_callback) {
            NEED(SSL_set_async_callback(endpoint->ssl, call_back) == 1);
            NEED(SSL_set_async_callback_arg(endpoint->ssl, endpoint) == 1);
        }
    } else {
        SSL_set_connect_state(endpoint->ssl);
    }
}

static void open_connection(struct connection *connection, long number)
{
    int version = number % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    int sockets[2];

    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) == 0);
    open_endpoint(&connection->client, client_ctx, sockets[0], 0);
    open_endpoint(&connection->server, server_ctx, sockets[1], 1);
    NEED(SSL_set_min_proto_version(connection->client.ssl, version) == 1);
    NEED(SSL_set_max_proto_version(connection->client.ssl, version) == 1);
    set_message(connection->client.message, number);
    connection->number = number;
    connection->in_use = 1;
}

static void close_connection(struct connection *connection)
{
    SSL_free(connection->client.ssl);
    SSL_free(connection->server.ssl);
    close(connection->client.socket);
    close(connection->server.socket);
    connection->in_use = 0;
}

/* Makes one call of the endpoint's present step. Above 0: the step is done. */
static int attempt(struct endpoint *endpoint)
{
    int reads = endpoint->step == (endpoint->is_server ? FIRST : SECOND);

    switch (endpoint->step) {
    case HANDSHAKE:
        return SSL_do_handshake(endpoint->ssl);
    case FIRST:
    case SECOND:
        if (reads)
            return SSL_read(endpoint->ssl, endpoint->message, MESSAGE_BYTES);
        return SSL_write(endpoint->ssl, endpoint->message, MESSAGE_BYTES);
    default:
        return SSL_shutdown(endpoint->ssl);
    }
}

/*
 * Records what the last call has changed: deletions first, then additions. The counts are those of
 * the last pause. So they are read after a call that paused, and after the call that ended that
 * job, but at no other time.
 */
static void note_fds(struct endpoint *endpoint)
{
    OSSL_ASYNC_FD added[4], removed[4], all[4];
    size_t adds = 0, removes = 0, alls = 0;

    if (SSL_get_changed_async_fds(endpoint->ssl, NULL, &adds, NULL, &removes) != 1 || adds > 4 || removes > 4
        || SSL_get_changed_async_fds(endpoint->ssl, added, &adds, removed, &removes) != 1) {
        count.errors++;
        return;
    }
    if (removes > 0) {
        count.errors += removes != 1 || removed[0] != endpoint->wait_fd;
        endpoint->wait_fd = -1;
        count.fds_removed++;
    }
    if (adds > 0) {
        count.errors += adds != 1 || endpoint->wait_fd != -1;
        endpoint->wait_fd = added[0];
        count.fds_added++;
    }
    /* The set that was built from the changes must be the set that exists. */
    if (SSL_get_all_async_fds(endpoint->ssl, NULL, &alls) != 1 || alls > 4
        || SSL_get_all_async_fds(endpoint->ssl, all, &alls) != 1)
        count.errors++;
    else
        count.errors += alls != (endpoint->wait_fd >= 0) || (alls == 1 && all[0] != endpoint->wait_fd);
}

/* Checks the data that was read, or the completed handshake. Returns 0 if it is wrong. */
static int finish_step(struct connection *connection, struct endpoint *endpoint)
{
    char expected[MESSAGE_BYTES];

    switch (endpoint->step) {
    case HANDSHAKE:
        if (!endpoint->is_server)
            return 1;
        count.handshakes[SSL_version(endpoint->ssl) == TLS1_3_VERSION]++;
        return SSL_version(endpoint->ssl) == (connection->number % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    case FIRST:
        if (!endpoint->is_server)
            return 1;
        set_message(expected, connection->number);
        if (memcmp(endpoint->message, expected, MESSAGE_BYTES) != 0)
            return 0;
        set_message(endpoint->message, -connection->number);
        return 1;
    case SECOND:
        if (endpoint->is_server)
            return 1;
        set_message(expected, -connection->number);
        count.values++;
        return memcmp(endpoint->message, expected, MESSAGE_BYTES) == 0;
    default:
        return 1;
    }
}

static void fail_connection(struct connection *connection, struct endpoint *endpoint, const char *what, int error)
{
    if (count.errors++ < 3) {
        fprintf(stderr, "connection %ld, %s, step %d: %s (%d)\n", connection->number,
                endpoint->is_server ? "server" : "client", (int)endpoint->step, what, error);
        ERR_print_errors_fp(stderr);
    }
    connection->client.step = connection->server.step = DONE;
}

/* Continues one side as far as possible. */
static void advance(struct connection *connection, struct endpoint *endpoint)
{
    while (endpoint->step != DONE) {
        int result = attempt(endpoint);
        int error = SSL_get_error(endpoint->ssl, result);
        int pauses = result < 0 && error == SSL_ERROR_WANT_ASYNC;

        count.errors += SSL_waiting_for_async(endpoint->ssl) != pauses;
        if (pauses || endpoint->was_paused)
            note_fds(endpoint);
        paused += (size_t)pauses - (size_t)endpoint->was_paused;
        endpoint->was_paused = pauses;
        endpoint->want = error;

        if (result > 0) {
            if (!finish_step(connection, endpoint)) {
                fail_connection(connection, endpoint, "not what was expected", result);
                return;
            }
            endpoint->step++;
            continue;
        }
        if (result == 0 && endpoint->step == SHUTDOWN && error != SSL_ERROR_SSL)
            continue; /* sent; now read the other side's */
        switch (error) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return;
        case SSL_ERROR_WANT_ASYNC:
            count.pauses++;
            return;
        case SSL_ERROR_WANT_ASYNC_JOB:
            count.without_job++;
            open_queue();
            return;
        default:
            fail_connection(connection, endpoint, "failed", error);
            return;
        }
    }
}

/* --------------------------------------------------------------------------------------------------------- main loop */

/* What poll must wait for on behalf of one side. poll skips an fd of -1. */
static struct pollfd awaited(const struct endpoint *endpoint)
{
    struct pollfd entry = {-1, POLLIN, 0};

    if (endpoint->step == DONE)
        return entry;
    switch (endpoint->want) {
    case SSL_ERROR_WANT_READ:
        entry.fd = endpoint->socket;
        break;
    case SSL_ERROR_WANT_WRITE:
        entry.fd = endpoint->socket;
        entry.events = POLLOUT;
        break;
    case SSL_ERROR_WANT_ASYNC:
        entry.fd = endpoint->wait_fd;
        break;
    }
    return entry;
}

/* Whether one side can continue, after a poll. */
static int can_continue(struct endpoint *endpoint, const struct pollfd *entry)
{
    int status = ASYNC_STATUS_UNSUPPORTED;

    switch (endpoint->want) {
    case SSL_ERROR_WANT_ASYNC_JOB:
        return paused < most_jobs;
    case SSL_ERROR_WANT_ASYNC:
        if (!with_callback)
            return entry->revents != 0;
        if (!atomic_exchange(&endpoint->called, 0))
            return 0;
        count.callbacks++;
        count.statuses += SSL_get_async_status(endpoint->ssl, &status) == 1 && status == ASYNC_STATUS_OK;
        return 1;
    default:
        return endpoint->want == SSL_ERROR_NONE || entry->revents != 0;
    }
}

static long resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long all, resident = 0;

    NEED(file != NULL);
    NEED(fscanf(file, "%ld %ld", &all, &resident) == 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int entries = 0;

    NEED(directory != NULL);
    while (readdir(directory) != NULL)
        entries++;
    closedir(directory);
    return entries;
}

/*
 * Runs `total` connections, `in_flight` of them at any time. Returns by how much memory grew after
 * it had settled.
 */
static long run_connections(long total, long in_flight)
{
    struct connection *connections = calloc((size_t)in_flight, sizeof(*connections));
    struct pollfd *entries = calloc((size_t)in_flight * 2 + 1, sizeof(*entries));
    long enough = in_flight > SETTLED ? in_flight : SETTLED; /* all that are open at once were done */
    long settles = total < TOO_FEW ? 0 : total / 2 < enough ? total / 2 : enough;
    long opened = 0, closed = 0, settled = 0;
    long i;

    NEED(connections != NULL && entries != NULL);
    while (closed < total) {
        int idle = 1;
        uint64_t rings;

        for (i = 0; i < in_flight; i++) {
            struct connection *connection = &connections[i];

            if (!connection->in_use && opened < total)
                open_connection(connection, opened++);
            entries[2 * i].fd = entries[2 * i + 1].fd = -1;
            if (!connection->in_use)
                continue;
            entries[2 * i] = awaited(&connection->client);
            entries[2 * i + 1] = awaited(&connection->server);
            idle &= connection->client.want != SSL_ERROR_NONE && connection->server.want != SSL_ERROR_NONE;
            if (paused < most_jobs)
                idle &= connection->client.want != SSL_ERROR_WANT_ASYNC_JOB
                        && connection->server.want != SSL_ERROR_WANT_ASYNC_JOB;
        }
        entries[2 * in_flight].fd = bell;
        entries[2 * in_flight].events = POLLIN;
        if (poll(entries, (nfds_t)(2 * in_flight + 1), idle ? POLL_MILLISECONDS : 0) == 0 && idle)
            fail("no connection makes progress");
        if (entries[2 * in_flight].revents != 0 && read(bell, &rings, sizeof(rings)) != sizeof(rings))
            fail("the bell");

        for (i = 0; i < in_flight; i++) {
            struct connection *connection = &connections[i];

            if (!connection->in_use)
                continue;
            if (connection->client.step != DONE && can_continue(&connection->client, &entries[2 * i]))
                advance(connection, &connection->client);
            if (connection->server.step != DONE && can_continue(&connection->server, &entries[2 * i + 1]))
                advance(connection, &connection->server);
            if (connection->client.step == DONE && connection->server.step == DONE) {
                close_connection(connection);
                if (++closed == settles)
                    settled = resident_bytes();
            }
        }
        /*
         * A connection that has failed leaves its job paused for good, so the counts mean nothing
         * any more.
         */
        if (count.errors != 0)
            break;
    }
    settled = settled != 0 ? resident_bytes() - settled : 0;
    free(entries);
    free(connections);
    return settled;
}

/* Prints which file has the function that any library of this process calls by this name. */
static void print_file_of_function(const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);
    Dl_info info;

    if (function == NULL || dladdr(function, &info) == 0 || info.dli_fname == NULL)
        fail(name);
    fprintf(stderr, "%s %s\n", name, info.dli_fname);
}

int main(int argc, char **argv)
{
    long total = argc > 1 ? atol(argv[1]) : 0, in_flight = argc > 2 ? atol(argv[2]) : 0;
    const char *variant = argc > 3 ? argv[3] : "";
    const char *key_file = argc > 4 && strcmp(argv[4], "-") != 0 ? argv[4] : NULL;
    const char *provider_directory = argc > 5 ? argv[5] : NULL;
    RSA_METHOD *method = NULL;
    EVP_PKEY *key;
    X509 *certificate;
    int descriptors;
    long growth;

    with_callback = strcmp(variant, "callback") == 0;
    if (argc < 4 || argc > 6 || total <= 0 || in_flight <= 0 || (!with_callback && strcmp(variant, "fd") != 0)) {
        fprintf(stderr, "usage: handshakes COUNT IN_FLIGHT fd|callback [KEY_FILE|- [PROVIDER_DIRECTORY]]\n");
        return 2;
    }
    limit_life(PROGRAM_SECONDS, CLOCK_SECONDS);
    print_file_of_function("ASYNC_start_job");
    print_file_of_function("ASYNC_pause_job");
    print_file_of_function("ASYNC_WAIT_CTX_new");
    if (!ASYNC_is_capable())
        fail("there are no jobs here");
    if (in_flight > total)
        in_flight = total;

    if (provider_directory != NULL) {
        load_provider(provider_directory);
    } else {
        NEED((method = RSA_meth_dup(RSA_PKCS1_OpenSSL())) != NULL);
        NEED(RSA_meth_set1_name(method, "RSA on a worker thread") == 1);
        NEED(RSA_meth_set_priv_enc(method, encrypt_with_private_key) == 1);
    }
    make_identity(key_file, method, &key, &certificate);

    server_ctx = make_context(TLS_server_method());
    NEED(SSL_CTX_use_certificate(server_ctx, certificate) == 1);
    NEED(SSL_CTX_use_PrivateKey(server_ctx, key) == 1);
    client_ctx = make_context(TLS_client_method());
    NEED(X509_STORE_add_cert(SSL_CTX_get_cert_store(client_ctx), certificate) == 1);
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);

    descriptors = open_descriptors();
    NEED((bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
    most_jobs = (size_t)(in_flight > 3 ? in_flight - in_flight / 4 : in_flight);
    NEED(ASYNC_init_thread(most_jobs, most_jobs / 2) == 1);
    if ((long)most_jobs == in_flight)
        open_queue(); /* each connection pauses at most one job, so the pool suffices */
    start_workers();

    growth = run_connections(total, in_flight);
    count.errors += ERR_peek_error() != 0;

    if (count.errors != 0)
        open_queue(); /* a job may still have a request there */
    end_workers();
    ASYNC_cleanup_thread();
    close(bell);

    printf("handshakes with TLS 1.2: %ld\n", count.handshakes[0]);
    printf("handshakes with TLS 1.3: %ld\n", count.handshakes[1]);
    printf("values exchanged: %ld\n", count.values);
    printf("private-key operations in a job: %ld\n", count.operations_in_job);
    printf("private-key operations outside: %ld\n", count.operations_outside);
    printf("wait fds seen added: %ld\n", count.fds_added);
    printf("wait fds seen removed: %ld\n", count.fds_removed);
    printf("wait fds cleared by their job: %ld\n", count.fds_cleared);
    printf("wait fds cleaned up with their connection: %ld\n", count.fds_cleaned_up);
    printf("callbacks: %ld\n", count.callbacks);
    printf("callbacks that found status OK: %ld\n", count.statuses);
    printf("a pause for each handshake: %s\n", count.pauses >= total ? "yes" : "no");
    if (provider_directory == NULL) /* nothing holds the provider's workers, so there it depends on chance */
        printf("told that no job is free: %s\n", count.without_job > 0 ? "yes" : "no");
    printf("descriptors open: %s\n", open_descriptors() == descriptors ? "as before" : "not as before");
    printf("memory: %s\n", total < TOO_FEW ? "not measured" : growth < GROWTH_LIMIT(in_flight) ? "settled" : "grows");
    printf("errors: %ld\n", count.errors);
    fprintf(stderr, "pauses %ld, no job free %ld, resident memory grew by %ld bytes once it had settled\n",
            count.pauses, count.without_job, growth);

    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    X509_free(certificate);
    EVP_PKEY_free(key);
    RSA_meth_free(method);
    if (provider_directory != NULL)
        unload_provider();
    return count.errors != 0 || count.handshakes[0] + count.handshakes[1] != total || growth >= GROWTH_LIMIT(in_flight);
}
