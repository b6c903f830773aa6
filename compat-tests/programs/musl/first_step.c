/*
 * The first step of a handshake in SSL_MODE_ASYNC. libssl starts a job for it. Where that fails for
 * want of jobs, nothing is sent, and SSL_get_error says so. In a job a client sends its hello, and
 * then waits for the server.
 *
 * Standard error has the file of the function that libssl calls.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT, dladdr */

#include <dlfcn.h>
#include <stdio.h>

#include <openssl/async.h>
#include <openssl/ssl.h>

static const char *name_of_error(int error)
{
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return "SSL_ERROR_WANT_READ";
    case SSL_ERROR_WANT_ASYNC_JOB:
        return "SSL_ERROR_WANT_ASYNC_JOB";
    default:
        return "another error";
    }
}

int main(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx != NULL ? SSL_new(ctx) : NULL;
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    Dl_info info;

    if (ssl == NULL || in == NULL || out == NULL || dladdr(dlsym(RTLD_DEFAULT, "ASYNC_start_job"), &info) == 0)
        return 1;
    fprintf(stderr, "ASYNC_start_job %s\n", info.dli_fname);
    SSL_set_mode(ssl, SSL_MODE_ASYNC);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    printf("capable %d\n", ASYNC_is_capable());
    printf("%s\n", name_of_error(SSL_get_error(ssl, SSL_do_handshake(ssl))));
    printf("hello %s\n", BIO_pending(out) > 0 ? "sent" : "not sent");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return 0;
}
