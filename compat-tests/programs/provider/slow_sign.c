/*
 * A provider whose signatures take time: RSA and ECDSA, made on a worker thread, while the job that
 * asked for one is paused (workers.c). It stands for a device that holds private keys.
 *
 *     cc -shared -fPIC -o slow_sign.so slow_sign.c workers.c -lcrypto -lpthread
 *     openssl s_server -async -provider-path . -provider default -provider slow_sign \
 *         -propquery '?provider=slow_sign' ...
 *
 *      EVP_PKEY of the program                           of the provider
 *
 *      key of slow_sign  ------------- struct key -----> EVP_PKEY of the default provider
 *      EVP_DigestSign  --------------- struct signature -> EVP_DigestSign with it, on a worker
 *      EVP_PKEY_sign   --------------- struct signature -> EVP_PKEY_sign with it, on a worker
 *
 * A key comes into the provider by EVP_PKEY_fromdata, or when an OSSL_STORE loads it, with the
 * property query "?provider=slow_sign". Its private part does not come out again. So libssl cannot
 * sign with another provider, and needs no query for that. Verifying takes no worker. The provider
 * makes no keys: an SSL_CTX that has the query itself, as s_server's, has no groups of EC left.
 *
 * For a fetch without a query the first provider counts, in the order of their names. So this one's
 * comes after "default", which must be loaded too. slow_sign.cnf sets the query for a whole program.
 *
 * In the environment: SLOW_SIGN_WORKERS, how many threads (1); SLOW_SIGN_MICROSECONDS, for how long
 * each signature takes one, besides its computation (0); with SLOW_SIGN_REPORT the counts are
 * printed to standard error at the end.
 */
#include "workers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

/*
 * A library context with nothing but the default provider, which does the arithmetic. With the
 * program's own context the provider would find itself.
 */
struct provider {
    OSSL_LIB_CTX *libctx;
};

struct key {
    OSSL_LIB_CTX *libctx;
    const char *type;
    EVP_PKEY *pkey; /* NULL until it is imported */
    int is_private;
};

/* ------------------------------------------------------------------------------------------------------------- keys */

static struct key *new_key(const struct provider *provider, const char *type)
{
    struct key *key = OPENSSL_zalloc(sizeof(*key));

    if (key != NULL) {
        key->libctx = provider->libctx;
        key->type = type;
    }
    return key;
}

static void *new_rsa_key(void *provider)
{
    return new_key(provider, "RSA");
}

static void *new_ec_key(void *provider)
{
    return new_key(provider, "EC");
}

static void free_key(void *data)
{
    struct key *key = data;

    if (key != NULL)
        EVP_PKEY_free(key->pkey);
    OPENSSL_free(key);
}

static int import_key(void *data, int selection, const OSSL_PARAM params[])
{
    struct key *key = data;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(key->libctx, key->type, NULL);
    EVP_PKEY *pkey = NULL;
    /* EVP_PKEY_fromdata reads them only. */
    int imported = ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0
                   && EVP_PKEY_fromdata(ctx, &pkey, selection, (OSSL_PARAM *)params) > 0;

    EVP_PKEY_CTX_free(ctx);
    if (!imported)
        return 0;
    EVP_PKEY_free(key->pkey);
    key->pkey = pkey;
    key->is_private = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0
                      && (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY) != NULL
                          || OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_D) != NULL);
    return 1;
}

/* A private key stays. */
static int export_key(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
    const struct key *key = data;

    if (key->pkey == NULL || (key->is_private && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0))
        return 0;
    return EVP_PKEY_export(key->pkey, selection, callback, arg);
}

static int key_has(const void *data, int selection)
{
    const struct key *key = data;

    return key->pkey != NULL && ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || key->is_private);
}

static int keys_match(const void *one, const void *other, int selection)
{
    const struct key *a = one, *b = other;

    if (a->pkey == NULL || b->pkey == NULL)
        return 0;
    if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0)
        return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    return EVP_PKEY_parameters_eq(a->pkey, b->pkey) == 1;
}

