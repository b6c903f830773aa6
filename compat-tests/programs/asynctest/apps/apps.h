/* What the test programs of 2015 and 2016 want of the header of the openssl command: descriptors in a set. */
#ifndef ASYNCTEST_APPS_H
#define ASYNCTEST_APPS_H

#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/e_os2.h>

#define openssl_fdset(fd, set) FD_SET(fd, set)

#endif
