/* What a test program of OpenSSL's asks about the system. */
#ifndef ASYNCTEST_E_OS2_H
#define ASYNCTEST_E_OS2_H

#ifndef OPENSSL_SYS_UNIX
# define OPENSSL_SYS_UNIX
#endif
#ifndef OPENSSL_THREADS
# define OPENSSL_THREADS
#endif

#endif