static int get_key_params(void *data, OSSL_PARAM params[])
{
    const struct key *key = data;

    return key->pkey != NULL && EVP_PKEY_get_params(key->pkey, params);
}

static const OSSL_PARAM *gettable_key_params(void *provider)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)provider;
    return gettable;
}

/* Of either type of key. */
static const OSSL_PARAM *key_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_PRIV_KEY, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_D, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)selection;
    return types;
}

static const char *rsa_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

static const char *ec_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define FUNCTION(NUMBER, NAME) {NUMBER, (void (*)(void))NAME}
#define END {0, NULL}

#define KEY_FUNCTIONS \
    FUNCTION(OSSL_FUNC_KEYMGMT_FREE, free_key), FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, import_key), \
    FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, export_key), \
    FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has), \
    FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, keys_match), FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_key_params), \
    FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_key_params)

static const OSSL_DISPATCH rsa_key_functions[] = {
    KEY_FUNCTIONS,
    FUNCTION(OSSL_FUNC_KEYMGMT_NEW, new_rsa_key),
    FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, rsa_operation),
    END,
};

static const OSSL_DISPATCH ec_key_functions[] = {
    KEY_FUNCTIONS,
    FUNCTION(OSSL_FUNC_KEYMGMT_NEW, new_ec_key),
    FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
    END,
};

/* ------------------------------------------------------------------------------------------------------- signatures */

/* Of a message by EVP_DigestSign, or of bytes as they are by EVP_PKEY_sign. */
struct signature {
    EVP_MD_CTX *md;
    EVP_PKEY_CTX *bytes; /* NULL for a message */
    EVP_PKEY_CTX *pkey;  /* the one of `md`, or `bytes` */
};

static void *new_signature(void *provider, const char *query)
{
    struct signature *signature = OPENSSL_zalloc(sizeof(*signature));

    (void)provider;
    (void)query;
    if (signature == NULL)
        return NULL;
    signature->md = EVP_MD_CTX_new();
    if (signature->md != NULL)
        return signature;
    OPENSSL_free(signature);
    return NULL;
}

static void free_signature(void *ctx)
{
    struct signature *signature = ctx;

    if (signature != NULL) {
        EVP_MD_CTX_free(signature->md);
        EVP_PKEY_CTX_free(signature->bytes);
    }
    OPENSSL_free(signature);
}

static void *copy_signature(void *ctx)
{
    const struct signature *signature = ctx;
    struct signature *copy = new_signature(NULL, NULL);

    if (copy == NULL)
        return NULL;
    if (signature->bytes != NULL)
        copy->pkey = copy->bytes = EVP_PKEY_CTX_dup(signature->bytes);
    else if (EVP_MD_CTX_copy_ex(copy->md, signature->md))
        copy->pkey = EVP_MD_CTX_get_pkey_ctx(copy->md);
    if (copy->pkey != NULL || signature->pkey == NULL)
        return copy;
    free_signature(copy);
    return NULL;
}

static int init_sign(void *ctx, const char *digest, void *data, const OSSL_PARAM params[])
{
    struct signature *signature = ctx;
    const struct key *key = data;

    return key != NULL && key->is_private
           && EVP_DigestSignInit_ex(signature->md, &signature->pkey, digest, key->libctx, NULL, key->pkey, params) > 0;
}

static int init_verify(void *ctx, const char *digest, void *data, const OSSL_PARAM params[])
{
    struct signature *signature = ctx;
    const struct key *key = data;

    return key != NULL && key->pkey != NULL
           && EVP_DigestVerifyInit_ex(signature->md, &signature->pkey, digest, key->libctx, NULL, key->pkey, params) > 0;
}

/* For bytes as they are. Returns 0 without memory. */
static int begin_bytes(struct signature *signature, const struct key *key)
{
    EVP_PKEY_CTX_free(signature->bytes);
    signature->pkey = signature->bytes = EVP_PKEY_CTX_new_from_pkey(key->libctx, key->pkey, NULL);
    return signature->bytes != NULL;
}

