/*
 * Copyright the ossl-async authors.
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * openssl/asyncerr.h: the numbers inside an error code of the async library.
 *
 * An error code is one unsigned long: library << 24 | function << 12 | reason.
 * The library is always ERR_LIB_ASYNC, 51; that name and the macros that take
 * a code apart come from openssl/err.h, OpenSSL's or the one in
 * csrc/standalone. So 0x33065067 reads: library 51, function 101
 * (ASYNC_init_pool), reason 103 (invalid pool size). Every code the library
 * queues is listed in openssl/async.h, at the function that queues it.
 *
 * Besides its own reasons the library uses four that all of OpenSSL's
 * libraries have: ERR_R_MALLOC_FAILURE 65,
 * ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED 66, ERR_R_PASSED_NULL_PARAMETER 67 and
 * ERR_R_INTERNAL_ERROR 68. openssl/err.h defines them too. The numbers are
 * those of OpenSSL before 3.0; the openssl/err.h of 3.0 and later gives these
 * names other values.
 *
 * This file includes no other file.
 */

#ifndef OSSL_ASYNC_OPENSSL_ASYNCERR_H
#define OSSL_ASYNC_OPENSSL_ASYNCERR_H

/*
 * The guards of OpenSSL's file of this name (3.0 and later, then before 3.0).
 * If that file is reached by some other path after this one, it is empty.
 */
#ifndef OPENSSL_ASYNCERR_H
# define OPENSSL_ASYNCERR_H
#endif
#ifndef HEADER_ASYNCERR_H
# define HEADER_ASYNCERR_H
#endif

/*
 * Reasons: what went wrong. Every OpenSSL that has one of these names gives it
 * the same number. OpenSSL's file may have come first, so each is tested.
 */
#ifndef ASYNC_R_CANNOT_CREATE_WAIT_PIPE
# define ASYNC_R_CANNOT_CREATE_WAIT_PIPE 100
#endif
#ifndef ASYNC_R_FAILED_TO_SET_POOL
# define ASYNC_R_FAILED_TO_SET_POOL 101
#endif
#ifndef ASYNC_R_FAILED_TO_SWAP_CONTEXT
# define ASYNC_R_FAILED_TO_SWAP_CONTEXT 102
#endif
#ifndef ASYNC_R_INVALID_POOL_SIZE
# define ASYNC_R_INVALID_POOL_SIZE 103
#endif
/* OpenSSL 1.1.0 and later have it. Nothing raises it, here or there. */
#ifndef ASYNC_R_INIT_FAILED
# define ASYNC_R_INIT_FAILED 105
#endif

/*
 * Functions: where it went wrong.
 *
 * They are enumerators and not macros, on purpose. OpenSSL 3.0 and later have
 * no function codes. Their openssl/cryptoerr_legacy.h, which openssl/err.h
 * includes, defines most of these names as 0. A macro here would collide with
 * that one if openssl/err.h is included after this file. A macro with the name
 * of an enumerator does not collide. If the macro is there first, the
 * enumerator is left out. So in a file that includes OpenSSL's openssl/err.h
 * (3.0 and later), before or after, these names mean 0. No release has
 * ASYNC_F_ASYNC_INIT_POOL, which is always 101. #if and #ifdef do not see
 * enumerators.
 */
enum {
#ifndef ASYNC_F_ASYNC_CTX_NEW
    ASYNC_F_ASYNC_CTX_NEW = 100,
#endif
#ifndef ASYNC_F_ASYNC_JOB_NEW
    ASYNC_F_ASYNC_JOB_NEW = 102,
#endif
#ifndef ASYNC_F_ASYNC_PAUSE_JOB
    ASYNC_F_ASYNC_PAUSE_JOB = 103,
#endif
#ifndef ASYNC_F_ASYNC_START_FUNC
    ASYNC_F_ASYNC_START_FUNC = 104,
#endif
#ifndef ASYNC_F_ASYNC_START_JOB
    ASYNC_F_ASYNC_START_JOB = 105,
#endif
#ifndef ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD
    ASYNC_F_ASYNC_WAIT_CTX_SET_WAIT_FD = 106,
#endif
    /* ASYNC_init_pool under its later name, and ASYNC_cleanup_thread. */
#ifndef ASYNC_F_ASYNC_INIT_THREAD
    ASYNC_F_ASYNC_INIT_THREAD = 101,
#endif
    /* ASYNC_init_pool, and ASYNC_free_pool, which has no number of its own. */
    ASYNC_F_ASYNC_INIT_POOL = 101
};

#endif
