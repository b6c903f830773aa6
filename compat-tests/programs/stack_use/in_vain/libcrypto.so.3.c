/* A library that is called as OpenSSL's libcrypto and is none: it lacks ASYNC_WAIT_CTX_new. */
unsigned long ERR_get_error(void);

unsigned long ERR_get_error(void)
{
    return 0;
}