static int init_sign_bytes(void *ctx, void *data, const OSSL_PARAM params[])
{
    struct signature *signature = ctx;
    const struct key *key = data;

    return key != NULL && key->is_private && begin_bytes(signature, key)
           && EVP_PKEY_sign_init_ex(signature->bytes, params) > 0;
}

static int init_verify_bytes(void *ctx, void *data, const OSSL_PARAM params[])
{
    struct signature *signature = ctx;
    const struct key *key = data;

    return key != NULL && key->pkey != NULL && begin_bytes(signature, key)
           && EVP_PKEY_verify_init_ex(signature->bytes, params) > 0;
}

/* What a worker needs to know. Of a whole message or bytes, or at the end of what came in parts. */
struct sign {
    const struct signature *signature;
    unsigned char *to;
    size_t *length;
    const unsigned char *from; /* NULL: it came in parts */
    size_t from_length;
};

static int sign_now(void *arg)
{
    const struct sign *sign = arg;
    const struct signature *signature = sign->signature;

    if (signature->bytes != NULL)
        return EVP_PKEY_sign(signature->bytes, sign->to, sign->length, sign->from, sign->from_length) > 0;
    if (sign->from != NULL)
        return EVP_DigestSign(signature->md, sign->to, sign->length, sign->from, sign->from_length) > 0;
    return EVP_DigestSignFinal(signature->md, sign->to, sign->length) > 0;
}

/* With `to` NULL only the length is asked for. */
static int sign(void *ctx, unsigned char *to, size_t *length, size_t room, const unsigned char *from,
                size_t from_length)
{
    struct sign sign = {ctx, to, length, from, from_length};

    if (to == NULL)
        return sign_now(&sign);
    *length = room;
    return run_on_worker(sign_now, &sign);
}

static int sign_part(void *ctx, const unsigned char *from, size_t length)
{
    return EVP_DigestSignUpdate(((struct signature *)ctx)->md, from, length) > 0;
}

static int sign_end(void *ctx, unsigned char *to, size_t *length, size_t room)
{
    return sign(ctx, to, length, room, NULL, 0);
}

static int verify(void *ctx, const unsigned char *what, size_t length, const unsigned char *from, size_t from_length)
{
    return EVP_DigestVerify(((struct signature *)ctx)->md, what, length, from, from_length) > 0;
}

static int verify_bytes(void *ctx, const unsigned char *what, size_t length, const unsigned char *from,
                        size_t from_length)
{
    return EVP_PKEY_verify(((struct signature *)ctx)->bytes, what, length, from, from_length) > 0;
}

static int verify_part(void *ctx, const unsigned char *from, size_t length)
{
    return EVP_DigestVerifyUpdate(((struct signature *)ctx)->md, from, length) > 0;
}

static int verify_end(void *ctx, const unsigned char *what, size_t length)
{
    return EVP_DigestVerifyFinal(((struct signature *)ctx)->md, what, length) > 0;
}

static int set_signature_params(void *ctx, const OSSL_PARAM params[])
{
    const struct signature *signature = ctx;

    return signature->pkey != NULL && EVP_PKEY_CTX_set_params(signature->pkey, params);
}

static int get_signature_params(void *ctx, OSSL_PARAM params[])
{
    const struct signature *signature = ctx;

    return signature->pkey != NULL && EVP_PKEY_CTX_get_params(signature->pkey, params);
}

static const OSSL_PARAM *signature_params(void *ctx, void *provider)
{
    static const OSSL_PARAM known[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)ctx;
    (void)provider;
    return known;
}

