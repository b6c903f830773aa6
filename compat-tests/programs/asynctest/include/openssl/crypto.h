/*
 * What OpenSSL's test program of any version wants of OpenSSL's openssl/crypto.h, for a build that has this library's headers
 * alone. Functions of libcrypto's are declared, for a program that is also linked with libcrypto.
 */
#ifndef ASYNCTEST_CRYPTO_H
#define ASYNCTEST_CRYPTO_H

#include <stdlib.h>

#include <openssl/e_os2.h>

#define OPENSSL_malloc malloc
#define OPENSSL_free free

/* Searches for leaks, until 1.1.1. */
#define V_CRYPTO_MDEBUG_ALL 3
#define CRYPTO_MEM_CHECK_ON 1
#define CRYPTO_malloc_debug_init() ((void)0)
#define CRYPTO_set_mem_debug_options(options) ((void)(options))
#define CRYPTO_set_mem_debug(flag) ((void)(flag))
#define CRYPTO_mem_ctrl(mode) ((void)(mode))

/* Library contexts, since 3.0. */
typedef struct ossl_lib_ctx_st OSSL_LIB_CTX;
OSSL_LIB_CTX *OSSL_LIB_CTX_new(void);
void OSSL_LIB_CTX_free(OSSL_LIB_CTX *ctx);
OSSL_LIB_CTX *OSSL_LIB_CTX_set0_default(OSSL_LIB_CTX *ctx);

#endif
