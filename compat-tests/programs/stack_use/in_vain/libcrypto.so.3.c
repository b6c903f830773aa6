/*
 * A library with the name of OpenSSL's libcrypto that is not OpenSSL's: it lacks
 * ASYNC_WAIT_CTX_new.
 */
unsigned long ERR_get_error(void);

unsigned long ERR_get_error(void)
{
    return 0;
}