static const OSSL_DISPATCH signature_functions[] = {
    FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, new_signature),
    FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, free_signature),
    FUNCTION(OSSL_FUNC_SIGNATURE_DUPCTX, copy_signature),
    FUNCTION(OSSL_FUNC_SIGNATURE_SIGN_INIT, init_sign_bytes),
    FUNCTION(OSSL_FUNC_SIGNATURE_SIGN, sign),
    FUNCTION(OSSL_FUNC_SIGNATURE_VERIFY_INIT, init_verify_bytes),
    FUNCTION(OSSL_FUNC_SIGNATURE_VERIFY, verify_bytes),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, init_sign),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, sign_part),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, sign_end),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, init_verify),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY, verify),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, verify_part),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, verify_end),
    FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, set_signature_params),
    FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_params),
    FUNCTION(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, get_signature_params),
    FUNCTION(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, signature_params),
    END,
};

/* --------------------------------------------------------------------------------------------------------- provider */

/* How many library contexts have the provider. They share the workers. */
static struct {
    pthread_mutex_t lock;
    int count;
} instances = {PTHREAD_MUTEX_INITIALIZER, 0};

#define PROPERTIES "provider=slow_sign"

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_store)
{
    static const OSSL_ALGORITHM keys[] = {
        {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, rsa_key_functions, "RSA keys of slow_sign"},
        {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, ec_key_functions, "EC keys of slow_sign"},
        {NULL, NULL, NULL, NULL},
    };
    static const OSSL_ALGORITHM signatures[] = {
        {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, signature_functions, "RSA on a worker thread"},
        {"ECDSA", PROPERTIES, signature_functions, "ECDSA on a worker thread"},
        {NULL, NULL, NULL, NULL},
    };

    (void)provider;
    *no_store = 0;
    return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static const OSSL_PARAM *gettable_params(void *provider)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
        OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
        OSSL_PARAM_END,
    };

    (void)provider;
    return gettable;
}

static int get_params(void *provider, OSSL_PARAM params[])
{
    OSSL_PARAM *name = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
    OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

    (void)provider;
    return (name == NULL || OSSL_PARAM_set_utf8_ptr(name, "slow_sign"))
           && (status == NULL || OSSL_PARAM_set_int(status, 1));
}

/*
 * When the provider's code is unmapped, or else at exit. A program that leaves something allocated
 * never tears the provider down, and 4.0 does not do so at exit.
 */
__attribute__((destructor)) static void print_counts(void)
{
    struct slow_sign_counts counts;

    if (getenv("SLOW_SIGN_REPORT") == NULL)
        return;
    slow_sign_get_counts(&counts);
    fprintf(stderr, "slow_sign: in_job=%lu paused=%lu blocking=%lu done=%lu by_fd=%lu by_callback=%lu errors=%lu\n",
            counts.in_job, counts.paused, counts.blocking, counts.done, counts.by_fd, counts.by_callback,
            counts.errors);
}

/* The provider's code may be unmapped after the last of these. */
static void tear_down(void *data)
{
    struct provider *provider = data;

    pthread_mutex_lock(&instances.lock);
    if (--instances.count == 0)
        end_workers();
    pthread_mutex_unlock(&instances.lock);
    OSSL_LIB_CTX_free(provider->libctx);
    OPENSSL_free(provider);
}

static const OSSL_DISPATCH provider_functions[] = {
    FUNCTION(OSSL_FUNC_PROVIDER_TEARDOWN, tear_down),
    FUNCTION(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
    FUNCTION(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
    FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
    END,
};

static unsigned long number(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                       void **provctx)
{
    struct provider *provider = OPENSSL_zalloc(sizeof(*provider));

    (void)handle;
    (void)in;
    if (provider == NULL)
        return 0;
    provider->libctx = OSSL_LIB_CTX_new();
    if (provider->libctx == NULL) {
        OPENSSL_free(provider);
        return 0;
    }
    pthread_mutex_lock(&instances.lock);
    if (instances.count++ == 0)
        slow_sign_set_workers((unsigned int)number("SLOW_SIGN_WORKERS", 1), number("SLOW_SIGN_MICROSECONDS", 0));
    pthread_mutex_unlock(&instances.lock);
    *out = provider_functions;
    *provctx = provider;
    return 1;
}
