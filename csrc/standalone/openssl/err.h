/*
 * Copyright the ossl-async authors.
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * openssl/err.h for programs without OpenSSL: the library's error queue under
 * its familiar names. Compile with -Icsrc/standalone -Icsrc/include.
 *
 * Every ERR_ name here is a macro for a symbol of this library, OSSL_ASYNC_*,
 * because an exported ERR_ symbol would capture the calls that libssl means
 * for libcrypto. A program that uses OpenSSL must not include this file.
 * OpenSSL's openssl/err.h reads libcrypto's queue, and the library's errors go
 * there too.
 *
 * The queue. Each thread has one, of 16 entries; the 17th pushes out the
 * oldest. An entry is an error code, and the source file and line that it came
 * from. All functions here work on the calling thread's queue. They may be
 * called on any thread, inside a job or outside, and never fail.
 *
 * A code is library << 24 | function << 12 | reason, and never 0.
 */

#if (defined(OPENSSL_ERR_H) || defined(HEADER_ERR_H)) \
    && !defined(OSSL_ASYNC_STANDALONE_ERR_H)
# error "OpenSSL's own openssl/err.h came first: remove csrc/standalone from the include path"
#endif

#ifndef OSSL_ASYNC_STANDALONE_ERR_H
#define OSSL_ASYNC_STANDALONE_ERR_H

/*
 * The guards of OpenSSL's file of this name (3.0 and later, then before 3.0).
 * If that file is reached by some other path after this one, it is empty.
 */
#ifndef OPENSSL_ERR_H
# define OPENSSL_ERR_H
#endif
#ifndef HEADER_ERR_H
# define HEADER_ERR_H
#endif

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of this library, in every code that it queues. */
#define ERR_LIB_ASYNC 51

/*
 * Those reasons of all OpenSSL's libraries that this library uses. Its own
 * reasons, and the numbers of its functions, are in openssl/asyncerr.h.
 */
#define ERR_R_MALLOC_FAILURE 65              /* no memory */
#define ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED 66 /* not now, or not with this handle */
#define ERR_R_PASSED_NULL_PARAMETER 67       /* NULL where it is not allowed */
#define ERR_R_INTERNAL_ERROR 68              /* also: a start inside a job */

/* A code from its three numbers, an unsigned long. */
#define ERR_PACK(lib, func, reason) \
    ((((unsigned long)(lib) & 0xffUL) << 24) \
     | (((unsigned long)(func) & 0xfffUL) << 12) \
     | ((unsigned long)(reason) & 0xfffUL))

/* The three numbers of a code, each an int. */
#define ERR_GET_LIB(code) ((int)(((unsigned long)(code) >> 24) & 0xffUL))
#define ERR_GET_FUNC(code) ((int)(((unsigned long)(code) >> 12) & 0xfffUL))
#define ERR_GET_REASON(code) ((int)((unsigned long)(code) & 0xfffUL))

/* Removes the oldest entry and returns its code; 0 if the queue is empty. */
#define ERR_get_error OSSL_ASYNC_ERR_get_error
unsigned long OSSL_ASYNC_ERR_get_error(void);

/* Returns the code of the oldest entry and leaves it there; 0 if there is none. */
#define ERR_peek_error OSSL_ASYNC_ERR_peek_error
unsigned long OSSL_ASYNC_ERR_peek_error(void);

/* Returns the code of the newest entry and leaves it there; 0 if there is none. */
#define ERR_peek_last_error OSSL_ASYNC_ERR_peek_last_error
unsigned long OSSL_ASYNC_ERR_peek_last_error(void);

/*
 * As ERR_get_error, and writes where the error came from: the name of the
 * source file to *file, a string that is never freed, and the line to *line.
 * Either pointer may be NULL. If the queue is empty nothing is written.
 */
#define ERR_get_error_line OSSL_ASYNC_ERR_get_error_line
unsigned long OSSL_ASYNC_ERR_get_error_line(const char **file, int *line);

/* Empties the queue. */
#define ERR_clear_error OSSL_ASYNC_ERR_clear_error
void OSSL_ASYNC_ERR_clear_error(void);

/*
 * Writes the text of a code, with a terminating NUL, and returns its address.
 *
 *     error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size
 *
 * The code has eight hexadecimal digits. Before ERR_load_ASYNC_strings, and for
 * numbers that have no text, the text has numbers only:
 *
 *     error:33065067:lib(51):func(101):reason(103)
 *
 * buf  at least 256 bytes. If it is NULL the text is in a buffer of the
 *      calling thread, and lasts until the thread's next such call
 */
#define ERR_error_string OSSL_ASYNC_ERR_error_string
char *OSSL_ASYNC_ERR_error_string(unsigned long code, char *buf);

/*
 * As ERR_error_string, into len bytes at buf, the NUL included. What does not
 * fit is cut off. With len 0 nothing is written.
 */
#define ERR_error_string_n OSSL_ASYNC_ERR_error_string_n
void OSSL_ASYNC_ERR_error_string_n(unsigned long code, char *buf, size_t len);

/*
 * The parts of that text: the library's name, the function's name, the reason.
 * The strings are never freed. NULL for a number that has no text, and always
 * before ERR_load_ASYNC_strings.
 */
#define ERR_lib_error_string OSSL_ASYNC_ERR_lib_error_string
const char *OSSL_ASYNC_ERR_lib_error_string(unsigned long code);
#define ERR_func_error_string OSSL_ASYNC_ERR_func_error_string
const char *OSSL_ASYNC_ERR_func_error_string(unsigned long code);
#define ERR_reason_error_string OSSL_ASYNC_ERR_reason_error_string
const char *OSSL_ASYNC_ERR_reason_error_string(unsigned long code);

/*
 * Removes all entries, oldest first, and prints a line for each:
 *
 *     thread:string:file:line:data
 *
 * thread is a number that tells the calling thread from others. string is the
 * text of ERR_error_string. data is empty.
 */
#define ERR_print_errors_fp OSSL_ASYNC_ERR_print_errors_fp
void OSSL_ASYNC_ERR_print_errors_fp(FILE *fp);

/*
 * The same, but each line is passed to a function.
 *
 * cb  called with str, which is the line with its newline and is valid during
 *     the call; with its length len; and with u. If it returns more than 0,
 *     the next line follows. Else that was the last one, and the other entries
 *     stay in the queue. If cb is NULL, nothing happens
 * u   passed to cb, not looked at
 */
#define ERR_print_errors_cb OSSL_ASYNC_ERR_print_errors_cb
void OSSL_ASYNC_ERR_print_errors_cb(int (*cb)(const char *str, size_t len,
                                              void *u), void *u);

/*
 * Turns the texts on, for all threads. Before that, the functions above have
 * numbers only. May be called again at any time.
 */
#define ERR_load_ASYNC_strings OSSL_ASYNC_ERR_load_ASYNC_strings
void OSSL_ASYNC_ERR_load_ASYNC_strings(void);

#ifdef __cplusplus
}
#endif

#endif
