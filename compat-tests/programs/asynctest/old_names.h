/* The search for leaks that test programs until 1.1.1 switch on, for headers of OpenSSL's that have it no more. */
#ifndef ASYNCTEST_OLD_NAMES_H
#define ASYNCTEST_OLD_NAMES_H

#include <openssl/crypto.h>

#ifndef CRYPTO_MEM_CHECK_ON
# define CRYPTO_MEM_CHECK_ON 1
# undef CRYPTO_set_mem_debug
# define CRYPTO_set_mem_debug(flag) ((void)(flag))
# undef CRYPTO_mem_ctrl
# define CRYPTO_mem_ctrl(mode) ((void)(mode))
#endif

#endif
